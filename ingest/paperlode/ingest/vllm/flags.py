"""How ``vllm serve`` is started for PaddleOCR-VL: which model, which flags and why, sized for the GPU.

Sources, by their short names here. *Recipe*: vLLM's own recipe for PaddleOCR-VL-1.6 (vLLM 0.11.1 or later). *PaddleX*:
the defaults of PaddleX's vLLM back end. *Own choice*: neither says it, and it was not measured on a GPU yet.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from paperlode.ingest.errors import InvalidRequest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from paperlode.ingest.vllm.gpus import Gpu

__all__ = [
    "MODELS",
    "VARIABLES",
    "Flag",
    "Replica",
    "ServePlan",
    "Sizing",
    "model_named",
    "plan_serving",
    "recommended_flags",
    "size_for",
]

MODELS: Mapping[str, str] = {
    "1.0": "PaddlePaddle/PaddleOCR-VL",
    "1.5": "PaddlePaddle/PaddleOCR-VL-1.5",
    "1.6": "PaddlePaddle/PaddleOCR-VL-1.6",
}
"""Hub id of each version. Always the explicit one: what the plain name stands for has changed before."""

KV_BYTES = 18_432
"""Bytes of cache for one token: 18 layers, keys and values, 2 heads of 128, 2 bytes (configuration of PaddleOCR-VL)."""
PICTURE_TOKENS = 1_280
"""Prompt tokens of the largest crop the client sends but for spotting (budget of 1,003,520 pixels, 28 by 28 each)."""
OUTPUT_TOKENS = 4_096
"""Most output tokens of a crop (PaddleX's pipeline, and our client)."""
STREAM_INTERVAL = 4
"""Tokens of one event. A loop is stopped within 64 tokens of its third copy, and is sure after 60. vLLM 0.11.1 and later."""
OVERHEAD_GB = 4.0
"""GiB for weights (0.9 billion parameters, 2 bytes) and what a step needs beside the cache. Own choice."""


@dataclass(frozen=True, slots=True)
class Flag:
    """A flag of ``vllm serve``, and why it is given.

    Attributes:
        name: with its dashes.
        value: None for a switch.
        reason: one sentence.
    """

    name: str
    value: str | None
    reason: str

    @property
    def words(self) -> tuple[str, ...]:
        """As on a command line, unquoted."""
        return (self.name,) if self.value is None else (self.name, self.value)


VARIABLES: Mapping[str, str] = {
    "CUDA_VISIBLE_DEVICES": "one GPU for each replica",
    "CUDA_DEVICE_ORDER": "PCI_BUS_ID: GPUs are counted as nvidia-smi counts them",
    "VLLM_NO_USAGE_STATS": "1: vLLM reports its use to its makers otherwise; yours goes first where it is set",
    "VLLM_CPU_KVCACHE_SPACE": "1: GiB of cache on the processor, where no share of a GPU can be given; yours goes first",
}
"""What is set in a replica's environment, and why."""


@dataclass(frozen=True, slots=True)
class Sizing:
    """What depends on the GPU's memory.

    Attributes:
        batched_tokens: most tokens of one step, pictures included.
        sequences: most crops that are read at the same time.
        memory_share: of the GPU's memory, 0 to 1; None on the processor.
    """

    batched_tokens: int
    sequences: int
    memory_share: float | None


# GiB from which on, batched tokens, sequences. A GPU sold with 24 GB may report 22.5 (error correction), hence the slack.
_SIZES = ((70.0, 65_536, 512), (36.0, 32_768, 384), (20.0, 16_384, 256), (14.0, 16_384, 128), (0.0, 8_192, 64))


def size_for(memory_gb: float | None) -> Sizing:
    """The sizing for a GPU of that many GiB; None where the driver does not say.

    The memory share is what the sequences can need at most, with a largest picture and a longest output each, within
    0.5 (PaddleX's default) and 0.9: a large GPU keeps room for the layout model, and a small one gets all it can use.
    """
    if memory_gb is None:
        return Sizing(16_384, 128, 0.9)
    batched, sequences = next((b, s) for least, b, s in _SIZES if memory_gb >= least)
    needed = OVERHEAD_GB + sequences * (PICTURE_TOKENS + OUTPUT_TOKENS) * KV_BYTES / 2**30
    return Sizing(batched, sequences, round(min(0.9, max(0.5, needed / max(memory_gb, 1))), 2))


_ON_THE_PROCESSOR = Sizing(16_384, 32, None)


def recommended_flags(sizing: Sizing, *, api_servers: int = 4) -> tuple[Flag, ...]:
    """The flags for one replica, each with its reason; without a memory share they are those for the processor."""
    on_gpu = sizing.memory_share is not None
    flags = [
        Flag(
            "--trust-remote-code", None, "the checkpoint brings its own picture processor, and with it its pixel limits"
        ),
        Flag(
            "--max-num-batched-tokens",
            str(sizing.batched_tokens),
            "how many picture and text tokens one step takes; the recipe says 16384 and to go up with the GPU",
        ),
        Flag("--no-enable-prefix-caching", None, "no two crops begin alike: hashing them finds nothing (recipe)"),
        Flag("--mm-processor-cache-gb", "0", "no crop comes twice: keeping pictures costs memory for nothing (recipe)"),
        Flag(
            "--dtype",
            "bfloat16" if on_gpu else "float32",
            "the weights' own type; float16 was reported to crash (vllm#32897)"
            if on_gpu
            else "most processors have no fast bfloat16",
        ),
        Flag("--max-model-len", "16384", "the largest crop and the longest output fit three times over (PaddleX)"),
        Flag("--limit-mm-per-prompt", '{"image":1}', "one crop a request; memory is reserved for no more"),
        Flag(
            "--api-server-count",
            str(api_servers),
            "pictures are decoded and resized in these processes, one core each (PaddleX: 4)",
        ),
        Flag("--max-num-seqs", str(sizing.sequences), "crops read at the same time; more wait in the queue"),
        Flag(
            "--stream-interval",
            str(STREAM_INTERVAL),
            "tokens sent at a time: reading the stream costs the client most of its time with one by one",
        ),
    ]
    if sizing.memory_share is None:
        flags.append(Flag("--enforce-eager", None, "starts in a minute instead of several; for trying it out only"))
    else:
        flags.append(
            Flag(
                "--gpu-memory-utilization",
                f"{sizing.memory_share:g}",
                "what those sequences can need at most, and no more: the layout model may sit on the same GPU",
            )
        )
    return tuple(flags)


@dataclass(frozen=True, slots=True)
class Replica:
    """One ``vllm serve``.

    Attributes:
        command: the program and its arguments, unquoted.
        environment: variables set beside those of this process.
        host: address it listens on.
        port: its own.
        gpu: what it runs on; None for the processor.
    """

    command: tuple[str, ...] = field(repr=False)  # may hold a key
    environment: tuple[tuple[str, str], ...]
    host: str
    port: int
    gpu: Gpu | None

    @property
    def url(self) -> str:
        """Where a client on this machine reaches it, without ``/v1``."""
        host = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(self.host, self.host)  # noqa: S104
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"

    @property
    def shell(self) -> str:
        """The command with its variables, quoted for a POSIX shell."""
        return " ".join([*(f"{k}={shlex.quote(v)}" for k, v in self.environment), shlex.join(self.command)])


@dataclass(frozen=True, slots=True)
class ServePlan:
    """What is to be started.

    Attributes:
        model: hub id or folder.
        replicas: at least one, each with its own GPU and port.
        flags: those recommended and not replaced by the user's own, for the first replica.
        keys: bearer keys that the servers will want, from the user's flags or VLLM_API_KEY; any of them will do.
    """

    model: str
    replicas: tuple[Replica, ...]
    flags: tuple[Flag, ...]
    keys: tuple[str, ...] = field(default=(), repr=False)


def model_named(name: str) -> str:
    """The hub id or folder that ``--model`` means: a version (``1.6``), a hub id (``OWNER/NAME``), or a folder.

    Raises:
        InvalidRequest: it is none of them.
    """
    if name in MODELS:
        return MODELS[name]
    folder = Path(name).expanduser()
    if folder.is_dir():
        if not (folder / "config.json").is_file():
            raise InvalidRequest(f"{name!r} has no config.json: it is no checkpoint.", hint="Name its own folder.")
        return str(folder.resolve())
    if re.fullmatch(r"\w[\w.-]*/\w[\w.-]*", name):
        return name
    raise InvalidRequest(
        f"--model {name!r} is no version, no folder and no name on the hub.",
        hint=f"Versions: {', '.join(MODELS)}. Names on the hub look like {MODELS['1.6']}.",
    )


def plan_serving(
    model: str = "1.6",
    *,
    gpus: Sequence[Gpu],
    cores: int = 8,
    host: str = "127.0.0.1",
    port: int = 8000,
    extra: Sequence[str] = (),
    executable: str = "vllm",
    environment: Mapping[str, str] | None = None,
) -> ServePlan:
    """One replica a GPU, on ports that follow each other; on the processor one replica.

    The model is so small that splitting it over GPUs would only cost: replicas share the work instead.

    Args:
        model: see ``model_named``.
        gpus: those to serve on; empty for the processor.
        cores: of the processor; the API processes share them with the engines, one each.
        host: address to listen on.
        port: of the first replica.
        extra: the user's own flags for ``vllm serve``; each replaces the recommended one of that name.
        executable: the ``vllm`` command.
        environment: of this process; what the user set there is left as it is.

    Raises:
        InvalidRequest: the model, a port or a flag makes no sense.
    """
    environment = environment or {}
    chosen = model_named(model)
    given = _given(extra)
    places: list[Gpu | None] = [*gpus] or [None]
    if not 1 <= port <= 65_536 - len(places):
        raise InvalidRequest(f"--port {port}: {len(places)} ports from there on must lie between 1 and 65535.")
    api_servers = max(1, min(4, cores // len(places) - 1))
    replicas = []
    all_flags = []
    for number, gpu in enumerate(places):
        sizing = _ON_THE_PROCESSOR if gpu is None else size_for(gpu.memory_gb)
        flags = recommended_flags(sizing, api_servers=api_servers)
        if Path(chosen).is_absolute():
            reason = "clients are told the folder's name and not where it lies"
            flags = (Flag("--served-model-name", Path(chosen).name, reason), *flags)
        kept = tuple(f for f in flags if _meaning(f.name) not in given)
        words = [w for f in kept for w in f.words]
        at = ("--host", host, "--port", str(port + number))
        command = (executable, "serve", chosen, *at, *words, *extra)
        replicas.append(Replica(command, _variables(gpu, environment), host, port + number, gpu))
        all_flags.append(kept)
    return ServePlan(chosen, tuple(replicas), all_flags[0], _keys(extra, environment))


def _variables(gpu: Gpu | None, environment: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    wanted = {} if gpu is None else {"CUDA_DEVICE_ORDER": "PCI_BUS_ID", "CUDA_VISIBLE_DEVICES": gpu.id}
    defaults = {"VLLM_NO_USAGE_STATS": "1"} | ({"VLLM_CPU_KVCACHE_SPACE": "1"} if gpu is None else {})
    return tuple((wanted | {k: v for k, v in defaults.items() if k not in environment}).items())


_OURS = {
    "host": "Give --host in front of the --.",
    "port": "Give --port in front of the --.",
    "uds": "paperlode's client speaks TCP: give --host and --port.",
    "model": "Give --model in front of the --.",
    "config": "The recommended flags would hide what the file says: give its flags themselves.",
    "headless": "Nothing would answer: start such a node with vllm itself.",
    "ssl-keyfile": "Put a proxy that speaks TLS in front of the server.",
    "ssl-certfile": "Put a proxy that speaks TLS in front of the server.",
}
_ALIASES = {"device-memory-utilization": "gpu-memory-utilization", "asc": "api-server-count"}  # vllm serve --help=all


def _meaning(flag: str) -> str:
    """What a flag is about: ``--no-enable-prefix-caching`` and ``--enable_prefix_caching=1`` are about the same."""
    name = flag.partition("=")[0].lstrip("-").partition(".")[0].replace("_", "-").removeprefix("no-")
    return _ALIASES.get(name, name)


def _is_flag(word: str) -> bool:
    return re.match(r"--?[A-Za-z]", word) is not None


def _given(extra: Sequence[str]) -> frozenset[str]:
    if extra and not _is_flag(extra[0]):
        raise InvalidRequest(
            f"{extra[0]!r} is no flag of vLLM.",
            hint="The model is named with --model; vLLM's own flags follow after --.",
        )
    given = frozenset(_meaning(w) for w in extra if _is_flag(w))
    for name in sorted(given & _OURS.keys()):
        raise InvalidRequest(f"--{name} cannot be given to vLLM here.", hint=_OURS[name])
    return given


def _keys(extra: Sequence[str], environment: Mapping[str, str]) -> tuple[str, ...]:
    """``--api-key K1 K2`` or ``--api-key=K1``; else VLLM_API_KEY, as vLLM itself has it."""
    keys: list[str] = []
    taking = False
    for word in extra:
        if _is_flag(word):
            name, equals, value = word.partition("=")
            taking = _meaning(name) == "api-key"
            keys += [value] if taking and equals else []
        elif taking:
            keys.append(word)
    from_environment = environment.get("VLLM_API_KEY")
    return tuple(keys) or ((from_environment,) if from_environment else ())
