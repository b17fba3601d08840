"""Files for the LlamaIndex reader: their pages as Markdown, and where each block stands in it.

This module knows nothing of LlamaIndex, so that its parts can be used and tested without it.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from paperlode.ingest import errors
from paperlode.ingest.assembly import assemble
from paperlode.ingest.document import Box, Kind, Layer, PageBox, without_blocks
from paperlode.ingest.errors import (
    InvalidRequest,
    PageUnreadable,
    PaperlodeError,
)
from paperlode.ingest.render import markdown_blocks
from paperlode.ingest.sources import check_unchanged, open_source, stamp

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from paperlode.ingest.document import Block, PageFailure, ParsedPage, Source
    from paperlode.ingest.llama_files import Origin
    from paperlode.ingest.parsing.base import Parser

__all__ = [
    "BLOCKS",
    "FAILED",
    "NOT_EMBEDDED",
    "NOT_IN_PROMPT",
    "BlockPlace",
    "ReadFile",
    "Sheet",
    "compact",
    "error_of",
    "metadata_of",
    "places",
    "read_file",
]

BLOCKS = "blocks"
"""Metadata key of the blocks of a Document: JSON, see ``BlockPlace.record`` and ``places``."""
FAILED = "failed_pages"
"""Metadata key of the failed pages of a Document's file: JSON."""
_OF_THE_FILE = ("file_name", "file_path", "file_type", "file_size")
"""Keys under which LlamaIndex's own readers describe a file: ``extra_info`` may say them in its own way."""
_OF_OURS = (
    "file_digest", "page_label", "page_index", "page_count", "page_width", "page_height", "parser", "page_flags",
    "pages_without_text", BLOCKS, FAILED,
)  # fmt: skip
_IN_PROMPT = frozenset({"file_name", "page_label"})
"""What a model may cite by; the rest is kept out of the prompt, and all of it out of the embedding."""
NOT_EMBEDDED = (*_OF_THE_FILE, *_OF_OURS)
NOT_IN_PROMPT = tuple(k for k in NOT_EMBEDDED if k not in _IN_PROMPT)
_OF_ONE_VERSION = frozenset({
    "file_digest", "file_size", "page_count", "pages_without_text", "creation_date", "last_modified_date", "last_accessed_date",
})  # fmt: skip
"""What changes in every page's metadata when one page of the file does; the dates are those of ``SimpleDirectoryReader``."""
_APART = "\n\n"


# ------------------------------------------------------------------------------------------------ blocks in Markdown


@dataclass(frozen=True, slots=True)
class BlockPlace:
    """Where one block stands: in the Markdown of its Document, and on the paper.

    Attributes:
        kind, layer, confidence, flags: of the block (see ``document.Block``).
        start, end: offsets into the Document's text; the same for a block that gives no Markdown (a picture).
        regions: page (0-based) and box (points, origin top left) of its ink; more than one over columns or pages.
    """

    kind: Kind
    start: int
    end: int
    regions: tuple[PageBox, ...]
    layer: Layer = Layer.BODY
    confidence: float | None = None
    flags: tuple[str, ...] = ()

    def record(self) -> dict[str, Any]:
        """As few JSON values as hold it: every node of a Document carries them."""
        out: dict[str, Any] = {"kind": self.kind.value, "start": self.start, "end": self.end}
        out["boxes"] = [[r.page, *r.box.rounded()] for r in self.regions]
        if self.layer is not Layer.BODY:
            out["layer"] = self.layer.value
        if self.confidence is not None:
            out["confidence"] = round(self.confidence, 3)
        if self.flags:
            out["flags"] = list(self.flags)
        return out

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> BlockPlace:
        """The place back from its record."""
        return cls(
            kind=Kind(record["kind"]),
            start=int(record["start"]),
            end=int(record["end"]),
            regions=tuple(PageBox(int(b[0]), Box(*(float(v) for v in b[1:5]))) for b in record["boxes"]),
            layer=Layer(record.get("layer", Layer.BODY)),
            confidence=record.get("confidence"),
            flags=tuple(record.get("flags", ())),
        )

    def meets(self, start: int, end: int) -> bool:
        """Whether any of it lies between these offsets; a block without Markdown does where it stands."""
        return start <= self.start <= end if self.start == self.end else self.start < end and self.end > start


