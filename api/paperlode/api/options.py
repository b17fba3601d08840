"""Options that several commands take."""

from pathlib import Path
from typing import Annotated

import typer

__all__ = [
    "CollectionOption",
    "DeviceOption",
    "EmbeddingOption",
    "InDocument",
    "IndexOption",
    "JsonOption",
    "LLMModelOption",
    "LLMOption",
    "LayoutOption",
    "LedgerOption",
    "LimitOption",
    "OfKind",
    "OnPages",
    "PasswordOption",
    "PresetOption",
    "QdrantOption",
    "RerankOption",
    "ServerOption",
    "TextLayerOption",
    "VersionOption",
    "WithFlag",
    "WithoutFlag",
]

QdrantOption = Annotated[
    str | None,
    typer.Option(
        "--qdrant",
        help="Keep a new index on this Qdrant server; needs paperlode[qdrant]. Its key: PAPERLODE_QDRANT_KEY. "
        "[env: PAPERLODE_QDRANT]",
        show_default=False,
    ),
]
CollectionOption = Annotated[
    str | None,
    typer.Option(
        "--collection",
        help="Name of the collection there. [env: PAPERLODE_COLLECTION; default: paperlode]",
        show_default=False,
    ),
]
LedgerOption = Annotated[
    str | None,
    typer.Option(
        "--ledger",
        help="PostgreSQL database for the ledger of a new index: postgresql://USER@HOST/DATABASE, with ?schema=NAME for more "
        "than one index in it; needs paperlode[postgres]. Its password: ~/.pgpass or PGPASSWORD. "
        "[env: PAPERLODE_LEDGER; default: a file in the index]",
        show_default=False,
    ),
]
PresetOption = Annotated[
    str,
    typer.Option(
        "--preset",
        help="How a new collection is kept: memory, balanced (int8 in memory, the rest on disk) or disk.",
    ),
]
IndexOption = Annotated[
    Path | None,
    typer.Option(
        "--index", "-i", help="Index folder. [env: PAPERLODE_INDEX; default: paperlode-index]", show_default=False
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="JSON on standard output; its pages count from 0.")]
LLMOption = Annotated[
    str | None,
    typer.Option(
        "--llm",
        help="Address of a language model that writes the answer, which is checked: http://HOST:PORT. Needs paperlode[llm]. "
        "Its key: PAPERLODE_LLM_KEY. [env: PAPERLODE_LLM_URL]",
        show_default=False,
    ),
]
LLMModelOption = Annotated[
    str | None,
    typer.Option("--model", help="Its name at that address. [env: PAPERLODE_LLM_MODEL]", show_default=False),
]
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
EmbeddingOption = Annotated[
    str | None,
    typer.Option(
        "--embedding",
        "--model",
        help="Embedding model: minilm, multilingual, bge-m3, qwen3-0.6b, ..., st:NAME, or openai:MODEL@URL. "
        "[env: PAPERLODE_EMBEDDING; default: minilm]",
        show_default=False,
    ),
]
RerankOption = Annotated[
    str | None,
    typer.Option(
        "--rerank",
        help="Let this model judge the best hits once more: st:NAME, or vllm:MODEL@URL. [env: PAPERLODE_RERANK]",
        show_default=False,
    ),
]
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
