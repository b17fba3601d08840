"""``paperlode vllm serve``: PaddleOCR-VL on vLLM, started with the flags that fit this machine, and watched."""
# ruff: noqa: PLR0917  Typer passes every argument by name

import os
import signal
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from paperlode.api.command import faces, terminate_like_interrupt

if TYPE_CHECKING:
    from paperlode.ingest.errors import ServerFailed
    from paperlode.ingest.vllm.flags import ServePlan
    from paperlode.ingest.vllm.server import Limits, Progress

__all__ = ["vllm_app"]

LOOPBACK = ("127.0.0.1", "localhost", "::1")

vllm_app = typer.Typer(
    name="vllm",
    help="The recognition server: PaddleOCR-VL on vLLM.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
)


@vllm_app.callback()
def common() -> None:
    """The recognition server: PaddleOCR-VL on vLLM."""


@vllm_app.command(
    epilog="Examples: paperlode vllm serve | paperlode vllm serve --gpus 0,1 --print | "
    "paperlode vllm serve --model ./weights -- --max-num-seqs 128. Every flag and its reason: docs/vllm.md."
)
def serve(
    extra: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="-- VLLM_FLAGS",
            help="Flags for vLLM itself; each replaces the recommended one of that name.",
            show_default=False,
        ),
    ] = None,
    model: Annotated[
        str, typer.Option(help="Version (1.0, 1.5, 1.6), name on the hub, or folder with the weights.")
    ] = "1.6",
    host: Annotated[str, typer.Option(help="Address to listen on; others reach it only if you say so.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Of the first GPU's server; each further one takes the next.")] = 8000,
    gpus: Annotated[
        str, typer.Option(help="all, numbers as nvidia-smi counts (0,2), or cpu: slow, to try it.")
    ] = "all",
    vllm: Annotated[
        str | None,
        typer.Option("--vllm", help="The vllm command, or the environment it is installed in.", show_default=False),
    ] = None,
    start_timeout: Annotated[float, typer.Option(min=1, help="Seconds until all must answer.")] = 1_200.0,
    restarts: Annotated[int, typer.Option(min=0, help="How often an hour a server that died is started again.")] = 3,
    show: Annotated[bool, typer.Option("--print", help="Only show the commands, one for each GPU.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Show the whole log of vLLM.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Commands, addresses and errors as JSON.")] = False,
) -> None:
    """Start PaddleOCR-VL with the flags that fit this machine: one server a GPU, sized by its memory.

    It says where it answers once it does, shows the end of vLLM's log when it dies, starts it again, and ends it
    cleanly on Ctrl-C. vLLM is installed apart: pip install 'vllm>=0.11.1' in an environment of its own, named with
    --vllm or put on PATH. --print needs no vLLM.
    """
    with faces(as_json=as_json):
        from paperlode.ingest.vllm.server import Limits, find_vllm

        command = (vllm or "vllm") if show else find_vllm(vllm)
        plan = _plan(model, gpus=gpus, host=host, port=port, extra=extra or [], executable=command)
        if show:
            _print(plan, as_json=as_json)
        else:
            limits = Limits(start=start_timeout, restarts=restarts)
            _run(plan, limits, verbose=verbose, as_json=as_json)


def _plan(model: str, *, gpus: str, **options: Any) -> "ServePlan":
    from paperlode.ingest.vllm.flags import plan_serving
    from paperlode.ingest.vllm.gpus import choose_gpus, find_gpus

    cpu = gpus.strip().lower() == "cpu"
    chosen = () if cpu else choose_gpus(gpus, find_gpus(environment=os.environ))
    return plan_serving(model, gpus=chosen, cores=_cores(), environment=os.environ, **options)


def _cores() -> int:
    """Cores this process may use; fewer than the machine has in a container."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _print(plan: "ServePlan", *, as_json: bool) -> None:
    if as_json:
        from paperlode.api import terminal

        replicas = [
            {"command": list(r.command), "environment": dict(r.environment), "url": r.url, "gpu": r.gpu and r.gpu.id}
            for r in plan.replicas
        ]
        reasons = [{"flag": " ".join(f.words), "reason": f.reason} for f in plan.flags]
        terminal.print_json({"model": plan.model, "replicas": replicas, "flags": reasons})
    else:
        for replica in plan.replicas:
            print(replica.shell)


def _run(plan: "ServePlan", limits: "Limits", *, verbose: bool, as_json: bool) -> None:
    from paperlode.api import terminal
    from paperlode.ingest.vllm.server import VllmServer

    terminate_like_interrupt()
    if hasattr(signal, "SIGHUP"):
        signal.signal(signal.SIGHUP, signal.getsignal(signal.SIGTERM))  # a closed terminal ends the servers too
    if plan.replicas[0].host not in LOOPBACK and not plan.keys:
        terminal.message(
            ("Warning: ", "bold yellow"),
            f"everyone who can reach {plan.replicas[0].host} can use this server: set VLLM_API_KEY, or keep it local.",
        )
    for replica in plan.replicas:
        gpu = replica.gpu
        memory = f", {gpu.memory_gb:.0f} GiB" if gpu and gpu.memory_gb else ""
        place = f"GPU {gpu.id} ({gpu.name}{memory})" if gpu else "the processor"
        terminal.message(f"Starting {plan.model} on {place}, port {replica.port}.")
    on_line = _show_line if verbose else None
    server = VllmServer(plan, limits=limits, on_progress=None if verbose else _Shown(), on_line=on_line)
    with server:
        terminal.message(("Ready: ", "bold green"), f"{server.model} at {', '.join(server.urls)}. Ctrl-C ends it.")
        if as_json:
            terminal.print_json({"model": server.model, "urls": list(server.urls)})
        sys.stdout.flush()
        server.watch(on_restart=_say_restart)


def _show_line(number: int, line: str) -> None:
    from paperlode.api import terminal

    terminal.message((f"{number} ", "dim"), line)


def _say_restart(_number: int, error: "ServerFailed") -> None:
    from paperlode.api import terminal

    terminal.error(error)
    terminal.message("Starting it again.")


class _Shown:
    """Shows the progress every ten seconds, and when another server is ready."""

    def __init__(self) -> None:
        self._ready, self._seconds = 0, 0.0

    def __call__(self, progress: "Progress") -> None:
        from paperlode.api import terminal

        if progress.ready == self._ready and progress.seconds - self._seconds < 10:
            return
        self._ready, self._seconds = progress.ready, progress.seconds
        done = f"{progress.ready} of {progress.replicas} ready after {progress.seconds:.0f} s. "
        terminal.message(done, (progress.line[:160], "dim"))
