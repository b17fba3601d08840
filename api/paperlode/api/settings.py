"""What the environment says, read once, here: ``PAPERLODE_INDEX``, ``PAPERLODE_WORKERS`` and the like."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from paperlode.ingest.errors import InvalidRequest

__all__ = ["Settings", "read_settings"]


class Settings(BaseSettings):
    """Defaults of the options; an option on the command line goes before. Each is read from ``PAPERLODE_`` + its name.

    Attributes:
        index: the index folder.
        model: embedding model of a new index.
        workers: processes that parse; None for one a core.
        page_timeout: seconds one page may take.
        memory_limit: MB of memory one worker may take.
        min_free: MB that must be free on the index's disk before a document is begun.
        host, port: of the query API.
        parser: ``auto``, ``local`` or ``paddleocr-vl``.
        server: addresses of the recognition server's replicas, separated by commas; empty: none.
        server_key: its bearer key.
        vl_version: of PaddleOCR-VL that is served; None for the one that the served model's name tells.
        text_layer: of digital PDF pages read by PaddleOCR-VL: ``ignore`` or ``keep``.
        layout: folder or hub name of PP-DocLayout; None for the published V3.
        device: where the layout model runs, as torch names it.
    """

    model_config = SettingsConfigDict(env_prefix="PAPERLODE_", extra="ignore")

    index: Path = Path("paperlode-index")
    model: str | None = None
    workers: int | None = Field(default=None, ge=1, le=256)
    page_timeout: float = Field(default=180.0, gt=0)
    memory_limit: int = Field(default=1800, ge=200)
    min_free: int = Field(default=256, ge=0)
    host: str = "127.0.0.1"
    port: int = Field(default=8765, ge=0, le=65535)
    parser: str = "auto"
    server: str = ""
    server_key: str | None = Field(default=None, repr=False)
    vl_version: str | None = None
    text_layer: str = "ignore"
    layout: str | None = None
    device: str = "cpu"

    @property
    def servers(self) -> tuple[str, ...]:
        """The addresses in ``server``."""
        return tuple(s for part in self.server.split(",") if (s := part.strip()))


def read_settings(**given: object) -> Settings:
    """The settings, with the options that were ``given`` (not None) in front of the environment.

    Raises:
        InvalidRequest: a value makes no sense; names the option, the value and why.
    """
    try:
        return Settings(**{k: v for k, v in given.items() if v is not None})  # type: ignore[arg-type]
    except ValidationError as exc:
        first = exc.errors()[0]
        name = str(first["loc"][0]) if first["loc"] else ""
        raise InvalidRequest(
            f"--{name.replace('_', '-')} (or PAPERLODE_{name.upper()}) is {first['input']!r}: {first['msg']}."
        ) from None
