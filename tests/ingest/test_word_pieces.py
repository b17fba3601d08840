"""Word pieces counted word by word are those of the plain tokenizer."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tokenizers import Tokenizer

from paperlode.ingest import word_pieces
from paperlode.ingest.minilm_tokens import MiniLMTokens
from paperlode.ingest.word_pieces import LONGEST_WORD, WordPieces
from paperlode.retrieval.minilm import MiniLM, published_weights

FILE = published_weights() / "tokenizer.json"
PLAIN: Any = Tokenizer.from_file(str(FILE))
PLAIN.no_truncation()
PLAIN.no_padding()
PIECES = WordPieces(FILE)
SPECIAL = ["[CLS]", "[SEP]", "[MASK]", "[PAD]", "[UNK]", "[sep]", "[SE", "P]", "##ing"]
PARTS = st.one_of(
    st.text(max_size=12),
    st.text(st.sampled_from(" \n"), max_size=3),
    st.text(
        st.sampled_from("\t\r\v\f\0\x1c\x1d\x1e\x1f\x7f\x85\xa0\xad\u200b\u200d\u2028\u2029\u202f\u3000\ufeff\ufffd"),
        max_size=4,
    ),
    st.text(st.sampled_from("\u0301\u0327\u0345\u093f\u20e3\ufe0f\u1161\u11a8ééÅİıΣσßǅﬁ각\u1100"), max_size=4),
    st.text(st.sampled_from("净利润〇\uf900\U00020000ｶかガ😀👩🏽\U0001f1e9…’—$%"), max_size=6),
    st.sampled_from(SPECIAL),
    st.sampled_from(
        ["Net sales", "naïve", "a" * 100, "a" * 101, "b" * LONGEST_WORD, "c" * (LONGEST_WORD + 1), "$1,284.50 |"]
    ),
)


@given(st.lists(PARTS, max_size=12).map("".join))
@example("")
@example("a \u0301b\n\u0327 e\u0301\u0327 \u0301")
@example("x[SEP]\u0301y [SEP] [MASK]s\n[CLS] [SE P]")
@example("a\x85b a\x1cb a\u2028b a\tb\r\nc")
@example("ΟΔΟΣ ΟΔΟΣ\nΣ Σ")
def test_a_text_has_the_ids_that_the_plain_tokenizer_gives_it(text: str) -> None:
    """The first time and when its words are known; their count is that of the ids."""
    ids = PLAIN.encode(text).ids
    assert PIECES.ids(text) == ids
    assert PIECES.ids(text) == ids
    assert PIECES.count(text) == len(ids)


def test_no_special_token_takes_in_what_stands_beside_it() -> None:
    """None holds a space or strips one, and none is looked for in the normalised text."""
    for token in PLAIN.get_added_tokens_decoder().values():
        assert not set(" \n") & set(token.content)
        assert not (token.lstrip or token.rstrip or token.single_word or token.normalized)


def test_both_counters_count_so() -> None:
    """What chunks are counted by without an embedder, and the embedder."""
    text = "Net sales of 净利润\nrose [SEP] " + "x" * 200
    ids = PLAIN.encode(text).ids
    embedder = MiniLM()
    assert embedder.token_ids(text) == ids
    assert embedder.count(text) == MiniLMTokens().count(text) == len(ids)


def test_what_is_remembered_is_bounded_and_threads_may_share_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """All is forgotten when there is too much of it, also while others read; long words are not remembered."""
    monkeypatch.setattr(word_pieces, "MOST_WORDS", 8)
    pieces = WordPieces(FILE)
    texts = [" ".join(f"word{(i * k) % 31} {'long' * 20}{k}" for k in range(20)) for i in range(200)]
    with ThreadPoolExecutor(4) as pool:
        counts = list(pool.map(pieces.count, texts))
    assert counts == [len(PLAIN.encode(t).ids) for t in texts]
    assert len(pieces._known) <= 8 + 4
    assert max(map(len, pieces._known)) <= LONGEST_WORD


def test_a_text_that_is_no_text_is_refused_as_before() -> None:
    """Half a surrogate pair cannot be encoded, whatever stands beside it."""
    for count in (PIECES.count, PLAIN.encode):
        with pytest.raises(TypeError):
            count("net \ud800 sales")
