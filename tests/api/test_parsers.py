"""The parser of a run: what is asked for, or what is configured."""

from __future__ import annotations

import pytest

from paperlode.api.archive import IngestOptions
from paperlode.api.parsers import Recognition, make_parser
from paperlode.api.settings import read_settings
from paperlode.ingest.errors import InvalidRequest, PaperlodeError, ServerUnreachable
from paperlode.ingest.parsing.local import LocalParser

SERVER = Recognition(servers=("http://127.0.0.1:9",), layout="no/such/folder", version="1.6")


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


def test_auto_says_that_it_reads_on_the_cpu_and_what_else_there_is() -> None:
    """Once, when no server is configured; who asked for the CPU is not told."""
    for parser, said in (("auto", 1), ("local", 0)):
        told: list[str] = []
        make_parser(IngestOptions(parser=parser), notice=told.append).close()
        assert len(told) == said
    make_parser(IngestOptions(), notice=told.append).close()
    assert "paperlode vllm serve" in told[0]
    assert "--server" in told[0]


def test_without_a_version_the_server_is_asked_for_it() -> None:
    """Before a page is read, so that a server that is not there, or refuses the key, is an error of the whole run."""
    with pytest.raises(ServerUnreachable, match=r"http://127\.0\.0\.1:9/v1/models"):
        make_parser(IngestOptions(recognition=Recognition(servers=("http://127.0.0.1:9",))))


def test_the_settings_name_servers_with_commas() -> None:
    """As in ``PAPERLODE_SERVER``; the version is open unless it is given."""
    given = Recognition.of(read_settings(server=" http://a , http://b,", server_key="k"))
    assert (given.servers, given.key, given.version) == (("http://a", "http://b"), "k", None)
    assert Recognition.of(read_settings(vl_version="1.5")).version == "1.5"
