"""Options that several commands take."""

from pathlib import Path
from typing import Annotated

import typer

__all__ = [
    "DeviceOption",
    "InDocument",
    "IndexOption",
    "JsonOption",
    "LayoutOption",
    "LimitOption",
    "OfKind",
    "OnPages",
    "PasswordOption",
    "ServerOption",
    "TextLayerOption",
    "VersionOption",
    "WithFlag",
    "WithoutFlag",
]

IndexOption = Annotated[
    Path | None,
    typer.Option(
        "--index", "-i", help="Index folder. [env: PAPERLODE_INDEX; default: paperlode-index]", show_default=False
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="JSON on standard output; its pages count from 0.")]
LimitOption = Annotated[int, typer.Option("--limit", "-n", min=1, max=1000, help="How many pages to find.")]
InDocument = Annotated[
    list[str] | None,
    typer.Option("--document", "-d", help="Only in this document: name, path or digest. May be repeated."),
]
OfKind = Annotated[
    list[str] | None,
    typer.Option("--kind", "-k", help="Only blocks of this kind: text, table, formula, ...; repeatable."),
]
OnPages = Annotated[str | None, typer.Option("--pages", help="Only these pages, counted from 1: 7, 3-9, 5- or -4.")]
PasswordOption = Annotated[
    str | None,
    typer.Option("--password", envvar="PAPERLODE_PASSWORD", help="For encrypted documents.", show_envvar=True),
]
ServerOption = Annotated[
    list[str] | None,
    typer.Option(
        "--server",
        help="Address of a recognition server (paperlode vllm serve); repeatable. Its key: PAPERLODE_SERVER_KEY.",
        show_default=False,
    ),
]
VersionOption = Annotated[
    str | None,
    typer.Option(
        "--vl-version",
        help="Version of PaddleOCR-VL served. [default: what the served model's name tells]",
        show_default=False,
    ),
]
TextLayerOption = Annotated[
    str | None,
    typer.Option(
        "--text-layer",
        help="Of digital PDF pages read by PaddleOCR-VL: ignore it, or keep its text and send only tables, formulas and "
        "pictures. [default: ignore]",
        show_default=False,
    ),
]
LayoutOption = Annotated[
    str | None, typer.Option("--layout", help="Folder or hub name of PP-DocLayout. [default: V3]", show_default=False)
]
DeviceOption = Annotated[
    str | None,
    typer.Option("--device", help="Where the layout model runs: cpu, cuda. [default: cpu]", show_default=False),
]
WithFlag = Annotated[
    list[str] | None,
    typer.Option("--flag", help="Only what has this quality flag: sum_mismatch, low_confidence, ...; repeatable."),
]
WithoutFlag = Annotated[
    list[str] | None, typer.Option("--no-flag", help="Nothing that has this quality flag; repeatable.")
]
