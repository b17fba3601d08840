"""``PaddleOCRVLReader``: files as LlamaIndex Documents, page by page, each block with its boxes.

What a Document holds, and what it does not:

- Its text is Markdown. A table or paragraph that runs over a page break stands whole on the page it starts on; a page
  that has no text of its own gives no Document and is named in ``pages_without_text``.
- A page that fails is metadata of every other Document of its file (``failed_pages``), never a Document: an empty text
  would be embedded, and a text that is an error message would be found. A file of which nothing is left counts as one
  that cannot be opened.
- All metadata values are strings and numbers, as most vector stores want them; ``blocks`` and ``failed_pages`` are JSON,
  read back by ``blocks_of`` and ``failed_pages_of``.
- Ids are made of the file's bytes, the page and the parser's fingerprint: a second run over the same files upserts
  nothing. A second copy of a file within one call is left out and listed.
- With ``ids="path"`` they are made of the file's path and the page, and the metadata say nothing that changes for all pages
  when one does: a docstore then sees which pages of a changed file are changed.

Documents of a file come once it is read to its end, since ``failed_pages`` must be known; of folders a few files are read ahead.
"""

from __future__ import annotations

import asyncio
import json
import logging
import multiprocessing
import threading
import weakref
from collections.abc import Sequence  # noqa: TC003  pydantic reads the fields' types
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import TYPE_CHECKING, Any, Literal, Self

from paperlode.ingest.errors import InvalidRequest, MissingExtra, PageError, PaperlodeError, SourceError
from paperlode.ingest.llama_documents import (
    BLOCKS,
    FAILED,
    NOT_EMBEDDED,
    NOT_IN_PROMPT,
    BlockPlace,
    ReadFile,
    Sheet,
    compact,
    error_of,
    metadata_of,
    places,
    read_file,
)
from paperlode.ingest.llama_files import in_order, origins
from paperlode.ingest.report import PageProblem, SourceProblem

try:
    from llama_index.core.bridge.pydantic import ConfigDict, Field, PrivateAttr, field_validator
    from llama_index.core.readers.base import BasePydanticReader
    from llama_index.core.schema import BaseNode, Document, NodeWithScore, TextNode, TransformComponent
except ModuleNotFoundError as exc:
    if (exc.name or "").split(".")[0] != "llama_index":
        raise
    raise MissingExtra.named("llama-index-core", "llama-index") from exc

from paperlode.ingest.structure_node_parser import StructureNodeParser

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Generator, Iterator, Mapping

    from paperlode.ingest.llama_files import Origin
    from paperlode.ingest.parsing.base import Parser

__all__ = ["Documents", "KeepOwnBlocks", "PaddleOCRVLReader", "StructureNodeParser", "blocks_of", "failed_pages_of"]

log = logging.getLogger(__name__)


