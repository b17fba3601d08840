"""``paperlode doctor`` and a recognition server: a STAND-IN, which answers from a list and recognises nothing."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner

from paperlode.api import cli
from paperlode.api.doctor import SKIPPED, WARNING
from paperlode.api.known_page import DPI, PRINTED, draw, likeness
from paperlode.api.parsers import Recognition
from paperlode.api.server_check import check_servers, load_layout
from paperlode.ingest.document import Box
from paperlode.ingest.errors import MissingExtra
from paperlode.ingest.parsing.layout import Region

from ..ingest.vllm.standin import Asked, Fault, serving  # noqa: TID252
from ..ingest.vllm.test_served import answering, models  # noqa: TID252

if TYPE_CHECKING:
    from collections.abc import Callable

    from paperlode.api.doctor import Check

RIGHT = {str(p.task): p.text for p in PRINTED}
NOBODY = "http://127.0.0.1:9"


class KnownLayout:
    """A layout model that finds what it is told, in points of the known page."""

    def __init__(self, *found: tuple[str, Box]) -> None:
        self.found = found

    def detect(self, picture: Any) -> tuple[Region, ...]:
        return tuple(
            Region(label, 0.9, Box(*(v * DPI / 72 for v in box)), order=n) for n, (label, box) in enumerate(self.found)
        )


BOXES = {p.name: p.box for p in PRINTED}
SEES = KnownLayout(("text", BOXES["text"]), ("table", BOXES["table"]), ("display_formula", BOXES["formula"]))


def checked(*servers: str, load: Callable[[Any], Any] = lambda _: SEES, **options: Any) -> dict[str, Check]:
    """The checks by name, without the server's address where there is one server."""
    found = list(check_servers(Recognition(servers=servers, **options), layout=load))
    names = [c.name.replace(f" {servers[0]}", "") if len(servers) == 1 else c.name for c in found]
    assert len(set(names)) == len(names)
    return dict(zip(names, found, strict=True))


def test_a_server_that_reads_what_is_printed_passes() -> None:
    """Layout, model, context, text, table, formula and speed, each with what was seen."""
    with serving(lambda a: RIGHT[a.prompt]) as (server, _):
        checks = checked(server.url)
    assert list(checks) == ["layout model", "server", *(f"server, {p.name}" for p in PRINTED), "server, speed"]
    assert all(c.ok for c in checks.values())
    assert not any(c.mark for c in checks.values())
    assert "PaddleOCR-VL 1.0; context of 16,384 tokens" in checks["server"].found
    assert "tokens a second" in checks["server, speed"].found
    assert "table as table" in checks["layout model"].found


@pytest.mark.slow  # starts the CPU's recognition
def test_what_is_sent_are_the_pictures_of_what_is_printed() -> None:
    """Crops on the model's grid, one for each task; read back by the CPU's recognition, the text is the known one."""
    import io

    import numpy as np
    from PIL import Image

    from paperlode.ingest.parsing.vl_pages import _read_piece

    with serving(lambda a: RIGHT[a.prompt]) as (server, _):
        checked(server.url)
        asked = {a.prompt: a for a in server.asked}
    assert set(asked) == set(RIGHT)
    pictures = {k: np.asarray(Image.open(io.BytesIO(a.image)).convert("RGB")) for k, a in asked.items()}
    assert all(side % 28 == 0 for p in pictures.values() for side in p.shape[:2])
    text = _read_piece(pictures["OCR:"])[0]
    assert likeness(PRINTED[0], text) > 0.9
    table = _read_piece(pictures["Table Recognition:"])[0]
    assert all(cell in table for cell in ("1,284", "1,078", "Costs"))


@pytest.mark.parametrize("wrong", [p.name for p in PRINTED])
def test_one_task_that_is_read_wrongly_fails_alone(wrong: str) -> None:
    """It is told what was read for what; the other tasks pass."""
    task = next(str(p.task) for p in PRINTED if p.name == wrong)
    with serving(lambda a: "xyz" if a.prompt == task else RIGHT[a.prompt]) as (server, _):
        checks = checked(server.url)
    assert [n for n, c in checks.items() if not c.ok] == [f"server, {wrong}"]
    found = checks[f"server, {wrong}"]
    assert found.found.startswith("reads 'xyz' for '")
    assert "--served-model-name" in found.hint


