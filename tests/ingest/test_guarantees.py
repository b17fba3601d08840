"""The six guarantees of a chunk over documents that are nasty on purpose (see ``nasty``), checked by ``guarantees``."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from paperlode.ingest.assembly import assemble
from paperlode.ingest.chunking import ChunkOptions, TokenCounter, chunk
from paperlode.ingest.document import Layer

from .guarantees import Violation, assembly_violations, violations
from .nasty import SpaceCounter, blocks, budget, pages
from .strategies import SOURCE, grid_table, text_block

if TYPE_CHECKING:
    from collections.abc import Sequence

    from paperlode.ingest.document import Block, Chunk

EACH = 10
"""Documents a test; benchmarks/guarantees.py takes 10,000."""


def made(content: Sequence[Block], counter: TokenCounter, digest: str = SOURCE.digest, **options: Any) -> list[Chunk]:
    source = replace(SOURCE, digest=digest, name="Annual_Report.pdf")
    return list(chunk(content, source=source, parser="n-1", counter=counter, options=ChunkOptions(**options)))


def found(content: Sequence[Block], counter: TokenCounter, **options: Any) -> list[Violation]:
    once, twice = made(content, counter, **options), made(content, counter, **options)
    other = made(content, counter, "cd" * 32, **options)
    return violations(content, once, counter=counter, limit=counter.max_tokens, again=twice, other=other)


@pytest.mark.parametrize("first", range(0, 5 * EACH, EACH))
def test_guarantees_hold_after_assembly(first: int) -> None:
    """No guarantee is violated in documents assembled from nasty pages, and assembly loses and doubles no text."""
    for seed in range(first, first + EACH):
        sheets = pages(seed)
        content = list(assemble(sheets))
        assert assembly_violations(sheets, content) == [], seed
        assert found(content, budget(seed), target_tokens=(8, 60, 200, 1000)[seed % 4]) == [], seed


@pytest.mark.parametrize("first", range(0, 3 * EACH, EACH))
def test_guarantees_hold_for_loose_blocks(first: int) -> None:
    """No guarantee is violated where blocks come as only a faulty parser makes them."""
    for seed in range(first, first + EACH):
        assert found(blocks(seed), budget(seed)) == [], seed


def test_a_document_is_the_same_everywhere() -> None:
    """A seed gives one document, and seeds differ."""
    assert pages(5) == pages(5)
    assert blocks(5) == blocks(5)
    assert pages(5) != pages(6)


# ---------------------------------------------------------------- the checks see what breaks


CONTENT = [
    text_block("One thing is said here.", findings=()),
    grid_table([["Name", "2023"], *[[f"Row {i}", str(i)] for i in range(40)]], header_rows=1, caption="(In millions)"),
]
COUNTER = SpaceCounter(64)


def guarantees_broken(chunks: Sequence[Chunk]) -> set[int]:
    again = made(CONTENT, COUNTER)
    return {v.guarantee for v in violations(CONTENT, chunks, counter=COUNTER, limit=64, again=again)}


def test_the_checks_pass_what_is_sound() -> None:
    """The chunks as they are made have no violation."""
    assert guarantees_broken(made(CONTENT, COUNTER)) == set()


@pytest.mark.parametrize(
    ("guarantee", "change"),
    [
        (1, {"text": "One thing is said"}),
        (1, {"context": "Never said anywhere."}),
        (4, {"tokens": 3}),
        (4, {"embedded": "word " * 70}),
        (6, {"regions": ()}),
        (6, {"heading_path": ("Not above it",)}),
        (6, {"layer": Layer.NOTE}),
    ],
)
def test_the_checks_see_a_faulty_chunk(guarantee: int, change: dict[str, object]) -> None:
    """A chunk that was tampered with breaks the guarantee that is about it."""
    first, *rest = made(CONTENT, COUNTER)
    assert guarantee in guarantees_broken([replace(first, **change), *rest])  # type: ignore[arg-type]


def test_the_checks_see_lost_headers_and_doubled_ids() -> None:
    """A later part without its header rows breaks the second guarantee, an id that occurs twice the fifth."""
    *before, last = made(CONTENT, COUNTER)
    assert 2 in guarantees_broken([*before, replace(last, context="(In millions)", embedded="")])
    assert 5 in guarantees_broken([*before, replace(last, id=before[0].id)])
