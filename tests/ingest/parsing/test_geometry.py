"""A box goes to the turned page and comes back to where it was."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paperlode.ingest.document import Block, Box, Cell, Kind, Line, PageBox, Table
from paperlode.ingest.parsing.geometry import Affine, map_blocks

SIDES = st.floats(10, 2000)
TURNS = st.sampled_from([0, 90, 180, 270])


@st.composite
def pages(draw: st.DrawFn) -> tuple[float, float, Box]:
    """Width and height of a page and a box on it."""
    width, height = draw(SIDES), draw(SIDES)
    xs = sorted(draw(st.lists(st.floats(0, width), min_size=2, max_size=2)))
    ys = sorted(draw(st.lists(st.floats(0, height), min_size=2, max_size=2)))
    return width, height, Box(xs[0], ys[0], xs[1], ys[1])


@given(pages(), TURNS)
def test_a_quarter_turn_and_its_inverse(page: tuple[float, float, Box], turn: int) -> None:
    """The turned box has the turned size, lies on the turned page, and comes back."""
    width, height, box = page
    move = Affine.quarter_turn(turn, width, height)
    there = move.box(box)
    size = (box.height, box.width) if turn in (90, 270) else (box.width, box.height)
    assert (there.width, there.height) == pytest.approx(size, abs=1e-6)
    new_width, new_height = (height, width) if turn in (90, 270) else (width, height)
    assert there.x0 >= 0
    assert there.y0 >= 0
    assert there.x1 <= new_width + 1e-9
    assert there.y1 <= new_height + 1e-9
    assert move.inverse().box(there) == pytest.approx(box, abs=1e-6)


@given(pages(), TURNS)
def test_turning_on_to_a_full_turn_changes_nothing(page: tuple[float, float, Box], turn: int) -> None:
    """A turn and the rest of the full circle give every box back."""
    width, height, box = page
    swapped = (height, width) if turn in (90, 270) else (width, height)
    round_trip = Affine.quarter_turn(turn, width, height).then(Affine.quarter_turn(360 - turn, *swapped))
    assert round_trip.box(box) == pytest.approx(box, abs=1e-6)


@pytest.mark.parametrize(
    ("turn", "box"),
    [(0, (0, 0, 10, 20)), (90, (280, 0, 300, 10)), (180, (190, 280, 200, 300)), (270, (0, 190, 20, 200))],
)
def test_turns_are_clockwise(turn: int, box: tuple[float, ...]) -> None:
    """The top left corner of a 200 x 300 page goes to the top right, bottom right, bottom left."""
    assert Affine.quarter_turn(turn, 200, 300).box(Box(0, 0, 10, 20)) == box


FACTORS = st.floats(0.1, 10)


@given(pages(), FACTORS, FACTORS, TURNS)
def test_then_is_one_after_the_other(page: tuple[float, float, Box], x: float, y: float, turn: int) -> None:
    """A joined map does what its parts do in order, and its inverse undoes both."""
    width, height, box = page
    first, second = Affine.quarter_turn(turn, width, height), Affine.scale(x, y)
    assert first.then(second).box(box) == pytest.approx(second.box(first.box(box)), abs=1e-6)
    assert first.then(second).inverse().box(second.box(first.box(box))) == pytest.approx(box, abs=1e-6)


def test_a_flattening_map_has_no_inverse() -> None:
    """Nothing comes back from a line."""
    with pytest.raises(ZeroDivisionError):
        Affine.scale(1, 0).inverse()


def test_map_blocks_moves_every_box_and_clips_it_to_the_page() -> None:
    """Regions, printed lines and table cells all move; what stands over the edge is cut, outside it has no area."""
    at = PageBox(2, Box(10, 10, 90, 20))
    table = Table(1, 2, (Cell(0, 0, "a", region=at), Cell(0, 1, "b")))
    block = Block(Kind.TABLE, "a | b", (at,), lines=(Line(0, 1, at, 0.5),), table=table)
    (moved,) = map_blocks([block], lambda b: Box(b.x0 + 50, b.y0 - 15, b.x1 + 50, b.y1 - 15), 100, 100)
    there = PageBox(2, Box(60, 0, 100, 5))
    assert moved.regions == (there,)
    assert moved.lines == (Line(0, 1, there, 0.5),)
    assert moved.table is not None
    assert [c.region for c in moved.table.cells] == [there, None]
    (outside,) = map_blocks([block], lambda b: Box(b.x0 + 500, b.y0, b.x1 + 500, b.y1), 100, 100)
    assert outside.regions[0].box.area == 0