def test_random_weights_fail_loudly() -> None:
    """Random tokens of the model's own kinds, as much as is allowed: nothing of it counts as read."""
    rng = random.Random(7)
    tokens = [
        "<fcel>",
        "<nl>",
        "<ecel>",
        "sales ",
        "1,284",
        "the ",
        "\\[",
        "x^{2}",
        " = ",
        "7",
        "rose ",
        "ö",
        "第",
        "\n",
    ]
    with serving(lambda _: "".join(rng.choices(tokens, k=400)), model="PaddleOCR-VL-1.6") as (server, _):
        checks = checked(server.url)
    assert all(not checks[f"server, {p.name}"].ok for p in PRINTED)


def test_a_right_answer_that_goes_on_without_end_fails() -> None:
    """A loop after the right words is no reading."""
    fault = lambda a: Fault.LOOP if a.prompt == "OCR:" else None  # noqa: E731
    with serving(lambda a: RIGHT[a.prompt] + "\n" * (a.prompt == "OCR:"), fault=fault) as (server, _):
        checks = checked(server.url)
    assert [n for n, c in checks.items() if not c.ok] == ["server, text"]


def test_a_model_of_another_name_is_warned_of_and_judged_by_what_it_reads() -> None:
    """The name alone proves nothing: it passes when it reads, and fails when it does not."""
    with serving(lambda a: RIGHT[a.prompt], model="Qwen/Qwen3-VL") as (server, _):
        checks = checked(server.url)
    assert checks["server"].mark == WARNING
    assert "'Qwen/Qwen3-VL'" in checks["server"].found
    assert "--vl-version" in checks["server"].hint
    assert all(c.ok for c in checks.values())
    with serving(lambda _: "The picture shows a text.", model="Qwen/Qwen3-VL") as (server, _):
        checks = checked(server.url)
    assert all(not checks[f"server, {p.name}"].ok for p in PRINTED)


def test_a_version_that_is_not_the_served_one_is_warned_of() -> None:
    """What is said goes, and both are named."""
    with serving(lambda a: RIGHT[a.prompt], model="PaddleOCR-VL-1.5") as (server, _):
        check = checked(server.url, version="1.6")["server"]
    assert check.mark == WARNING
    assert "tells 1.5, --vl-version says 1.6" in check.hint


def test_a_short_context_is_warned_of() -> None:
    """With what is needed and the flag that gives it."""
    with answering(models({"id": "PaddleOCR-VL-1.6", "max_model_len": 4096})) as url:
        check = checked(url)["server"]
    assert check.ok
    assert check.mark == WARNING
    assert "6,176" in check.hint
    assert "--max-model-len" in check.hint


def test_a_wrong_key_and_an_address_without_server_fail() -> None:
    """Each with its address and what to set; nothing is sent there."""
    with serving(lambda a: RIGHT[a.prompt], key="right") as (server, _):
        refused = checked(server.url, key="wrong")
        assert not server.asked
        passed = checked(server.url, key="right")
    assert "401" in refused["server"].found
    assert "PAPERLODE_SERVER_KEY" in refused["server"].hint
    assert list(refused) == ["layout model", "server"]
    assert all(c.ok for c in passed.values())
    nobody = checked(NOBODY)["server"]
    assert NOBODY in nobody.found
    assert "paperlode vllm serve" in nobody.hint


@pytest.mark.parametrize("fault", [Fault.FAILED, Fault.GARBAGE, Fault.REFUSED])
def test_a_server_that_breaks_on_every_crop_fails(fault: Fault) -> None:
    """Its own reason is told."""
    with serving(lambda a: RIGHT[a.prompt], fault=lambda _: fault) as (server, _):
        checks = checked(server.url)
    failed = [c for c in checks.values() if not c.ok]
    assert [c.name for c in failed] == [f"server {server.url}, reading"]
    assert server.url in failed[0].found


def test_each_replica_is_looked_at_by_itself() -> None:
    """The one that reads passes beside the one that does not; replicas of different versions are a fault."""

    def wrong(_: Asked) -> str:
        return "nonsense"

    with (
        serving(lambda a: RIGHT[a.prompt], model="PaddleOCR-VL-1.6") as (good, _),
        serving(wrong, model="PaddleOCR-VL-1.5") as (bad, _),
    ):
        checks = checked(good.url, bad.url)
    assert all(c.ok for n, c in checks.items() if good.url in n and n != "one version")
    assert {n for n, c in checks.items() if not c.ok} == {
        *(f"server {bad.url}, {p.name}" for p in PRINTED), "one version",
    }  # fmt: skip


def test_options_without_sense_are_one_failed_check() -> None:
    """An unknown version, an address that is none: nothing is asked."""
    for options, said in (({"version": "9"}, "'9'"), ({}, "ftp://x")):
        (check,) = check_servers(Recognition(servers=("ftp://x",), **options))
        assert not check.ok
        assert said in check.found


