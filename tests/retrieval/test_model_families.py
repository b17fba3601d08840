"""The table of model families: which models it knows, and what it puts in front of their texts."""

from __future__ import annotations

import pytest

from paperlode.retrieval.model_families import FAMILIES, NO_FAMILY, PRESETS, Languages, family_of, split_family


@pytest.mark.parametrize(
    ("model", "family"),
    [
        ("intfloat/multilingual-e5-large", "e5-multilingual"),
        ("intfloat/multilingual-e5-large-instruct", "e5-instruct"),
        ("intfloat/e5-mistral-7b-instruct", "e5-instruct"),
        ("intfloat/e5-base-v2", "e5"),
        ("BAAI/bge-m3", "bge-m3"),
        ("BAAI/bge-large-en-v1.5", "bge-en"),
        ("BAAI/bge-small-zh-v1.5", "bge-zh"),
        ("Alibaba-NLP/gte-Qwen2-7B-instruct", "gte-qwen"),
        ("Alibaba-NLP/gte-multilingual-base", "gte-multilingual"),
        ("Alibaba-NLP/gte-large-en-v1.5", "gte"),
        ("Qwen/Qwen3-Embedding-0.6B", "qwen3"),
        ("nomic-ai/nomic-embed-text-v1.5", "nomic"),
        ("nomic-ai/nomic-embed-text-v2-moe", "nomic-v2"),
        ("Snowflake/snowflake-arctic-embed-l-v2.0", "arctic-v2"),
        ("Snowflake/snowflake-arctic-embed-m-v1.5", "arctic"),
        ("jinaai/jina-embeddings-v3", "jina-v3"),
        ("mixedbread-ai/mxbai-embed-large-v1", "mxbai"),
        ("/models/multilingual-e5-small/", "e5-multilingual"),
        ("C:\\models\\bge-m3", "bge-m3"),
        ("text-embedding-3-small", "openai"),
        ("my-own-e5-small", "none"),
        ("", "none"),
    ],
)
def test_the_name_tells_the_family(model, family):
    """By its last part alone, whatever the case; a name that only contains a known one is not taken for it."""
    assert family_of(model).name == family
    assert family_of(model.upper()).name == family


def test_what_is_put_in_front_is_what_the_model_cards_say():
    """The two that differ by one space, and one each of the other forms."""
    assert family_of("Qwen3-Embedding-8B").query.endswith("\nQuery:")
    assert family_of("multilingual-e5-large-instruct").query.endswith("\nQuery: ")
    assert (family_of("e5-small").query, family_of("e5-small").document) == ("query: ", "passage: ")
    assert (family_of("bge-m3").query, family_of("bge-m3").document) == ("", "")
    assert family_of("bge-base-en-v1.5").document == ""
    assert family_of("nomic-embed-text-v1.5").document == "search_document: "


def test_each_row_has_a_name_of_its_own_and_a_source():
    """A family can be named, and looked up."""
    names = [f.name for f in FAMILIES]
    assert len(set(names)) == len(names)
    assert all(f.source for f in FAMILIES)


def test_a_family_is_split_off_only_where_it_is_one():
    """An unknown word behind # is part of the model's name, as in a folder's."""
    assert split_family("m#e5") == ("m", next(f for f in FAMILIES if f.name == "e5"))
    assert split_family("bge-m3#none") == ("bge-m3", NO_FAMILY)
    assert split_family("folder#1/bge-m3")[0] == "folder#1/bge-m3"
    assert split_family("folder#1/bge-m3")[1].name == "bge-m3"


def test_presets_read_many_languages():
    """That is what they are for."""
    assert all(family_of(model).languages is Languages.MANY for model in PRESETS.values())
    assert all(family_of(model).reads("公司") == 1.0 for model in PRESETS.values())
