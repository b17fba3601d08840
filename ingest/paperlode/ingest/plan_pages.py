"""What a plan learns of pages: their kind at a glance, and what reading them costs. This runs inside a worker process."""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from paperlode.ingest.page_prints import page_prints
from paperlode.ingest.pages import PageRef, open_pdf
from paperlode.ingest.workers import exclusive_seconds

if TYPE_CHECKING:
    from paperlode.ingest.document import ParsedPage
    from paperlode.ingest.parsing.local import LocalOptions

__all__ = ["RECOGNISED", "Look", "PageCost", "PageKind", "look_at", "read_and_time"]


class PageKind(StrEnum):
    """How the local parser reads a page, and so about what it costs."""

    PLAIN = "plain"
    """Digital, prose in one column: its text layer."""
    LAYOUT = "layout"
    """Digital, with tables, columns or formulas: its text layer and the layout engine."""
    MIXED = "mixed"
    """A picture with a text layer: recognised, and compared with that layer."""
    SCAN = "scan"
    """A PDF page without a text layer that can be trusted: recognised."""
    PICTURE = "picture"
    """A picture file, or one of its frames: recognised."""
    BLANK = "blank"
    UNREADABLE = "unreadable"
    """It does not open. The run will record why."""


RECOGNISED = frozenset({PageKind.MIXED, PageKind.SCAN, PageKind.PICTURE})
"""Kinds that go through text recognition."""


@dataclass(frozen=True, slots=True)
class Look:
    """A page at a glance: its kind, and the characters of its text layer."""

    page: int
    kind: PageKind
    chars: int = 0


@dataclass(frozen=True, slots=True)
class PageCost:
    """A page that was really read.

    Attributes:
        parsed: what came of it.
        cpu, wall: seconds in the worker, the page's print included.
        alone: seconds of ``cpu`` in which no other worker may do the same step (finding the text lines of a scan).
        loading: CPU seconds for models and libraries, which a worker loads once; not in ``cpu``.
    """

    parsed: ParsedPage
    cpu: float
    wall: float
    alone: float
    loading: float


def look_at(ref: PageRef, pages: tuple[int, ...]) -> tuple[tuple[Look, ...], float]:
    """The kinds of these pages of a PDF, without reading them: 3 to 20 ms a page. Those of a picture file are all ``picture``.

    Returns:
        The looks, and the CPU seconds that they took.

    Raises:
        SourceEncrypted, SourceCorrupt, SourceEmpty, SourceUnreadable: the file cannot be opened.
    """
    began = time.process_time()
    if ref.pdf:
        doc = open_pdf(ref.path, ref.password)
        looks = tuple(_look(doc, n) for n in pages)
    else:
        looks = tuple(Look(n, PageKind.PICTURE) for n in pages)
    return looks, time.process_time() - began


def _look(doc: Any, number: int) -> Look:
    """As ``parsing.local`` chooses; a test holds the two against each other."""
    from paperlode.ingest.parsing.choice import features, needs_layout
    from paperlode.ingest.parsing.evidence import layer_flags
    from paperlode.ingest.parsing.lines import lines_of
    from paperlode.ingest.parsing.textlayer import Trust, judge
    from paperlode.ingest.parsing.turning import lying, remove_rotation

    try:
        page = doc[number]
        remove_rotation(page)
        blocks: list[dict[str, Any]] = page.get_text("dict", flags=layer_flags())["blocks"]
        verdict = judge(page, blocks)
        lines = [ln for ln in lines_of(blocks) if ln.text]
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001  MuPDF raises bare exceptions; the run says what is wrong with the page
        return Look(number, PageKind.UNREADABLE)
    chars = sum(len(ln.text) for ln in lines)
    if verdict.trust is Trust.BLANK:
        return Look(number, PageKind.BLANK)
    if verdict.searchable:
        return Look(number, PageKind.MIXED, chars)
    if verdict.scan:
        return Look(number, PageKind.SCAN, chars)
    layout = bool(lying(blocks)) or needs_layout(features(lines))
    return Look(number, PageKind.LAYOUT if layout else PageKind.PLAIN, chars)


_loaded: set[str] = set()


def read_and_time(ref: PageRef, pages: tuple[int, ...], kind: PageKind, options: LocalOptions) -> tuple[PageCost, ...]:
    """Reads the pages as a run does, their prints included, and says what that took. Failed pages are values as well.

    Raises:
        SourceError: the file cannot be opened.
    """
    from dataclasses import replace

    from paperlode.ingest.parsing.local import parse_page

    loading = _load(kind)
    costs = []
    for n in pages:
        at = replace(ref, page=n)
        cpu, wall, alone = time.process_time(), time.perf_counter(), exclusive_seconds()
        parsed = parse_page(at, options)
        page_prints(at, n + 1)
        spent = time.process_time() - cpu, time.perf_counter() - wall, exclusive_seconds() - alone
        costs.append(PageCost(parsed, *spent, loading))
        loading = 0.0
    return tuple(costs)


def _load(kind: PageKind) -> float:
    """CPU seconds that this worker has taken to start and to load what the kind needs, where it had not yet."""
    began = time.process_time() if _loaded else 0.0  # the first time: since the process began
    route = "scan" if kind in RECOGNISED else "layout" if kind is PageKind.LAYOUT else "auto"
    if route not in _loaded:
        _loaded.add(route)
        with tempfile.TemporaryDirectory(prefix="paperlode-") as folder:
            _read_tiny(Path(folder), route)
    return time.process_time() - began


def _read_tiny(folder: Path, route: str) -> None:
    """Has the models and libraries loaded by reading a page with one line."""
    import pymupdf

    from paperlode.ingest.parsing.local import LocalOptions, parse_page

    doc = pymupdf.open()
    page = doc.new_page(width=200, height=100)
    page.insert_text((20, 50), "Loading")
    doc.save(folder / "tiny.pdf")
    ref = PageRef(str(folder / "tiny.pdf"), 0, pdf=True)
    parse_page(ref, LocalOptions(route=route))
    page_prints(ref, 1)
