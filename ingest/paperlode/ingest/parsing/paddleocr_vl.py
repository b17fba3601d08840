"""The production parser: pages laid out by PP-DocLayout, their regions read by PaddleOCR-VL on a server.

One thread runs an event loop, in which pages and their regions are read side by side; pictures are rendered in worker
processes, which a broken file may crash, and the layout model runs in a thread of its own. How many regions are at the
server at a time is the recogniser's business. A region that cannot be read is a flagged block, a page that cannot is a
failed page; neither costs its neighbours.
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from paperlode.ingest.document import PageFailure, ParsedPage
from paperlode.ingest.errors import InvalidRequest, PageError, PageUnreadable, PaperlodeError, ServerError
from paperlode.ingest.pages import PageRef, count_pages
from paperlode.ingest.parsing.crops import BUDGETS
from paperlode.ingest.parsing.prints import prints_of
from paperlode.ingest.parsing.read_ahead import PageOnItsWay, ReadAhead, Stretch
from paperlode.ingest.parsing.vl_pages import PageReader, VLOptions
from paperlode.ingest.vllm.connections import new_event_loop
from paperlode.ingest.vllm.served import NEWEST, served_version
from paperlode.ingest.workers import WorkerLimits, WorkerPool

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Sequence
    from concurrent.futures import Future

    import numpy as np
    from numpy.typing import NDArray

    from paperlode.ingest.document import Source
    from paperlode.ingest.parsing.layout import LayoutModel, Region
    from paperlode.ingest.vllm.values import Crop, Recogniser, Recognition

__all__ = ["PaddleOCRVLParser", "VLOptions"]

_PLACE: ContextVar[PageOnItsWay] = ContextVar("page")
"""Of the page that a task reads."""
DOCUMENTS_AT_ONCE = 64
"""Enough for a folder of one-page scans to fill a GPU: 64 pages hold about a thousand crops."""
_BUILD = 2
"""Raised when the same outputs become other blocks."""


class PaddleOCRVLParser:
    """A ``Parser``; see the module.

    Args:
        recogniser: makes the client of the server, inside the event loop that uses it.
        layout: makes the layout model, in the thread that uses it.
        layout_name: which model that is, for the fingerprint.
        options: what changes the result.
        password: tried on every encrypted document.
        workers: processes that render pages.
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
        limits: WorkerLimits | None = None,
    ) -> None:
        options = options or VLOptions()
        self.options = options if options.version else replace(options, version=NEWEST)
        self.pool = WorkerPool(workers, limits)
        self._layout_name = layout_name
        self._password = password
        self._preparing = 2 * self.pool.workers + 2  # pages being rendered or laid out, each 12 MB for A4 at 200 dpi
        self._ahead: ReadAhead | None = None
        self._make_recogniser, self._make_layout = recogniser, layout
        self._recogniser: Recogniser | None = None
        self._reader: PageReader | None = None
        self._model: LayoutModel | None = None
        self._layout_thread = ThreadPoolExecutor(1, thread_name_prefix="layout")
        self._threads = ThreadPoolExecutor(2 * self._preparing, thread_name_prefix="pages")
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
        notice: Callable[[str], None] | None = None,
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
            notice: told when the version is not given and the served model's name tells none; default the log.

        Raises:
            MissingExtra, ModelUnknown, ModelError: the layout model cannot be had.
            InvalidRequest: an unknown version, servers of different versions, or an address or key that makes no sense.
            ServerError: the version is to be read from the model's name, and no server shows it.
        """
        from paperlode.ingest.parsing.layout import DEFAULT_LAYOUT, DocLayout
        from paperlode.ingest.vllm.client import VLLMRecogniser
        from paperlode.ingest.vllm.loops import LoopWatch

        options = options or VLOptions()
        if options.version and options.version not in BUDGETS:
            raise InvalidRequest(
                f"There is no PaddleOCR-VL {options.version!r}.", hint=f"Known versions: {', '.join(BUDGETS)}."
            )

        def recogniser() -> VLLMRecogniser:
            return VLLMRecogniser(servers, model=model, key=key, watch=lambda _: LoopWatch())

        urls = recogniser().urls
        if not options.version:
            options = replace(options, version=served_version(urls, model=model, key=key, notice=notice))
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
        made = f"paddleocr-vl-{o.version}-{_BUILD}-{self._layout_name}-{o.dpi}-{o.media_type.removeprefix('image/')}"
        return made + o.ways

    @property
    def documents_at_once(self) -> int:
        """``DOCUMENTS_AT_ONCE``."""
        return DOCUMENTS_AT_ONCE

    def _ref(self, source: Source, page: int) -> PageRef:
        return PageRef(source.uri, page, pdf=source.media_type == "application/pdf", password=self._password)

    def page_count(self, source: Source) -> int:
        """Number of pages. Raises SourceEncrypted, SourceCorrupt, SourceEmpty, or PageError when opening it kills a worker."""
        return self.pool.call(count_pages, self._ref(source, 0), what=source.uri)

    def stands(self, read_by: str) -> bool:
        """Only what this model read, with these options; see ``base.Parser``."""
        return read_by.partition("/")[0] == self.fingerprint

    def page_prints(self, source: Source, stop: int) -> Sequence[str]:
        """What the pages before ``stop`` show; see ``base.Parser``. Empty for pages that kill a worker."""
        return prints_of(self.pool, self._ref(source, 0), stop)

    def parse(self, source: Source, pages: Sequence[int]) -> Iterator[ParsedPage]:
        """The pages in the order asked for, as many at a time as the servers take. See ``base.Parser``.

        Raises:
            SourceError: the file vanished or cannot be opened any more.
            ServerError: no server can be used, after waiting for one.
            ModelError, MissingExtra: the layout model cannot be had.
        """
        coming: queue.SimpleQueue[Future[ParsedPage] | None] = queue.SimpleQueue()
        loop = self._running()
        ahead = asyncio.run_coroutine_threadsafe(self._stretch(), loop).result()
        begun = asyncio.run_coroutine_threadsafe(self._begin(source, pages, ahead, coming), loop)
        try:
            while (page := coming.get()) is not None:
                read = page.result()
                self._call(ahead.taken)
                yield read
        finally:
            begun.cancel()
            while not coming.empty():
                if (page := coming.get()) is not None:
                    page.cancel()
            self._call(ahead.end)

    async def _stretch(self) -> Stretch:
        if self._ahead is None:
            self._recogniser = self._make_recogniser()
            self._ahead = ReadAhead(self._recogniser, preparing=self._preparing)
        return self._ahead.stretch()

    async def _begin(
        self, source: Source, pages: Sequence[int], ahead: Stretch, coming: queue.SimpleQueue[Future[ParsedPage] | None]
    ) -> None:
        """Begins one page after the other, each as soon as it may; ends with None."""
        loop = asyncio.get_running_loop()
        try:
            for page in pages:
                place = await ahead.begin()
                reading = asyncio.run_coroutine_threadsafe(self._page(self._ref(source, page), place), loop)
                reading.add_done_callback(partial(self._leave, place))
                coming.put(reading)
        finally:
            coming.put(None)

    def _leave(self, place: PageOnItsWay, _: Future[ParsedPage]) -> None:
        """The page is read, failed, or was cancelled before it began."""
        self._call(place.read)

    def _call(self, function: Callable[[], None]) -> None:
        """In the event loop, if it still runs."""
        loop = self._loop
        if loop is not None:
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(function)

    def _running(self) -> asyncio.AbstractEventLoop:
        with self._starting:
            if self._loop is None:
                self._loop = new_event_loop()
                self._loop_thread = threading.Thread(target=self._loop.run_forever, name="paddleocr-vl", daemon=True)
                self._loop_thread.start()
            return self._loop

    async def _page(self, ref: PageRef, place: PageOnItsWay) -> ParsedPage:
        """One page; every failure of it is a value.

        Raises:
            SourceError: the file vanished or cannot be opened any more.
            ServerError: no server can be used.
            ModelError, MissingExtra: the layout model cannot be had.
        """
        _PLACE.set(place)
        name = self.fingerprint
        try:
            return await self._page_reader().read(ref)
        except PaperlodeError as e:
            if not isinstance(e, ServerError | PageError) or (isinstance(e, ServerError) and e.everywhere):
                raise
            return ParsedPage(ref.page, 0.0, 0.0, name, failure=PageFailure(e.code, str(e)))
        except Exception as e:  # noqa: BLE001  of the layout model or a library, on one page: it must not end a document
            error = PageUnreadable(f"{ref} cannot be parsed: {type(e).__name__}: {e}.")
            return ParsedPage(ref.page, 0.0, 0.0, name, failure=PageFailure(error.code, str(error)))

    def _detect(self, picture: NDArray[np.uint8]) -> tuple[Region, ...]:
        if self._model is None:
            self._model = self._make_layout()
        return self._model.detect(picture)

    def _page_reader(self) -> PageReader:
        if self._reader is None:
            assert self._recogniser is not None
            assert self._ahead is not None
            self._reader = PageReader(
                _Heard(self._recogniser, self._ahead.wake),
                self._laid_out,
                pool=self.pool,
                in_thread=self._thread,
                options=self.options,
                fingerprint=self.fingerprint,
            )
        return self._reader

    async def _laid_out(self, picture: NDArray[np.uint8]) -> tuple[Region, ...]:
        found: tuple[Region, ...] = await asyncio.get_running_loop().run_in_executor(
            self._layout_thread, self._detect, picture
        )
        _PLACE.get().prepared()
        return found

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
            self._recogniser = self._reader = self._ahead = None


class _Heard:
    """A recogniser that says when it is through with a crop: then it may want more."""

    def __init__(self, recogniser: Recogniser, wake: Callable[[], None]) -> None:
        self._recogniser = recogniser
        self._wake = wake

    @property
    def in_line(self) -> int:
        return self._recogniser.in_line

    @property
    def under_way(self) -> int:
        return self._recogniser.under_way

    async def recognise(self, crop: Crop, *, temperature: float = 0.0, max_tokens: int = 4096) -> Recognition:
        try:
            return await self._recogniser.recognise(crop, temperature=temperature, max_tokens=max_tokens)
        finally:
            self._wake()

    async def close(self) -> None:
        await self._recogniser.close()
