"""The document's title, found while its first blocks stream by: as printed, else the file's name made readable."""

from __future__ import annotations

import re
from itertools import chain
from typing import TYPE_CHECKING

from paperlode.ingest.document import Block, Kind, Layer

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

__all__ = ["readable_name", "title_of", "with_title"]

LOOKED_AT = 30
"""Blocks of the first page that are looked at before the first chunk may leave."""
LONGEST_TITLE = 300
"""Characters of a title that are kept; of a longer one the start."""

_LABEL = re.compile(
    r"(?:(?:exhibit|annex|appendix|schedule|attachment|enclosure)\s*[\w.()\-/]{0,12}|附[件录表]\s*\S{0,4}"
    r"|(?:table of )?contents|目录|page\s*\d{0,5}|\W*)",
    re.IGNORECASE,
)
"""What stands on top of a first page and names no document: the label of an exhibit, ``Contents``."""
_NUMBERED = re.compile(
    r"(?:section|article|chapter|part|item|figure|fig\.|table)?\s*(?:\d{1,3}(?:\.\d{1,3})*[.)]?|[IVX]{1,5}[.)])\s|第\S{1,6}[章节条]",
    re.IGNORECASE,
)
"""A section of a document, not the document."""
_BETWEEN = re.compile(r"[\s_+]+|(?<=\w)[-.](?=\w{3})|%20")
_WORD = re.compile(r"[^\W\d_]{2,}")
_HASH = re.compile(r"[0-9a-f-]{16,}", re.IGNORECASE)


def with_title(blocks: Iterable[Block], name: str) -> tuple[str, Iterator[Block]]:
    """The title and all the blocks again; reads ahead to the end of the first page, or ``LOOKED_AT`` blocks.

    Args:
        blocks: the document's, in reading order.
        name: the file's.
    """
    rest = iter(blocks)
    seen: list[Block] = []
    for block in rest:
        seen.append(block)
        if len(seen) >= LOOKED_AT or _page(block) > _page(seen[0]):
            break
    first = [b for b in seen if _page(b) == _page(seen[0])]
    return title_of(first, name), chain(seen, rest)


def title_of(blocks: Sequence[Block], name: str) -> str:
    """A title block, else a heading of the highest level there is, else the file's name; empty when it says nothing.

    Of several the one that has most of the words of the file's name, run together or not, the first in doubt. Labels of
    exhibits and figures and numbered headings name no document.
    """
    for kind in (Kind.TITLE, Kind.HEADING):
        found = [b for b in blocks if b.kind is kind and b.layer is Layer.BODY and _names(b)]
        highest = min((b.level or 1 for b in found), default=1)
        texts = [t[:LONGEST_TITLE] for b in found if (b.level or 1) == highest and (t := " ".join(b.text.split()))]
        if texts:
            words = set(_words(readable_name(name)))
            return max(texts, key=lambda t: _shared(t, words))
    return readable_name(name)


def readable_name(name: str) -> str:
    """``ADOBE 2022 10K`` of ``ADOBE_2022_10K.pdf``; empty for names without a word, and for digests."""
    stem = re.sub(r"\.\w{1,5}$", "", name.replace("\\", "/").rsplit("/", 1)[-1])
    text = " ".join(_BETWEEN.sub(" ", stem).split())[:LONGEST_TITLE]
    return "" if _HASH.fullmatch(stem) or not _WORD.search(text) else text


def _names(block: Block) -> bool:
    text = " ".join(block.text.split())
    return bool(_WORD.search(text)) and not _LABEL.fullmatch(text) and not _NUMBERED.match(text)


def _words(text: str) -> list[str]:
    return [w.casefold() for w in re.findall(r"\w{3,}", text)]


def _shared(title: str, words: set[str]) -> int:
    """Characters of the file name's words that stand in the title: ``BESTBUY`` does in ``Best Buy Co.``."""
    letters = "".join(re.findall(r"\w", title)).casefold()
    return sum(len(w) for w in words if w in letters)


def _page(block: Block) -> int:
    return block.regions[0].page if block.regions else 0
