"""Which parser a run takes: PaddleOCR-VL where a server is configured, else the CPU's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from paperlode.ingest.errors import InvalidRequest

if TYPE_CHECKING:
    from paperlode.api.values import IngestOptions
    from paperlode.ingest.parsing.base import Parser

__all__ = ["PARSERS", "Recognition", "make_parser"]

PARSERS = ("auto", "local", "paddleocr-vl")


@dataclass(frozen=True, slots=True, kw_only=True)
class Recognition:
    """The recognition server and the models in front of it.

    Attributes:
        servers: addresses of replicas; none: no server is configured.
        key: bearer key.
        version: of PaddleOCR-VL that is served: ``1.0``, ``1.5`` or ``1.6``.
        layout: folder or hub name of PP-DocLayout; None for the published V3.
        device: torch's name of where the layout model runs.
        media_type: of the crops on the wire.
    """

    servers: tuple[str, ...] = ()
    key: str | None = None
    version: str = "1.6"
    layout: str | None = None
    device: str = "cpu"
    media_type: str = "image/png"


def make_parser(options: IngestOptions) -> Parser:
    """The parser that the options ask for.

    Raises:
        InvalidRequest: an unknown parser or version, or PaddleOCR-VL without a server.
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
    return _paddleocr_vl(options) if configured and options.parser != "local" else _local(options)


def _local(options: IngestOptions) -> Parser:
    from paperlode.ingest.parsing.local import LocalParser

    return LocalParser(password=options.password, workers=options.workers, limits=options.limits)


def _paddleocr_vl(options: IngestOptions) -> Parser:
    from paperlode.ingest.parsing.paddleocr_vl import PaddleOCRVLParser, VLOptions

    given = options.recognition
    return PaddleOCRVLParser.on_servers(
        given.servers,
        key=given.key,
        layout=given.layout,
        device=given.device,
        options=VLOptions(version=given.version, media_type=given.media_type),
        password=options.password,
        workers=options.workers,
        limits=options.limits,
    )
