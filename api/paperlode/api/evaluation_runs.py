"""Runs kept in files: one JSON object a line, as ``benchmarks/retrieval.py`` writes and other scorers read.

``{"question_id", "ranked": [{"doc", "page", "pages", "document"}]}``: pages 0-based, ``doc`` the file name without extension,
``document`` the digest. Beside it ``inside`` (the same inside the question's document), ``answer`` and ``answer_inside``,
``scope`` (of ``ranked``) and ``config``; a run that has only the first two can be compared too.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from paperlode.api.evaluation import SCOPES, Evaluation, Given, by_name
from paperlode.ingest.errors import DocumentNotFound, InvalidRequest
from paperlode.retrieval.evaluate import Ranked

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from paperlode.api.archive import Archive
    from paperlode.api.evaluation import Asked

__all__ = ["load_run", "run_lines"]


def run_lines(run: Evaluation, names: Mapping[str, str]) -> Iterator[str]:
    """The lines of the run's file; ``names`` are file names by digest."""
    first = next(s for s in SCOPES if s in run.ranked)
    for a in run.asked:
        q = a.question.id
        if q not in run.ranked[first]:
            continue
        line: dict[str, Any] = {"question_id": q, "ranked": _items(run.ranked[first][q], names)}
        if first == "archive" and q in (inside := run.ranked.get("document", {})):
            line["inside"] = _items(inside[q], names)
        for key, scope in (("answer", first), ("answer_inside", "document")):
            if (key == "answer" or first == "archive") and q in (given := run.given.get(scope, {})):
                line[key] = _answer(given[q], names)
        yield json.dumps({**line, "scope": first, "config": run.name}, ensure_ascii=False) + "\n"


def load_run(path: Path, archive: Archive, asked: Sequence[Asked], scopes: Sequence[str]) -> Evaluation:
    """A kept run of these questions; others in the file are left out.

    Args:
        path: of the file.
        archive: knows the documents that the run names.
        asked: the questions.
        scopes: that it is to be compared in. A run that does not say its scope is taken for the first of them.

    Raises:
        InvalidRequest: the file cannot be read, is no run, or is of none of the questions.
    """
    wanted = {a.question.id for a in asked}
    digests = _Digests(archive)
    ranked: dict[str, dict[str, Sequence[Ranked]]] = {s: {} for s in scopes}
    given: dict[str, dict[str, Given]] = {s: {} for s in scopes}
    name, seen = "", set[str]()
    for number, line in _lines(path):
        try:
            row = json.loads(line)
            q = str(row["question_id"])
            if q in seen:
                raise InvalidRequest(
                    f"{str(path)!r}, line {number}: the question {q!r} stands there twice.",
                    hint="Is it two runs in one file?",
                )
            seen.add(q)
            name = str(row.get("config") or name)
            if q not in wanted:
                continue
            first = str(row.get("scope") or scopes[0])
            for scope, items, answer in ((first, "ranked", "answer"), ("document", "inside", "answer_inside")):
                if scope in ranked and items in row:
                    ranked[scope][q] = tuple(digests.ranked(i) for i in row[items])
                if scope in given and row.get(answer):
                    given[scope][q] = _given(row[answer], digests)
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as exc:
            raise InvalidRequest(
                f"{str(path)!r}, line {number}: this is no line of a run.",
                hint='Runs are written with --save: {"question_id": "...", "ranked": [{"doc": "...", "pages": [0]}]}.',
            ) from exc
    if not any(ranked.values()):
        raise InvalidRequest(
            f"{str(path)!r} has none of these questions.",
            hint="Compare with a run of the same question file and scope.",
        )
    return Evaluation(name or path.name, tuple(asked), ranked, given)


class _Digests:
    """Digests by what a run calls a document; ``by_name`` where the archive does not hold it."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive
        self._known: dict[str, str] = {}

    def ranked(self, item: Mapping[str, Any]) -> Ranked:
        pages = item.get("pages", [item["page"]] if item.get("page") is not None else [])
        return Ranked(self.of(item), tuple(int(p) for p in pages))

    def of(self, item: Mapping[str, Any]) -> str:
        digest, doc = str(item.get("document") or ""), str(item["doc"])
        key = digest or doc
        if key not in self._known:
            self._known[key] = by_name(doc)
            for ref in filter(None, (digest, doc)):
                try:
                    self._known[key] = self._archive.document(ref).digest
                    break
                except DocumentNotFound:
                    continue
        return self._known[key]


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    try:
        with path.open(encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                if line.strip():
                    yield number, line
    except (OSError, UnicodeDecodeError) as exc:
        why = exc.strerror if isinstance(exc, OSError) else "it is no UTF-8 text"
        raise InvalidRequest(f"{str(path)!r} cannot be read: {why}.", hint="Runs are written with --save.") from exc


def _items(ranked: Sequence[Ranked], names: Mapping[str, str]) -> list[dict[str, Any]]:
    return [
        {
            "doc": Path(names.get(r.document, r.document)).stem,
            "page": r.pages[0] if r.pages else None,
            "pages": list(r.pages),
            "document": r.document,
        }
        for r in ranked
    ]


def _answer(given: Given, names: Mapping[str, str]) -> dict[str, Any]:
    cited = [_items([Ranked(d, (p,)) for d, p in sorted(c)], names) for c in given.cited]
    return {"text": given.text, "refused": given.refused, "cited": cited, "supported": given.supported}


def _given(row: Mapping[str, Any], digests: _Digests) -> Given:
    cited = tuple(frozenset((digests.of(place), int(place["page"])) for place in places) for places in row["cited"])
    supported = row.get("supported")
    return Given(str(row["text"]), bool(row["refused"]), cited, None if supported is None else float(supported))
