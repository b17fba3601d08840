"""Questions proposed from what an archive knows, without a language model: cells of tables, terms, clauses, sections, captions.

Each is answered by the place it was made from. They reuse the documents' own words, so an archive finds them more easily than
what people ask: they are a beginning to be edited, not a measure by themselves.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from pathlib import PurePath
from typing import TYPE_CHECKING, Protocol, TypeVar

from paperlode.ingest.document import Kind, Layer

from .figure_answer import FigureAnswer
from .periods import periods
from .question_file import PROPOSED, EvalQuestion, question_id
from .quotes import sentences
from .scripts import cjk_share

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from random import Random

    from paperlode.ingest.document import Chunk

    from .table_meaning import FigureMeaning, ReadTable, TableMeaning

__all__ = ["Proposal", "document_label", "proposals", "spread"]

CELLS = 6
"""Cells asked for of one table part."""
LONGEST_LABEL = 90
LONGEST_TITLE = 60
LONGEST_ANSWER = 400
_TERM = "term:"
_CLAUSE = re.compile(r"\d{1,3}(?:\.\d{1,3})+")
_HEADING = re.compile(
    r"(?:[\d.]+|[A-Z]\.|第[零一二三四五六七八九十百\d]+[章节条]|[一二三四五六七八九十]+、)?\s*(?P<name>\S.*)"
)
_MARKS = re.compile(r"[“”\"「」『』]")
_NAMED = re.compile(r"(?:table|figure|fig\.|图|表)\s*[\d.]*\d[.:：]?\s*", re.IGNORECASE)
_NUMBERED = re.compile(r"\d{1,3}(?:\.\d{1,3})*\.?\s+")
_COUNT = re.compile(r"\b(?:quantity|number|units?|pieces|employees)\b|数量|人数", re.IGNORECASE)
"""Rows and columns that a table's currency does not govern."""
_NO_SECTION = re.compile(
    r"references|bibliography|(?:table of )?contents|signature|index$|目录|参考文献", re.IGNORECASE
)
_LETTERS = re.compile(r"[^\W\d_]")
_CHINESE_CLAUSE = re.compile(r"第(?:\d{1,3}|[零一二三四五六七八九十百]{1,7})条")


class Placed(Protocol):
    """What is spread over pages and kinds."""

    @property
    def kind(self) -> str: ...
    @property
    def page(self) -> int: ...


_P = TypeVar("_P", bound=Placed)


@dataclass(frozen=True, slots=True)
class Proposal:
    """A question with its answer and where that stands.

    ``page`` is 0-based, ``kind`` says what it was made from; ``answer`` is empty where the place is all that is asked for.
    """

    kind: str
    page: int
    question: str
    answer: str

    def row(self, document: str) -> EvalQuestion:
        """As a line of a question file, still to be looked at."""
        return EvalQuestion(
            question_id(self.question, document), self.question, document, (self.page,), self.answer,
            status=PROPOSED, other={"kind": self.kind},
        )  # fmt: skip


def document_label(name: str, title: str, taken: frozenset[str] = frozenset()) -> str:
    """What a question calls a document: its title, where that is short and no other's (``taken``); else its file name."""
    title = " ".join(_MARKS.sub("", title).split())
    if title and len(title) <= LONGEST_TITLE and not title.endswith("…") and title not in taken:
        return title
    return " ".join(re.sub(r"[_\W]+", " ", PurePath(name).stem).split())


def proposals(chunks: Iterable[Chunk], *, rng: Random, read_table: ReadTable, label: str = "") -> list[Proposal]:
    """Everything that can be asked of one document.

    Args:
        chunks: of the document, in order.
        rng: picks the cells of large tables.
        read_table: what cells mean.
        label: names the document in the questions; empty where the archive holds no other.

    Questions that two places would answer are left out, and so is what was read with doubt.
    """
    found: list[Proposal] = []
    sections: dict[str, Proposal] = {}
    heads: set[str] = set()
    parts: list[Chunk] = []  # of the table that is going on
    for chunk in chunks:
        heads |= set(chunk.heading_path[1:])
        if chunk.layer is not Layer.BODY or chunk.kind is Kind.TOC or chunk.flags or not chunk.pages:
            continue
        if chunk.part is not None:
            if parts and parts[0].part and parts[0].part.block != chunk.part.block:
                found += _table(parts, label, rng, read_table)
                parts = []
            parts.append(chunk)
        elif chunk.kind in {Kind.FIGURE, Kind.CHART}:
            found += _caption(chunk.text.rpartition("\n")[2], chunk, label, "figure")
        elif len(chunk.pages) == 1:
            found += _terms(chunk, label)
            found += _clauses(chunk, label)
            first, _, rest = chunk.text.partition("\n")
            if section := _section(first.strip(), rest, chunk.pages[0], label):
                sections.setdefault(first.strip(), section)
    found += _table(parts, label, rng, read_table)
    found += [p for head, p in sections.items() if head in heads]
    asked = Counter(p.question for p in found)
    return [p for p in found if asked[p.question] == 1]


