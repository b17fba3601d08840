"""Loops are stopped in time and at a clean place; what print repeats is left alone; the cost does not grow with the text."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from paperlode.ingest.vllm.loops import (
    BLANK_LINES,
    EMPTY_CELLS,
    EMPTY_ROWS,
    LEADER,
    LONGEST_UNIT,
    LoopWatch,
    cut_repeats,
)

TOKEN = re.compile(r"<\|?\w+\|?>|[A-Za-z]{1,2}|.", re.DOTALL)
"""A poor tokenizer: real ones put more characters into a token, so that a loop they stop is stopped earlier still."""
LINES = [f"{n}. The {w} of the company as of December {n}, 2022" for n, w in enumerate(["assets", "debts"] * 10, 1)]

pieces = st.sampled_from(
    ["0", " ", "a", "the", "and again", "7.5", "\n", "<fcel>", "<ecel>", "<nl>", "，", "营业", "|", "-", "<|LOC_7|>"]
)
units = st.lists(pieces, min_size=1, max_size=150).map("".join)


def stop(text: str, size: int = 3) -> int | None:
    """What a watch says of the text in pieces of this size."""
    watch = LoopWatch()
    for i in range(0, len(text), size):
        if (at := watch.feed(text[i : i + size])) is not None:
            return at
    return None


def tokens_until_stop(text: str, before: int, *, at_once: int = 4) -> int:
    """Tokens fed beyond the first ``before`` characters, so many in an event, until the watch stops; fails if it never does."""
    watch, fed, beyond = LoopWatch(), 0, 0
    tokens = TOKEN.findall(text)
    for i in range(0, len(tokens), at_once):
        for token in tokens[i : i + at_once]:
            fed += len(token)
            beyond += fed > before
        if watch.feed("".join(tokens[i : i + at_once])) is not None:
            return beyond
    pytest.fail("never stopped")


@given(units, st.lists(pieces, max_size=30).map("".join))
@example("0", "")
@example("0 ", "Total ")
@example("and again\n", "The text ")
@example("<fcel>0", "<fcel>a<nl>")
@example("<fcel>Net<fcel>0<fcel>0<nl>", "")
@example("abcdefgh " * 30 + "x", "y")
@example("0000000000000000and againand againand againand again", "")
def test_a_loop_is_stopped_64_tokens_after_the_third_copy(unit: str, prefix: str):
    """Units of one token to several hundred characters, after any text, with 1 or 4 tokens in an event of the stream."""
    assume(re.search(r"\w", re.sub(r"<\|?\w+\|?>", "", unit)))  # blanks and empty cells have bounds of their own
    text = prefix + unit * (3 + 200 // len(unit) + 200)
    assert all(tokens_until_stop(text, len(prefix + unit * 3), at_once=n) <= 64 for n in (1, 4))


@pytest.mark.parametrize("size", [1, 2, 11, 300, LONGEST_UNIT])
def test_a_unit_of_any_size_up_to_the_longest(size: int):
    """The first copy stays, whatever the unit's size."""
    unit = "".join(chr(0x4E00 + i * 7) for i in range(size))
    text = "Prefix " + unit * (80 // size + 5)
    assert stop(text) == len("Prefix ") + size


@pytest.mark.parametrize(
    ("before", "unit", "kept"),
    [
        ("Some text: ", "and again ", "Some text: and again "),
        ("bland again ", "and again ", "bland again "),
        ("x 0\n", "y 0\n", "x 0\ny 0\n"),
        ("<fcel>A<fcel>0<nl>", "<fcel>B<fcel>0<nl>", "<fcel>A<fcel>0<nl><fcel>B<fcel>0<nl>"),
        ("<fcel>A<fcel>B", "<fcel>0", "<fcel>A<fcel>B<fcel>0"),
        ("<fcel>A", "<ecel>", "<fcel>A<ecel>"),
        ("<fcel>A<nl>", "<ecel><ecel><nl>", "<fcel>A<nl><ecel><ecel><nl>"),
        ("一二", "三四五", "一二三四五"),
    ],
)
def test_the_text_ends_clean_after_the_first_copy(before: str, unit: str, kept: str):
    """At the end of a row, line, word or cell; nothing before the loop is touched."""
    text = before + unit * 300
    at = stop(text)
    assert at is not None
    assert text[:at] == kept


@given(st.lists(units, max_size=5).map(lambda u: "".join(x * 5 for x in u)), st.data())
def test_the_pieces_do_not_matter(text: str, data):
    """The same text in other pieces, or whole, gives the same answer, and gives it again."""
    text += "0" * 100
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=20)))
    watch = LoopWatch()
    said = [watch.feed(text[a:b]) for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    assert said[-1] == stop(text, 1) == LoopWatch().feed(text)
    assert said[-1] is not None
    assert watch.feed("and on") == said[-1]


def row(label: str, cells: str) -> str:
    return f"<fcel>{label}{cells}<nl>"


PRINT = {
    "leader of dots": "Introduction " + "." * 160 + " 3",
    "spaced leader": "Introduction " + ". " * 110 + "3",
    "table of contents": "\n".join(f"{line} {'.' * (120 - len(line))} {n}" for n, line in enumerate(LINES * 3)),
    "ruled lines": "Notes:\n" + ("_" * 60 + "\n") * 40 + "Signed",
    "signature blocks": "By: ______________\nName: \nTitle: \nDate: \n" * 3 + "SCHEDULE 1",
    "markdown rule": " | ".join(LINES) + "\n" + "|---" * 30 + "|\n",
    "zeros in a labelled table": "".join(row(line, "<fcel>0" * 12) for line in LINES),
    "dashes in a labelled table": "".join(row(line, "<fcel>—<fcel>-<fcel>—" * 4) for line in LINES),
    "zeros as text": "\n".join(f"{line} 0 0 0 0 0 0 0 0 0 0 0 0" for line in LINES),
    "equal rows": row("Yes", "<fcel>No<fcel>N/A") * 6,
    "attendance of a month": "".join(row(f"Person {n}", "<fcel>√" * 31) for n in range(30)),
    "empty cells": "".join(row(line, "<ecel>" * 50) for line in LINES),
    "empty rows": row("Name", "<fcel>Amount") + "<ecel><ecel><nl>" * 50,
    "empty rows of filled tags": row("Name", "<fcel>Amount") + "<fcel><fcel><nl>" * 50,
    "sparse table": "".join(row(f"{n}", "<ecel>" * 8 + "<fcel>1" + "<ecel>" * 20) for n in range(300)),
    "boilerplate with other text between": "".join(f"{line}\n{LINES[0] * 3}\n" for line in LINES),
    "boilerplate twice over": (". ".join(LINES) + "\n") * 2,
    "digits": "3.14159265358979 10000000000000000000000 1111111111",
    "refrain": ("And so we sang the song of the sea\n" * 3 + "The wind was cold\n") * 2,
    "matrix": "\\begin{pmatrix} " + "0 & 0 & 0 & 0 & 0 & 0 \\\\ " * 4 + "0 & 0 & 0 & 0 & 0 & 1 \\end{pmatrix}",
    "prose": " ".join(LINES * 1),
}


@pytest.mark.parametrize("text", PRINT.values(), ids=PRINT)
def test_what_print_repeats_is_no_loop(text: str):
    """Neither while it arrives nor when it is finished."""
    assert stop(text) is None
    assert cut_repeats(text, table="<nl>" in text) == (text, False)


@pytest.mark.parametrize(
    ("unit", "most"),
    [
        (".", LEADER),
        (". ", LEADER // 2),
        ("_" * 50 + "\n", BLANK_LINES),
        ("<ecel>", EMPTY_CELLS),
        ("<ecel><ecel><ecel><nl>", EMPTY_ROWS),
        ("<fcel> <fcel><nl>", EMPTY_ROWS),
        ("<ecel>" * 30 + "<nl>", EMPTY_ROWS),
    ],
)
def test_blanks_and_empty_cells_loop_past_the_stated_number(unit: str, most: int):
    """One less than the number passes; a few more are stopped."""
    assert stop("Head " + unit * (most - 1)) is None
    assert stop("Head " + unit * (most + 16)) is not None


def test_the_cost_of_a_token_does_not_grow():
    """Ten times the tokens take about ten times as long (twenty allowed), and 50 microseconds each at the most."""
    kinds = {
        "prose": "".join(f"{n} {line}\n" for n in range(300) for line in LINES)[:60_000],
        "zeros": "".join(row(str(n), "<fcel>0" * 12) for n in range(800))[:60_000],
        "runs": "".join("a" * 40 + chr(0x4E00 + n) for n in range(1500))[:60_000],
        "long periods": "".join(("x".join(str(k) for k in range(300)) * 2) + chr(0x4E00 + n) for n in range(60))[
            :60_000
        ],
    }

    def seconds(text: str) -> float:
        start = time.process_time()
        assert stop(text) is None
        return time.process_time() - start

    for text in kinds.values():
        short = min(seconds(text[:6_000]) for _ in range(5))
        long = min(seconds(text) for _ in range(3))
        assert long < 40 * short  # quadratic would be 100
        assert long / (len(text) / 3) < 50e-6


@given(st.text("ab0 \n<>nl", max_size=300), st.booleans())
def test_finished_outputs_never_raise_and_only_lose_text(text: str, table: bool):
    """What is left is part of the text, and untouched where it says so."""
    left, cut = cut_repeats(text, table=table)
    assert len(left) <= len(text)
    if not cut:
        assert left == text
    assert set(left.split()) <= set(text.split()) | set(left.split()[-1:])


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("A long beginning of some thirty characters, then " + "word word2 " * 30, None),
        ("abcdefghij" * 12, "abcdefghij"),
        ("ab" * 30, "ab"),
        ("head\n" + "the same line\n" * 12 + "foot", "head\nthe same line\nfoot"),
        ("a\nb\n" * 60, "a\nb"),
    ],
    ids=["end of a line", "whole text", "short unit", "lines", "several lines"],
)
def test_finished_outputs_keep_the_first_copy(text: str, left: str | None):
    """Each rule, with what it leaves."""
    expected = left if left is not None else text[: text.index("word2 ") + 5]
    assert cut_repeats(text, table=False) == (expected, True)


def test_finished_tables():
    """From 5,000 characters on; by rows; every other row stays."""
    rows = "".join(row(line, "<fcel>5") for line in LINES)
    loop = row("Total", "<fcel>0<fcel>0")
    assert cut_repeats(rows[:300] + loop * 8, table=True)[1] is False
    assert cut_repeats(rows + loop * 300, table=True) == (rows + loop, True)
    assert cut_repeats(loop * 300 + rows, table=True) == (loop + rows, True)
    empty = "<ecel>" * 20 + "<nl>"
    assert cut_repeats(rows + empty * 59, table=True)[1] is False
    assert cut_repeats(rows + empty * 61, table=True) == (rows + empty, True)


@pytest.mark.parametrize("unit", ["a", "ab ", "line\n", "<ecel><nl>", "x" * 999 + "y"])
def test_cutting_is_linear(unit: str):
    """200,000 characters in well under a second."""
    text = ("z" + unit * (200_000 // len(unit)))[:200_000]
    start = time.process_time()
    cut_repeats(text, table=False)
    assert time.process_time() - start < 2
