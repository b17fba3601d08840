"""What may stand between the two parts of a table that a page break cut, and what shows that they are two tables."""

from __future__ import annotations

import re
from collections import Counter
from enum import Enum
from typing import TYPE_CHECKING

from paperlode.ingest.document import Block, Kind
from paperlode.ingest.header_match import CONTINUED, label_of, says_continued
from paperlode.ingest.table_columns import edges_of
from paperlode.ingest.table_joins import same_words

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from paperlode.ingest.document import Box, Table

__all__ = [
    "Between",
    "captions_allow",
    "is_reference",
    "new_title",
    "of_header",
    "running_key",
    "stands_after",
    "stands_before",
    "stands_beside",
]

LONGEST_BETWEEN = 240
"""Characters of a remark that may stand between the two parts of a table."""
LONGEST_NOTE = 1200
"""Characters of a note under the first part."""
TITLE_NEAR = 60.0
"""Points over a table in which a page header that changes is taken for its title."""
SLIM = 0.2
"""Width of a picture, as a share of the table's, that is only a rule or a bar beside it."""
FLUSH = 4.0
"""Points between a table and a picture under it that is its shading."""

BESIDE = 0.3
"""Share of a block's height that must stand beside a table's rows."""

_SEE_NOTES = re.compile(
    r"(?:the accompanying notes|see (?:the )?(?:accompanying )?notes|\(?continued (?:on|from|overleaf))", re.IGNORECASE
)
_NOTE = re.compile(
    r"(?:[(（\[]?(?:\d{1,2}|[a-z]|\*+)[)）\]]\s?|[*†‡§#]|notes?\b|sources?\b|n/?[am]\b|注[:：\d]|备注|资料来源)",
    re.IGNORECASE,
)
_MARK = re.compile(r"[(（\[]?(?:\d{1,2}|[a-z]|[*†‡]+)[)）\]]?")
_ROMAN = re.compile(r"\b[ivxlc]+$")
_NUMBER = re.compile(r"\d+")
_PAGE = re.compile(r"\W*第?(\d{1,5})页?\W*")


class Between(Enum):
    """Whether a block may stand between two parts of one table.

    Yes; only if the header is repeated; only if it turns out to stand beside the second part, a label that was not seen
    as a cell; or no.
    """

    YES = "yes"
    DOUBTFUL = "doubtful"
    BESIDE = "beside"
    NO = "no"


def is_reference(block: Block) -> bool:
    """Whether the block sends the reader elsewhere: ``See accompanying notes``, ``Continued on next page``."""
    return bool(_SEE_NOTES.match(block.text.strip()))


def running_key(text: str) -> str:
    """The words of a running line without its numbers and a Roman page number."""
    return _ROMAN.sub("#", _NUMBER.sub("#", " ".join(text.casefold().split())))


def stands_after(block: Block, table: Block) -> Between:
    """Whether the block under a table, on its page, may come before the rest of the table."""
    if block.kind is Kind.TABLE:
        return Between.NO
    if _is_picture(block):
        under = bool(block.regions) and bool(table.regions) and _flush(table.regions[-1].box, block.regions[0].box)
        return Between.YES if under or _slim(block, table) else Between.DOUBTFUL
    text = block.text.strip()
    if len(text) <= LONGEST_BETWEEN and (is_reference(block) or _only_continued(text)):
        return Between.YES
    if block.kind not in (Kind.TEXT, Kind.LIST_ITEM, Kind.FOOTNOTE) or len(text) > LONGEST_NOTE:
        return Between.NO
    marked = any(_MARK.fullmatch(block.text[ln.start : ln.end].strip()) for ln in block.lines)
    return Between.DOUBTFUL if marked or _NOTE.match(text) else Between.NO


def stands_before(block: Block, table: Block, running: Iterable[str] = ()) -> Between:
    """Whether a block at the head of the next page may come before the rest of the table.

    ``running`` holds the keys (``running_key``) of the lines that ran on the table's own page.
    """
    if block.kind is Kind.TABLE or len(block.text) > LONGEST_BETWEEN:
        return Between.NO
    if _is_picture(block):
        return Between.YES if _slim(block, table) else Between.DOUBTFUL
    text = block.text.strip()
    if is_reference(block) or _only_continued(text) or not text:
        return Between.YES
    if _other_label(text, table.table):
        return Between.NO
    if says_continued(text) or _known(text, table.table) or of_header(text, table.table):
        return Between.YES
    if running_key(text) in set(running):
        return Between.YES
    return Between.BESIDE if _in_first_column(block, table) else Between.NO