def spread(groups: Sequence[Sequence[_P]], rng: Random) -> Iterator[tuple[int, _P]]:
    """All items with the number of their group: groups in turn, in each the pages and kinds first that were given least."""
    left = [rng.sample(list(g), len(g)) for g in groups]
    pages: list[Counter[int]] = [Counter() for _ in left]
    kinds: list[Counter[str]] = [Counter() for _ in left]
    while any(left):
        for g, items in enumerate(left):
            if items:
                at = min(range(len(items)), key=lambda i: (pages[g][items[i].page] + kinds[g][items[i].kind], i))
                item = items.pop(at)
                pages[g][item.page] += 1
                kinds[g][item.kind] += 1
                yield g, item


# -- cells of tables


def _table(parts: Sequence[Chunk], label: str, rng: Random, read_table: ReadTable) -> Iterator[Proposal]:
    """A table's caption and some of its cells; of a table in several parts only rows whose own label no other row has."""
    read = [(chunk, read_table(chunk.part.table)) for chunk in parts if chunk.part is not None]
    own = Counter(p[-1].lower() for _, m in read for p in m.row_paths[m.header :] if p)
    for chunk, meaning in read:
        assert chunk.part is not None
        whole = chunk.part.row_end - chunk.part.row_start == chunk.part.rows
        if chunk.part.row_start == 0:
            yield from _caption(chunk.part.table.caption, chunk, label, "table")
        usable = [(s, cell) for s, cell in _usable(meaning, chunk) if whole or own[s.row_path[-1].lower()] == 1]
        for said, printed in rng.sample(usable, min(CELLS, len(usable))):
            yield _cell(said, printed, chunk, label, said.row_path if whole else said.row_path[-1:])


def _usable(meaning: TableMeaning, chunk: Chunk) -> Iterator[tuple[FigureMeaning, str]]:
    """Figures that can be asked for without doubt, with their cells as printed: no other row or column is called the same."""
    rows = Counter(" ".join(p).lower() for p in meaning.row_paths)
    columns = Counter(" ".join(p).lower() for p in meaning.column_paths)
    for (row, col), cell in sorted(meaning.cells.items()):
        said = meaning.value(row, col)
        if said is None or said.number.nil or not said.row_path or not said.column_path:
            continue
        names = " ".join(said.row_path), " ".join(said.column_path)
        if rows[names[0].lower()] != 1 or columns[names[1].lower()] != 1:
            continue
        if (
            len(_LETTERS.findall(said.row_path[-1])) < 2
            or any(len(n) > LONGEST_LABEL for n in names)
            or "..." in names[0]
        ):
            continue
        if said.region is not None or len(chunk.pages) == 1:
            yield said, " ".join(cell.text.split())


def _cell(said: FigureMeaning, printed: str, chunk: Chunk, label: str, path: Sequence[str]) -> Proposal:
    page = said.region.page if said.region else chunk.pages[0]
    *above, own = (" ".join(p.split()).strip(" :：") for p in path)
    head = [" ".join(p.split()) for p in said.column_path]
    named = periods(" ".join(head))
    chinese = cjk_share(own) > 0.5
    if chinese:
        row, column = f"{own}（{'，'.join(above)}）" if above else own, "，".join(head)
        question = f"{_in(label, chinese=True)}{f'{column}{row}' if named else f'{row}的{column}'}是多少？"
    else:
        row, column = f"{own} ({', '.join(above)})" if above else own, ", ".join(head)
        when = "at" if any(p.day for p in named) and "ended" not in column.lower() else "in"
        asks = f"What was {row} {when} {column}" if named else f"What is the {column} of {row}"
        question = f"{asks}{_in(label)}?"
    return Proposal("table", page, question, _figure(said, printed, chinese=chinese))


