"""Which parser a run takes: PaddleOCR-VL where a server is configured, else the CPU's."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from paperlode.ingest.errors import InvalidRequest

if TYPE_CHECKING:
    from collections.abc import Callable

    from paperlode.api.settings import Settings
    from paperlode.api.values import IngestOptions
    from paperlode.ingest.parsing.base import Parser

__all__ = ["PARSERS", "Recognition", "make_parser"]

PARSERS = ("auto", "local", "paddleocr-vl")

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recognition:
    """The recognition server and the models in front of it.

    Attributes:
        servers: addresses of replicas; none: no server is configured.
        key: bearer key.
        version: of PaddleOCR-VL that is served: ``1.0``, ``1.5`` or ``1.6``; None for the one that the name of the served
            model tells.
        text_layer: of digital PDF pages: ``ignore``, or ``keep`` to send only what it does not tell.
        layout: folder or hub name of PP-DocLayout; None for the published V3.
        device: torch's name of where the layout model runs.
        media_type: of the crops on the wire.
    """

    servers: tuple[str, ...] = ()
    key: str | None = None
    version: str | None = None
    text_layer: str = "ignore"
    layout: str | None = None
    device: str = "cpu"
    media_type: str = "image/jpeg"

    @classmethod
    def of(cls, settings: Settings) -> Recognition:
        """As the settings say."""
        return cls(
            servers=settings.servers,
            key=settings.server_key,
            version=settings.vl_version or None,
            text_layer=settings.text_layer,
            layout=settings.layout,
            device=settings.device,
        )


def make_parser(options: IngestOptions, *, notice: Callable[[str], None] | None = None) -> Parser:
    """The parser that the options ask for.

    Args:
        options: see ``IngestOptions``.
        notice: told in a sentence what was taken where the options leave it open; default the log.

    Raises:
        InvalidRequest: an unknown parser, version or way with text layers, PaddleOCR-VL without a server, or servers of
            different versions.
        ServerError: no version is given, and no server answers or accepts the key.
        MissingExtra: PaddleOCR-VL without the extra ``vllm``.
    """
    if options.parser not in PARSERS:
        raise InvalidRequest(f"There is no parser {options.parser!r}.", hint=f"Known: {', '.join(PARSERS)}.")
    configured = options.recognition.servers
    if options.parser == "paddleocr-vl" and not configured:
        raise InvalidRequest(
            "The parser paddleocr-vl needs a recognition server.",
            hint="Start one with: paperlode vllm serve. Then give its address: --server http://127.0.0.1:8000",
        )
    if configured and options.parser != "local":
        return _paddleocr_vl(options, notice)
    if options.parser == "auto":
        (notice or log.info)(
            "No recognition server is configured: pages are read on the CPU. For PaddleOCR-VL start one with: paperlode "
            "vllm serve, and give its address: --server http://127.0.0.1:8000 (PAPERLODE_SERVER)."
        )
    return _local(options)


def _local(options: IngestOptions) -> Parser:
    from paperlode.ingest.parsing.local import LocalParser

    return LocalParser(password=options.password, workers=options.workers, limits=options.limits)


def _paddleocr_vl(options: IngestOptions, notice: Callable[[str], None] | None) -> Parser:
    from paperlode.ingest.parsing.paddleocr_vl import PaddleOCRVLParser, VLOptions

    given = options.recognition
    return PaddleOCRVLParser.on_servers(
        given.servers,
        key=given.key,
        layout=given.layout,
        device=given.device,
        options=VLOptions(version=given.version or "", media_type=given.media_type, text_layer=given.text_layer),
        notice=notice,
        password=options.password,
        workers=options.workers,
        limits=options.limits,
    )