def stands_beside(block: Block, second: Block) -> bool:
    """Whether the block stands left of the table, at the height of its rows."""
    if not block.regions or not second.regions or block.regions[0].page != second.regions[0].page:
        return False
    a, b = block.regions[0].box, second.regions[0].box
    return a.x1 <= b.x0 + FLUSH and min(a.y1, b.y1) - max(a.y0, b.y0) >= BESIDE * a.height


def captions_allow(captions: Sequence[Block], table: Block) -> bool:
    """Whether the captions in front of the second part only repeat those of the first."""
    return all(
        not _other_label(b.text, table.table)
        and (says_continued(b.text) or _known(b.text, table.table) or of_header(b.text, table.table))
        for b in captions
    )


def new_title(header: Block, second: Block, earlier: Sequence[tuple[int, str]]) -> Between:
    """Whether a line taken for a page header is the title of the table under it: its figures change as no page number does.

    ``earlier`` are the running lines of the pages before, each with its page. YES means the parts may be one.
    """
    if not header.regions or not second.regions or second.regions[0].page != header.page:
        return Between.YES
    if not 0 <= second.regions[0].box.y0 - header.regions[-1].box.y1 <= TITLE_NEAR:
        return Between.YES
    key = running_key(header.text)
    if sum(len(w) > 1 and w.isalpha() for w in key.split()) < 2 or says_continued(header.text):
        return Between.YES
    same = [(p, t) for p, t in earlier if running_key(t) == key]
    if not same:
        return Between.NO if _NUMBER.search(header.text) else Between.DOUBTFUL
    return Between.YES if any(_runs_on(t, header.text, header.page - p) for p, t in same) else Between.NO


def _runs_on(before: str, now: str, pages: int) -> bool:
    """Whether two running lines differ in nothing but a page number, at an end of the line or after ``page``."""
    old, new = before.casefold().split(), now.casefold().split()
    if len(old) != len(new):
        return False
    for i, (x, y) in enumerate(zip(old, new, strict=True)):
        if x == y or (_ROMAN.fullmatch(x) and _ROMAN.fullmatch(y) and i in (0, len(new) - 1)):
            continue
        m, n = _PAGE.fullmatch(x), _PAGE.fullmatch(y)
        if not m or not n or int(n[1]) - int(m[1]) != pages:
            return False
        if i not in (0, len(new) - 1) and not new[i - 1].startswith(("page", "p.", "第")):
            return False
    return True


def _is_picture(block: Block) -> bool:
    return block.kind in (Kind.FIGURE, Kind.CHART) and not block.text.strip()


def _slim(block: Block, table: Block) -> bool:
    if not block.regions or not table.regions:
        return False
    return block.regions[0].box.width <= SLIM * table.regions[-1].box.width


def _flush(above: Box, below: Box) -> bool:
    return abs(below.y0 - above.y1) <= FLUSH and below.x0 <= above.x0 + FLUSH and below.x1 >= above.x1 - FLUSH


def _in_first_column(block: Block, table: Block) -> bool:
    if table.table is None or table.table.cols < 2 or not block.regions:
        return False
    first = edges_of(table.table, table.regions[-1].page)[0]
    box = block.regions[0].box
    return first is not None and first[0] - FLUSH <= box.x0 and box.x1 <= first[1] + FLUSH


def _only_continued(text: str) -> bool:
    return not CONTINUED.sub("", text).strip(" ()（）.:-–—")


def _known(text: str, table: Table | None) -> bool:
    if table is None or not table.caption:
        return False
    return any(same_words(text, t) for t in (*table.caption.split("\n"), table.caption) if t)


def _other_label(text: str, table: Table | None) -> bool:
    """Whether the text is labelled and no caption of the table has that label: ``Table 4`` after ``Table 3``."""
    label = label_of(text)
    known = {x for t in table.caption.split("\n") if (x := label_of(t))} if table else set[str]()
    return bool(label and known and label not in known)


def of_header(text: str, table: Table | None) -> bool:
    """Whether the text is a line of the table's header that the parser left outside the second part."""
    if table is None or not table.header_rows:
        return False
    words = Counter(text.casefold().split())
    head = Counter(w for c in table.cells if c.row < table.header_rows for w in c.text.casefold().split())
    return sum(words.values()) >= 2 and not words - head
