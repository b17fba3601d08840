"""The peer: LlamaIndex's default on the same files (PyMuPDF, sentences in 512 tokens, the same MiniLM on torch, Qdrant).

    python benchmarks/peer.py FILE…

The last line is JSON: ``pages``, ``chunks``, ``wall_s`` (reading, splitting, embedding and indexing; imports and the loading
of the model are not counted), ``pages_per_s``. Needs the extra ``bench``. Used by ``ingest.py --peer``.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from pathlib import Path

SIZE, OVERLAP, BATCH = 512, 50, 32


def main() -> None:
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("files", type=Path, nargs="+")
    a = ap.parse_args()
    os.environ.update(HF_HUB_OFFLINE="1", TRANSFORMERS_OFFLINE="1", TOKENIZERS_PARALLELISM="false")
    from llama_index.core import Settings, StorageContext, VectorStoreIndex
    from llama_index.core.node_parser import SentenceSplitter
    from llama_index.embeddings.huggingface import HuggingFaceEmbedding
    from llama_index.readers.file import PyMuPDFReader
    from llama_index.vector_stores.qdrant import QdrantVectorStore
    from qdrant_client import QdrantClient

    from paperlode.retrieval.minilm import published_weights

    Settings.llm = None
    Settings.embed_model = HuggingFaceEmbedding(
        model_name=str(published_weights()), device="cpu", embed_batch_size=BATCH
    )
    start = time.perf_counter()
    pages = [d for f in a.files for d in PyMuPDFReader().load_data(file_path=str(f), metadata=True)]
    nodes = SentenceSplitter(chunk_size=SIZE, chunk_overlap=OVERLAP).get_nodes_from_documents(pages)
    nodes = [n for n in nodes if n.get_content().strip()]
    store = QdrantVectorStore(client=QdrantClient(location=":memory:"), collection_name="peer")
    VectorStoreIndex(nodes, storage_context=StorageContext.from_defaults(vector_store=store))
    wall = time.perf_counter() - start
    result = {"pages": len(pages), "chunks": len(nodes), "wall_s": round(wall, 1)}
    print(json.dumps({**result, "pages_per_s": round(len(pages) / wall, 2)}))


if __name__ == "__main__":
    main()
