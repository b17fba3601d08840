"""Question files: what an archive is evaluated on, as JSONL or CSV, written and edited by people.

Fields: ``question``; ``id`` (made from question and document where it is missing); ``document`` (file name); ``pages``, where
the answer stands, **counted from 1** as people and the command line do; ``answer``, what is right; ``answerable`` (false: the
archive cannot answer, a refusal is right); ``status`` (``proposed``, ``accepted`` or ``rejected``; empty counts as accepted).
Other fields are kept, and results can be broken down by them. In the values here pages are 0-based.
"""

from __future__ import annotations

import csv
import difflib
import hashlib
import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from paperlode.ingest.errors import InvalidRequest

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

__all__ = [
    "ACCEPTED",
    "PROPOSED",
    "REJECTED",
    "EvalQuestion",
    "check_target",
    "question_id",
    "read_questions",
    "write_questions",
]

PROPOSED, ACCEPTED, REJECTED = "proposed", "accepted", "rejected"
_STATUSES = (PROPOSED, ACCEPTED, REJECTED)
_FIELDS = ("id", "question", "document", "pages", "answer", "answerable", "status")
_YES, _NO = frozenset({"true", "yes", "1", "y"}), frozenset({"false", "no", "0", "n"})
_RANGE = re.compile(r"(\d{1,7})(?:\s*[-\u2013]\s*(\d{1,7}))?")
_LONGEST = 10_000
"""Characters of a question."""
_MOST_PAGES = 1000
_ALIKE = 0.8
_FORMULA = re.compile(r"'*(?:[=@\t]|[-+](?![\d.,\s]))")
"""What a spreadsheet would run: text out of documents must not."""


@dataclass(frozen=True, slots=True)
class EvalQuestion:
    """A question, and what is known of its answer.

    Attributes:
        id: names it in runs; no other question of the file has it.
        question: as it is asked.
        document: the file that holds the answer, as ``Archive.document`` takes names; empty where none is given.
        pages: 0-based pages on which the answer stands; empty where they are not known.
        answer: what is right; empty where it is not known.
        answerable: whether the archive can answer; where it cannot, a refusal is right.
        status: ``proposed`` until somebody has looked at it, ``accepted``, or ``rejected``; empty counts as accepted.
        other: the other fields of its line.
        line: of the file, from 1; 0 where it comes from no file.
    """

    id: str
    question: str
    document: str = ""
    pages: tuple[int, ...] = ()
    answer: str = ""
    answerable: bool = True
    status: str = ""
    other: Mapping[str, str] = field(default_factory=dict[str, str])
    line: int = 0

    def value(self, name: str) -> str:
        """A field as text, for breaking results down; empty where it has none."""
        if name in self.other:
            return self.other[name]
        own = getattr(self, name) if name in {"id", "question", "document", "answer", "status"} else ""
        return str(self.answerable).lower() if name == "answerable" else str(own)


def read_questions(path: Path) -> list[EvalQuestion]:
    """The questions of a ``.jsonl`` or ``.csv`` file, in order, rejected ones included.

    Raises:
        InvalidRequest: the file cannot be read, or a line of it says something that cannot be meant; file and line are named.
    """
    form = _form(path)
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = _csv_rows(path, file.read()) if form == "csv" else _json_rows(path, file)
            found = [_question(path, line, row) for line, row in rows]
    except OSError as exc:
        raise InvalidRequest(f"{str(path)!r} cannot be read: {exc.strerror}.", hint="Give a question file.") from exc
    except UnicodeDecodeError as exc:
        raise InvalidRequest(
            f"{str(path)!r} is no UTF-8 text: byte {exc.start + 1} of it cannot be read.", hint="Save it as UTF-8."
        ) from exc
    if not found:
        raise InvalidRequest(
            f"{str(path)!r} holds no question.", hint="Propose some: paperlode eval --make FILE --index DIR"
        )
    seen: dict[str, int] = {}
    for q in found:
        if q.id in seen:
            raise _wrong(path, q.line, f"the id {q.id!r} stands in line {seen[q.id]} already", "Give each its own.")
        seen[q.id] = q.line
    return found


