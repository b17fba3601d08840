"""An embedding model whose vectors are made by the workers of a Ray cluster, on GPUs where there are any."""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING, Any

from paperlode.ingest.errors import ClusterUnavailable, PaperlodeError
from paperlode.ingest.ray_pool import ActorPool, Begun, WorkerLost
from paperlode.ingest.ray_worker import Outcome
from paperlode.retrieval.embedding import SENTENCE_TRANSFORMERS, full_name, load_embedder

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from paperlode.ingest.ray_cluster import Cluster
    from paperlode.retrieval.embedding import Embedder, ModelOptions

__all__ = ["EmbedWorker", "RayEmbedder"]

LEAST_TEXTS = 8
"""Of a call: fewer are not worth the way."""
_TRIES = 5


class EmbedWorker:
    """The actor.

    Args:
        make: the model.
    """

    def __init__(self, make: Callable[[], Embedder]) -> None:
        self._make = make
        self._model: Any = None

    def begin(self) -> Begun:
        """Loads the model."""
        import ray

        node = ray.get_runtime_context().get_node_id()
        try:
            self._model = self._make()
        except PaperlodeError as exc:
            return Begun(node, os.getpid(), exc)
        return Begun(node, os.getpid())

    def embed(self, texts: Sequence[str]) -> Outcome:
        """The vectors."""
        try:
            return Outcome(self._model.embed(texts))
        except PaperlodeError as exc:
            return Outcome(error=exc)

    def end(self) -> None:
        """Before the actor is ended."""


class RayEmbedder:
    """An ``Embedder``; texts are counted, and questions embedded, by the wrapped one.

    Args:
        cluster: joined for as long as it is used.
        wrapped: the model in this process.
        models: how the workers find and reach it.
        workers: how many.
        make: makes the model in a worker; None for ``load_embedder`` with its name.
    """

    def __init__(
        self,
        cluster: Cluster,
        wrapped: Embedder,
        models: ModelOptions | None = None,
        *,
        workers: int,
        make: Callable[[], Embedder] | None = None,
    ) -> None:
        self._wrapped = wrapped
        on_gpu = cluster.gpus > 0 and full_name(wrapped.name).startswith(SENTENCE_TRANSFORMERS)
        count = min(workers, cluster.gpus) if on_gpu else workers
        # without CPUs of their own: they work when there is something to embed, beside the workers that read
        actor = cluster.ray.remote(
            num_cpus=0, num_gpus=1 if on_gpu else 0, max_restarts=0, scheduling_strategy="SPREAD"
        )(EmbedWorker)
        make = make or partial(load_embedder, wrapped.name, options=models)
        self.pool = ActorPool(cluster, lambda: actor.remote(make), workers=lambda: count, calls_at_once=2)

    @property
    def name(self) -> str:
        """The wrapped model's."""
        return self._wrapped.name

    @property
    def dimensions(self) -> int:
        """The wrapped model's."""
        return self._wrapped.dimensions

    @property
    def max_tokens(self) -> int:
        """The wrapped model's."""
        return self._wrapped.max_tokens

    def count(self, text: str) -> int:
        """Tokens, counted here."""
        return self._wrapped.count(text)

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Unit vectors, ``(len(texts), dimensions)``: a share of the texts by each worker.

        Raises:
            InvalidRequest: a text is longer than the model reads.
            ServerError: the cluster cannot be used.
        """
        import numpy as np

        if not texts:
            return np.zeros((0, self.dimensions), dtype=np.float32)
        size = max(LEAST_TEXTS, -(-len(texts) // (2 * self.pool.workers)))
        calls = [
            self.pool.submit("embed", list(texts[i : i + size]), losses=_TRIES) for i in range(0, len(texts), size)
        ]
        try:
            done: list[Outcome] = [call.result() for call in calls]
        except WorkerLost as exc:
            raise ClusterUnavailable(
                f"The workers that embed were lost {_TRIES} times: {exc}.",
                hint="Look at it with: ray status. Then run the same command again; what is done is kept.",
            ) from exc
        for outcome in done:
            if outcome.error is not None:
                raise outcome.error
        return np.concatenate([np.asarray(o.value, dtype=np.float32) for o in done])

    def embed_query(self, text: str) -> NDArray[np.float32]:
        """The vector of a question, ``(dimensions,)``, made here."""
        return self._wrapped.embed_query(text)

    def reads(self, text: str) -> float:
        """The share of the text that the model was trained to read."""
        return self._wrapped.reads(text)

    def close(self) -> None:
        """Ends the workers. Idempotent."""
        self.pool.close()