class PaddleOCRVLReader(BasePydanticReader):
    """Reads PDFs and pictures with PaddleOCR-VL on a server, or on the CPU.

    ``SimpleDirectoryReader(file_extractor={".pdf": reader})`` works; leave its ``num_workers`` out of ``load_data``, for
    the reader has worker processes of its own. Several loads may run at a time on one reader. Its processes end with
    ``close()``, at the end of ``with reader:``, or when it is garbage.

    Attributes:
        parser: ``paddleocr-vl``; ``local`` (CPU, nothing downloaded); ``auto``: the first where ``servers`` are given.
        servers: address of the recognition server, or of each of its replicas.
        served_model: the model's name there; default the first it offers.
        version: of PaddleOCR-VL: ``1.0``, ``1.5`` or ``1.6``; None for what the served name says.
        text_layer: of digital PDF pages: ``ignore``, or ``keep`` its text and send only tables, formulas and pictures.
        layout: folder or Hugging Face name of the PP-DocLayout model; None for the default one.
        key: bearer key of the servers. password: tried on every encrypted document. Neither is shown or serialised.
        workers: processes that open and render pages; default one a core.
        granularity: one Document a ``page``, or one a ``document``.
        furniture: keep running headers, footers and page numbers in the text.
        ids: ``bytes``: another version of a file is another Document. ``path``: it is the same one, so that a pipeline with
            docstore upserts replaces the pages that changed and leaves the others; the metadata are then without
            ``file_digest``, ``file_size``, ``page_count``, ``pages_without_text`` and dates.
        raise_on_error: whether a file that cannot be read ends the load. None: yes for one file named by itself, no for
            folders, globs and lists, where it is logged and listed in ``problems``.
        files_at_once: files that concurrent ``aload_data`` calls on one event loop read at a time.
        custom: a parser of your own, or what makes one: then ``parser`` and all about servers is not used. One that is
            given stays yours to close. It is not serialised.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True, extra="forbid")

    is_remote: bool = False
    parser: Literal["auto", "local", "paddleocr-vl"] = "auto"
    servers: Sequence[str] = ()
    served_model: str | None = None
    version: Literal["1.0", "1.5", "1.6"] | None = None
    text_layer: Literal["ignore", "keep"] = "ignore"
    layout: str | None = None
    key: str | None = Field(default=None, exclude=True, repr=False)
    password: str | None = Field(default=None, exclude=True, repr=False)
    workers: int | None = Field(default=None, ge=1)
    granularity: Literal["page", "document"] = "page"
    furniture: bool = False
    ids: Literal["bytes", "path"] = "bytes"
    raise_on_error: bool | None = None
    files_at_once: int = Field(default=4, ge=1)
    custom: Any = Field(default=None, exclude=True, repr=False)

    _made: Any = PrivateAttr(default=None)
    _ending: Any = PrivateAttr(default=None)
    _making: Any = PrivateAttr(default_factory=threading.Lock)
    _slots: Any = PrivateAttr(default_factory=weakref.WeakKeyDictionary)
    _problems: list[SourceProblem | PageProblem] = PrivateAttr(default_factory=list)

    @field_validator("servers", mode="before")
    @classmethod
    def _as_tuple(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else tuple(value)

    def model_post_init(self, context: Any, /) -> None:
        """Checks what goes together.

        Raises:
            InvalidRequest: a server is wanted and not given, or ``custom`` is no parser.
        """
        super().model_post_init(context)
        if self.custom is not None and not (hasattr(self.custom, "parse") or callable(self.custom)):
            raise InvalidRequest(f"custom={self.custom!r} is neither a parser nor a function that makes one.")
        if self.custom is None and self.parser == "paddleocr-vl" and not self.servers:
            raise InvalidRequest(
                "The parser paddleocr-vl needs a recognition server.",
                hint="Give servers='http://127.0.0.1:8000', or parser='local' to read on the CPU.",
            )
        self.is_remote = self.custom is None and self._kind() == "paddleocr-vl"

    @classmethod
    def class_name(cls) -> str:
        """Name under which LlamaIndex serialises it."""
        return "PaddleOCRVLReader"

    def to_dict(self, **kwargs: Any) -> dict[str, Any]:
        """The options, without key and password.

        Raises:
            InvalidRequest: it holds a parser of your own, which has no such form.
        """
        if self.custom is not None:
            raise InvalidRequest("A reader with a custom parser cannot be serialised.", hint="Make it anew instead.")
        return super().to_dict(**kwargs)

    def __getstate__(self) -> dict[str, Any]:
        # LlamaIndex's own drops what cannot be pickled, with a warning: a reader would lose its parser that way
        return {
            "__dict__": dict(self.__dict__),
            "__pydantic_extra__": None,
            "__pydantic_fields_set__": set(self.model_fields_set),
            "__pydantic_private__": None,
        }

    # ------------------------------------------------------------------------------------------------------- loading

    def load_data(
        self, file: Any, extra_info: Mapping[str, Any] | None = None, fs: Any = None, *, name: str | None = None
    ) -> list[Document]:
        """All Documents of what is given; see ``lazy_load_data``."""
        return list(self.lazy_load_data(file, extra_info, fs, name=name))

    def lazy_load_data(
        self, file: Any, extra_info: Mapping[str, Any] | None = None, fs: Any = None, *, name: str | None = None
    ) -> Iterator[Document]:
        """The Documents, file by file.

        Args:
            file: a path, a folder, a glob, a list of paths, or bytes.
            extra_info: metadata for every Document; it may replace ``file_name``, ``file_path``, ``file_type`` and
                ``file_size``, but nothing else the reader writes.
            fs: the fsspec file system the paths belong to.
            name: file name of bytes.

        Raises:
            SourceError, PageError, ServerError: a file cannot be read (see ``raise_on_error``).
            InvalidRequest, MissingExtra: the request or the installation is at fault; these are never only listed.
        """
        return self._load(file, extra_info, fs, name, threading.Event())

    async def aload_data(
        self, file: Any, extra_info: Mapping[str, Any] | None = None, fs: Any = None, *, name: str | None = None
    ) -> list[Document]:
        """Like ``load_data``, in a thread; cancelled, it stops after the page at hand."""
        loop = asyncio.get_running_loop()
        with self._making:
            slots = self._slots.setdefault(loop, asyncio.Semaphore(self.files_at_once))
        async with slots:
            return await self.alazy_load_data(file, extra_info, fs, name=name)

    def alazy_load_data(  # type: ignore[override]
        self, file: Any, extra_info: Mapping[str, Any] | None = None, fs: Any = None, *, name: str | None = None
    ) -> Documents:
        """``async for`` gives one Document at a time, ``await`` (as ``BaseReader`` has it) a list; see ``lazy_load_data``.

        A cancelled task, or an iteration that is closed, stops the work after the page at hand.
        """
        return Documents(lambda stop: self._load(file, extra_info, fs, name, stop))

    def _load(
        self, file: Any, extra_info: Mapping[str, Any] | None, fs: Any, name: str | None, stop: threading.Event
    ) -> Generator[Document]:
        single, found = origins(file, fs=fs, name=name)
        must_raise = single if self.raise_on_error is None else self.raise_on_error
        seen: dict[str, str] = {}
        with closing(in_order(found, self._read, stop=stop, at_once=lambda: self._parser().documents_at_once)) as reads:
            for asked, origin, reading in reads:
                if stop.is_set():
                    return
                if isinstance(origin, SourceError):
                    self._problem(asked, origin, must_raise=must_raise)
                    continue
                try:
                    read = reading()
                except (SourceError, PageError) as e:
                    self._problem(origin.path, e, must_raise=must_raise)
                    continue
                if read is None:
                    return
                self._note_pages(read)
                key = read.source.digest if self.ids == "bytes" else origin.path
                if (first := seen.setdefault(key, origin.path)) != origin.path:
                    self._list(
                        SourceProblem(origin.path, "duplicate", f"{origin.path} holds the same bytes as {first}.", "")
                    )
                elif (error := error_of(read)) is not None:
                    self._problem(origin.path, error, must_raise=must_raise)
                elif not read.sheets:
                    self._list(SourceProblem(origin.path, "no_text", f"There is no text in {origin.path}.", ""))
                else:
                    yield from (_document(read, s, extra_info, by_path=self.ids == "path") for s in read.sheets)

    def _read(self, origin: Origin, stopped: Callable[[], bool]) -> ReadFile | None:
        return read_file(
            self._parser(), origin, by_page=self.granularity == "page", furniture=self.furniture, stopped=stopped
        )

    # ------------------------------------------------------------------------------------------------------ problems

    @property
    def problems(self) -> tuple[SourceProblem | PageProblem, ...]:
        """Files that gave no Document and pages that failed, of all loads until now."""
        return tuple(self._problems)

    def clear_problems(self) -> None:
        """Forgets them."""
        self._problems.clear()

    def _problem(self, path: str, error: PaperlodeError, *, must_raise: bool) -> None:
        if must_raise:
            raise error
        self._list(SourceProblem(path, error.code, error.what, error.hint))

    def _note_pages(self, read: ReadFile) -> None:
        for page, failure in read.failures:
            self._list(PageProblem(read.source.uri, page, failure.code, failure.message))

    def _list(self, problem: SourceProblem | PageProblem) -> None:
        self._problems.append(problem)
        log.warning("%s", problem.what if isinstance(problem, SourceProblem) else problem.message)

    # -------------------------------------------------------------------------------------------------------- parser

    def _kind(self) -> str:
        return self.parser if self.parser != "auto" else "paddleocr-vl" if self.servers else "local"

    def _parser(self) -> Parser:
        with self._making:
            if self._made is None:
                self._made = self._make_parser()
                if self._made is not self.custom:
                    self._ending = weakref.finalize(self, self._made.close)
            made: Parser = self._made
            return made

    def _make_parser(self) -> Parser:
        if self.custom is not None:
            given: Parser = self.custom if hasattr(self.custom, "parse") else self.custom()
            return given
        if multiprocessing.current_process().daemon:
            raise InvalidRequest(
                "The reader's processes cannot be started from within a worker of another pool.",
                hint="Leave num_workers out of SimpleDirectoryReader.load_data; the reader uses all cores by itself.",
            )
        if self._kind() == "local":
            from paperlode.ingest.parsing.local import LocalParser

            return LocalParser(password=self.password, workers=self.workers)
        return self._paddleocr_vl()

    def _paddleocr_vl(self) -> Parser:
        from paperlode.ingest.parsing.paddleocr_vl import PaddleOCRVLParser, VLOptions

        return PaddleOCRVLParser.on_servers(
            self.servers,
            model=self.served_model,
            key=self.key,
            layout=self.layout,
            options=VLOptions(version=self.version or "", text_layer=self.text_layer),
            password=self.password,
            workers=self.workers,
        )

    def close(self) -> None:
        """Ends the processes and connections it started; the next load starts them again. Idempotent."""
        with self._making:
            ending, self._ending, self._made = self._ending, None, None
        if ending is not None:
            ending()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Documents:
    """Documents on their way: ``async for`` gives one at a time, ``await`` all as a list.

    Each iteration reads anew, in a thread of its own, so that the event loop stays free.

    Args:
        read: gives the Documents; it stops soon after the event it is given is set.
    """

    def __init__(self, read: Callable[[threading.Event], Generator[Document]]) -> None:
        self._read = read

    async def __aiter__(self) -> AsyncIterator[Document]:
        stop = threading.Event()
        work = self._read(stop)
        thread = ThreadPoolExecutor(1, thread_name_prefix="paperlode-reader")
        loop = asyncio.get_running_loop()
        try:
            while (document := await loop.run_in_executor(thread, next, work, None)) is not None:
                yield document
        finally:
            stop.set()
            thread.submit(work.close)  # in that thread: a generator must not be closed while it runs
            thread.shutdown(wait=False)

    def __await__(self) -> Generator[Any, None, list[Document]]:
        return self._all().__await__()

    async def _all(self) -> list[Document]:
        return [d async for d in self]


def _document(read: ReadFile, sheet: Sheet, extra_info: Mapping[str, Any] | None, *, by_path: bool) -> Document:
    metadata = metadata_of(read, sheet, extra_info or {}, by_path=by_path)
    return Document(
        id_=read.id_of(sheet, by_path=by_path),
        text=sheet.text,
        metadata=metadata,
        excluded_embed_metadata_keys=[k for k in metadata if k in NOT_EMBEDDED],
        excluded_llm_metadata_keys=[k for k in metadata if k in NOT_IN_PROMPT],
    )


def blocks_of(node: BaseNode | NodeWithScore) -> tuple[BlockPlace, ...]:
    """The blocks of a Document, or those a node made of it stands on, with their boxes.

    A node parser that cuts text says where a node stands (``start_char_idx``, ``end_char_idx``); one that rewrites it
    does not, and then all blocks of the Document are given.

    Raises:
        InvalidRequest: its metadata is not from this reader.
    """
    inner = node.node if isinstance(node, NodeWithScore) else node
    found = places(str(inner.metadata.get(BLOCKS, "")))
    if not isinstance(inner, TextNode) or inner.start_char_idx is None or inner.end_char_idx is None:
        return found
    return tuple(p for p in found if p.meets(inner.start_char_idx, inner.end_char_idx))


def failed_pages_of(node: BaseNode | NodeWithScore) -> tuple[PageProblem, ...]:
    """The pages that failed in the file a Document or node comes from."""
    inner = node.node if isinstance(node, NodeWithScore) else node
    path = str(inner.metadata.get("file_path", ""))
    return tuple(
        PageProblem(path, int(r["page_index"]), str(r["code"]), str(r["message"]))
        for r in json.loads(inner.metadata.get(FAILED, "[]"))
    )


class KeepOwnBlocks(TransformComponent):
    """Leaves each node only the blocks it stands on; put it right after a node parser.

    A node parser copies the metadata of a Document into every node, and into what a node says of its neighbours: with a
    long Document a node would carry the blocks of the whole of it, four times.
    """

    @classmethod
    def class_name(cls) -> str:
        """Name under which LlamaIndex serialises it."""
        return "KeepOwnBlocks"

    def __call__(self, nodes: Sequence[BaseNode], **_: Any) -> Sequence[BaseNode]:
        """The same nodes, with less."""
        for node in nodes:
            if BLOCKS in node.metadata:
                node.metadata[BLOCKS] = compact([p.record() for p in blocks_of(node)])
            for related in node.relationships.values():
                for one in related if isinstance(related, list) else [related]:
                    one.metadata = {k: v for k, v in one.metadata.items() if k != BLOCKS}
        return nodes
