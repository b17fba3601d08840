"""Word pieces of a text, each word taken apart once: chunking counts the same words some twenty times."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["WordPieces"]

MOST_WORDS = 1 << 15
"""Words that are remembered, with 18 MB at most; then all are forgotten."""
LONGEST_WORD = 32
"""Characters of a word that is remembered: longer ones are mostly lines of Chinese."""


class WordPieces:
    """An uncased BERT tokenizer, whose ids of a text are those of its words in order, between the two special ones.

    Words are parted by the space and the line break alone, which end a word wherever they stand: the normalizer makes
    spaces of both, and neither composes, reorders nor lowers letters across one; a special token in the text holds none and
    takes none in beside it. What is between is encoded as it stands, since not all that Python takes for white space parts
    words: the tokenizer drops U+0085 and U+001C to U+001F. Several threads may ask at the same time.

    Args:
        file: a ``tokenizer.json``; texts are neither cut nor padded, whatever it says.
    """

    def __init__(self, file: Path) -> None:
        from tokenizers import Tokenizer

        self._tokenizer: Any = Tokenizer.from_file(str(file))
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self._first, self._last = self._tokenizer.encode("").ids
        self._known: dict[str, tuple[int, ...]] = {}
        self._shared: dict[int, int] = {}  # one object for each id, or they would be half of what is remembered

    def ids(self, text: str) -> list[int]:
        """The word pieces of the text, the two special ones included."""
        return [self._first, *chain.from_iterable(self._words(text)), self._last]

    def count(self, text: str) -> int:
        """How many they are."""
        return 2 + sum(map(len, self._words(text)))

    def _words(self, text: str) -> list[tuple[int, ...]]:
        words = text.replace("\n", " ").split(" ")
        try:
            return list(map(self._known.__getitem__, words))
        except KeyError:
            return list(map(self._word, words))

    def _word(self, word: str) -> tuple[int, ...]:
        known = self._known
        pieces = known.get(word)
        if pieces is None:
            ids = self._tokenizer.encode(word, add_special_tokens=False).ids
            pieces = tuple(map(self._shared.setdefault, ids, ids))
            if len(word) <= LONGEST_WORD:
                if len(known) >= MOST_WORDS:
                    self._known = known = {}  # a new one: another thread may be reading the old
                known[word] = pieces
        return pieces
