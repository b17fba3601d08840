"""A running recognition server, checked end to end with a known page: what it is, and whether it reads what is printed."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import chain
from time import perf_counter
from typing import TYPE_CHECKING

from paperlode.api.doctor import SKIPPED, WARNING, Check
from paperlode.api.known_page import DPI, PRINTED, Printed, draw, likeness
from paperlode.ingest.document import Box
from paperlode.ingest.errors import InvalidRequest, MissingExtra, ModelUnknown, PaperlodeError, ServerError
from paperlode.ingest.vllm.values import Crop, End, Recognition

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy as np
    from numpy.typing import NDArray

    from paperlode.api.parsers import Recognition as Configured
    from paperlode.ingest.parsing.layout import LayoutModel, Region
    from paperlode.ingest.vllm.served import Served

__all__ = ["check_servers", "load_layout"]

SECONDS = 60.0
"""For one crop: a GPU takes less than two, a processor half a minute."""
MOST_TOKENS = 256
"""Of one output; what is printed takes 80 at most."""
_OUTPUT, _PROMPT = 4096, 32
"""Tokens that an output may take in a run (``VLOptions.max_tokens``), and the prompt beside the picture."""
_MARGIN = 4.0
_HUB_NAME = re.compile(r"[\w.-]+/[\w.-]+")
_METRIC = re.compile(r"^vllm:num_requests_(running|waiting)(?:\{[^}\n]*\})? ([0-9.e+]+)\s*$", re.MULTILINE)
_NOT_ITSELF = (
    "It answers, but does not read: is it PaddleOCR-VL with its own weights? See the name on /v1/models, and "
    "--served-model-name where it was started."
)


@dataclass(frozen=True, slots=True)
class _Reading:
    """What came back for one thing on the page: a recognition or an error."""

    printed: Printed
    seconds: float
    recognition: Recognition | None = None
    error: ServerError | None = None


def check_servers(
    configured: Configured, *, layout: Callable[[Configured], LayoutModel] | None = None
) -> Iterator[Check]:
    """Look at the layout model and at each server, one thing after the other.

    Args:
        configured: where the servers are, and what is known of them; at least one.
        layout: loads the layout model; None for ``load_layout``.
    """
    from paperlode.ingest.parsing.crops import BUDGETS
    from paperlode.ingest.vllm.client import VLLMRecogniser

    try:
        if configured.version is not None and configured.version not in BUDGETS:
            raise InvalidRequest(
                f"There is no PaddleOCR-VL {configured.version!r}.", hint=f"Known versions: {', '.join(BUDGETS)}."
            )
        urls = VLLMRecogniser(configured.servers, key=configured.key).urls
    except PaperlodeError as exc:
        yield Check("recognition server", ok=False, found=exc.what, hint=exc.hint)
        return
    picture = draw()
    yield _layout(configured, picture, layout or load_layout)
    versions: dict[str, str] = {}
    for url in urls:
        yield from _server(url, configured, picture, versions)
    if len(set(versions.values())) > 1:
        told = ", ".join(f"{url} serves {version}" for url, version in versions.items())
        yield Check(
            "one version",
            ok=False,
            found=f"{told}.",
            hint="Give only servers of one version with --server, or say with --vl-version how to treat them all.",
        )


# -------------------------------------------------------------------------------------------------------------- server


def _server(url: str, configured: Configured, picture: NDArray[np.uint8], versions: dict[str, str]) -> Iterator[Check]:
    from paperlode.ingest.vllm.served import NEWEST, look, run_apart, version_of

    name = f"server {url}"
    try:
        served = run_apart(lambda: look(url, key=configured.key))
    except PaperlodeError as exc:
        yield Check(name, ok=False, found=exc.what, hint=exc.hint)
        return
    told = version_of(served.names[0])
    version = versions[url] = configured.version or told or NEWEST
    yield _identity(name, served, told, version, configured)
    if busy := _busy(url, configured.key):
        yield Check(f"{name}, load", ok=True, found=busy, mark=WARNING)
    crops = [_crop(p, picture, version, configured.media_type) for p in PRINTED]
    try:
        readings = run_apart(lambda: _read(url, configured.key, crops))
    except PaperlodeError as exc:
        yield Check(f"{name}, reading", ok=False, found=exc.what, hint=exc.hint)
        return
    yield from map(_judged, (f"{name}, {p.name}" for p in PRINTED), readings)
    answered = [r for r in readings if r.recognition is not None]
    if answered:
        seconds = sum(r.seconds for r in answered)
        tokens = sum(r.recognition.tokens for r in answered if r.recognition is not None)
        yield Check(
            f"{name}, speed",
            ok=True,
            found=f"{seconds / len(answered):.2f} s a crop, {tokens / max(seconds, 1e-6):.0f} tokens a second, one at a time",
        )


def _identity(name: str, served: Served, told: str | None, version: str, configured: Configured) -> Check:
    from paperlode.ingest.parsing.crops import SPOTTING, budget_for

    shown = "".join(c if c.isprintable() else " " for c in served.names[0][:100])
    context = "context unknown" if served.context is None else f"context of {served.context:,} tokens"
    found = f"serves {shown!r}, taken for PaddleOCR-VL {version}; {context}."
    hints: list[str] = []
    if told is None:
        hints.append(
            f"The name tells no version of PaddleOCR-VL{'' if configured.version else ': give it with --vl-version'}."
        )
    elif told != version:
        hints.append(f"The name tells {told}, --vl-version says {version}.")
    spotting = () if version == "1.0" else (SPOTTING,)
    most = max(b.most for b in (budget_for(version), *spotting)) // (28 * 28)
    need = most + _PROMPT + _OUTPUT
    if served.context is not None and served.context < need:
        hints.append(
            f"The largest picture ({most:,} tokens) and the longest output ({_OUTPUT:,}) need {need:,}: long tables will "
            "be cut. Start the server with --max-model-len 16384."
        )
    return Check(name, ok=True, found=found, hint=" ".join(hints), mark=WARNING if hints else "")


def _busy(url: str, key: str | None) -> str:
    """How much waits at the server, by its own count; empty where nothing does or it does not say."""
    from paperlode.ingest.vllm.served import get, run_apart

    try:
        body = run_apart(lambda: get(f"{url}/metrics", key=key))
    except PaperlodeError:
        return ""
    counts = {"running": 0.0, "waiting": 0.0}
    for kind, value in _METRIC.findall(body.decode("utf-8", "replace")):
        try:
            counts[kind] += float(value)
        except ValueError:
            return ""
    if not counts["waiting"] > 0:
        return ""
    return f"{counts['running']:.0f} crops are read and {counts['waiting']:.0f} wait: the times below are not its best"


def _crop(printed: Printed, picture: NDArray[np.uint8], version: str, media_type: str) -> Crop:
    from paperlode.ingest.parsing.crops import budget_for, crop_of

    x0, y0, x1, y1 = (round(v * DPI / 72) for v in _grown(printed.box))
    budget = budget_for(version, printed.task)
    return crop_of(picture[y0:y1, x0:x1], printed.task, budget=budget, media_type=media_type, name="The known page")


def _grown(box: Box) -> Box:
    return Box(box.x0 - _MARGIN, box.y0 - _MARGIN, box.x1 + _MARGIN, box.y1 + _MARGIN)


async def _read(url: str, key: str | None, crops: list[Crop]) -> list[_Reading]:
    """Each crop by itself, with limits that end the wait for a server that hangs.

    Raises:
        ServerError: not even one token comes.
    """
    from paperlode.ingest.vllm.client import Limits, VLLMRecogniser
    from paperlode.ingest.vllm.loops import LoopWatch
    from paperlode.ingest.vllm.replicas import Patience

    patience = Patience(first_answer=5.0, comeback=10.0, probe_first=0.1)
    limits = Limits(deadline=SECONDS, silence=SECONDS, connect=5.0, attempts=1, patience=patience)
    out: list[_Reading] = []
    async with VLLMRecogniser(url, key=key, watch=lambda _: LoopWatch(), limits=limits) as recogniser:
        await recogniser.recognise(crops[0], max_tokens=1)  # connections, and what a server puts off until it is asked
        for printed, crop in zip(PRINTED, crops, strict=True):
            began = perf_counter()
            try:
                said = await recogniser.recognise(crop, max_tokens=MOST_TOKENS)
            except ServerError as exc:
                out.append(_Reading(printed, perf_counter() - began, error=exc))
            else:
                out.append(_Reading(printed, perf_counter() - began, said))
    return out


def _judged(name: str, reading: _Reading) -> Check:
    printed, said = reading.printed, reading.recognition
    if said is None:
        error = reading.error
        return Check(name, ok=False, found=error.what if error else "", hint=error.hint if error else "")
    alike = likeness(printed, said.text)
    pace = f"{reading.seconds:.2f} s, {said.tokens} tokens"
    if alike >= printed.least and said.end is End.STOP:
        return Check(name, ok=True, found=f"read as printed ({alike:.2f} alike; {pace})")
    end = "" if said.end is End.STOP else f", and ends by {said.end}"
    what = f"reads {_short(said.text)!r} for {_short(printed.shown)!r}{end} ({alike:.2f} alike; {pace})."
    return Check(name, ok=False, found=what, hint=_NOT_ITSELF)


def _short(text: str) -> str:
    line = " ".join("".join(c if c.isprintable() else " " for c in text[:400]).split())
    return line if len(line) <= 80 else f"{line[:77]}..."


# -------------------------------------------------------------------------------------------------------------- layout


def load_layout(configured: Configured) -> LayoutModel:
    """The layout model, if it is on this machine; nothing is downloaded. Raises like ``DocLayout.load``."""
    from paperlode.ingest.parsing.layout import DEFAULT_LAYOUT, DocLayout

    return DocLayout.load(configured.layout or DEFAULT_LAYOUT, device=configured.device, offline=True)


def _layout(configured: Configured, picture: NDArray[np.uint8], load: Callable[[Configured], LayoutModel]) -> Check:
    from paperlode.ingest.parsing.layout import DEFAULT_LAYOUT
    from paperlode.ingest.parsing.layout_rules import apply_rules

    source, name = configured.layout or DEFAULT_LAYOUT, "layout model"
    try:
        model = load(configured)
        began = perf_counter()
        found = model.detect(picture)
        seconds = perf_counter() - began
        regions = apply_rules(found, width=picture.shape[1], height=picture.shape[0]).kept
    except MissingExtra as exc:
        return Check(name, ok=True, found=f"not looked at. {exc.what}", hint=exc.hint, mark=SKIPPED)
    except ModelUnknown as exc:
        if not _HUB_NAME.fullmatch(source):
            return Check(name, ok=False, found=exc.what, hint=exc.hint)
        hint = f"It is downloaded when a run first needs it; or run: hf download {source}. Without internet: --layout FOLDER"
        return Check(name, ok=True, found=f"not looked at: {source} is not on this machine.", hint=hint, mark=SKIPPED)
    except PaperlodeError as exc:
        return Check(name, ok=False, found=exc.what, hint=exc.hint)
    except Exception as exc:  # noqa: BLE001  a doctor reports whatever is broken
        hint = f"Does it run on the device {configured.device!r}?"
        return Check(name, ok=False, found=f"{type(exc).__name__}: {exc}", hint=hint)
    seen = {p.name: _at(p, regions) for p in PRINTED}
    missing = [n for n, label in seen.items() if label is None]
    if missing or seen["table"] != "table":
        wrong = f"does not find the {' and the '.join(missing)}" if missing else f"takes the table for {seen['table']}"
        told = f"{source} {wrong} of a known page ({len(regions)} regions in {seconds:.2f} s)."
        return Check(name, ok=False, found=told, hint="Is it PP-DocLayout with its own weights? Download it again.")
    labels = ", ".join(f"{n} as {label}" for n, label in seen.items())
    return Check(name, ok=True, found=f"{source}: {labels}; {seconds:.2f} s on {configured.device}")


def _at(printed: Printed, regions: tuple[Region, ...]) -> str | None:
    """The label of the region that shares the most with what is printed, if that is half of both together."""
    box = Box(*(v * DPI / 72 for v in printed.box))
    shares = [(box.overlap(r.box) / (box.area + r.box.area - box.overlap(r.box)), r.label) for r in regions]
    share, label = max(chain(shares, [(0.0, "")]))
    return label if share >= 0.5 else None
