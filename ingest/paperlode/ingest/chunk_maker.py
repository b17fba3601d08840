"""A run of pieces becomes a chunk that fits: the guarantees that hold for every chunk, whatever it is made of."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from paperlode.ingest.clauses import clause_mark
from paperlode.ingest.document import Chunk, Kind, Layer, PageBox, TablePart, embedded_text, to_json
from paperlode.ingest.ids import chunk_id
from paperlode.ingest.page_stamps import PageStamps
from paperlode.ingest.pieces import Path, Piece, Role, Sizer, common, halves, joined_text, text_regions
from paperlode.ingest.text_cuts import first_words
from paperlode.ingest.threads import Threads

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from paperlode.ingest.document import Block, Entry, Finding

__all__ = ["CHUNKER_VERSION", "EMBEDDED_PREFIX", "Frame", "Maker", "TextFrame", "pack"]

CHUNKER_VERSION = "5"
"""Raised when the same document would be cut differently: it is part of every chunk's id."""
EMBEDDED_PREFIX = "embedded_prefix"
"""Flag of a chunk whose own text may not be cut and is longer than the embedder reads: only its start is embedded."""


class Frame(Protocol):
    """What depends on where pieces come from: running text, a figure with its caption, a table."""

    @property
    def kind(self) -> Kind | None:
        """Kind of the chunks, or None for that of the first piece that is no heading."""
        ...

    @property
    def span(self) -> tuple[int, int] | None:
        """Blocks that every chunk of the frame spans, or None."""
        ...

    def context(self, pieces: Sequence[Piece]) -> str:
        """Text from elsewhere without which these pieces cannot be read alone."""
        ...

    def shortened(self, pieces: Sequence[Piece], limit: int) -> str:
        """The context in at most ``limit`` tokens, for the embedder."""
        ...

    def embedded(self, text: str) -> str:
        """What the embedder should read of a text that fits."""
        ...

    def regions(self, pieces: Sequence[Piece]) -> list[PageBox]:
        """Where the pieces stand."""
        ...

    def part(self, pieces: Sequence[Piece]) -> TablePart | None:
        """The rows, for a table."""
        ...

    def entries(self, pieces: Sequence[Piece]) -> tuple[Entry, ...]:
        """The rows that begin in the pieces as they are searched one by one, for a table."""
        ...


class TextFrame:
    """Running text: what a chunk goes on from is its context: the clause's number and name, the list's lead."""

    kind: Kind | None = None
    span: tuple[int, int] | None = None

    def context(self, pieces: Sequence[Piece]) -> str:
        """The lead of the first piece, and ``12. Confidentiality.`` when it comes later in the clause that begins so."""
        first = pieces[0]
        inside = first.block.layer is Layer.BODY and bool(first.text[: first.start].strip())
        mark = clause_mark(first.text) if inside and first.block.kind in (Kind.TEXT, Kind.LIST_ITEM) else None
        own = mark.label if mark and first.start >= len(mark.label) else ""
        return "\n".join(t for t in (first.lead, own) if t)

    def shortened(self, pieces: Sequence[Piece], limit: int) -> str:  # noqa: ARG002
        """Nothing: it helps, and is not needed."""
        return ""

    def embedded(self, text: str) -> str:
        """All of it."""
        return text

    def regions(self, pieces: Sequence[Piece]) -> list[PageBox]:
        """The lines of the pieces."""
        return text_regions(pieces)

    def part(self, pieces: Sequence[Piece]) -> TablePart | None:  # noqa: ARG002
        """No rows."""
        return None

    def entries(self, pieces: Sequence[Piece]) -> tuple[Entry, ...]:  # noqa: ARG002
        """No rows."""
        return ()


@dataclass(frozen=True, slots=True)
class _Fit:
    """An embedded text that the embedder reads whole, with its tokens and flags."""

    embedded: str
    tokens: int
    context: str
    flags: tuple[str, ...] = ()


