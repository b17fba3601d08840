"""Tokens of a text for a model that is served elsewhere: by its tokenizer here, by the server, or an upper bound.

The bound is the text's bytes in UTF-8, as written or in NFKC, whichever are more: byte-level BPE, word pieces, and unigrams
with byte fallback make at most one token of a byte. It is three to five times too high for English, so that chunks become
that much shorter: it is safe, not good.
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from paperlode.ingest.errors import ModelUnknown, ServerIncompatible, ServerKeyRefused, ServerRequestRefused

from .sentence_transformer import found

if TYPE_CHECKING:
    from collections.abc import Callable

    from .endpoint import Endpoint

__all__ = ["BOUND", "TokenCounts", "bound", "cut_to"]

SPECIAL = 8
"""Special tokens that a model may add to a text; none known adds more than 3."""
BOUND = "bytes"
_FILE = "tokenizer.json"
_REMEMBERED = 8192


class TokenCounts:
    """Counts the tokens of texts.

    Args:
        model: what the server calls it.
        endpoint: the server.
        tokenizer: folder, file or hub name of its tokenizer; None looks for a folder of the model's name, in ``folder``
            and in the hub's cache, and never downloads.
        folder: where models were put by hand.

    Attributes:
        way: ``tokenizer``, ``server`` or ``bytes``.

    Raises:
        ModelUnknown: the tokenizer that was named cannot be loaded.
    """

    def __init__(
        self, model: str, endpoint: Endpoint, *, tokenizer: str | None = None, folder: Path | None = None
    ) -> None:
        self._model, self._endpoint = model, endpoint
        local = _load(tokenizer, folder) if tokenizer else _at_hand(model, folder)
        if local is not None:
            self.way = "tokenizer"
            self._count: Callable[[str], int] = local
        elif self._server_counts():
            self.way = "server"
            self._count = lru_cache(_REMEMBERED)(self._ask)
        else:
            self.way = BOUND
            self._count = bound

    def __call__(self, text: str) -> int:
        """Tokens of ``text``, special tokens included; never too few."""
        return self._count(text)

    def _ask(self, text: str) -> int:
        answer = self._endpoint.post("/tokenize", {"model": self._model, "prompt": text})
        count = answer.get("count")
        if not isinstance(count, int):
            raise ServerIncompatible(f"{self._endpoint.url}/tokenize answered without a count.")
        return count

    def _server_counts(self) -> bool:
        try:
            return self._ask("a word") > 0
        except (ServerIncompatible, ServerKeyRefused, ServerRequestRefused):
            return False


def bound(text: str) -> int:
    """At least the tokens of ``text``; see the module."""
    plain = len(text.encode("utf-8", "surrogatepass"))
    if text.isascii():
        return plain + SPECIAL
    return max(plain, len(unicodedata.normalize("NFKC", text).encode("utf-8", "surrogatepass"))) + SPECIAL


def cut_to(text: str, limit: int, count: Callable[[str], int]) -> str:
    """The longest beginning of ``text`` of at most ``limit`` tokens, found by halving; whole words where it has any."""
    if bound(text) <= limit or count(text) <= limit:
        return text
    low, high = 0, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if count(text[:middle]) <= limit else (low, middle - 1)
    cut = text[:low]
    words, space, _ = cut.rpartition(" ")
    return words if space and words.strip() and not text[low : low + 1].isspace() else cut


def _at_hand(model: str, folder: Path | None) -> Callable[[str], int] | None:
    """The tokenizer of the model of that name, without the network; None where there is none."""
    for place in (Path(model), Path(found(model, folder))):
        if (place / _FILE).is_file():
            return _counter(place / _FILE)
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        path = try_to_load_from_cache(model, _FILE)
    except HFValidationError:  # the server's name of the model is no name on the hub
        return None
    return _counter(Path(path)) if isinstance(path, str) else None


def _load(name: str, folder: Path | None) -> Callable[[str], int]:
    place = Path(found(name, folder)).expanduser()
    try:
        if place.is_file():
            return _counter(place)
        if place.is_dir():
            return _counter(place / _FILE)
        from tokenizers import Tokenizer

        return _counting(Tokenizer.from_pretrained(name))
    except Exception as exc:  # tokenizers raises Exception itself
        raise ModelUnknown(
            f"The tokenizer {name!r} cannot be loaded: {next(iter(str(exc).splitlines()), '')[:200]}",
            hint="Give a folder with tokenizer.json, that file, or the name of a model on the Hugging Face hub.",
        ) from exc


def _counter(path: Path) -> Callable[[str], int]:
    from tokenizers import Tokenizer

    return _counting(Tokenizer.from_file(str(path)))


def _counting(tokenizer: Any) -> Callable[[str], int]:
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return lambda text: len(tokenizer.encode(text).ids)
