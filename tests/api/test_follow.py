"""References followed: through the real chunker and index, and on the command line."""

import json

import pytest
from typer.testing import CliRunner

from paperlode.api import cli
from paperlode.api.archive import Archive
from paperlode.api.follow import candidates
from paperlode.ingest.document import Block, Box, Kind, PageBox, ParsedPage

PARAGRAPHS = [
    (Kind.HEADING, "4. Delivery"),
    (
        Kind.TEXT,
        '4.1 Period. The supplier (the "Supplier") delivers within ten days, subject to Section 4.2(b). '
        + "So it is. " * 30,
    ),
    (Kind.TEXT, "4.2 Delay. The following applies: " + "And so on it goes. " * 25),
    (Kind.TEXT, "(a) the Supplier tells the customer; " + "in writing, as is usual; " * 20),
    (Kind.TEXT, "(b) the period is longer where goods are frozen. " + "This is so in every case. " * 18),
]


class Contract:
    """Gives one page with these paragraphs."""

    fingerprint = "contract-1"
    documents_at_once = 1

    def stands(self, read_by):
        return False

    def page_prints(self, source, stop):
        return ()

    def page_count(self, source):
        return 1

    def parse(self, source, pages):
        blocks = tuple(
            Block(
                kind, text.strip(), (PageBox(0, Box(72, 72 + 40 * i, 500, 100 + 40 * i)),), level=1 if i == 0 else None
            )
            for i, (kind, text) in enumerate(PARAGRAPHS)
        )
        for n in pages:
            yield ParsedPage(n, 612, 792, "contract-1", blocks)

    def close(self):
        pass


@pytest.fixture
def contract(tmp_path, docs, word_model):
    with Archive.create(tmp_path / "index", embedder=word_model) as archive:
        archive.ingest([docs / "manual.pdf"], parser=Contract())
        yield archive


@pytest.mark.parametrize("asked", ["Section 4.2(b)", "4.2(b)", "Section 4.2 (b)"])
def test_a_reference_leads_to_its_clause(contract, asked):
    """As it is printed, or as a label."""
    (found,) = contract.follow("manual", asked)
    assert found.text.startswith("(b) the period is longer")
    assert found.regions


def test_a_mark_without_a_place_of_its_own_leads_to_the_clause_around_it(contract):
    """4.1(c) is nowhere; 4.1 is."""
    assert contract.follow("manual", "Section 4.1(c)")[0].text.startswith(("4. Delivery", "4.1 Period"))


def test_a_term_leads_to_its_definition_and_back(contract):
    """The chunk that defines it, and those that use it."""
    (found,) = contract.follow("manual", "Supplier")
    assert "ten days" in found.text
    assert any("(a) the Supplier tells" in c.text for c in contract.follow("manual", "Supplier", referring=True))


def test_what_refers_to_a_clause_is_found(contract):
    """The other way about."""
    assert "subject to" in contract.follow("manual", "4.2(b)", referring=True)[0].text
    assert contract.follow("manual", "Section 99") == []


def test_candidates_go_from_the_mark_to_the_clause():
    """The likeliest label first, and no time without end for odd ones."""
    assert candidates("Section 3.1(a)(i)")[:3] == ["3.1(a)(i)", "3.1(a)", "3.1"]
    assert "Article4" in candidates("Article IV")
    assert len(candidates("(" * 10_000)) < 10


def test_the_command_line_shows_it(contract, monkeypatch):
    """With page, box, labels and text, also as JSON; and says so when there is nothing."""
    folder = contract.directory.root
    contract.close()
    monkeypatch.setattr("paperlode.retrieval.embedding.load_embedder", lambda *_, **__: contract._embedder)

    def run(*args):
        return CliRunner().invoke(cli.app, ["follow", "manual", *args, "--index", str(folder)]).stdout

    shown = run("Section 4.2(b)")
    assert "manual.pdf p.1" in shown
    assert "the period is longer" in shown
    assert "4.2(b)" in json.loads(run("4.2(b)", "--json"))["passages"][0]["labels"]
    assert "nothing that is called" in run("Section 99")
