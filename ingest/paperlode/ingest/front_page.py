"""The first pages: the document's title, the same title again, filing labels over it, covers without a text."""

from __future__ import annotations

import re
from dataclasses import replace

from paperlode.ingest.contents import title_key
from paperlode.ingest.document import Block, Kind, Layer
from paperlode.ingest.heading_forms import names_document
from paperlode.ingest.numbering import number_of

__all__ = ["Titles"]

PAGES = 6
"""Pages with text from the start on which a title is looked for again: after a cover, after the contents."""
FILED = 2
"""Pages with text from the start on which such a label stands."""
FIRST_FILED = 3
"""Blocks of a page among which it has no point in its number."""
FIRST_BLOCKS = 12
"""Blocks of the first page among which the title is looked for."""
SHORTEST = 10
"""Letters of a title that is known again."""
PROSE = 160
"""Characters of a paragraph that makes a page more than a cover."""
_FILING = re.compile(
    r"(?:\d{1,3}\s+)?(?:exhibit|ex\.?)\s*[-–]?\s*\d{1,3}(?:\.\d{1,3}){0,2}(?:\s*\([\w. ]{1,12}\))?", re.IGNORECASE
)
_CONTENTS = re.compile(r"(?:table of contents?|contents|index|目\s*录)\W*", re.IGNORECASE)


class Titles:
    """Marks the title on the first page that has text, and where it stands again on the next few."""

    def __init__(self) -> None:
        self._keys: list[str] = []
        self._pages = 0

    def unfile(self, blocks: list[Block]) -> None:
        """Labels under which a filing has the document (``Exhibit 10.3``) become text, in place; call it before ``mark``."""
        if self._pages >= FILED:
            return
        for at, i in enumerate(_body(blocks)):
            label = " ".join(blocks[i].text[:40].split())
            filed = _FILING.fullmatch(label) is not None and (at < FIRST_FILED or "." in label)
            if blocks[i].kind in (Kind.HEADING, Kind.TITLE) and filed:
                blocks[i] = replace(blocks[i], kind=Kind.TEXT, level=None)

    def mark(self, blocks: list[Block]) -> None:
        """Changes kinds in place; to be called page by page, in order."""
        body = _body(blocks)
        if not body or self._pages >= PAGES:
            return
        self._pages += 1
        if self._pages == 1:
            self._name(blocks, body)
            if self._keys and not any(
                blocks[i].kind in (Kind.TEXT, Kind.LIST_ITEM) and len(blocks[i].text) > PROSE for i in body
            ):
                _cover(blocks, body)
        else:
            self._again(blocks, body)

    def _name(self, blocks: list[Block], body: list[int]) -> None:
        at = next((i for i in body if blocks[i].kind is Kind.TITLE), None)
        for i in body[:FIRST_BLOCKS] if at is None else ():
            b = blocks[i]
            text = " ".join(b.text[:300].split())
            number = number_of(text)
            if b.kind is Kind.TABLE or (b.kind is Kind.HEADING and number is not None and number.form != "exhibit"):
                break
            if b.kind in (Kind.HEADING, Kind.TEXT) and len(b.lines) <= 4 and names_document(text):
                at = i
                blocks[i] = replace(b, kind=Kind.TITLE, level=1)
                break
        if at is not None:
            self._keys.append(title_key(blocks[at].text))

    def _again(self, blocks: list[Block], body: list[int]) -> None:
        for i in body:
            key = title_key(blocks[i].text)
            if blocks[i].kind is Kind.HEADING and any(len(k) >= SHORTEST and key.startswith(k) for k in self._keys):
                blocks[i] = replace(blocks[i], kind=Kind.TITLE, level=1)
                return


def _body(blocks: list[Block]) -> list[int]:
    return [i for i, b in enumerate(blocks) if b.layer is Layer.BODY and b.text.strip()]


def _cover(blocks: list[Block], body: list[int]) -> None:
    """On a cover names and places are set large, and head nothing."""
    for i in body:
        b = blocks[i]
        if _CONTENTS.fullmatch(b.text.strip()):
            return
        if b.kind is Kind.HEADING and number_of(" ".join(b.text[:80].split())) is None:
            blocks[i] = replace(b, kind=Kind.TEXT, level=None)
