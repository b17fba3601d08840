"""The graph that is kept as a file is the one that the package writes, and the model runs from the file alone."""

from __future__ import annotations

import subprocess
import sys

import onnx

from paperlode.retrieval.minilm import GRAPH, WEIGHTS, published_weights
from paperlode.retrieval.minilm_graph import write_graph


def test_the_kept_graph_is_the_written_one():
    """Node for node and tensor for tensor, offsets into the weights included, and it is a valid model."""
    kept = onnx.load_from_string(GRAPH.read_bytes())
    assert kept == onnx.load_from_string(write_graph(published_weights() / WEIGHTS))
    assert {t.name for t in kept.graph.initializer if t.external_data} >= {"embeddings.word_embeddings.weight"}


def test_the_model_runs_without_onnx():
    """Embedding a question does not import ``onnx``, which is not among what an installation needs."""
    code = "import sys; sys.modules['onnx'] = None\nfrom paperlode.retrieval.minilm import MiniLM; MiniLM().embed_query('a')"
    subprocess.run([sys.executable, "-c", code], check=True)
