"""The peers on the same files: LlamaIndex's default, or the same with pymupdf4llm's reader.

    python benchmarks/peer.py [--reader pymupdf|pymupdf4llm] FILE…

Both split sentences in 512 tokens, embed with the same MiniLM on torch, and index in Qdrant. The default reads with PyMuPDF;
pymupdf4llm's ``LlamaMarkdownReader`` with its own layout model, as it comes.

The last line is JSON: ``pages``, ``chunks``, ``wall_s`` (reading, splitting, embedding and indexing; imports and the loading
of the model are not counted), ``cpu_s`` (of the same), ``read_s`` (of it, reading), ``pages_per_s``. Needs the extra ``bench``.
Used by ``ingest.py --peer``.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from common import cpu_seconds

SIZE, OVERLAP, BATCH = 512, 50, 32


def reader_of(name: str) -> Any:
    """A function from a path to LlamaIndex documents, one a page."""
    if name == "pymupdf":
        from llama_index.readers.file import PyMuPDFReader

        return lambda path: PyMuPDFReader().load_data(file_path=path, metadata=True)
    from pymupdf4llm import LlamaMarkdownReader

    return lambda path: LlamaMarkdownReader().load_data(path)


def main() -> None:
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("files", type=Path, nargs="+")
    ap.add_argument("--reader", choices=("pymupdf", "pymupdf4llm"), default="pymupdf")
    a = ap.parse_args()
    os.environ.update(HF_HUB_OFFLINE="1", TRANSFORMERS_OFFLINE="1", TOKENIZERS_PARALLELISM="false")
    from llama_index.core import Settings, StorageContext, VectorStoreIndex
    from llama_index.core.node_parser import SentenceSplitter
    from llama_index.embeddings.huggingface import HuggingFaceEmbedding
    from llama_index.vector_stores.qdrant import QdrantVectorStore
    from qdrant_client import QdrantClient

    from paperlode.retrieval.minilm import published_weights

    Settings.llm = None
    Settings.embed_model = HuggingFaceEmbedding(
        model_name=str(published_weights()), device="cpu", embed_batch_size=BATCH
    )
    load = reader_of(a.reader)
    start, cpu = time.perf_counter(), cpu_seconds()
    pages = [d for f in a.files for d in load(str(f))]
    read = time.perf_counter() - start
    print(f"{len(pages)} pages read in {read:.0f} s", file=sys.stderr)
    nodes = SentenceSplitter(chunk_size=SIZE, chunk_overlap=OVERLAP).get_nodes_from_documents(pages)
    nodes = [n for n in nodes if n.get_content().strip()]
    store = QdrantVectorStore(client=QdrantClient(location=":memory:"), collection_name="peer")
    VectorStoreIndex(nodes, storage_context=StorageContext.from_defaults(vector_store=store))
    wall = time.perf_counter() - start
    result = {"pages": len(pages), "chunks": len(nodes), "wall_s": round(wall, 1), "read_s": round(read, 1)}
    result["cpu_s"] = round(cpu_seconds() - cpu, 1)
    print(json.dumps({**result, "pages_per_s": round(len(pages) / wall, 2)}))


if __name__ == "__main__":
    main()
