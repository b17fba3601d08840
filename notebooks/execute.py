"""Executes the notebooks beside it, in order and offline, and saves them with their outputs: ``make notebooks``.

    python notebooks/execute.py [--into DIR] [NAME ...]

Each runs with this interpreter, in a folder of its own where ``samples`` and ``benchmarks`` lie beside it as here. Sockets
reach this machine only. An error in a cell ends the run; nothing is saved of that notebook. ``--into`` leaves the notebooks
here as they are and writes the executed ones there.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import nbformat
from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).resolve().parent
BESIDE = ("samples", "benchmarks")
SECONDS = 900
"""Longest time of one cell."""
OFFLINE = """
import socket
_connect = socket.socket.connect
def connect(self, address):
    if self.family in (socket.AF_INET, socket.AF_INET6) and address[0] not in ("127.0.0.1", "::1", "localhost"):
        raise OSError(f"The notebooks run offline, and something asks for {address}.")
    return _connect(self, address)
socket.socket.connect = connect
"""
"""``sitecustomize`` of the kernel and of the processes it starts."""


class ThisInterpreter(KernelSpecManager):
    """Kernels of every name run with the interpreter that runs this, whatever is installed for the user."""

    def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
        """The one kernel there is."""
        argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}", "--log-level=ERROR"]
        return KernelSpec(argv=argv, display_name=kernel_name, language="python")


@contextmanager
def workplace() -> Iterator[Path]:
    """A folder for a notebook to run in, with nothing of this checkout to write on; gone afterwards."""
    with tempfile.TemporaryDirectory() as made:
        root = Path(made)
        for name in BESIDE:
            (root / name).symlink_to(HERE.parent / name, target_is_directory=True)
        (root / "offline").mkdir()
        (root / "offline" / "sitecustomize.py").write_text(OFFLINE, encoding="utf-8")
        (root / "notebooks").mkdir()
        yield root


def execute(path: Path) -> nbformat.NotebookNode:
    """The notebook with fresh outputs.

    Raises:
        nbclient.exceptions.CellExecutionError: a cell fails.
    """
    notebook = nbformat.read(path, as_version=4)
    with workplace() as root:
        kernel = AsyncKernelManager(kernel_spec_manager=ThisInterpreter())
        client = NotebookClient(
            notebook,
            km=kernel,
            timeout=SECONDS,
            startup_timeout=SECONDS,
            record_timing=False,
            coalesce_streams=True,
            resources={"metadata": {"path": str(root / "notebooks")}},
        )
        paths = [str(root / "offline"), os.environ.get("PYTHONPATH", "")]
        client.execute(
            env=os.environ
            | {
                "PYTHONPATH": os.pathsep.join(p for p in paths if p),
                "HF_HUB_OFFLINE": "1",
                "MPLBACKEND": "module://matplotlib_inline.backend_inline",
                "MPLCONFIGDIR": str(root),
            }
        )
    notebook.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    return notebook


def main() -> None:
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--into", type=Path, default=HERE)
    ap.add_argument("names", nargs="*", metavar="NAME", help="without .ipynb; default all")
    a = ap.parse_args()
    for path in [HERE / f"{n}.ipynb" for n in a.names] or sorted(HERE.glob("*.ipynb")):
        print(path.name, flush=True)
        nbformat.write(execute(path), a.into / path.name)


if __name__ == "__main__":
    main()