def check_target(path: Path, *, overwrite: bool = False) -> None:
    """Raises InvalidRequest where ``write_questions`` would for what is there already, before any work is done for it."""
    _form(path)
    if path.exists() and not overwrite:
        raise _is_there(path)


def write_questions(path: Path, questions: Iterable[EvalQuestion], *, overwrite: bool = False) -> None:
    """Writes them as ``.jsonl`` or ``.csv``, pages counted from 1.

    Raises:
        InvalidRequest: the file is there and ``overwrite`` is not set, or it cannot be written.
    """
    form = _form(path)
    rows = [_row(q) for q in questions]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w" if overwrite else "x", encoding="utf-8", newline="") as file:
            if form == "csv":
                names = [*_FIELDS, *dict.fromkeys(k for row in rows for k in row if k not in _FIELDS)]
                writer = csv.DictWriter(file, names, lineterminator="\n")
                writer.writeheader()
                for row in rows:
                    row["pages"] = " ".join(map(str, row.get("pages", [])))
                    writer.writerow({k: f"'{v}" if _FORMULA.match(str(v)) else v for k, v in row.items()})
            else:
                file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    except FileExistsError as exc:
        raise _is_there(path) from exc
    except OSError as exc:
        raise InvalidRequest(f"{str(path)!r} cannot be written: {exc.strerror}.", hint="Name another file.") from exc


def question_id(question: str, document: str = "") -> str:
    """The id of a question that was given none."""
    return "q-" + hashlib.sha256(f"{document}\n{question}".encode()).hexdigest()[:10]


def _form(path: Path) -> str:
    form = path.suffix.lower().removeprefix(".")
    if form not in {"jsonl", "csv"}:
        raise InvalidRequest(f"{str(path)!r} is no question file.", hint="Its name must end in .jsonl or .csv.")
    return form


def _is_there(path: Path) -> InvalidRequest:
    return InvalidRequest(
        f"{str(path)!r} is there already, and may hold people's edits.", hint="Name another file, or give --force."
    )


def _wrong(path: Path, line: int, what: str, hint: str) -> InvalidRequest:
    return InvalidRequest(f"{str(path)!r}, line {line}: {what}.", hint=hint)


