"""Text to vectors: the protocol of an embedding model, and the models known by name.

A name is stored with an index, so it says which model made the vectors, and nothing that is secret or that may change: keys,
tokenizers and where a server has moved to are ``ModelOptions``.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol

from paperlode.ingest.errors import InvalidRequest, ModelUnknown

from .model_families import PRESETS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

__all__ = [
    "DEFAULT",
    "Embedder",
    "ModelOptions",
    "full_name",
    "load_embedder",
    "named_address",
    "same_model",
    "too_long",
]

DEFAULT = "minilm"
SENTENCE_TRANSFORMERS = "st:"
ENDPOINT = "openai:"
AT = "@http"
"""Between the name of a model and the address of its server; neither holds it."""


class Embedder(Protocol):
    """A model that turns text into unit vectors, and counts text in its own tokens.

    Attributes:
        name: what ``load_embedder`` takes to load it again; stored with an index.
        dimensions: length of a vector.
        max_tokens: the longest text it reads, special tokens included.
    """

    @property
    def name(self) -> str:
        """What ``load_embedder`` takes to load it again."""
        ...

    @property
    def dimensions(self) -> int:
        """Length of a vector."""
        ...

    @property
    def max_tokens(self) -> int:
        """The longest text it reads, special tokens included."""
        ...

    def count(self, text: str) -> int:
        """Tokens of ``text``, special tokens and the model's prefix for documents included; never cut at ``max_tokens``."""
        ...

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """L2-normalised vectors, shape ``(len(texts), dimensions)``.

        Raises:
            InvalidRequest: a text is longer than ``max_tokens``: nothing is ever cut in silence.
        """
        ...

    def embed_query(self, text: str) -> NDArray[np.float32]:
        """The vector of a question, shape ``(dimensions,)``; a question longer than ``max_tokens`` is cut."""
        ...

    def reads(self, text: str) -> float:
        """The share of ``text``, 0 to 1, written in a script that the model was trained on."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelOptions:
    """How models are found, reached and run. None of it makes another model of one, and none of it is stored with an index.

    Attributes:
        precision: in which an embedded model computes the vectors of texts, ``fp32`` or ``int8`` (cosine .998); None takes int8
            where the CPU is faster with it. Those of questions are fp32 always.
        threads: texts embedded at the same time by a model in this process; None takes one a core.
        folder: where models were put by hand: ``FOLDER/multilingual-e5-small``, or ``FOLDER/intfloat/multilingual-e5-small``.
        url: where the model is served, in place of the address in its name.
        key: bearer key of that server.
        tokenizer: folder, ``tokenizer.json`` or hub name of the tokenizer of a model that is served; None looks for one.
        max_tokens: the longest text that a served model reads; None for what the server or the model's family says.
        batch: most texts a request.
        concurrency: most requests at a time.
        timeout: seconds that a request may take.
        attempts: times that a request is made at most; with ``backoff`` seconds before the second, doubled each time.
    """

    precision: str | None = None
    threads: int | None = None
    folder: Path | None = None
    url: str | None = None
    key: str | None = field(default=None, repr=False)
    tokenizer: str | None = None
    max_tokens: int | None = None
    batch: int = 32
    concurrency: int = 4
    timeout: float = 60.0
    attempts: int = 6
    backoff: float = 0.5


def load_embedder(name: str = DEFAULT, *, threads: int | None = None, options: ModelOptions | None = None) -> Embedder:
    """The model called ``name``.

    - ``minilm``: all-MiniLM-L6-v2, embedded; English.
    - ``multilingual``, ``bge-m3``, ``qwen3-0.6b``, ...: see ``model_families.PRESETS``; sentence-transformers models.
    - ``st:NAME``: any sentence-transformers model, by its name on the Hugging Face hub or its folder.
    - ``openai:MODEL@URL``: a model served by vLLM or anything else with ``/v1/embeddings``.

    The last two may end in ``#FAMILY`` (``model_families.FAMILIES``) where the model's name does not tell what it wants in
    front of a text; ``#none`` is nothing.

    Args:
        name: see above.
        threads: short for ``ModelOptions(threads=...)``.
        options: how models are found and reached.

    Raises:
        ModelUnknown: no model has that name, or it cannot be loaded.
        ModelChecksumMismatch: the weights are not the published ones.
        MissingExtra: ``st:`` without the extra ``torch``, ``openai:`` without the extra ``vllm``.
        InvalidRequest: an address that is none.
        ServerError: the server of the model cannot be used.
    """
    options = options or ModelOptions(threads=threads)
    if name == DEFAULT:
        from .minilm import MiniLM

        return MiniLM(threads=options.threads, precision=options.precision)
    wanted = full_name(name)
    model = wanted.removeprefix(SENTENCE_TRANSFORMERS)
    if model and model != wanted:
        from .sentence_transformer import SentenceTransformerEmbedder

        return SentenceTransformerEmbedder(model, options=options, asked=name)
    model = wanted.removeprefix(ENDPOINT)
    if model != wanted and model and not model.startswith(AT):
        from .openai_embedding import EndpointEmbedder

        return EndpointEmbedder(model, options=options)
    raise ModelUnknown(
        f"No embedding model is called {name!r}.",
        hint=f"Known: {DEFAULT!r} (embedded), {', '.join(map(repr, PRESETS))}, 'st:NAME' with the name or folder of a "
        "sentence-transformers model, or 'openai:MODEL@URL' with the address of a server.",
    )


def full_name(name: str) -> str:
    """The name that is stored: presets by the model that they stand for, all others as they are."""
    return f"{SENTENCE_TRANSFORMERS}{PRESETS[name]}" if name in PRESETS else name


def same_model(one: str, other: str) -> bool:
    """Whether two names are of one model: a server that moved, or another that serves it too, makes no other model."""
    return _identity(one) == _identity(other)


def named_address(name: str, options: ModelOptions | None) -> ModelOptions | None:
    """The options with the address that a name has, for whoever names a model expressly; unchanged where it has none."""
    _, at, rest = name.partition(AT)
    return replace(options or ModelOptions(), url=f"http{rest.partition('#')[0]}") if at else options


def _identity(name: str) -> str:
    name = full_name(name)
    if not name.startswith(ENDPOINT):
        return name
    model, _, address = name.partition(AT)
    _, mark, family = address.rpartition("#")
    return f"{model}{mark}{family if mark else ''}"


def too_long(tokens: int, limit: int, text: str) -> InvalidRequest:
    """The error for a text of ``tokens`` tokens where the model reads ``limit``."""
    return InvalidRequest(
        f"A text of {tokens} tokens is longer than the {limit} the embedding model reads: {text[:60]!r}…",
        hint="Cut it into chunks counted with this model's tokenizer.",
    )
