"""A cold ``paperlode search`` from the shell beside a bare script that does the least for one query, turn by turn.

    python benchmarks/cold.py --index DIR [--n 15] [--question TEXT]

Each is a new process with warm file caches, its modules compiled. Bare: ``python -c`` that imports onnxruntime, tokenizers and
qdrant_edge, loads the same model and tokenizer, embeds the question, opens the same shard and sends one dense query. The last
line is JSON: medians of the wall seconds and of the CPU seconds (user and system) of both, and the ratio of the wall medians.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

from paperlode.retrieval.minilm import GRAPH, published_weights

BARE = """
import sys
import numpy as np
import onnxruntime
from tokenizers import Tokenizer
from qdrant_edge import EdgeShard, Query, QueryRequest
graph, folder, shard, question = sys.argv[1:]
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 1
options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
options.add_session_config_entry("session.model_external_initializers_file_folder_path", folder)
session = onnxruntime.InferenceSession(open(graph, "rb").read(), options, providers=["CPUExecutionProvider"])
ids = Tokenizer.from_file(folder + "/tokenizer.json").encode(question).ids
vector = session.run(None, {"ids": np.array(ids)})[0].tolist()
found = EdgeShard.load(shard).query(QueryRequest(limit=5, query=Query.Nearest(vector, using="dense"), with_payload=True))
for p in found:
    print(p.score, p.payload["text"][:80])
"""


def timed(command: list[str]) -> tuple[float, float]:
    """Wall and CPU seconds of a process."""
    env = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}  # an installation has its bytecode
    before, start = os.times(), time.perf_counter()
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=env)
    wall, after = time.perf_counter() - start, os.times()
    if not done.stdout.strip():
        raise SystemExit(f"{command[0]} found nothing")
    return wall, after.children_user + after.children_system - before.children_user - before.children_system


def measured(a: argparse.Namespace, graph: Path, folder: Path) -> dict[str, list[tuple[float, float]]]:
    """Wall and CPU seconds of every process, by kind."""
    paperlode = str(Path(sys.executable).with_name("paperlode"))
    ways = {
        "ours": [paperlode, "search", a.question, "--index", str(a.index)],
        "bare": [sys.executable, "-c", BARE, str(graph), str(folder), str(a.index / "edge"), a.question],
    }
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    for n in range(a.n + 1):
        for name, command in ways.items():
            took = timed(command)
            if n:  # the first fills the file caches
                times[name].append(took)
    return times


def main() -> None:
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--index", type=Path, required=True)
    ap.add_argument("--n", type=int, default=15)
    ap.add_argument("--question", default="How long is the notice period?")
    a = ap.parse_args()
    folder = published_weights()
    times = measured(a, GRAPH, folder)
    said: dict[str, float] = {}
    for name, took in times.items():
        said |= {
            f"{name}_wall_s": statistics.median(w for w, _ in took),
            f"{name}_cpu_s": statistics.median(c for _, c in took),
        }
    ratio = said["ours_wall_s"] / said["bare_wall_s"]
    print(json.dumps({"n": a.n, **{k: round(v, 3) for k, v in said.items()}, "ratio": round(ratio, 3)}))


if __name__ == "__main__":
    main()
