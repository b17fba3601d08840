"""The embedding model for LlamaIndex: paperlode's vectors, batch as single, async as sync, nothing secret told."""

from __future__ import annotations

import asyncio
import pickle
from typing import Any

import pytest
from llama_index.core.callbacks import CallbackManager, CBEventType, LlamaDebugHandler
from llama_index.core.ingestion.pipeline import get_transformation_hash
from llama_index.core.schema import TextNode

from paperlode.ingest.errors import InvalidRequest, ModelUnknown
from paperlode.retrieval.embedding import ModelOptions
from paperlode.retrieval.llama_index import PaperlodeEmbedding

from .standin import ModelServer

TEXTS = ["The rent is 1,250 euros.", "Ninety days of notice.", "Ninety days of notice.", "x"]


@pytest.fixture(scope="module")
def model() -> PaperlodeEmbedding:
    return PaperlodeEmbedding()


def test_vectors_are_those_of_the_embedder_in_batches_alone_and_awaited(model):
    """The same numbers each way."""
    wanted = model.embedder.embed(TEXTS).tolist()
    assert model.get_text_embedding_batch(TEXTS) == wanted
    assert [model.get_text_embedding(t) for t in TEXTS] == wanted
    assert asyncio.run(model.aget_text_embedding_batch(TEXTS)) == wanted
    assert asyncio.run(model.aget_text_embedding(TEXTS[0])) == wanted[0]
    query = model.embedder.embed_query("rent").tolist()
    assert model.get_query_embedding("rent") == asyncio.run(model.aget_query_embedding("rent")) == query
    assert all(type(v) is float for v in wanted[0])


def test_as_a_transformation_it_embeds_what_is_to_be_embedded_of_a_node(model):
    """With metadata, but for what is excluded."""
    node = TextNode(text="b", metadata={"heading_path": "a", "secret": "c"}, excluded_embed_metadata_keys=["secret"])
    (done,) = model([node])
    assert done.embedding == model.get_text_embedding("heading_path: a\n\nb")


def test_a_text_that_is_too_long_is_an_error_and_a_query_is_cut(model):
    """Nothing of a document is lost in silence."""
    with pytest.raises(InvalidRequest, match="256"):
        model.get_text_embedding("word " * 300)
    assert len(model.get_query_embedding("word " * 300)) == 384


def test_it_comes_back_from_dict_json_and_pickle(model):
    """By its name; the cache knows it again, and tells another model apart."""
    for again in (
        PaperlodeEmbedding.from_dict(model.to_dict()),
        PaperlodeEmbedding.from_json(model.to_json()),
        pickle.loads(pickle.dumps(model)),  # noqa: S301
    ):
        assert again.get_text_embedding("x") == model.get_text_embedding("x")
        assert get_transformation_hash([], again) == get_transformation_hash([], model)
        assert again.callback_manager is not None
    assert get_transformation_hash([], PaperlodeEmbedding(model_name="multilingual")) != get_transformation_hash(
        [], model
    )


def test_a_name_that_nobody_has_is_an_error_when_it_is_first_used():
    """Making the object loads nothing."""
    made = PaperlodeEmbedding(model_name="nosuch")
    with pytest.raises(ModelUnknown, match="nosuch"):
        made.get_text_embedding("x")


def test_a_served_model_is_reached_with_its_key_which_is_never_told():
    """Not in its dict, its words, or its events."""
    with ModelServer(key="s3cret") as server:
        debug = LlamaDebugHandler(print_trace_on_end=False)
        model = PaperlodeEmbedding(
            model_name=f"openai:tiny@{server.url}",
            options=ModelOptions(key="s3cret"),
            callback_manager=CallbackManager([debug]),
        )
        assert len(model.get_text_embedding("rent")) == 16
    ((start, end),) = debug.get_event_pairs(CBEventType.EMBEDDING)
    told: list[Any] = [model.to_dict(), repr(model), str(model), start.payload, end.payload]
    assert "s3cret" not in str(told)
