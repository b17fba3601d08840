"""The production parser: pages laid out by PP-DocLayout, their regions read by PaddleOCR-VL on a server.

One thread runs an event loop, in which pages and their regions are read side by side; pictures are rendered in worker
processes, which a broken file may crash, and the layout model runs in a thread of its own. How many regions are at the
server at a time is the recogniser's business. A region that cannot be read is a flagged block, a page that cannot is a
failed page; neither costs its neighbours.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from paperlode.ingest.document import PageFailure, ParsedPage
from paperlode.ingest.errors import InvalidRequest, PageError, PageUnreadable, ServerError
from paperlode.ingest.pages import PageRef, count_pages, read_picture
from paperlode.ingest.parsing.crops import BUDGETS, budget_for, cut
from paperlode.ingest.parsing.judge import Answer, Judge
from paperlode.ingest.parsing.layout_labels import meaning_of
from paperlode.ingest.parsing.layout_rules import apply_rules
from paperlode.ingest.parsing.vl_blocks import region_block
from paperlode.ingest.vllm.values import Task
from paperlode.ingest.workers import WorkerLimits, WorkerPool

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from paperlode.ingest.document import Source
    from paperlode.ingest.parsing.layout import LayoutModel, Region
    from paperlode.ingest.vllm.values import Recogniser

__all__ = ["PaddleOCRVLParser", "VLOptions"]

_BUILD = 1
"""Raised when the same outputs become other blocks."""
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


class PaddleOCRVLParser:
    """A ``Parser``; see the module.

    Args:
        recogniser: makes the client of the server, inside the event loop that uses it.
        layout: makes the layout model, in the thread that uses it.
        layout_name: which model that is, for the fingerprint.
        options: what changes the result.
        password: tried on every encrypted document.
        workers: processes that render pages.
        pages_at_once: pages being read; each holds its picture (12 MB for A4 at 200 dpi).
        limits: time and memory of rendering one page.
    """

    def __init__(
        self,
        recogniser: Callable[[], Recogniser],
        layout: Callable[[], LayoutModel],
        *,
        layout_name: str = "v3",
        options: VLOptions | None = None,
        password: str | None = None,
        workers: int | None = None,
        pages_at_once: int = 8,
        limits: WorkerLimits | None = None,
    ) -> None:
        self.options = options or VLOptions()
        self.pool = WorkerPool(workers, limits)
        self._layout_name = layout_name
        self._password = password
        self._ahead = pages_at_once
        self._make_recogniser, self._make_layout = recogniser, layout
        self._recogniser: Recogniser | None = None
        self._model: LayoutModel | None = None
        self._layout_thread = ThreadPoolExecutor(1, thread_name_prefix="layout")
        self._threads = ThreadPoolExecutor(pages_at_once, thread_name_prefix="pages")
        self._starting = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._loop_thread: threading.Thread | None = None

    @classmethod
    def on_servers(
        cls,
        servers: Sequence[str],
        *,
        model: str | None = None,
        key: str | None = None,
        layout: str | None = None,
        device: str = "cpu",
        options: VLOptions | None = None,
        password: str | None = None,
        workers: int | None = None,
        limits: WorkerLimits | None = None,
    ) -> PaddleOCRVLParser:
        """With PP-DocLayout and PaddleOCR-VL on these replicas; what makes no sense is an error here, not on every page.

        Args:
            servers: addresses.
            model: name it is served under; None for the one that the server shows.
            key: bearer key.
            layout: folder or hub name of PP-DocLayout; None for the published V3.
            device: where the layout model runs, as torch names it.
            options: what changes the result.
            password: tried on every encrypted document.
            workers: processes that render pages.
            limits: time and memory of rendering one page.

        Raises:
            MissingExtra, ModelUnknown, ModelError: the layout model cannot be had.
            InvalidRequest: an unknown version, or an address or key that makes no sense.
        """
        from paperlode.ingest.parsing.layout import DEFAULT_LAYOUT, DocLayout
        from paperlode.ingest.vllm.client import VLLMRecogniser
        from paperlode.ingest.vllm.loops import LoopWatch

        options = options or VLOptions()
        if options.version not in BUDGETS:
            raise InvalidRequest(
                f"There is no PaddleOCR-VL {options.version!r}.", hint=f"Known versions: {', '.join(BUDGETS)}."
            )

        def recogniser() -> VLLMRecogniser:
            return VLLMRecogniser(servers, model=model, key=key, watch=lambda _: LoopWatch())

        recogniser()
        detector = DocLayout.load(layout or DEFAULT_LAYOUT, device=device)
        return cls(
            recogniser,
            lambda: detector,
            layout_name=detector.version,
            options=options,
            password=password,
            workers=workers,
            limits=limits,
        )

    @property
    def fingerprint(self) -> str:
        """Model version, layout model and what else changes the result."""
        o = self.options
        return f"paddleocr-vl-{o.version}-{_BUILD}-{self._layout_name}-{o.dpi}-{o.media_type.removeprefix('image/')}"

    def _ref(self, source: Source, page: int) -> PageRef:
        return PageRef(source.uri, page, pdf=source.media_type == "application/pdf", password=self._password)

    def page_count(self, source: Source) -> int:
        """Number of pages. Raises SourceEncrypted, SourceCorrupt, SourceEmpty, or PageError when opening it kills a worker."""
        return self.pool.call(count_pages, self._ref(source, 0), what=source.uri)

    def parse(self, source: Source, pages: Sequence[int]) -> Iterator[ParsedPage]:
        """The pages in the order asked for; a few are read ahead. See ``base.Parser``."""
        flying: deque[Future[ParsedPage]] = deque()
        todo = iter(pages)
        loop = self._running()
        try:
            while True:
                while len(flying) < self._ahead and (page := next(todo, None)) is not None:
                    flying.append(asyncio.run_coroutine_threadsafe(self._page(self._ref(source, page)), loop))
                if not flying:
                    return
                page_read = flying[0].result()
                flying.popleft()
                yield page_read
        finally:
            for waiting in flying:
                waiting.cancel()

    def _running(self) -> asyncio.AbstractEventLoop:
        with self._starting:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._loop_thread = threading.Thread(target=self._loop.run_forever, name="paddleocr-vl", daemon=True)
                self._loop_thread.start()
            return self._loop

    async def _page(self, ref: PageRef) -> ParsedPage:
        """One page; every failure of it is a value.

        Raises:
            SourceError: the file vanished or cannot be opened any more.
            ModelError, MissingExtra: the layout model cannot be had.
        """
        name = self.fingerprint
        try:
            picture, width, height = await self._thread(self._picture, ref)
            regions = await asyncio.get_running_loop().run_in_executor(self._layout_thread, self._detect, picture)
            return await self._read(ref, picture, regions, width, height)
        except (PageError, ServerError) as e:
            return ParsedPage(ref.page, 0.0, 0.0, name, failure=PageFailure(e.code, str(e)))
        except (RuntimeError, ValueError, TypeError, IndexError) as e:  # of the layout model or a library, on one page
            error = PageUnreadable(f"{ref} cannot be parsed: {type(e).__name__}: {e}.")
            return ParsedPage(ref.page, 0.0, 0.0, name, failure=PageFailure(error.code, str(error)))

    def _picture(self, ref: PageRef) -> tuple[NDArray[np.uint8], float, float]:
        return self.pool.call(_read_page, ref, self.options.dpi, what=str(ref))

    def _detect(self, picture: NDArray[np.uint8]) -> tuple[Region, ...]:
        if self._model is None:
            self._model = self._make_layout()
        return self._model.detect(picture)

    async def _read(
        self, ref: PageRef, picture: NDArray[np.uint8], found: tuple[Region, ...], width: float, height: float
    ) -> ParsedPage:
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
        return ParsedPage(ref.page, width, height, self.fingerprint, blocks, flags=flags)

    async def _answer(self, picture: NDArray[np.uint8], region: Region, name: str) -> Answer:
        task = self._task(region)
        if task is None:
            return Answer(())
        piece = cut(picture, region)
        return await self._judge().read(piece, task, name=name)

    def _task(self, region: Region) -> Task | None:
        task = meaning_of(region.label).task
        return Task.OCR if task is Task.SEAL and self.options.version == "1.0" else task

    def _judge(self) -> Judge:
        if self._recogniser is None:
            self._recogniser = self._make_recogniser()
        o = self.options
        return Judge(
            self._recogniser,
            budget=lambda task: budget_for(o.version, task),
            in_thread=self._thread,
            media_type=o.media_type,
            on_cpu=self._on_cpu if o.cpu_fallback else None,
            max_tokens=o.max_tokens,
        )

    async def _on_cpu(self, piece: NDArray[np.uint8], name: str) -> tuple[str, float | None]:
        try:
            text, confidence = await self._thread(self.pool.call, _read_piece, piece, what=name)
        except PageError:
            return "", None
        return text, confidence

    def _thread(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Awaitable[Any]:
        def call() -> Any:
            return function(*args, **kwargs)

        return asyncio.get_running_loop().run_in_executor(self._threads, call)

    def close(self) -> None:
        """Ends workers, connections and threads. Idempotent."""
        loop, self._loop = self._loop, None
        if loop is not None:
            asyncio.run_coroutine_threadsafe(self._end(), loop).result()
            loop.call_soon_threadsafe(loop.stop)
            assert self._loop_thread is not None
            self._loop_thread.join()
            loop.close()
        self.pool.close()
        self._threads.shutdown(cancel_futures=True)
        self._layout_thread.shutdown(cancel_futures=True)

    async def _end(self) -> None:
        others = [t for t in asyncio.all_tasks() if t is not asyncio.current_task()]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        if self._recogniser is not None:
            await self._recogniser.close()
            self._recogniser = None


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