def places(text: str) -> tuple[BlockPlace, ...]:
    """Places from the JSON in a node's metadata.

    Raises:
        InvalidRequest: it is not what the reader wrote.
    """
    try:
        return tuple(BlockPlace.from_record(r) for r in json.loads(text))
    except (ValueError, TypeError, KeyError, IndexError) as e:
        raise InvalidRequest(
            f"The blocks in the node's metadata cannot be read: {type(e).__name__}: {e}.",
            hint="They must be as PaddleOCRVLReader wrote them.",
        ) from e


@dataclass(slots=True)
class Sheet:
    """The Markdown of one page, or of a whole document, while it is put together.

    Attributes:
        page: 0-based; None for a whole document.
        text: so far.
        places: of the blocks in it, in order.
    """

    page: int | None
    text: str = ""
    places: list[BlockPlace] = field(default_factory=list)
    _parts: list[str] = field(default_factory=list)
    _length: int = 0

    def add(self, block: Block, *, furniture: bool) -> None:
        """The block after the others; page furniture only where it is asked for."""
        if block.layer is Layer.FURNITURE and not furniture:
            return
        start = self._length
        for piece in markdown_blocks((block,), furniture=True):
            if self._length:
                self._put(_APART)
                start = self._length
            self._put(piece)
        self.places.append(
            BlockPlace(
                block.kind, start, self._length, block.regions, block.layer, block.confidence, tuple(block.flags)
            )
        )

    def _put(self, piece: str) -> None:
        self._parts.append(piece)
        self._length += len(piece)

    def finish(self) -> Sheet:
        """Itself, its text in one piece."""
        self.text = "".join(self._parts)
        self._parts.clear()
        return self


@dataclass(frozen=True, slots=True)
class ReadFile:
    """A file read to its end.

    Attributes:
        source: as it is shown: ``uri`` is the path the caller knows.
        parser: fingerprint of the parser.
        pages: the record of every page (without blocks), ascending.
        sheets: those with text, in order: one a page, or one for all.
    """

    source: Source
    parser: str
    pages: tuple[ParsedPage, ...]
    sheets: tuple[Sheet, ...]

    @property
    def failures(self) -> tuple[tuple[int, PageFailure], ...]:
        """The pages (0-based) that failed, and why."""
        return tuple((p.page, p.failure) for p in self.pages if p.failure)

    def id_of(self, sheet: Sheet, *, by_path: bool = False) -> str:
        """A UUID (as vector stores want it), made from digest, page and parser, or from path and page."""
        part = "document" if sheet.page is None else str(sheet.page)
        made_of = f"{self.source.uri}\x1f{part}" if by_path else f"{self.source.digest}\x1f{part}\x1f{self.parser}"
        return str(uuid.UUID(bytes=hashlib.sha256(made_of.encode()).digest()[:16], version=5))


