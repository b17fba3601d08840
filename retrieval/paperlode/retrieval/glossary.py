"""What questions ask for, and how documents name it: notions, and the roles of tables and sections.

The data is a TOML file that a user can replace (``data/glossary.toml`` says how it is written). A **role** is what a table or
section is for, recognised by what it contains; it is stored with each chunk when the chunk is indexed. A **notion** leads from
the words of a question (operating margin, change of control) to line items and phrases, and to the roles in which they stand.
"""

from __future__ import annotations

import re
import tomllib
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from paperlode.ingest.errors import InvalidRequest

from .chinese import simplified
from .lexical import tokens
from .scripts import cjk_share

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from paperlode.ingest.document import Chunk

__all__ = ["NAMED", "Glossary", "Notion", "Role", "default_glossary", "row_labels"]

_WORD = re.compile(r"[a-z0-9]+")
DATA = Path(__file__).parent / "data" / "glossary.toml"
NAMED = ".named"
"""Ends the role of a chunk whose heading or caption names it, beside what it contains: the statement itself, no summary."""
LONGEST_HEADING = 10
"""Terms of a heading that may name a role: longer ones speak of several things."""


@dataclass(frozen=True, slots=True)
class _Phrase:
    """A phrase to be found in text: by its terms in order, a Chinese one by its characters.

    One of several words of which one term is left at most (``one-off``, ``how long``, ``R&D``) is found by its words as they are.
    """

    text: str
    key: str
    by: str

    @classmethod
    def of(cls, text: str) -> _Phrase:
        if cjk_share(text) > 0:
            return cls(text, simplified(text), "plain")
        terms, words = _terms(text), _words(text)
        literal = len(terms.split()) <= 1 < len(words.split())
        return cls(text, words if literal else terms, "words" if literal else "terms")

    def stands_in(self, text: _Text) -> bool:
        found: str = getattr(text, self.by)
        return self.key in found


@dataclass(frozen=True, slots=True)
class _Text:
    """A text as phrases are looked for in it."""

    plain: str
    terms: str
    words: str

    @classmethod
    def of(cls, text: str) -> _Text:
        return cls(simplified(unicodedata.normalize("NFKC", text)), _terms(text), _words(text))

    @classmethod
    def joined(cls, texts: Sequence[_Text]) -> _Text:
        """All of them, in which a phrase stands where it stands in one."""
        plain, terms, words = ("\0".join(getattr(t, by) for t in texts) for by in ("plain", "terms", "words"))
        return cls(plain, terms, words)


def _terms(text: str) -> str:
    """The terms of BM25 in order, with a space before, between and after them."""
    return f" {' '.join(tokens(text))} "


def _words(text: str) -> str:
    """All its words, small, in the same form."""
    return f" {' '.join(_WORD.findall(text.lower()))} "


@dataclass(frozen=True, slots=True)
class Role:
    """What a table or section is for; see the data file. ``rows`` are groups of alternatives, ``least`` of them are needed."""

    name: str
    rows: tuple[tuple[_Phrase, ...], ...]
    least: int
    heads: tuple[_Phrase, ...]
    says: tuple[_Phrase, ...]


@dataclass(frozen=True, slots=True)
class Notion:
    """Something that people ask for.

    Attributes:
        name: the first way to ask for it.
        find: line items and phrases by which documents say it.
        roles: where it stands, the best place first.
        strength: 0 to 1, how surely it says where to look.
    """

    name: str
    ask: tuple[_Phrase, ...]
    find: tuple[str, ...]
    roles: tuple[str, ...]
    strength: float


