"""The real vLLM, built for the processor, serves a tiny embedder and a tiny cross-encoder; both know nothing.

PAPERLODE_TEST_VLLM names its environment, as for the tests of recognition. What the server computes is held against the same
weights in sentence-transformers, here.
"""

from __future__ import annotations

import os

import numpy as np
import pytest

from paperlode.ingest.errors import InvalidRequest, ServerIncompatible, ServerKeyRefused, ServerModelUnknown
from paperlode.retrieval.embedding import ModelOptions, load_embedder
from paperlode.retrieval.openai_embedding import EndpointEmbedder
from paperlode.retrieval.rerank import load_reranker

from ..tiny_models import DIMENSIONS, write_cross_encoder, write_embedder  # noqa: TID252
from .serving import VARIABLE, PoolingServer

pytestmark = [
    pytest.mark.vllm,
    pytest.mark.timeout(900),
    pytest.mark.skipif(
        not os.environ.get(VARIABLE),
        reason=f"THE REAL VLLM WAS NOT TESTED: {VARIABLE} is not set. Run make vllm-env (2.5 GB), then make test-vllm.",
    ),
]
KEY = "a-key-for-tests"
TEXTS = ["net sales 1990", "the rent is due", "a " * 100, "x"]
OPTIONS = ModelOptions(key=KEY, batch=2)


@pytest.fixture(scope="module")
def embedder(tmp_path_factory):
    """The folder of the model, named as a family that wants prefixes, and the address that it is served at."""
    home = tmp_path_factory.mktemp("vllm")
    folder = write_embedder(home / "multilingual-e5-tiny")
    with PoolingServer(folder, home / "log", variables={"VLLM_API_KEY": KEY}) as running:
        yield folder, running.url


@pytest.fixture(scope="module")
def reranker(tmp_path_factory):
    home = tmp_path_factory.mktemp("vllm")
    folder = write_cross_encoder(home / "tiny-cross")
    with PoolingServer(folder, home / "log") as running:
        yield folder, running.url


def test_a_served_embedder_is_the_model_that_it_serves(embedder):
    """Vectors, lengths, prefixes and token counts are those of the same weights in this process."""
    folder, url = embedder
    served = load_embedder(f"openai:{folder.name}@{url}/v1", options=OPTIONS)
    here = load_embedder(f"st:{folder}")
    assert (served.dimensions, served.max_tokens) == (DIMENSIONS, 128)
    assert ((served.embed(TEXTS) * here.embed(TEXTS)).sum(axis=1) > 0.99999).all()
    assert float(served.embed_query("rent") @ here.embed_query("rent")) > 0.99999
    assert [served.count(t) for t in TEXTS] == [here.count(t) for t in TEXTS]
    assert isinstance(served, EndpointEmbedder)
    assert served.counting.way == "server"
    by_folder = load_embedder(f"openai:{folder.name}@{url}", options=ModelOptions(key=KEY, tokenizer=str(folder)))
    assert [by_folder.count(t) for t in TEXTS] == [here.count(t) for t in TEXTS]
    assert isinstance(by_folder, EndpointEmbedder)
    assert by_folder.counting.way == "tokenizer"


def test_the_longest_text_is_read_and_a_longer_one_refused(embedder):
    """As counted, to the token; a question is cut and embedded as here."""
    folder, url = embedder
    served = load_embedder(f"openai:{folder.name}@{url}", options=OPTIONS)
    longest = "a " * (128 - served.count(""))
    assert served.count(longest) == 128
    assert served.embed([longest]).shape == (1, DIMENSIONS)
    with pytest.raises(InvalidRequest, match="129 tokens is longer than the 128"):
        served.embed([longest + "a"])
    assert np.isfinite(served.embed_query("a " * 500)).all()


def test_its_refusals_are_ours(embedder):
    """A wrong key, an unknown model: told with the address."""
    folder, url = embedder
    with pytest.raises(ServerKeyRefused, match=url):
        load_embedder(f"openai:{folder.name}@{url}", options=ModelOptions(key="wrong"))
    with pytest.raises(ServerModelUnknown, match="other"):
        load_embedder(f"openai:other@{url}", options=OPTIONS)


def test_a_served_reranker_is_the_model_that_it_serves(reranker):
    """The scores of the same weights here, the order too; a text longer than it reads is judged by a window of it."""
    folder, url = reranker
    served = load_reranker(f"vllm:{folder.name}@{url}", options=ModelOptions())
    here = load_reranker(f"st:{folder}")
    texts = ["the rent is due", "pets", "x", "1,250 euros of rent"]
    assert served.score("monthly rent", texts) == pytest.approx(here.score("monthly rent", texts), abs=1e-3)
    assert len(served.score("monthly rent", ["x " * 500 + "rent", "y"])) == 2
    with pytest.raises(ServerIncompatible, match="embeddings"):
        load_embedder(f"openai:{folder.name}@{url}")