def _figure(said: FigureMeaning, printed: str, *, chinese: bool) -> str:
    """The figure with scale and unit, as answers say it."""
    counted = said.unit != "%" and _COUNT.search(" ".join((*said.row_path[-1:], *said.column_path)))
    unit = "" if counted else said.unit
    answer = FigureAnswer(("值" if chinese else "value",), (), printed, said.value, unit, said.scale, "", 0, (), "", 1)
    return re.split("：|: ", answer.text, maxsplit=1)[1]


# -- captions, terms, clauses, sections


def _caption(caption: str, chunk: Chunk, label: str, what: str) -> Iterator[Proposal]:
    """Where a table or figure of that name stands; there is nothing to answer beside its place."""
    line = _without(_NAMED, " ".join(_MARKS.sub("", caption.partition("\n")[0]).split()))
    name = next(sentences(line), "").rstrip(".。")
    if not 12 <= len(name) * (1 + 2 * (cjk_share(name) > 0.5)) <= 2 * LONGEST_LABEL or len(_LETTERS.findall(name)) < 4:
        return
    if cjk_share(name) > 0.5:
        yield Proposal("caption", chunk.pages[0], f"{_in(label, chinese=True)}“{name}”在哪里？", "")
    else:
        yield Proposal("caption", chunk.pages[0], f"Where is the {what} “{name}”{_in(label, of=True)}?", "")


def _terms(chunk: Chunk, label: str) -> Iterator[Proposal]:
    said = [s for line in chunk.text.split("\n") for s in sentences(line)]
    for term in (x.removeprefix(_TERM) for x in chunk.labels if x.startswith(_TERM)):
        sentence = next((s for s in said if re.search(rf"[“\"「『‘]{re.escape(term)}[”\"」』’]", s)), "")
        if not sentence or len(sentence) > LONGEST_ANSWER:
            continue
        question = f"{_in(label, chinese=True)}“{term}”是指什么？"
        if cjk_share(term) <= 0.5:
            question = f"What does “{term}” mean{_in(label)}?"
        yield Proposal("term", chunk.pages[0], question, _plain(sentence))


def _clauses(chunk: Chunk, label: str) -> Iterator[Proposal]:
    """``4.2`` and ``第四条``: the line of the text that begins with the number."""
    above = chunk.heading_path[-1] if chunk.heading_path else ""
    for line in chunk.text.split("\n"):
        number = _CLAUSE.match(line) or _CHINESE_CLAUSE.match(line)
        if not number or number[0] not in chunk.labels:
            if (head := _HEADING.fullmatch(line)) and line[:1].isdigit() and len(line) <= LONGEST_LABEL:
                above = head[0]
            continue
        said = next(sentences(line[number.end() :].strip()), "")
        if said.endswith((":", "：")) or not 20 <= len(said) * (1 + 2 * (cjk_share(said) > 0.5)) <= 3 * LONGEST_ANSWER:
            continue
        of = _HEADING.fullmatch(above)
        under = of["name"].strip() if of and above.split(".")[0] == number[0].split(".")[0] else ""
        if number[0].startswith("第"):
            yield Proposal("clause", chunk.pages[0], f"{_in(label, chinese=True)}{number[0]}规定了什么？", _plain(said))
        else:
            named = f" ({under})" if under else ""
            question = f"What does section {number[0]}{named} say{_in(label)}?"
            yield Proposal("clause", chunk.pages[0], question, _plain(said))


def _section(head: str, rest: str, page: int, label: str) -> Proposal | None:
    m = _HEADING.fullmatch(head)
    name = _MARKS.sub("", m["name"] if m else head).strip(" .。:：")
    said = _plain(next(sentences(rest), ""))
    if not said or not 2 <= len(name) <= LONGEST_LABEL or _NO_SECTION.match(name):
        return None
    if cjk_share(name) > 0.5:
        return Proposal("section", page, f"{_in(label, chinese=True)}“{name}”部分说了什么？", said)
    return Proposal("section", page, f"What is said under “{name}”{_in(label)}?", said)


def _plain(sentence: str) -> str:
    """As an expected answer: without quotation marks, and without the number it begins with."""
    return _without(_NUMBERED, _MARKS.sub("", sentence))[:LONGEST_ANSWER]


def _without(pattern: re.Pattern[str], text: str) -> str:
    m = pattern.match(text)
    return text[m.end() :] if m else text


def _in(label: str, *, chinese: bool = False, of: bool = False) -> str:
    """The document in a question's words; nothing where none is to be named."""
    if not label:
        return ""
    if chinese:
        return f"在《{label}》中，"
    return f" in {label}" if of else f", according to {label}"