def read_file(
    parser: Parser, origin: Origin, *, by_page: bool, furniture: bool, stopped: Callable[[], bool]
) -> ReadFile | None:
    """The file's pages, assembled: what runs over a page break stands whole on the page it starts on.

    Blocks become Markdown as they come, so that only text is held of a long file.

    Args:
        parser: reads the pages.
        origin: the file.
        by_page: a sheet a page, else one for all.
        furniture: keep running headers, footers and page numbers.
        stopped: asked between pages.

    Returns:
        The file; None when it was stopped.

    Raises:
        SourceError: it cannot be opened, or changed while it was read.
        PageError: opening it kills a worker.
    """
    with origin.local() as path, origin.shown_in_errors(path):
        before = stamp(path)
        source = open_source(path)
        shown = replace(source, uri=origin.path, name=origin.name)
        records: list[ParsedPage] = []
        sheets: dict[int | None, Sheet] = {}

        def noted() -> Iterator[ParsedPage]:
            with _closing(parser.parse(source, range(parser.page_count(source)))) as pages:
                for page in pages:
                    failure = page.failure
                    if failure and origin.path != path:
                        failure = replace(failure, message=failure.message.replace(path, origin.path))
                    records.append(replace(without_blocks(page), failure=failure))
                    yield page
                    if stopped():
                        raise _StoppedError

        try:
            for block in assemble(noted()):
                key = (block.page if block.regions else records[-1].page) if by_page else None
                sheets.setdefault(key, Sheet(key)).add(block, furniture=furniture)
        except _StoppedError:
            return None
        check_unchanged(source, before)
    ordered = [sheets[k].finish() for k in sorted(sheets, key=lambda k: -1 if k is None else k)]
    return ReadFile(shown, parser.fingerprint, tuple(records), tuple(s for s in ordered if s.text.strip()))


class _StoppedError(Exception):
    """The reader was told to stop: ends the generators from within."""


@contextmanager
def _closing(pages: Iterator[ParsedPage]) -> Iterator[Iterator[ParsedPage]]:
    """The iterator, closed at once when it is left early: then a parser ends what it reads ahead."""
    try:
        yield pages
    finally:
        if (close := getattr(pages, "close", None)) is not None:
            close()


def error_of(read: ReadFile) -> PaperlodeError | None:
    """The error of a file of which nothing is left because pages failed, named as the first of them; else None."""
    if read.sheets or not read.failures:
        return None
    page, failure = read.failures[0]
    kinds = (getattr(errors, name) for name in errors.__all__)
    kind = next((k for k in kinds if k("").code == failure.code), PageUnreadable)
    of = f"{len(read.failures)} of {len(read.pages)} pages failed and the others hold no text"
    return kind(f"Nothing of {read.source.uri} could be read ({of}); page {page + 1}: {failure.message}")


def metadata_of(
    read: ReadFile, sheet: Sheet, extra_info: Mapping[str, Any], *, by_path: bool = False
) -> dict[str, Any]:
    """The metadata of one Document: strings and numbers only, as most vector stores want them.

    Args:
        read: its file.
        sheet: its text.
        extra_info: the caller's own; it may replace ``file_name``, ``file_path``, ``file_type`` and ``file_size``.
        by_path: without what changes for every page when one page of the file does.
    """
    source = read.source
    described = {
        "file_name": source.name, "file_path": source.uri, "file_type": source.media_type, "file_size": source.size,
    }  # fmt: skip
    metadata = described | dict(extra_info) | {"file_digest": source.digest, "page_count": len(read.pages)}
    metadata |= _page_metadata(read, sheet)
    metadata[BLOCKS] = compact([p.record() for p in sheet.places])
    if read.failures:
        metadata[FAILED] = compact(
            [
                {"page_label": str(p + 1), "page_index": p, "code": f.code, "message": f.message}
                for p, f in read.failures
            ]
        )
    return {k: v for k, v in metadata.items() if k not in _OF_ONE_VERSION} if by_path else metadata


def _page_metadata(read: ReadFile, sheet: Sheet) -> dict[str, Any]:
    out: dict[str, Any] = {}
    if sheet.page is None:
        out["parser"] = ", ".join(dict.fromkeys(p.parser for p in read.pages if not p.failure))
        return out
    page = read.pages[sheet.page]
    out |= {
        "page_label": str(page.page + 1), "page_index": page.page, "parser": page.parser,
        "page_width": round(page.width, 2), "page_height": round(page.height, 2),
    }  # fmt: skip
    if page.flags:
        out["page_flags"] = ", ".join(page.flags)
    silent = {p.page for p in read.pages if not p.failure} - {s.page for s in read.sheets}
    if silent:
        out["pages_without_text"] = ", ".join(str(p + 1) for p in sorted(silent))
    return out


def compact(value: Any) -> str:
    """JSON in as few characters as hold it."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
