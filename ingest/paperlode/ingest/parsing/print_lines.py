"""Where the printed lines of a recognised text stand: the recognition model says what is printed, and not where.

Bands of ink in the region's picture are its lines. Where the model kept the line ends they are told apart exactly; where it
joined the lines of a paragraph, as it often does, characters are shared out by the width of each band.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from paperlode.ingest.document import Box, Line, PageBox

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["bands_of", "lines_in"]

_RULE = 0.6  # of a column that is dark: a ruling line beside the text, which would join all bands
_DUST = 0.002  # of a row that may be dark between two lines
_PART = 0.4  # of the usual height: less is an accent, a dot or an underline of the line beside it
_NEAR = 0.35  # of the usual height: so near is the line that a part belongs to
_SLACK = 0.06  # of a line's characters that may stand on the next or the last one, where they were shared out
_SNAP = 8  # characters to the word space that a shared-out line is ended at


def bands_of(dark: NDArray[np.bool_]) -> tuple[Box, ...]:
    """The bands of ink, top to bottom, in shares of the picture's width and height (0 to 1).

    Args:
        dark: where there is ink, (h, w).
    """
    import cv2
    import numpy as np

    height, width = dark.shape
    inked = dark.view(np.uint8)  # cv2 sums bytes many times as fast as numpy sums booleans
    ruled = cv2.reduce(inked, 0, cv2.REDUCE_SUM, dtype=cv2.CV_32S)[0] >= _RULE * height
    text = dark & ~ruled if ruled.any() else dark
    rows = cv2.reduce(text.view(np.uint8), 1, cv2.REDUCE_SUM, dtype=cv2.CV_32S)[:, 0] > _DUST * width
    edges = np.flatnonzero(np.diff(np.concatenate([[False], rows, [False]]).astype(np.int8)))
    runs = [(int(a), int(b)) for a, b in zip(edges[::2], edges[1::2], strict=True)]
    out = []
    for top, bottom in _whole_lines(runs):
        columns = np.flatnonzero(text[top:bottom].any(axis=0))
        out.append(Box(int(columns[0]) / width, top / height, (int(columns[-1]) + 1) / width, bottom / height))
    return tuple(out)


def _whole_lines(runs: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Runs of dark rows with accents, dots and underlines put to their lines."""
    if len(runs) < 2:
        return runs
    usual = sorted(b - a for a, b in runs)[len(runs) * 2 // 3]  # parts are many, and small
    out: list[tuple[int, int]] = []
    for top, bottom in runs:
        small = bottom - top < _PART * usual or (out and out[-1][1] - out[-1][0] < _PART * usual)
        if out and small and top - out[-1][1] < _NEAR * usual:
            out[-1] = (out[-1][0], bottom)
        else:
            out.append((top, bottom))
    return out


def lines_in(text: str, bands: tuple[Box, ...], region: PageBox) -> tuple[Line, ...]:
    """The printed lines of the text; none where bands and text do not go together, or there is only one.

    Args:
        text: as the block has it.
        bands: of the region's picture, from ``bands_of``.
        region: where that picture stands.
    """
    said = text.split("\n")
    if len(bands) < 2 or len(said) > len(bands):
        return ()
    places = [_place(b, region) for b in bands]
    if len(said) == len(bands):
        starts = [0]
        for line in said:
            starts.append(starts[-1] + len(line) + 1)
        return tuple(
            Line(a, a + len(line), place) for a, line, place in zip(starts, said, places, strict=False) if line
        )
    return _shared_out(text, bands, places)


def _shared_out(text: str, bands: tuple[Box, ...], places: list[PageBox]) -> tuple[Line, ...]:
    reach = [0]  # widths up to each character; wide scripts take twice the room
    for c in text:
        reach.append(reach[-1] + (2 if ord(c) >= 0x2E80 else 1))
    whole = sum(b.width for b in bands)
    ends, done, at = [0], 0.0, 0
    for band in bands[:-1]:
        done += band.width
        while reach[at] < reach[-1] * done / whole:
            at += 1
        ends.append(max(ends[-1], _at_a_space(text, at)))
    ends.append(len(text))
    out = []
    for start, end, place in zip(ends[:-1], ends[1:], places, strict=True):
        slack = max(1, round(_SLACK * (end - start)))
        if end > start:
            out.append(Line(max(0, start - slack), min(len(text), end + slack), place))
    return tuple(out)


def _at_a_space(text: str, at: int) -> int:
    """The start of the word that begins nearest; as it is where no space is near."""
    near = [i + 1 for i in range(max(0, at - _SNAP), min(len(text), at + _SNAP)) if text[i].isspace()]
    return min(near, key=lambda i: abs(i - at), default=at)


def _place(band: Box, region: PageBox) -> PageBox:
    b = region.box
    x, y = b.x0, b.y0
    box = Box(x + band.x0 * b.width, y + band.y0 * b.height, x + band.x1 * b.width, y + band.y1 * b.height)
    return PageBox(region.page, box.rounded())
