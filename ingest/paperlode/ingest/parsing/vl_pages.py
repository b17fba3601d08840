"""One page for PaddleOCR-VL: its picture, its regions, and what the server reads of each become a parsed page.

``PageReader`` is what ``paddleocr_vl`` does with a single page: picture from a worker process, layout in its own thread,
regions read side by side. A region that cannot be read is a flagged block; what fails the whole page is raised.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from paperlode.ingest.document import ParsedPage
from paperlode.ingest.errors import InvalidRequest, PageError
from paperlode.ingest.parsing.crops import budget_for
from paperlode.ingest.parsing.evidence import prepare_with_evidence
from paperlode.ingest.parsing.geometry import Affine, map_blocks
from paperlode.ingest.parsing.judge import Answer, Judge
from paperlode.ingest.parsing.layout_losses import IN_CHART
from paperlode.ingest.parsing.layout_rules import Reason
from paperlode.ingest.parsing.quality import judged
from paperlode.ingest.parsing.vl_blocks import own_answer, page_blocks
from paperlode.ingest.parsing.vl_plan import WHOLE, piece_of, plan_page

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from paperlode.ingest.pages import PageRef
    from paperlode.ingest.parsing.evidence import Evidence
    from paperlode.ingest.parsing.layout import Region
    from paperlode.ingest.parsing.vl_plan import PagePlan, Part
    from paperlode.ingest.parsing.vl_render import PreparedPage
    from paperlode.ingest.vllm.values import Recogniser
    from paperlode.ingest.workers import WorkerPool

__all__ = ["PageReader", "VLOptions"]

MAX_TOKENS = 4096
"""Most output tokens of one region, as PaddleX's pipeline has it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VLOptions:
    """What changes the result, beside the models.

    Attributes:
        version: of PaddleOCR-VL, for the pixel budgets and the tasks it knows: ``1.0``, ``1.5`` or ``1.6``; empty for the one
            that the served model's name tells, and the newest where no server is asked.
        dpi: at which PDF pages are rendered.
        media_type: of the crops on the wire. JPEG (quality 95) as PaddleX's client, which the published figures were taken with,
            sends it; PNG takes the client up to 10 ms more a page.
        max_tokens: most output tokens of one region.
        cpu_fallback: read on the CPU what the server cannot.
        upright: turn pages that lie on their side or head before they are laid out.
        text_layer: ``keep`` takes the text of digital PDF pages from their own text layer, and asks only for tables, formulas,
            charts, seals, text with formulas in it, and what the layer lacks; ``ignore`` asks for everything.

    Raises:
        InvalidRequest: another ``text_layer``.
    """

    version: str = ""
    dpi: int = 200
    media_type: str = "image/jpeg"
    max_tokens: int = MAX_TOKENS
    cpu_fallback: bool = True
    upright: bool = True
    text_layer: str = "ignore"

    def __post_init__(self) -> None:
        if self.text_layer not in {"ignore", "keep"}:
            raise InvalidRequest(f"Text layers cannot be {self.text_layer!r}.", hint="Use ignore or keep.")

    @property
    def ways(self) -> str:
        """What the fingerprint says beside version, resolution and media type: nothing where all is as by default."""
        return "".join(
            (
                "" if self.upright else "-as-it-lies",
                "-text-layer" if self.text_layer == "keep" else "",
                "" if self.cpu_fallback else "-server-only",
                "" if self.max_tokens == MAX_TOKENS else f"-{self.max_tokens}-tokens",
            )
        )