def unavailable(_: Recognition) -> Any:
    raise MissingExtra.named("torch", "vllm")


def test_a_layout_model_that_cannot_be_had_is_skipped_with_what_to_do() -> None:
    """Not installed: the pip command. Not downloaded: the name, and how. A folder that is not there is a fault."""
    missing = checked(NOBODY, load=unavailable)["layout model"]
    assert (missing.ok, missing.mark) == (True, SKIPPED)
    assert "pip install" in missing.hint
    absent = checked(NOBODY, load=load_layout, layout="nobody/has-this-model")["layout model"]
    assert (absent.ok, absent.mark) == (True, SKIPPED)
    assert "hf download nobody/has-this-model" in absent.hint
    wrong = checked(NOBODY, load=load_layout, layout="no/such/folder")["layout model"]
    assert not wrong.ok


@pytest.mark.parametrize(
    ("sees", "said"),
    [
        (KnownLayout(), "text and the table and the formula"),
        (KnownLayout(("text", BOXES["text"]), ("table", Box(0, 0, 595, 842))), "table and the formula"),
        (KnownLayout(*((f"{'text'}", b) for b in BOXES.values())), "takes the table for text"),
    ],
)
def test_a_layout_model_that_finds_other_things_fails(sees: KnownLayout, said: str) -> None:
    """Nothing, the whole page for the table, or the table for text."""
    check = checked(NOBODY, load=lambda _: sees)["layout model"]
    assert not check.ok
    assert said in check.found


@pytest.mark.slow  # imports torch and transformers
def test_a_layout_model_with_random_weights_fails(tmp_path: Any) -> None:
    """A real PP-DocLayoutV3 that was never trained, loaded through transformers from its folder."""
    from ..ingest.parsing.tiny_layout import make_checkpoint  # noqa: TID252

    folder = str(make_checkpoint(tmp_path / "v3", "v3"))
    assert not checked(NOBODY, load=load_layout, layout=folder)["layout model"].ok


def test_the_page_is_drawn_alike_each_time() -> None:
    """A4 at its resolution, ink in every box that it says something is printed in."""
    picture = draw()
    assert picture.shape == (2339, 1653, 3)
    assert (picture == draw()).all()
    for p in PRINTED:
        x0, y0, x1, y1 = (round(v * DPI / 72) for v in p.box)
        assert (picture[y0:y1, x0:x1] < 100).mean() > 0.01


@pytest.mark.parametrize(
    ("name", "said", "alike"),
    [
        ("text", PRINTED[0].text.replace("\n", " "), 1.0),
        ("formula", r"\[ x^2+3 y=7 z^2+5 \]", 1.0),
        ("formula", r"\(x^{2} + 3y = 7z^{2} + 5\)", 1.0),
        ("table", PRINTED[1].text.replace("1,284", "1,234"), 11 / 12),
        ("table", PRINTED[1].text + "<fcel>more<ecel><ecel><nl>", 12 / 15),
        ("table", "Year Sales Costs 2021 1,284 961", 0.0),
        ("text", "", 0.0),
    ],
)
def test_likeness_is_of_what_is_said_and_not_of_how(name: str, said: str, alike: float) -> None:
    """Line breaks, spaces, braces and delimiters do not count; words, marks and places of cells do."""
    printed = next(p for p in PRINTED if p.name == name)
    assert likeness(printed, said) == pytest.approx(alike)


def test_the_command_passes_and_fails_with_its_exit_code(monkeypatch: Any, tmp_path: Any) -> None:
    """0 where all is well, 1 where something is not; address and key as options or from the environment."""

    def run(*args: str) -> Any:
        return CliRunner().invoke(cli.app, ["doctor", "--index", str(tmp_path / "none"), *args])

    with serving(lambda a: RIGHT[a.prompt], key="right", model="PaddleOCR-VL-1.6") as (server, _):
        monkeypatch.setenv("PAPERLODE_SERVER_KEY", "right")
        well = run("--server", server.url, "--json")
        monkeypatch.setenv("PAPERLODE_SERVER", server.url)
        monkeypatch.setenv("PAPERLODE_SERVER_KEY", "wrong")
        refused = run()
    assert well.exit_code == 0, well.output
    checks = {c["name"]: c for c in json.loads(well.stdout)["checks"]}
    assert all(checks[f"server {server.url}, {p.name}"]["ok"] for p in PRINTED)
    assert checks["layout model"]["mark"] in {"", SKIPPED}
    assert refused.exit_code == 1
    assert f"FAIL server {server.url}: " in refused.stdout
