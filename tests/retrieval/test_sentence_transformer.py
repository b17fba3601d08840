"""sentence-transformers models: asked with the prompts they were trained with, found by preset, hub name or folder."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest

from paperlode.ingest.errors import InvalidRequest, ModelUnknown
from paperlode.retrieval.embedding import ModelOptions, load_embedder

from .tiny_models import DIMENSIONS, write_embedder

pytestmark = pytest.mark.slow
pytest.importorskip("sentence_transformers")


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Folders with the same weights under several names."""
    folder = tmp_path_factory.mktemp("models")
    write_embedder(folder / "plain")
    write_embedder(folder / "intfloat" / "multilingual-e5-small")
    own = {"query": "ask: ", "document": "text: "}
    write_embedder(folder / "multilingual-e5-own", prompts=own)
    write_embedder(folder / "jina-like", prompts={"retrieval.query": "q: ", "retrieval.passage": "p: "})
    write_embedder(folder / "multilingual-e5-empty", prompts={"query": "", "document": ""})
    return folder


def test_a_family_s_prefixes_are_put_in_front_and_counted(models):
    """The vectors are those of the prefixed text by a model without prefixes; the count has the prefix in it."""
    plain = load_embedder(f"st:{models / 'plain'}")
    family = load_embedder(f"st:{models / 'intfloat' / 'multilingual-e5-small'}")
    text = "net sales 1990"
    assert np.allclose(family.embed([text]), plain.embed([f"passage: {text}"]), atol=1e-6)
    assert np.allclose(family.embed_query(text), plain.embed_query(f"query: {text}"), atol=1e-6)
    assert family.count(text) == plain.count(f"passage: {text}") > plain.count(text)
    assert family.reads("公司") == 1.0
    assert (family.dimensions, family.max_tokens) == (DIMENSIONS, 128)
    longest = "a " * (128 - family.count(""))
    assert family.embed([longest]).shape == (1, DIMENSIONS)
    with pytest.raises(InvalidRequest, match="129 tokens is longer than the 128"):
        family.embed([longest + "a"])


def test_the_model_s_own_prompts_go_before_the_family_s(models):
    """Those named query and document, or as jina names them; empty ones are none."""
    plain = load_embedder(f"st:{models / 'plain'}")
    for name, query, document in (
        ("multilingual-e5-own", "ask: ", "text: "),
        ("jina-like", "q: ", "p: "),
        ("multilingual-e5-empty", "query: ", "passage: "),
    ):
        model = load_embedder(f"st:{models / name}")
        assert np.allclose(model.embed(["x 1"]), plain.embed([f"{document}x 1"]), atol=1e-6), name
        assert np.allclose(model.embed_query("x 1"), plain.embed_query(f"{query}x 1"), atol=1e-6), name
        assert model.count("x") == plain.count(f"{document}x")


def test_the_family_can_be_named(models):
    """Behind a #; the name that is stored has it, and loads the same again."""
    model = load_embedder(f"st:{models / 'plain'}#nomic")
    assert model.name == f"st:{models / 'plain'}#nomic"
    assert np.allclose(model.embed_query("x"), load_embedder(f"st:{models / 'plain'}").embed_query("search_query: x"))
    assert model.reads("公司") == 0


def test_a_long_question_is_cut_and_keeps_its_prefix(models):
    """What is cut is the question's end."""
    model = load_embedder(f"st:{models / 'intfloat' / 'multilingual-e5-small'}")
    assert np.allclose(model.embed_query("a " * 400), model.embed_query("a " * 500))


@pytest.mark.parametrize("name", ["multilingual", "st:intfloat/multilingual-e5-small"])
def test_a_preset_is_taken_from_the_folder_with_models(models, name):
    """By the hub's name or its last part; what is stored is the hub's name, wherever the model lay."""
    model = load_embedder(name, options=ModelOptions(folder=models))
    assert model.name == "st:intfloat/multilingual-e5-small"
    assert model.dimensions == DIMENSIONS


def test_a_model_that_cannot_be_had_is_told_how_to_get():
    """Without the network: the preset, the command that gets it, and the setting that finds it."""
    code = (
        "from paperlode.retrieval.embedding import load_embedder\n"
        "from paperlode.ingest.errors import ModelUnknown\n"
        "try: load_embedder('multilingual')\n"
        "except ModelUnknown as e: print(e)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"HF_HUB_OFFLINE": "1", "HF_HOME": "/nonexistent"},
    )
    assert "cannot load 'multilingual'" in done.stdout
    assert "hf download intfloat/multilingual-e5-small" in done.stdout
    assert "PAPERLODE_MODELS" in done.stdout


def test_a_folder_without_a_model_is_an_error_of_ours(tmp_path):
    """Whatever the library raises."""
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(ModelUnknown, match="cannot load"):
        load_embedder(f"st:{tmp_path}")
