"""One page for PaddleOCR-VL: its picture, its regions, and what the server reads of each become a parsed page.

``PageReader`` is what ``paddleocr_vl`` does with a single page: picture from a worker process, layout in its own thread,
regions read side by side. A region that cannot be read is a flagged block; what fails the whole page is raised.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from paperlode.ingest.document import ParsedPage
from paperlode.ingest.errors import PageError
from paperlode.ingest.pages import read_picture
from paperlode.ingest.parsing.crops import budget_for, cut
from paperlode.ingest.parsing.judge import Answer, Judge
from paperlode.ingest.parsing.layout_labels import meaning_of
from paperlode.ingest.parsing.layout_rules import apply_rules
from paperlode.ingest.parsing.vl_blocks import region_block
from paperlode.ingest.vllm.values import Task

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    import numpy as np
    from numpy.typing import NDArray

    from paperlode.ingest.pages import PageRef
    from paperlode.ingest.parsing.layout import Region
    from paperlode.ingest.vllm.values import Recogniser
    from paperlode.ingest.workers import WorkerPool

__all__ = ["PageReader", "VLOptions"]

_BODY_LABELS = frozenset({"text", "abstract", "reference_content"})


@dataclass(frozen=True, slots=True, kw_only=True)
class VLOptions:
    """What changes the result, beside the models.

    Attributes:
        version: of PaddleOCR-VL, for the pixel budgets and the tasks it knows: ``1.0``, ``1.5`` or ``1.6``.
        dpi: at which PDF pages are rendered.
        media_type: of the crops on the wire; JPEG takes a fifth of the time for colour scans.
        max_tokens: most output tokens of one region (PaddleX: 4096).
        cpu_fallback: read on the CPU what the server cannot.
    """

    version: str = "1.6"
    dpi: int = 200
    media_type: str = "image/png"
    max_tokens: int = 4096
    cpu_fallback: bool = True


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
        picture, width, height = await self._in_thread(
            self._pool.call, _read_page, ref, self._options.dpi, what=str(ref)
        )
        found = await self._detect(picture)
        ruled = apply_rules(found, width=picture.shape[1], height=picture.shape[0])
        asked = [
            asyncio.ensure_future(self._answer(picture, r, f"{ref}, region {n}")) for n, r in enumerate(ruled.kept, 1)
        ]
        try:
            answers = await asyncio.gather(*asked)
        finally:
            for task in asked:  # of a page that failed: what is still under way is of no use
                task.cancel()
        scale = width / picture.shape[1]
        body = _body_size(list(zip(ruled.kept, answers, strict=True)), scale)
        blocks = tuple(
            region_block(r, a, page=ref.page, scale=scale, body=body) for r, a in zip(ruled.kept, answers, strict=True)
        )
        counted = {str(x.reason): sum(y.reason is x.reason for y in ruled.removed) for x in ruled.removed}
        flags = tuple(f"layout_removed_{reason}_{n}" for reason, n in sorted(counted.items()))
        return ParsedPage(ref.page, width, height, self._fingerprint, blocks, flags=flags)

    async def _answer(self, picture: NDArray[np.uint8], region: Region, name: str) -> Answer:
        task = self._task(region)
        if task is None:
            return Answer(())
        return await self._judge.read(cut(picture, region), task, name=name)

    def _task(self, region: Region) -> Task | None:
        task = meaning_of(region.label).task
        return Task.OCR if task is Task.SEAL and self._options.version == "1.0" else task

    async def _on_cpu(self, piece: NDArray[np.uint8], name: str) -> tuple[str, float | None]:
        try:
            text, confidence = await self._in_thread(self._pool.call, _read_piece, piece, what=name)
        except PageError:
            return "", None
        return text, confidence


def _body_size(read: list[tuple[Region, Answer]], scale: float) -> float:
    """Height in points of the page's lines of running text, as a font size; 10 where there is none."""
    sizes = sorted(
        r.box.height * scale / (text.count("\n") + 1) / 1.35
        for r, a in read
        if r.label in _BODY_LABELS and (text := "\n".join(a.texts))
    )
    return sizes[len(sizes) // 2] if sizes else 10.0


def _read_page(ref: PageRef, dpi: int) -> tuple[NDArray[np.uint8], float, float]:
    """Runs in a worker."""
    return read_picture(ref, dpi=dpi)


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