class PageReader:
    """Reads single pages; belongs to one event loop.

    Args:
        recogniser: the server's client.
        detect: the regions of a picture, found in the layout model's own thread.
        pool: worker processes, which a broken file may crash.
        in_thread: runs what blocks away from the event loop.
        options: what changes the result.
        fingerprint: of the parser, for the pages.
    """

    def __init__(
        self,
        recogniser: Recogniser,
        detect: Callable[[NDArray[np.uint8]], Awaitable[tuple[Region, ...]]],
        *,
        pool: WorkerPool,
        in_thread: Callable[..., Awaitable[Any]],
        options: VLOptions,
        fingerprint: str,
    ) -> None:
        self._detect = detect
        self._pool = pool
        self._in_thread = in_thread
        self._options = options
        self._fingerprint = fingerprint
        self._judge = Judge(
            recogniser,
            budget=lambda task: budget_for(options.version, task),
            in_thread=in_thread,
            media_type=options.media_type,
            on_cpu=self._on_cpu if options.cpu_fallback else None,
            max_tokens=options.max_tokens,
        )

    async def read(self, ref: PageRef) -> ParsedPage:
        """The page.

        Raises:
            SourceError: the file vanished or cannot be opened any more.
            PageError: the page cannot be rendered.
            ServerError: there is no server to ask.
            ModelError, MissingExtra: the layout model cannot be had.
        """
        begun = await self._begin(ref)
        try:
            answers = await asyncio.gather(*begun.asked)
        finally:
            for task in begun.asked:  # of a page that failed: what is still under way is of no use
                task.cancel()
        page = _parsed(begun, answers, ref.page, self._fingerprint)
        result: ParsedPage = await self._in_thread(judged, page, lambda: begun.evidence)
        return result

    async def _begin(self, ref: PageRef) -> _Begun:
        """Everything up to the asking; only what is asked holds the picture afterwards, until it is encoded."""
        o = self._options
        prepare = partial(prepare_with_evidence, dpi=o.dpi, upright=o.upright, layer=o.text_layer == "keep")
        page: PreparedPage
        page, evidence = await self._in_thread(self._pool.call, prepare, ref, what=str(ref))
        found = await self._detect(page.picture)
        plan: PagePlan = await self._in_thread(
            plan_page, page.picture, found, version=o.version, layer=page.layer, scale=page.scale
        )
        asked = [
            asyncio.ensure_future(self._answer(page.picture, part, f"{ref}, region {n}"))
            for n, part in enumerate(plan.parts, 1)
        ]
        plan = replace(plan, flags=(*page.flags, *plan.flags))
        return _Begun(plan, asked, page.width, page.height, page.turn, page.scale, evidence)

    def _answer(self, picture: NDArray[np.uint8], part: Part, name: str) -> Coroutine[Any, Any, Answer]:
        if part.own is not None:
            return _at_once(own_answer(part.own))
        if part.task is None:
            return _at_once(Answer(()))
        return self._judge.read(piece_of(picture, part), part.task, name=name)

    async def _on_cpu(self, piece: NDArray[np.uint8], name: str) -> tuple[str, float | None]:
        try:
            text, confidence = await self._in_thread(self._pool.call, _read_piece, piece, what=name)
        except PageError:
            return "", None
        return text, confidence


@dataclass(frozen=True, slots=True)
class _Begun:
    """A page whose regions are being read: the plan, the answers to come, and its measures (see ``PreparedPage``)."""

    plan: PagePlan
    asked: Sequence[asyncio.Future[Answer]]
    width: float
    height: float
    turn: int
    scale: float
    evidence: Evidence


async def _at_once(answer: Answer) -> Answer:
    return answer


def _parsed(begun: _Begun, answers: Sequence[Answer], page: int, fingerprint: str) -> ParsedPage:
    plan = begun.plan
    blocks = page_blocks(plan.parts, answers, page=page, scale=begun.scale)
    counted = Counter(str(x.reason) for x in plan.removed)
    counted[Reason.CONTAINED] += sum(p.chart is not None for p in plan.parts) - sum(IN_CHART in b.flags for b in blocks)
    flags = [*plan.flags, *(f"layout_removed_{reason}_{n}" for reason, n in sorted(counted.items()) if n)]
    whole = next((a for p, a in zip(plan.parts, answers, strict=True) if WHOLE & set(p.flags)), None)
    if whole is not None and not any(WHOLE & set(b.flags) and b.text for b in blocks):
        flags += ["nothing_read", *whole.flags]
    back = Affine.quarter_turn(begun.turn, begun.width, begun.height).inverse()
    return ParsedPage(
        page,
        begun.width,
        begun.height,
        f"{fingerprint}/text-layer" if any(p.own is not None for p in plan.parts) else fingerprint,
        map_blocks(blocks, back.box, begun.width, begun.height),
        rotation=begun.turn,
        flags=tuple(flags),
    )


def _read_piece(piece: NDArray[np.uint8]) -> tuple[str, float | None]:
    """The lines of a picture, top to bottom, and their confidence by length. Runs in a worker."""
    import numpy as np

    from paperlode.ingest.parsing import ocr

    picture = piece if piece.ndim == 3 else np.repeat(piece[..., None], 3, axis=2)
    quads = ocr.detect(np.ascontiguousarray(picture))
    order = sorted(
        range(len(quads)), key=lambda i: (round(float(quads[i][:, 1].mean()) / 10), float(quads[i][:, 0].min()))
    )
    readings = [r for r in ocr.recognise([ocr.crop(picture, quads[i]) for i in order]) if r.text.strip()]
    letters = sum(len(r.text) for r in readings)
    if not letters:
        return "", None
    return "\n".join(r.text for r in readings), round(sum(r.confidence * len(r.text) for r in readings) / letters, 3)
