"""A plan for people: one figure a line, with its interval where it has one."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from paperlode.api.terminal import Lines
from paperlode.ingest.plan_arithmetic import server_advice
from paperlode.ingest.plan_pages import PageKind

if TYPE_CHECKING:
    from collections.abc import Callable

    from paperlode.ingest.plan_values import Estimate, Plan

__all__ = ["bytes_text", "plan_object", "show_plan", "time_text"]

_KINDS = {
    PageKind.PLAIN: "digital, plain prose",
    PageKind.LAYOUT: "digital, with tables, columns or formulas",
    PageKind.MIXED: "mixed: a scan with a text layer",
    PageKind.SCAN: "scanned",
    PageKind.PICTURE: "picture files",
    PageKind.BLANK: "blank",
    PageKind.UNREADABLE: "unreadable",
}
_STAGES = {
    "start": "start",
    "recognition": "recognising scans",
    "layout": "reading digital pages",
    "structure": "structure and chunks",
    "embedding": "embedding",
    "index": "index and ledger",
}


def plan_object(plan: Plan) -> dict[str, Any]:
    """The plan as JSON; seconds, hours and bytes as numbers."""
    return asdict(plan)


def time_text(seconds: float) -> str:
    """In the unit that people would use: ``42 s``, ``7.5 min``, ``3.2 h``, ``12 days``."""
    for unit, size, most in (("s", 1, 90), ("min", 60, 5400), ("h", 3600, 172_800)):
        if seconds < most:
            return f"{_short(seconds / size)} {unit}"
    return f"{_short(seconds / 86_400)} days"


def bytes_text(count: float) -> str:
    """``12 MB``, ``3.4 GB``."""
    for unit, size in (("kB", 1e3), ("MB", 1e6), ("GB", 1e9)):
        if count < 1000 * size:
            return f"{_short(count / size)} {unit}"
    return f"{_short(count / 1e12)} TB"


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 else f"{value:.1f}"


def _count(value: float) -> str:
    return f"{value:,.0f}"


def _told(estimate: Estimate, text: Callable[[float], str]) -> str:
    value, low, high = text(estimate.value), text(estimate.low), text(estimate.high)
    return value if low == high == value else f"{value} ({low} to {high})"


def show_plan(plan: Plan) -> None:
    """Print the plan."""
    out = Lines()
    bad = f", and {_told(plan.unreadable_files, _count)} that do not open" if plan.unreadable_files.value else ""
    out.print(("Documents  ", "bold"), f"{_told(plan.documents, _count)}{bad}")
    out.print(("Pages      ", "bold"), _told(plan.pages, _count))
    for kind, found in plan.kinds.items():
        cpu = sum(found.costs[name] for name in ("parse", "structure", "embed", "index"))
        each = f"  {cpu:.2f} s of CPU a page, {found.costs['chunks']:.1f} chunks" if cpu else ""
        few = f", {found.measured} read" if found.measured else ", none read"
        failed = f", {found.failed} of them failed" if found.failed else ""
        out.print(f"  {_told(found.pages, _count):>24}  {_KINDS[kind]}{few}{failed}", (each, "dim"))
    out.print(("Chunks     ", "bold"), f"{_told(plan.chunks, _count)}, and {_told(plan.rows, _count)} rows of tables")
    out.print(("This machine", "bold"), f"  {_told(plan.wall_seconds, time_text)} with {plan.workers} workers")
    out.print("  CPU        ", _told(plan.cpu_seconds, time_text))
    for stage, seconds in plan.stages.items():
        out.print(f"    {_STAGES[stage]:<24}", f"{time_text(seconds):>10}")
    for workers, wall in plan.by_workers.items():
        if workers != plan.workers:
            out.print(f"  with {workers} workers: ", _told(wall, time_text))
    disk = plan.ledger_bytes.value + plan.index_bytes.value
    out.print(
        ("Disk       ", "bold"),
        f"{bytes_text(disk)}: pages and ledger {_told(plan.ledger_bytes, bytes_text)}, "
        f"index {_told(plan.index_bytes, bytes_text)}",
    )
    out.print(("Memory     ", "bold"), f"{_told(plan.index_memory, bytes_text)} that searches go through")
    out.print(("Bottleneck ", "bold"), _STAGES.get(plan.bottleneck, plan.bottleneck))
    for line in plan.advice:
        out.print("  ", line)
    _show_server(out, plan)
    out.print(
        ("Rests on   ", "bold"),
        f"{plan.opened:,} files opened, {plan.looked_at:,} pages looked at, {plan.measured:,} read here. Intervals (90 %) are "
        "those of the sample; they do not know how busy this machine will be.",
    )
    for note in plan.notes:
        out.print(("Note: ", "yellow"), note)


def _show_server(out: Lines, plan: Plan) -> None:
    if (server := plan.server) is None:
        return
    gpus = "1 GPU" if server.gpus == 1 else f"{server.gpus} GPUs"
    hours = _told(server.hours, lambda h: time_text(3600 * h))
    out.print(
        ("PaddleOCR-VL", "bold"),
        f"  {hours} with {gpus}: {_told(server.gpu_hours, lambda h: f'{_short(h)}')} GPU-hours, and "
        f"{_told(server.client_cpu_hours, lambda h: time_text(3600 * h))} of CPU here. Held up by: "
        f"{_STAGES.get(server.bottleneck, server.bottleneck)}.",
    )
    out.print("  ", server_advice(server))
    for assumed in server.assumptions:
        out.print("  Assumed: ", assumed)
