"""The GPUs of this machine, as ``nvidia-smi`` tells them, and which of them may be used."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from paperlode.ingest.errors import InvalidRequest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["Gpu", "Runner", "choose_gpus", "find_gpus"]

_QUERY = ("nvidia-smi", "--query-gpu=index,uuid,memory.total,name", "--format=csv,noheader,nounits")
_SECONDS = 20  # a driver that wakes up takes some; one that hangs must not hang us
_VISIBLE = "CUDA_VISIBLE_DEVICES"


class Runner(Protocol):
    """Runs a command and returns its standard output."""

    def __call__(self, command: Sequence[str], /) -> str:
        """The output.

        Raises:
            OSError: there is no such command.
            subprocess.SubprocessError: it failed, or took too long.
        """
        ...


@dataclass(frozen=True, slots=True)
class Gpu:
    """One GPU, or one slice of it.

    Attributes:
        id: what CUDA_VISIBLE_DEVICES calls it: an index in the order of the PCI bus, or the name of a slice (``MIG-…``).
        name: the maker's name for it.
        memory_mb: MiB of memory; None where the driver does not say (slices, memory shared with the processor).
    """

    id: str
    name: str
    memory_mb: int | None

    @property
    def memory_gb(self) -> float | None:
        """GiB of memory."""
        return None if self.memory_mb is None else self.memory_mb / 1024


def _run(command: Sequence[str], /) -> str:
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=_SECONDS, check=True)  # noqa: S603
    return done.stdout


def find_gpus(*, run: Runner = _run, environment: Mapping[str, str] | None = None) -> tuple[Gpu, ...]:
    """The NVIDIA GPUs that this process may use, in the order of the PCI bus; empty where there are none.

    Args:
        run: runs ``nvidia-smi``.
        environment: where CUDA_VISIBLE_DEVICES may stand; it narrows and orders the GPUs as CUDA itself would.

    Raises:
        InvalidRequest: ``nvidia-smi`` is there and fails or says something else, or CUDA_VISIBLE_DEVICES names a GPU
            that is not there: starting on the wrong GPU would be worse.
    """
    try:
        said = run(_QUERY)
    except FileNotFoundError:
        return ()
    except subprocess.CalledProcessError as exc:
        told = f"{exc.stdout or ''}{exc.stderr or ''}".strip()
        if "no devices were found" in told.lower():
            return ()
        raise InvalidRequest(f"nvidia-smi failed: {told or exc}", hint=_BROKEN_DRIVER) from exc
    except (OSError, subprocess.SubprocessError) as exc:
        raise InvalidRequest(f"nvidia-smi failed: {exc}", hint=_BROKEN_DRIVER) from exc
    rows = [_row(line) for line in said.splitlines() if line.strip() and "no devices" not in line.lower()]
    visible = (environment or {}).get(_VISIBLE)
    return tuple(gpu for gpu, _ in rows) if visible is None else tuple(_visible(visible, rows))


_BROKEN_DRIVER = "Repair the driver, or take the processor: --gpus cpu."


def _row(line: str) -> tuple[Gpu, str]:
    """``0, GPU-5a…, 81559, NVIDIA H100 80GB HBM3`` -> the GPU and its UUID."""
    parts = [p.strip() for p in line.split(",", 3)]
    if len(parts) != 4 or not parts[0].isdigit():
        raise InvalidRequest(f"nvidia-smi says {line.strip()[:200]!r}, which is no GPU.", hint=_BROKEN_DRIVER)
    index, uuid, memory, name = parts
    return Gpu(index, name, int(memory) if memory.isdigit() else None), uuid


def _visible(value: str, rows: Sequence[tuple[Gpu, str]]) -> list[Gpu]:
    found: list[Gpu] = []
    for wanted in (part.strip() for part in value.split(",")):
        if wanted in {"", "-1", "none", "NoDevFiles", "void"}:  # CUDA stops at the first that is no device
            break
        if wanted.startswith("MIG-"):
            found.append(Gpu(wanted, "a slice of a GPU", None))
            continue
        match = [g for g, uuid in rows if wanted == g.id or (wanted.startswith("GPU-") and uuid.startswith(wanted))]
        if len(match) != 1:
            raise InvalidRequest(
                f"{_VISIBLE} names {wanted!r}, and this machine has {_listed([g for g, _ in rows])}.",
                hint=f"Correct {_VISIBLE}, or unset it.",
            )
        found += match
    return found


def choose_gpus(wanted: str, found: Sequence[Gpu]) -> tuple[Gpu, ...]:
    """The GPUs to serve on.

    Args:
        wanted: ``all``, ``cpu``, or names with commas: ``0,2``.
        found: what is there.

    Returns:
        GPUs without repetition; empty for the processor.

    Raises:
        InvalidRequest: there is no such GPU, or none at all and ``cpu`` was not asked for.
    """
    wanted = wanted.strip().lower()
    if wanted == "cpu":
        return ()
    if not found:
        raise InvalidRequest(
            "There is no NVIDIA GPU that vLLM could use here.",
            hint="Serve from a machine that has one, or try it on the processor, slowly: --gpus cpu.",
        )
    if wanted == "all":
        return tuple(found)
    by_id = {g.id.lower(): g for g in found}
    names = list(dict.fromkeys(re.split(r"[,\s]+", wanted)))
    unknown = [n for n in names if n not in by_id]
    if unknown:
        raise InvalidRequest(
            f"--gpus {wanted!r}: there is no GPU {unknown[0]!r}; there is {_listed(found)}.",
            hint="Name them by number with commas (0,1), or say all, or cpu.",
        )
    return tuple(by_id[n] for n in names)


def _listed(gpus: Sequence[Gpu]) -> str:
    return ", ".join(f"{g.id} ({g.name})" for g in gpus) or "none"