class Glossary:
    """Roles and notions. Use ``Glossary.load``."""

    def __init__(self, roles: Sequence[Role], notions: Sequence[Notion]) -> None:
        self.roles = tuple(roles)
        self.notions = tuple(notions)

    @classmethod
    def load(cls, path: str | Path | None = None) -> Glossary:
        """The glossary of a TOML file; the one that comes with paperlode when no file is named.

        Raises:
            InvalidRequest: the file cannot be read, or is not written as it should be.
        """
        if path is None:
            return default_glossary()
        try:
            data = tomllib.loads(Path(path).expanduser().read_text("utf-8"))
            roles, notions = [_role(r) for r in data.get("role", ())], [_notion(n) for n in data.get("notion", ())]
        except OSError as exc:
            raise InvalidRequest(f"The glossary {str(path)!r} cannot be read: {exc.strerror}.") from exc
        except (tomllib.TOMLDecodeError, UnicodeDecodeError, KeyError, TypeError, ValueError, AttributeError) as exc:
            raise InvalidRequest(
                f"The glossary {str(path)!r} is not written as it should be: {exc!r}.",
                hint="Each [[role]] has a name, each [[notion]] a list 'ask'; see the one that 'paperlode glossary' prints.",
            ) from exc
        known = {r.name for r in roles}
        for notion in notions:
            if unknown := [r for r in notion.roles if r not in known]:
                raise InvalidRequest(
                    f"The glossary {str(path)!r} has no role {unknown[0]!r}, which its notion {notion.name!r} leads to.",
                    hint=f"Its roles: {', '.join(sorted(known))}.",
                )
        return cls(roles, notions)

    def roles_of(self, chunk: Chunk, rows: Iterable[str] = ()) -> tuple[str, ...]:
        """The roles of a chunk, sorted.

        Args:
            chunk: a piece of text, or of a table.
            rows: labels of the rows of its whole table (``row_labels`` of all its parts).
        """
        heads = [_Text.of(h) for h in (*chunk.heading_path[-2:], chunk.context[:200]) if h]
        head = _Text.joined([h for h in heads if len(h.terms.split()) <= LONGEST_HEADING])
        labels = [_Text.of(r) for r in rows]
        label = _Text.joined(labels)
        says = _Text.of(chunk.text) if chunk.part is None else None
        found: set[str] = set()
        for role in self.roles:
            named = any(p.stands_in(head) for p in role.heads)
            if not role.rows:
                if named or (says is not None and any(p.stands_in(says) for p in role.says)):
                    found.add(role.name)
                continue
            if named:
                found.add(role.name + NAMED)
            if labels and sum(any(p.stands_in(label) for p in group) for group in role.rows) >= role.least:
                found.add(role.name)
        return tuple(sorted(found))

    def notions_in(self, question: str) -> list[Notion]:
        """The notions that a question names; one named by a part of another's name is left out (margin, operating margin)."""
        text = _Text.of(question)
        hits = [(n, max(found, key=lambda p: len(p.key))) for n in self.notions if (found := _found(n.ask, text))]
        return [
            n
            for n, p in hits
            if not any(p.key.strip() != q.key.strip() and p.key.strip() in q.key.strip() for m, q in hits if m is not n)
        ]


def _found(phrases: Iterable[_Phrase], text: _Text) -> list[_Phrase]:
    return [p for p in phrases if p.stands_in(text)]


@lru_cache(maxsize=1)
def default_glossary() -> Glossary:
    """The glossary that comes with paperlode."""
    return Glossary.load(DATA)


def row_labels(chunk: Chunk) -> list[str]:
    """The leftmost cell of each row of (a part of) a table."""
    if chunk.part is None:
        return []
    first: dict[int, tuple[int, str]] = {}
    for cell in chunk.part.table.cells:
        if cell.row not in first or cell.col < first[cell.row][0]:
            first[cell.row] = (cell.col, cell.text)
    return [text for _, (_, text) in sorted(first.items()) if text]


def _phrases(texts: Any) -> tuple[_Phrase, ...]:
    if isinstance(texts, str):
        raise TypeError(f"{texts!r} should be a list")
    return tuple(p for p in map(_Phrase.of, texts) if p.key.strip())


def _role(data: Mapping[str, Any]) -> Role:
    rows = tuple(_phrases(group) for group in data.get("rows", ()))
    heads, says = _phrases(data.get("heads", ())), _phrases(data.get("says", ()))
    return Role(str(data["name"]), rows, int(data.get("least", 1)), heads, says)


def _notion(data: Mapping[str, Any]) -> Notion:
    ask = _phrases(data["ask"])
    find, roles = data.get("find", ()), data.get("roles", ())
    if isinstance(find, str) or isinstance(roles, str):
        raise TypeError("'find' and 'roles' should be lists")
    return Notion(
        str(data["ask"][0]), ask, tuple(map(str, find)), tuple(map(str, roles)), float(data.get("strength", 1.0))
    )
