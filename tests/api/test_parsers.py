"""The parser of a run: what is asked for, or what is configured."""

from __future__ import annotations

import pytest

from paperlode.api.archive import IngestOptions
from paperlode.api.parsers import Recognition, make_parser
from paperlode.ingest.errors import InvalidRequest, PaperlodeError
from paperlode.ingest.parsing.local import LocalParser

SERVER = Recognition(servers=("http://127.0.0.1:9",), layout="no/such/folder")


@pytest.mark.parametrize(
    ("parser", "recognition"), [("auto", Recognition()), ("local", Recognition()), ("local", SERVER)]
)
def test_the_cpu_reads_where_no_server_is_configured_or_wanted(parser: str, recognition: Recognition) -> None:
    """``auto`` without a server, and ``local`` always."""
    made = make_parser(IngestOptions(parser=parser, recognition=recognition))
    assert isinstance(made, LocalParser)
    made.close()


def test_what_makes_no_sense_is_said_before_a_page_is_read() -> None:
    """An unknown parser or version, PaddleOCR-VL without a server; each with what to do."""
    for options, said in (
        (IngestOptions(parser="tesseract"), "Known: auto, local, paddleocr-vl"),
        (IngestOptions(parser="paddleocr-vl"), "paperlode vllm serve"),
        (IngestOptions(recognition=Recognition(servers=("http://x",), version="9")), "1.6"),
    ):
        with pytest.raises(InvalidRequest) as error:
            make_parser(options)
        assert said in str(error.value)


def test_a_layout_model_that_is_not_there_is_said_at_once() -> None:
    """Not as a failure of every page."""
    with pytest.raises(PaperlodeError, match="no/such/folder"):
        make_parser(IngestOptions(recognition=SERVER))
