"""The engine ``ray``: a run's pages are read, and its chunks embedded, by workers of a Ray cluster.

The run itself stays in this process: the ledger, the chunks, the index. So it goes on where it was, with the same command,
whatever was lost; and its results are those of a run without Ray.
"""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from paperlode.ingest.errors import InvalidRequest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from paperlode.api.values import IngestOptions
    from paperlode.ingest.parsing.base import Parser
    from paperlode.ingest.ray import RayOptions
    from paperlode.ingest.ray_cluster import Cluster
    from paperlode.retrieval.embedding import Embedder, ModelOptions

__all__ = ["ENGINES", "RayEngine", "engine_of"]

ENGINES = ("local", "ray")
CPUS_AN_EMBEDDER = 4
MOST_EMBEDDERS = 16
VL_PAGES = 16
"""Pages that a worker has at the recognition servers: enough for its parser to read ahead."""
GPU_SHARE = 0.2
"""Of a GPU, for the layout model of one worker."""


def engine_of(options: IngestOptions, *, notice: Callable[[str], None] | None = None) -> RayEngine | None:
    """The engine that the options ask for; None for this machine's own processes.

    Raises:
        InvalidRequest: there is no such engine, or an address without one that takes it.
    """
    if options.engine not in ENGINES:
        raise InvalidRequest(f"There is no engine {options.engine!r}.", hint=f"Known: {', '.join(ENGINES)}.")
    if options.engine == "local":
        if options.address:
            raise InvalidRequest("--address is of a Ray cluster.", hint="Add: --engine ray")
        return None
    return RayEngine(options, notice)


@dataclass(frozen=True, slots=True)
class RayEngine:
    """See the module.

    Attributes:
        options: of the run.
        notice: told what was taken where the options leave it open.
    """

    options: IngestOptions
    notice: Callable[[str], None] | None = None

    @contextmanager
    def on(self, embedder: Embedder, models: ModelOptions | None) -> Iterator[tuple[Parser, Embedder]]:
        """The parser and the embedding model of the run, on the cluster, which is joined or started for it.

        Args:
            embedder: of the archive.
            models: how its like is found and reached on the nodes.

        Raises:
            MissingExtra, ClusterUnavailable: Ray is not installed, or no cluster can be used.
            InvalidRequest, ServerError, ModelError: as for ``parsers.make_parser``.
        """
        from paperlode.api.parsers import make_parser
        from paperlode.ingest.ray_cluster import Cluster, import_ray

        import_ray()
        here = replace(self.options, engine="local", address=None, workers=1)
        with ExitStack() as stack:
            wrapped = make_parser(
                replace(here, recognition=replace(here.recognition, device="cpu")), notice=self.notice
            )
            stack.callback(wrapped.close)
            joined = Cluster.joined(self.options.address, cpus=self.options.workers)
            cluster = stack.enter_context(joined)
            parser = self._parser(cluster, wrapped, here)
            stack.callback(parser.close)
            yield parser, stack.enter_context(self._embedder(cluster, embedder, models))

    def _parser(self, cluster: Cluster, wrapped: Parser, options: IngestOptions) -> Parser:
        from paperlode.ingest.parsing.paddleocr_vl import PaddleOCRVLParser
        from paperlode.ingest.ray import RayParser

        if isinstance(wrapped, PaddleOCRVLParser):  # the version that was read from the server goes for all workers
            options = replace(options, recognition=replace(options.recognition, version=wrapped.options.version))
        return RayParser(cluster, wrapped, partial(_on_worker, options), self._ray_options(wrapped))

    def _ray_options(self, wrapped: Parser) -> RayOptions:
        from paperlode.ingest.parsing.paddleocr_vl import PaddleOCRVLParser
        from paperlode.ingest.ray import RayOptions

        if not isinstance(wrapped, PaddleOCRVLParser):
            return RayOptions(workers=self.options.workers)
        on_gpu = self.options.recognition.device != "cpu"
        return RayOptions(
            workers=self.options.workers, calls_at_once=VL_PAGES, pages_a_call=1, gpus=GPU_SHARE if on_gpu else 0.0
        )

    @contextmanager
    def _embedder(self, cluster: Cluster, embedder: Embedder, models: ModelOptions | None) -> Iterator[Embedder]:
        from paperlode.api.ray_embedder import RayEmbedder
        from paperlode.retrieval.embedding import ENDPOINT

        workers = self.options.embedders
        if workers is None:
            workers = 0 if cluster.started else max(1, min(MOST_EMBEDDERS, cluster.cpus // CPUS_AN_EMBEDDER))
        if not workers or embedder.name.startswith(ENDPOINT):  # a served model gains nothing by a detour
            yield embedder
            return
        made = RayEmbedder(cluster, embedder, models, workers=workers)
        try:
            yield made
        finally:
            made.close()


def _on_worker(options: IngestOptions) -> Parser:
    """The parser of one worker. Pickled by its name, so that what is run is the code that is installed there."""
    from paperlode.api.parsers import make_parser

    return make_parser(options, notice=lambda _: None)
