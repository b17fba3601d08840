"""The rerankers that ``load_reranker`` knows: cross-encoders on torch, and models that a server scores with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from paperlode.ingest.errors import MissingExtra, ModelUnknown, ServerIncompatible

from .embedding import ModelOptions
from .endpoint import Endpoint, split_address
from .rerank import CROSS_ENCODER, SERVED, best_window
from .sentence_transformer import found, how_to_get
from .token_counts import TokenCounts, bound, cut_to

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["CrossEncoderReranker", "EndpointReranker"]

PAIR = 8
"""Special tokens of a pair, at most."""
TEMPLATE = 256
"""Tokens kept free where a model that reads over 2,048 is served: its server may put an instruction around a pair."""
DEFAULT_MAX_TOKENS = 512


def _fitting(question: str, texts: Sequence[str], limit: int, count: Callable[[str], int]) -> tuple[str, list[str]]:
    """The question, at most half of the limit, and the windows of the texts that fit beside it."""
    question = cut_to(question, max(1, limit // 2), count)
    room = max(1, limit - count(question))
    return question, [t if bound(t) <= room else best_window(question, t, room, count) for t in texts]


class CrossEncoderReranker:
    """A cross-encoder of sentence-transformers. Code that comes with a model is never run.

    Args:
        model: name on the hub or folder.
        options: threads, and the folder with models.

    Raises:
        MissingExtra: the extra ``torch`` is not installed.
        ModelUnknown: the model cannot be had, or gives a pair more than one number.
    """

    def __init__(self, model: str, *, options: ModelOptions | None = None) -> None:
        try:
            import torch
            from sentence_transformers import CrossEncoder
        except ImportError as exc:
            raise MissingExtra.named("sentence-transformers", "torch") from exc
        options = options or ModelOptions()
        if options.threads:
            torch.set_num_threads(options.threads)
        try:
            self._model: Any = CrossEncoder(found(model, options.folder))
        except Exception as exc:  # the hub's client, transformers and torch each raise their own
            why = next(iter(str(exc).splitlines()), "") or type(exc).__name__
            raise ModelUnknown(
                f"sentence-transformers cannot load the cross-encoder {model!r}: {why[:300]}", hint=how_to_get(model)
            ) from exc
        self.name = f"{CROSS_ENCODER}{model}"
        if (labels := int(self._model.num_labels)) != 1:
            raise ModelUnknown(
                f"{model!r} gives a pair {labels} numbers, not one.", hint="Take a cross-encoder made for ranking."
            )
        self._limit = int(self._model.max_seq_length or DEFAULT_MAX_TOKENS) - PAIR

    def _count(self, text: str) -> int:
        return len(self._model.tokenizer(text, truncation=False, add_special_tokens=False, verbose=False)["input_ids"])

    def score(self, question: str, texts: Sequence[str]) -> list[float]:
        """The model's own score of each pair; see ``Reranker.score``."""
        question, texts = _fitting(question, texts, self._limit, self._count)
        scores = self._model.predict([(question, t) for t in texts], show_progress_bar=False) if texts else []
        return [float(s) for s in scores]


class EndpointReranker:
    """A reranker that vLLM serves (``/v1/score``), or another server with ``/v1/rerank`` of the same shape as vLLM's.

    Tokens are counted as for a served embedder: by a tokenizer at hand, the server, or an upper bound. The server is first
    asked when there is something to score: one that is away spoils no search.

    Args:
        model: ``MODEL@URL``.
        options: key, address, tokenizer and timeouts.

    Raises:
        MissingExtra: httpx is not installed.
        InvalidRequest: an address that is none.
    """

    def __init__(self, model: str, *, options: ModelOptions | None = None) -> None:
        self._options = options = options or ModelOptions(timeout=10.0, attempts=2)
        self.name = f"{SERVED}{model}"
        self._model, url = split_address(model, SERVED, options.url)
        self._endpoint = Endpoint(
            url,
            key=options.key,
            key_name="PAPERLODE_RERANK_KEY",
            timeout=options.timeout,
            attempts=options.attempts,
            backoff=options.backoff,
            connections=1,
        )
        self._path = ""
        self._limit = 0
        self._counts: TokenCounts | None = None

    def _count(self, text: str) -> int:
        if self._counts is None:
            named, folder = self._options.tokenizer, self._options.folder
            self._counts = TokenCounts(self._model, self._endpoint, tokenizer=named, folder=folder)
        return self._counts(text)

    def score(self, question: str, texts: Sequence[str]) -> list[float]:
        """The server's score of each pair; see ``Reranker.score``. One request.

        Raises:
            ServerError: the server cannot be used, does not serve the model, or answers without scores.
        """
        if not texts:
            return []
        if not self._limit:
            self._find_out()
        if bound(question) + max(map(bound, texts)) > self._limit:
            question, texts = _fitting(question, texts, self._limit, self._count)
        with self._endpoint.together():
            return self._ask(question, list(texts))

    def _find_out(self) -> None:
        """Which path the server has, and how long a pair may be."""
        self._path = "/v1/score"
        try:
            self._ask("a", ["b"])
        except ServerIncompatible:
            self._path = "/v1/rerank"
            self._ask("a", ["b"])
        longest = self._options.max_tokens or self._endpoint.served_length(self._model) or DEFAULT_MAX_TOKENS
        self._limit = longest - (TEMPLATE if longest > 8 * TEMPLATE else PAIR)

    def _ask(self, question: str, texts: list[str]) -> list[float]:
        if self._path == "/v1/score":
            body: dict[str, Any] = {"text_1": question, "text_2": texts}
            list_name, score_name = "data", "score"
        else:
            body, list_name, score_name = {"query": question, "documents": texts}, "results", "relevance_score"
        answer = self._endpoint.post(self._path, {"model": self._model, **body})
        try:
            scores = {int(r["index"]): float(r[score_name]) for r in answer[list_name]}
            return [scores[i] for i in range(len(texts))]
        except (KeyError, TypeError, ValueError) as exc:
            raise ServerIncompatible(
                f"{self._endpoint.url}{self._path} answered without a score for each text.",
                hint=f"Is {self._model!r} a reranker, and served as one?",
            ) from exc
