"""Embedding models: the embedded MiniLM is the published one, reads all it is given, and refuses what it cannot read."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest

from paperlode.ingest.errors import InvalidRequest, MissingExtra, ModelChecksumMismatch, ModelUnknown
from paperlode.retrieval.embedding import ModelOptions, load_embedder
from paperlode.retrieval.minilm import MAX_TOKENS, MiniLM, multiplies_bytes, published_weights

if TYPE_CHECKING:
    from pathlib import Path

TEXTS = [
    "Net sales increased by 4.2% to $1,284.5 million.",
    "This Agreement shall be governed by the laws of the State of Delaware.",
    "cat " * 200,
    "x",
]


def test_vectors_are_unit_length_with_the_meaning_of_the_text(embedder: MiniLM) -> None:
    """Related texts are near, unrelated ones are not."""
    question = embedder.embed_query("Which law governs the contract?")
    near = embedder.embed(TEXTS) @ question
    assert np.allclose(np.linalg.norm(embedder.embed(TEXTS), axis=1), 1, atol=1e-5)
    assert int(near.argmax()) == 1
    assert near[1] > near[[0, 2, 3]].max() + 0.2


def test_a_vector_does_not_depend_on_what_is_embedded_beside_it(embedder: MiniLM) -> None:
    """Alone, in any order, and on several threads, a text has the same vector to the bit."""
    alone = [embedder.embed([t])[0] for t in TEXTS]
    assert np.array_equal(embedder.embed(TEXTS[::-1])[::-1], np.array(alone))
    assert np.array_equal(MiniLM(threads=2).embed(TEXTS), np.array(alone))


@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_each_precision_gives_a_text_one_vector(precision: str) -> None:
    """Alone, in any order, and on several threads, to the bit."""
    model = MiniLM(threads=2, precision=precision)
    alone = [model.embed([t])[0] for t in TEXTS]
    assert np.array_equal(model.embed(TEXTS[::-1])[::-1], np.array(alone))


def test_int8_is_near_fp32_and_questions_are_in_fp32_always() -> None:
    """Where the CPU multiplies bytes the cosine is over .99; elsewhere sums may overflow, and it is not chosen."""
    exact, quick = MiniLM(precision="fp32"), MiniLM(precision="int8")
    near = (exact.embed(TEXTS) * quick.embed(TEXTS)).sum(axis=1)
    assert (near > (0.99 if multiplies_bytes() else 0.9)).all()
    assert not np.array_equal(exact.embed(TEXTS), quick.embed(TEXTS))
    assert np.array_equal(exact.embed_query(TEXTS[0]), quick.embed_query(TEXTS[0]))
    assert np.array_equal(exact.embed_query(TEXTS[0]), exact.embed(TEXTS[:1])[0])


def test_the_precision_is_chosen_by_the_cpu_unless_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """int8 where bytes are multiplied, fp32 elsewhere, what is asked for in both; others are refused."""
    for can, chosen in ((True, "int8"), (False, "fp32")):
        monkeypatch.setattr("paperlode.retrieval.minilm.multiplies_bytes", lambda can=can: can)
        assert MiniLM().precision == load_embedder("minilm").precision == chosen  # type: ignore[attr-defined]
        assert load_embedder("minilm", options=ModelOptions(precision="fp32")).precision == "fp32"  # type: ignore[attr-defined]
    with pytest.raises(InvalidRequest, match=r"'fp16'.*fp32 and int8"):
        load_embedder("minilm", options=ModelOptions(precision="fp16"))


def test_counting_word_pieces_loads_no_model() -> None:
    """A run that has nothing to embed opens the tokenizer alone; the weights are verified all the same."""
    code = "import sys\nfrom paperlode.retrieval.embedding import load_embedder\n"
    code += "print(load_embedder().count('Net sales'), 'onnxruntime' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["4", "False"]


def test_no_texts_give_no_vectors(embedder: MiniLM) -> None:
    """The shape holds for zero texts."""
    assert embedder.embed([]).shape == (0, 384)


def test_nothing_is_cut_in_silence(embedder: MiniLM) -> None:
    """A text of 256 tokens is read to its end, one of 257 is refused; only a question is cut."""
    longest = "cat " * (MAX_TOKENS - 2)
    assert embedder.count(longest) == MAX_TOKENS
    assert not np.array_equal(embedder.embed([longest[:-4] + "dog"]), embedder.embed([longest]))
    with pytest.raises(InvalidRequest, match="257 tokens is longer than the 256"):
        embedder.embed([longest + "cat"])
    assert embedder.count(longest + "cat") == MAX_TOKENS + 1
    assert np.array_equal(embedder.embed_query(longest + "dog"), embedder.embed_query(longest))


@pytest.mark.slow
def test_vectors_are_those_of_the_published_model(embedder: MiniLM) -> None:
    """Cosine 1.0000 to sentence-transformers on torch, and the same token counts."""
    library = pytest.importorskip("sentence_transformers")
    model = library.SentenceTransformer(str(published_weights()), device="cpu")
    reference = model.encode(TEXTS, normalize_embeddings=True, show_progress_bar=False)
    assert ((MiniLM(precision="fp32").embed(TEXTS) * reference).sum(axis=1) > 0.9999).all()
    assert [embedder.count(t) for t in TEXTS] == [len(model.tokenizer(t)["input_ids"]) for t in TEXTS]


def test_other_weights_are_refused(tmp_path: Path) -> None:
    """One changed byte is noticed, and so is a missing file."""
    data = bytearray((published_weights() / "model.safetensors").read_bytes())
    data[-1] ^= 1
    (tmp_path / "model.safetensors").write_bytes(data)
    with pytest.raises(ModelChecksumMismatch, match="the published MiniLM has 53aa51172d14"):
        MiniLM(folder=tmp_path)
    with pytest.raises(ModelChecksumMismatch, match="cannot be read"):
        MiniLM(folder=tmp_path / "missing")


def test_an_unknown_model_is_refused_with_the_known_ones() -> None:
    """The message says what to write instead."""
    for name in ("minilm-l12", "st:", ""):
        with pytest.raises(ModelUnknown, match=r"'minilm'.*'st:NAME'"):
            load_embedder(name)


@pytest.mark.slow
def test_a_sentence_transformers_model_is_loaded_by_name_or_folder() -> None:
    """The published folder gives the same vectors through torch; a folder without a model is unknown."""
    pytest.importorskip("sentence_transformers")
    model = load_embedder(f"st:{published_weights()}")
    assert (model.name, model.dimensions, model.max_tokens) == (f"st:{published_weights()}", 384, 256)
    assert np.allclose(model.embed(TEXTS[:2]), MiniLM(precision="fp32").embed(TEXTS[:2]), atol=1e-4)
    assert np.allclose(model.embed_query(TEXTS[0]), model.embed(TEXTS[:1])[0], atol=1e-5)
    assert model.reads("Net sales") == 1
    with pytest.raises(InvalidRequest):
        model.embed(["cat " * 300])


def test_without_torch_the_message_names_the_extra() -> None:
    """MissingExtra where sentence-transformers is not installed."""
    code = (
        "import sys; sys.modules['sentence_transformers'] = None\n"
        "from paperlode.retrieval.embedding import load_embedder\n"
        "try: load_embedder('st:x')\n"
        "except Exception as e: print(type(e).__name__, e)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.startswith(MissingExtra.__name__)
    assert "paperlode[torch]" in done.stdout


def test_torch_is_not_imported_for_the_embedded_model() -> None:
    """Start-up stays short: neither torch nor sentence-transformers nor jieba."""
    code = (
        "import sys\n"
        "from paperlode.retrieval.embedding import load_embedder\n"
        "load_embedder().embed_query('a')\n"
        "print({'torch', 'sentence_transformers', 'transformers', 'jieba'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_english_is_read_and_chinese_is_not(embedder: MiniLM) -> None:
    """How far the model can be trusted with a question."""
    assert embedder.reads("What were net sales in 2019?") == 1
    assert embedder.reads("公司的净利润是多少？") == 0
    assert 0 < embedder.reads("3M 2019 净利润") < 1
