"""What commands print: as JSON objects (the HTTP API's, where it has them) and for people."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from paperlode.api.terminal import Lines, box_text, console, message, snippet, styled
from paperlode.api.wording import pages_read_by, readers

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from rich.console import Console

    from paperlode.api.archive import Status
    from paperlode.ingest.document import Chunk
    from paperlode.ingest.ledger import DocumentRecord
    from paperlode.ingest.pipeline import RunReport
    from paperlode.retrieval.answer import Answer, Citation
    from paperlode.retrieval.llm_answer import AnswerEvent
    from paperlode.retrieval.search import Hit

__all__ = [
    "answer_object",
    "document_object",
    "hit_objects",
    "passage_objects",
    "report_object",
    "show_answer",
    "show_citations",
    "show_hits",
    "show_passages",
    "show_pieces",
    "show_report",
    "show_status",
    "status_object",
]


GONE_SHOWN = 20
"""Files named, of those that are gone."""


def hit_objects(hits: Sequence[Hit], names: Mapping[str, str]) -> list[dict[str, Any]]:
    """Hits as in the HTTP API, with ``boxes``: those on ``page`` (0-based)."""
    from paperlode.api.models import HitOut

    objects = [HitOut.of(h, names.get(h.document, "")).model_dump(mode="json", exclude={"picture"}) for h in hits]
    for o in objects:
        o["boxes"] = [r["box"] for r in o["regions"] if r["page"] == o["page"]]
    return objects


def answer_object(question: str, answer: Answer, hits: Sequence[Hit], names: Mapping[str, str]) -> dict[str, Any]:
    """An answer as in the HTTP API."""
    from paperlode.api.answer_models import AnswerOut
    from paperlode.api.models import CitationOut

    citations = [CitationOut.of(c).model_dump(mode="json", exclude={"picture"}) for c in answer.citations]
    for c in citations:
        c["boxes"] = [r["box"] for r in c["regions"] if r["page"] == c["page"]]
    said = AnswerOut.of(answer).model_dump(mode="json")
    return {"question": question, **said, "citations": citations, "hits": hit_objects(hits, names)}


def document_object(record: DocumentRecord) -> dict[str, Any]:
    """A document as in the HTTP API, with the files that hold it and what it was made with."""
    from paperlode.api.models import DocumentOut

    data: dict[str, Any] = DocumentOut.of(record).model_dump(mode="json")
    return {**data, "paths": list(record.paths), "recipe": asdict(record.recipe)}


def status_object(status: Status, documents: Sequence[DocumentRecord]) -> dict[str, Any]:
    """The status, and every document."""
    return {**asdict(status), "documents": [document_object(d) for d in documents]}


def report_object(report: RunReport, status: Status) -> dict[str, Any]:
    """What a run did, and what the index holds now."""
    stopped = report.stopped
    return {
        "ingested": [asdict(d) for d in report.ingested],
        "skipped": report.skipped,
        "failed": [asdict(f) for f in report.failed],
        "failed_pages": [asdict(p) for p in report.page_problems],
        "pages_parsed": report.pages_parsed,
        "pages_kept": report.pages_kept,
        "chunks": report.chunks,
        "read_by": report.read_by,
        "gone": [asdict(g) for g in report.gone],
        "seconds": {"total": report.total, **report.seconds},
        "stopped": {"code": stopped.code, "what": stopped.what, "hint": stopped.hint} if stopped else None,
        "index": {"folder": status.folder, **asdict(status.counts)},
    }


def show_hits(hits: Sequence[Hit], names: Mapping[str, str]) -> None:
    """Hits for people: pages counted from 1."""
    out = Lines()
    if not hits:
        out.print("Nothing found.")
    width = min(100, max(40, out.width - 6))
    for h in hits:
        boxes = box_text([r.box for r in h.regions if r.page == h.page])
        out.print(
            (f"[{h.rank}] ", "bold"),
            (names.get(h.document, "?"), "bold cyan"),
            (f" p.{h.page + 1} ", "bold"),
            boxes,
        )
        if h.chunk.heading_path:
            out.print("    ", (" > ".join(h.chunk.heading_path), "italic"))
        for line in snippet(h.chunk.shown_text, width=width):
            out.print("    ", line)
        if h.because:
            out.print("    ", ("Because: ", "green"), ", ".join(h.because))
        for c in h.copies:
            out.print("    ", ("The same: ", "green"), names.get(c.document, "?"), f" p.{c.page + 1}")
        for f in h.chunk.findings:
            out.print("    ", ("Look: ", "yellow"), f.reason)
        read_by = readers(h.chunk.read_by or (h.chunk.parser,))
        out.print("    ", (f"{h.chunk.id}  {h.score:.2f}  {read_by}", "dim"))


def passage_objects(chunks: Sequence[Chunk]) -> list[dict[str, Any]]:
    """Chunks as in the HTTP API."""
    from paperlode.api.models import PassageOut

    return [PassageOut.of(c).model_dump(mode="json") for c in chunks]


def show_passages(chunks: Sequence[Chunk], name: str, label: str) -> None:
    """What a reference means, for people."""
    out = console()
    if not chunks:
        out.print(styled(f"{name} has nothing that is called {label}, or refers to it."))
    for c in chunks:
        for page in c.pages[:1]:
            boxes = box_text([r.box for r in c.regions if r.page == page])
            out.print(
                styled((name, "bold cyan"), (f" p.{page + 1} ", "bold"), boxes, (f"  {', '.join(c.labels)}", "dim"))
            )
        if c.heading_path:
            out.print(styled("    ", (" > ".join(c.heading_path), "italic")))
        for line in c.shown_text.splitlines():
            out.print(styled("    ", line))


def show_answer(answer: Answer) -> None:
    """An answer and its citations for people."""
    out = console()
    for line in answer.text.splitlines():
        out.print(styled(line))
    show_citations(answer)


def show_citations(answer: Answer) -> None:
    """Where what an answer says stands, for people."""
    out = console()
    if answer.citations:
        out.print()
    for c in answer.citations:
        out.print(
            styled((f"[{c.n}] ", "bold"), (c.name, "bold cyan"), (f" p.{c.page + 1} ", "bold"), _citation_boxes(c))
        )


def show_pieces(events: Iterator[AnswerEvent]) -> Answer:
    """An answer as a language model writes it, sentence by checked sentence; then its citations, and what was left out."""
    from paperlode.retrieval.answer import Answer
    from paperlode.retrieval.llm_answer import AnswerDone, AnswerText

    out, answer, begun = console(), Answer(""), False
    for event in events:
        if isinstance(event, AnswerText):
            out.print(styled(event.text), end="")
            begun = True
        elif isinstance(event, AnswerDone):
            answer = event.answer
    if begun:
        out.print()
        show_citations(answer)
    else:
        show_answer(answer)
    for check in answer.checks:
        if not check.supported:
            message(("Left out: ", "yellow"), check.text, (f" ({' '.join(check.problems)})", "dim"))
    return answer


def _citation_boxes(citation: Citation) -> str:
    return box_text([r.box for r in citation.boxes if r.page == citation.page])


def _show_gone(report: RunReport, out: Console) -> None:
    """Files that are gone: how many were moved or removed, and the names of those whose documents stay."""
    moved = [g for g in report.gone if g.held_by]
    removed = {g.document for g in report.gone if g.removed}
    left = [g for g in report.gone if not g.held_by and not g.removed]
    if moved:
        out.print(
            f"{len(moved)} files were moved, or were copies that are gone: their documents are found where they are now."
        )
    if removed:
        out.print(f"{len(removed)} documents removed: their files are gone.")
    if left:
        out.print(styled((f"{len(left)} files are gone, their documents still searchable:", "yellow")))
        for g in left[:GONE_SHOWN]:
            out.print(styled(f"  {g.path}"))
        if len(left) > GONE_SHOWN:
            out.print(f"  ... and {len(left) - GONE_SHOWN} more")
        out.print("Run again with --remove-missing to take them out.")


def show_report(report: RunReport, status: Status) -> None:
    """What a run did, failures in a table, on standard error (standard output is for results)."""
    from rich.table import Table

    out = console(stderr=True)
    if report.failed:
        table = Table(title=f"{len(report.failed)} files could not be taken", title_justify="left")
        table.add_column("File", overflow="fold")
        table.add_column("Why, and what to do", overflow="fold")
        for f in report.failed:
            table.add_row(styled(f.path), styled(f.what, " ", (f.hint, "italic")))
        out.print(table)
    if report.page_problems:
        shown = report.page_problems[:20]
        table = Table(title=f"{len(report.page_problems)} pages could not be parsed", title_justify="left")
        for column in ("File", "Page", "Why"):
            table.add_column(column, overflow="fold")
        for p in shown:
            table.add_row(styled(p.path), str(p.page + 1), styled(p.message))
        out.print(table)
        if len(shown) < len(report.page_problems):
            out.print(f"... and {len(report.page_problems) - len(shown)} more: see paperlode status --json")
    speed = report.pages_parsed / report.total if report.total else 0.0
    out.print(
        f"{len(report.ingested)} documents ingested ({report.pages_parsed} pages parsed, {report.pages_kept} kept from "
        f"before, {report.chunks} chunks), {len(report.skipped)} done before, {len(report.failed)} failed, "
        f"{report.total:.1f} s ({speed:.1f} pages/s)."
    )
    if report.read_by:
        out.print(styled(f"Pages: {pages_read_by(report.read_by)}."))
    _show_gone(report, out)
    c = status.counts
    out.print(styled(f"The index {status.folder} holds {c.documents} documents, {c.pages} pages, {c.chunks} chunks."))


def _document_readers(record: DocumentRecord) -> str:
    """What read it; with numbers of pages where there is more than one."""
    return readers(record.read_by) if len(record.read_by) == 1 else pages_read_by(record.read_by)


def show_status(status: Status, documents: Sequence[DocumentRecord]) -> None:
    """What the index holds, for people."""
    from rich.table import Table

    out, c = console(), status.counts
    out.print(
        styled((status.folder, "bold"), f": {c.documents} documents, {c.pages} pages, {c.chunks} chunks, "),
        f"{status.bytes / 1e6:.1f} MB; model {status.embedder} ({status.dimensions} dimensions)",
    )
    if status.server:
        out.print(styled(f"The index is the collection {status.server['collection']!r} on {status.server['url']}."))
    if status.ledger:
        out.print(styled(f"The ledger is in {status.ledger}."))
    if c.read_by:
        failed = f"; {c.failed_pages} failed" if c.failed_pages else ""
        out.print(styled(f"Pages: {pages_read_by(c.read_by)}{failed}."))
    if documents:
        table = Table()
        for column in ("Document", "Digest", "Pages", "Failed", "Chunks", "Read by"):
            table.add_column(column, overflow="fold")
        for d in documents:
            counts = (str(n) for n in (d.page_count, d.failed_pages, d.chunks))
            table.add_row(styled(d.name), d.digest[:12], *counts, styled(_document_readers(d)))
        out.print(table)
    if c.flagged_pages:
        look = f"{c.flagged_pages} of {c.pages} pages want a look: paperlode review lists them, paperlode reparse reads"
        out.print(f"{look} them again.")
    if status.outdated:
        out.print(f"{status.outdated} documents were made with an older parser or chunker: ingest them again.")
    if status.pending:
        out.print(f"{status.pending} documents were begun and not finished: run ingest again to go on.")
    for f in status.failures:
        out.print(styled(("Failed: ", "bold red"), f.what, " ", (f.hint, "italic")))
