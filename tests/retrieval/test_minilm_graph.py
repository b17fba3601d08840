"""The graph that is kept as a file is the one that the package writes, and the model runs from the file alone."""

from __future__ import annotations

import subprocess
import sys

import onnx

from paperlode.retrieval.minilm import GRAPH, INT8_GRAPH, WEIGHTS, published_weights
from paperlode.retrieval.minilm_graph import kept_largest, largest_seen, write_graph, write_int8_graph


def test_the_kept_graph_is_the_written_one():
    """Node for node and tensor for tensor, offsets into the weights included, and it is a valid model."""
    kept = onnx.load_from_string(GRAPH.read_bytes())
    assert kept == onnx.load_from_string(write_graph(published_weights() / WEIGHTS))
    assert {t.name for t in kept.graph.initializer if t.external_data} >= {"embeddings.word_embeddings.weight"}


def test_the_kept_int8_graph_is_the_written_one():
    """The same, given what it says itself about how large channels become."""
    kept = onnx.load_from_string(INT8_GRAPH.read_bytes())
    largest = kept_largest()
    assert kept == onnx.load_from_string(write_int8_graph(published_weights() / WEIGHTS, largest))
    assert len(largest) == 4 * 6  # for each layer: before attention, after it, and before and within the wide part
    assert {len(v) for v in largest.values()} == {384, 1536}


def test_how_large_channels_become_is_seen_on_texts():
    """More texts make no channel smaller; of two texts the larger value counts."""
    one, two = ("Net sales rose.",), ("Net sales rose.", "This Agreement is governed by the laws of Delaware.")
    few, more = largest_seen(one), largest_seen(two)
    assert few.keys() == more.keys() == kept_largest().keys()
    assert all((more[k] >= few[k]).all() for k in few)
    assert any((more[k] > few[k]).any() for k in few)


def test_the_model_runs_without_onnx():
    """Embedding a question or a text does not import ``onnx``, which is not among what an installation needs."""
    code = "import sys; sys.modules['onnx'] = None\nfrom paperlode.retrieval.minilm import MiniLM as M; M().embed_query('a')"
    code += "; M(precision='int8').embed(['a'])"
    subprocess.run([sys.executable, "-c", code], check=True)