class Maker:
    """Builds the chunks of one document, in order.

    Args:
        document: identity of the source.
        parser: fingerprint of the parser.
        sizer: counts tokens.
        stamps: what was read of the pages.
    """

    def __init__(self, document: str, parser: str, sizer: Sizer, stamps: PageStamps | None = None) -> None:
        self._document = document
        self._parser = parser
        self._sizer = sizer
        self._threads = Threads()
        self._stamps = stamps or PageStamps()
        self._ordinal = 0
        self._same: Counter[str] = Counter()

    def make(self, pieces: Sequence[Piece], frame: Frame) -> Iterator[Chunk]:
        """One chunk of the pieces, or several when they are longer than counted: sums of counts are only close."""
        if not pieces:
            return
        path = pieces[0].path
        for p in pieces[1:]:
            path = common(path, p.path)
        fit = self._fit(pieces, path, frame)
        if fit is None:
            for run in _split(list(pieces), self._sizer):
                yield from self.make(run, frame)
            return
        embedded = frame.embedded(fit.embedded)
        if embedded != fit.embedded and (tokens := self._sizer.count(embedded)) <= fit.tokens:
            fit = replace(fit, embedded=embedded, tokens=tokens)
        yield self._chunk(pieces, path, frame, fit)

    def _fit(self, pieces: Sequence[Piece], path: Path, frame: Frame) -> _Fit | None:
        sizer = self._sizer
        shown, used = sizer.shown_path(path)
        context, text = frame.context(pieces), joined_text(pieces)
        if path and not (shown or context or text):  # nothing to read but a path that has no room
            return _Fit("…", sizer.count("…"), context)
        if fits := sizer.fits(shown, context, text):
            return _Fit(*fits, context)
        if context:
            short = frame.shortened(pieces, max(0, (sizer.room - used) // 2))
            if fits := sizer.fits(shown, short, text):
                return _Fit(*fits, context, ("context_shortened",))
        if _can_split(pieces):
            return None
        for names in (shown, ()):
            left = sizer.room - (used if names else 0)
            while left > 0:
                if fits := sizer.fits(names, "", first_words(text, size=sizer.size, limit=left)):
                    flags = (
                        (EMBEDDED_PREFIX,) if not fits[0].endswith(text) else ("context_shortened",) if context else ()
                    )
                    if fits[0]:
                        return _Fit(*fits, context, flags)
                left -= max(1, left // 8)
        return _Fit("…", sizer.count("…"), context, (EMBEDDED_PREFIX,))

    def _chunk(self, pieces: Sequence[Piece], path: Path, frame: Frame, fit: _Fit) -> Chunk:
        first = pieces[0]
        blocks = list({p.index: p.block for p in pieces}.values())
        start, end = min(p.index for p in pieces), max(p.index for p in pieces) + 1
        if frame.span:
            start, end = min(start, frame.span[0]), max(end, frame.span[1])
        body = (b.kind for b in blocks if b.kind not in (Kind.HEADING, Kind.TITLE))
        known = [b.confidence for b in blocks if b.confidence is not None]
        flags = (f for fs in (*(b.flags for b in blocks), *(p.flags for p in pieces), fit.flags) for f in fs)
        text, names, part = joined_text(pieces), tuple(h.text for h in path), frame.part(pieces)
        regions = tuple(frame.regions(pieces))
        labels, references = self._threads.follow(pieces)
        self._ordinal += 1
        made = Chunk(
            id="",
            document=self._document,
            ordinal=self._ordinal - 1,
            text=text,
            kind=frame.kind or next(body, blocks[0].kind),
            layer=first.block.layer,
            regions=regions,
            span=(start, end),
            tokens=fit.tokens,
            parser=self._parser,
            context=fit.context,
            heading_path=names,
            confidence=min(known) if known else None,
            flags=tuple(dict.fromkeys(flags)),
            part=part,
            embedded="" if fit.embedded == embedded_text(names, fit.context, text, self._sizer.title) else fit.embedded,
            title=self._sizer.title,
            labels=labels,
            references=references,
            entries=frame.entries(pieces),
            findings=_findings(blocks, regions, part),
        )
        return replace(made, id=self._id(made, {r.page for b in blocks for r in b.regions}))

    def _id(self, chunk: Chunk, pages: set[int]) -> str:
        """The id of a chunk of blocks on these pages: of all that it is, and not of what comes before it in the document."""
        part = replace(chunk.part, block=0) if chunk.part else None
        said = to_json(replace(chunk, ordinal=0, span=(0, 0), tokens=0, part=part))
        made_of = f"{CHUNKER_VERSION}\x1f{self._stamps.of(pages)}\x1f{said}"
        own = chunk_id(self._document, made_of)
        self._same[own] += 1  # the same words printed over themselves
        return own if self._same[own] == 1 else chunk_id(self._document, f"{made_of}\x1f{self._same[own]}")


def _findings(blocks: Sequence[Block], regions: Sequence[PageBox], part: TablePart | None) -> tuple[Finding, ...]:
    """What the judge says about the blocks; of a table's part only what lies in it, or nowhere in particular."""
    found = [f for b in blocks for f in b.findings]
    if part is not None and (part.row_start, part.row_end) != (0, part.rows):
        found = [f for f in found if not f.regions or any(_meet(r, s) for r in f.regions for s in regions)]
    return tuple(dict.fromkeys(found))


def _meet(a: PageBox, b: PageBox) -> bool:
    return (
        a.page == b.page
        and a.box.x0 <= b.box.x1 and b.box.x0 <= a.box.x1
        and a.box.y0 <= b.box.y1 and b.box.y0 <= a.box.y1
    )  # fmt: skip


def _can_split(pieces: Sequence[Piece]) -> bool:
    """Whether a run may be made smaller: a formula keeps its headings and lead-in, and is never cut itself."""
    *before, last = pieces
    if last.role is Role.FORMULA and all(p.sticky for p in before):
        return False
    return len(pieces) > 1 or last.end - last.start > 1


def _split(pieces: list[Piece], sizer: Sizer) -> list[list[Piece]]:
    """Two runs of about equal length; a heading or lead-in stays with what follows it, if anything can be cut."""
    while True:
        places = [k for k in range(1, len(pieces)) if not pieces[k - 1].sticky]
        if places:
            break
        smaller = halves(pieces[-1], sizer)
        if len(smaller) == 1:
            places = list(range(1, len(pieces)))
            break
        pieces = pieces[:-1] + smaller
    if not places:
        return [[p] for p in pieces]
    total, done, before = sum(p.tokens for p in pieces), 0, {}
    for k, p in enumerate(pieces, start=1):
        done += p.tokens
        before[k] = done
    at = min(places, key=lambda k: (abs(2 * before[k] - total), k))
    return [pieces[:at], pieces[at:]]


def pack(pieces: Sequence[Piece], *, first: int, later: int, newline: int) -> Iterator[list[Piece]]:
    """Runs of pieces of about equal length: at most ``first`` tokens in the first, ``later`` in each other one.

    A single piece over the limit makes a run of its own; headings and lead-ins stay with what follows them.
    """
    costs = [p.tokens + newline for p in pieces]
    total = sum(costs)
    overhead = max(0, first - later)
    parts = 1 if total <= first else 1 + -(-(total - first) // max(1, later))
    even = (total + (parts - 1) * overhead) / parts
    run: list[Piece] = []
    used, cap, goal = 0, first, even
    for p, cost in zip(pieces, costs, strict=True):
        full = used + cost > cap or (parts > 1 and used + cost / 2 > goal)
        if run and full and not all(q.sticky for q in run):
            keep = len(run)
            while run[keep - 1].sticky:
                keep -= 1
            yield run[:keep]
            run = run[keep:]
            used = sum(q.tokens + newline for q in run)
            parts -= 1
            cap, goal = later, even - overhead
        run.append(p)
        used += cost
    if run:
        yield run