def _json_rows(path: Path, file: Iterable[str]) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, line in enumerate(file, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as exc:
            why = exc.msg if isinstance(exc, json.JSONDecodeError) else "too deep"
            raise _wrong(path, number, f"this is no JSON ({why})", "One object a line, each closed with '}'.") from exc
        if not isinstance(row, dict):
            raise _wrong(
                path, number, "this is no object", 'Write {"question": "...", "document": "...", "pages": [1]}.'
            )
        yield number, row


def _csv_rows(path: Path, text: str) -> Iterator[tuple[int, dict[str, Any]]]:
    head = text.partition("\n")[0]
    mark = max(",;\t", key=head.count)  # spreadsheets of many countries write semicolons
    reader = csv.reader(text.splitlines(keepends=True), delimiter=mark, strict=True)
    names: list[str] = []
    start = 1
    try:
        for cells in reader:
            if any(c.strip() for c in cells):
                if not names:
                    names = [c.strip() for c in cells]
                    _check_names(path, start, names)
                elif len(cells) > len(names) and any(c.strip() for c in cells[len(names) :]):
                    what = f"{len(cells)} values under {len(names)} column names"
                    raise _wrong(path, start, what, f"Put quotes around a value that holds {mark!r}.")
                else:
                    yield start, {n: _unquoted(c) for n, c in zip(names, cells, strict=False) if n and c.strip()}
            start = reader.line_num + 1
    except csv.Error as exc:
        raise _wrong(path, start, f"this is no CSV ({exc})", "Double a quotation mark inside quotes.") from exc


def _unquoted(cell: str) -> str:
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell


def _check_names(path: Path, line: int, names: list[str]) -> None:
    twice = next((n for n in names if n and names.count(n) > 1), None)
    if twice:
        raise _wrong(path, line, f"two columns are called {twice!r}", "Rename one.")
    if "question" not in names:
        raise _wrong(
            path, line, "no column is called 'question'", f"Its first line names the columns: {','.join(_FIELDS)}."
        )


def _question(path: Path, line: int, row: dict[str, Any]) -> EvalQuestion:
    for name in row:
        near = difflib.get_close_matches(name.lower(), _FIELDS, 1, _ALIKE)
        if name not in _FIELDS and near:
            raise _wrong(path, line, f"there is no field {name!r}", f"Is {near[0]!r} meant? Otherwise rename it.")
    text = {n: _text(path, line, n, row.get(n)) for n in ("id", "question", "document", "answer", "status")}
    if not text["question"]:
        raise _wrong(path, line, "there is no question", "Write it in the field 'question'.")
    if len(text["question"]) > _LONGEST:
        raise _wrong(path, line, f"the question is longer than {_LONGEST:,} characters", "Shorten it.")
    status = text["status"].lower()
    if status and status not in _STATUSES:
        raise _wrong(path, line, f"the status {text['status']!r} is unknown", f"Known: {', '.join(_STATUSES)}.")
    pages = _pages(path, line, row.get("pages"))
    if pages and not text["document"]:
        raise _wrong(path, line, "pages are given and no document", "Name the file in 'document'.")
    answerable = _truth(path, line, row.get("answerable"))
    if not answerable and pages:
        raise _wrong(
            path, line, "it cannot be answered, and has pages", "Take the pages out, or set 'answerable' to true."
        )
    return EvalQuestion(
        text["id"] or question_id(text["question"], text["document"]),
        text["question"],
        text["document"],
        pages,
        text["answer"],
        answerable,
        status,
        {k: v if isinstance(v, str) else json.dumps(v, ensure_ascii=False) for k, v in row.items() if k not in _FIELDS},
        line,
    )


def _text(path: Path, line: int, name: str, value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise _wrong(path, line, f"the field {name!r} holds no text", "Write it in quotation marks.")
    return str(value).strip()


def _truth(path: Path, line: int, value: Any) -> bool:
    said = str(value).strip().lower()
    if value is None or said in _YES:
        return True
    if said in _NO:
        return False
    raise _wrong(path, line, f"'answerable' is {value!r}", "Write true or false.")


def _pages(path: Path, line: int, value: Any) -> tuple[int, ...]:
    """Counted from 1 in the file, from 0 here: ``[4, 5]``, ``4``, ``"4 5"``, ``"4-6"``, ``"4; 9"``."""
    given: list[Any] = value if isinstance(value, list) else [] if value is None else [value]
    found: set[int] = set()
    for one in given:
        parts = [p for p in re.split(r"[\s,;]+", re.sub(r"\s*[-\u2013]\s*", "-", str(one).strip())) if p]
        for part in parts:
            m = _RANGE.fullmatch(part)
            first, last = (int(m[1]), int(m[2] or m[1])) if m and not isinstance(one, bool) else (0, 0)
            if not 1 <= first <= last < first + _MOST_PAGES:
                raise _wrong(path, line, f"{part!r} is no page", 'Count from 1: [4], [4, 5] or "4-6".')
            found.update(range(first - 1, last))
    return tuple(sorted(found))


def _row(q: EvalQuestion) -> dict[str, Any]:
    """As written to a file; what is not known is left out."""
    pages = [p + 1 for p in q.pages]
    row = {"document": q.document, "pages": pages, "answer": q.answer, "status": q.status}
    known = {k: v for k, v in row.items() if v} | ({} if q.answerable else {"answerable": False})
    return {"id": q.id, "question": q.question} | known | dict(q.other)
