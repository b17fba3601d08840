"""Rows as search entries: they name the row and its columns, hold no figures, and keep to the limit."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from paperlode.ingest.document import Cell, Entry, Table
from paperlode.ingest.row_entries import row_entries


def words(text: str) -> int:
    return len(text.split())


def table(rows: list[list[str]], *, caption: str = "") -> Table:
    cells = tuple(Cell(r, c, text) for r, row in enumerate(rows) for c, text in enumerate(row) if text)
    return Table(len(rows), max(map(len, rows)), cells, 1, caption)


STATEMENT = table(
    [
        ["", "2023", "2022"],
        ["Assets:", "", ""],
        ["Cash", "$ 1,234", "(5)"],
        ["", "", ""],
        ["Goodwill", "7", ""],
        ["Cash", "8", "9"],
    ],
    caption="Balance sheet (in millions)",
)


def test_a_row_is_named_by_path_heads_and_caption() -> None:
    """Path, heads of its filled columns and caption, without the figures; sections and empty rows give none."""
    assert row_entries(STATEMENT, first=0, stop=6, size=words, limit=50) == (
        Entry(2, "Assets: > Cash\n2023, 2022\nBalance sheet (in millions)"),
        Entry(4, "Assets: > Goodwill\n2023\nBalance sheet (in millions)"),
    )


def test_only_the_rows_asked_for() -> None:
    """Rows outside the range give no entry, and rows keep their place in the whole table."""
    assert [e.row for e in row_entries(STATEMENT, first=3, stop=5, size=words, limit=50)] == [4]


def test_the_row_comes_before_heads_and_caption() -> None:
    """Where room is short the caption goes first, then the heads; the row's name is cut last."""
    short = row_entries(STATEMENT, first=2, stop=3, size=words, limit=5)
    assert short == (Entry(2, "Assets: > Cash\n2023, 2022"),)
    assert row_entries(STATEMENT, first=2, stop=3, size=words, limit=1)[0].text.startswith("Assets:")
    assert row_entries(STATEMENT, first=2, stop=3, size=words, limit=0) == ()


def test_words_in_cells_are_kept() -> None:
    """A table of words is searched by its words."""
    t = table([["Name", "Office"], ["Ada", "Chief engineer since 1840"]])
    assert row_entries(t, first=0, stop=2, size=words, limit=50)[0].text == "Ada > Chief engineer since 1840\nOffice"


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.lists(st.text("ab 1,5%(年€", max_size=12), min_size=3, max_size=3), min_size=1, max_size=8),
    st.text("cap tion", max_size=30),
    st.integers(1, 12),
)
def test_entries_keep_to_the_limit(rows: list[list[str]], caption: str, limit: int) -> None:
    """No entry is longer than the limit, texts are not repeated, rows ascend, and the same table gives the same entries."""
    t = table(rows, caption=caption)
    for size in (len, words):
        found = row_entries(t, first=0, stop=len(rows), size=size, limit=limit)
        assert all(0 < size(e.text) <= limit for e in found)
        assert len({e.text for e in found}) == len(found)
        assert [e.row for e in found] == sorted({e.row for e in found})
        assert found == row_entries(t, first=0, stop=len(rows), size=size, limit=limit)
