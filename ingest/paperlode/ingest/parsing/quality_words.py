"""What was read of a page, held against the words of its text layer: what is missing, invented, or said elsewhere.

Letters are compared leniently, as bags: a hyphen at a line's end or another order changes nothing. Digits are compared strictly.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from paperlode.ingest.boxes import Box, PageBox
from paperlode.ingest.document import Finding, Kind

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from paperlode.ingest.document import Block, ParsedPage
    from paperlode.ingest.parsing.evidence import Word

__all__ = ["UNCOMPARED", "check_words"]

_TOKEN = re.compile(r"\d+|[^\W\d_]+")
_MATH = re.compile(r"\\[A-Za-z(\[]")
UNCOMPARED = frozenset({Kind.FIGURE, Kind.CHART, Kind.FORMULA, Kind.SEAL})
"""What says something else than its words (a chart's data, LaTeX), or need not say them."""
_SLACK = 2.0  # points: boxes are rounded, and some parsers draw them tight
_FEW = 3  # letters that may be missing or too many: an accent apart, a bullet that is a letter in its font
_SHARE = 0.08  # of a recognised block's letters that may be: misread ones
_TORN = 1.2  # heights a letter: a word so wide has a gap in it, and stands where either of its ends does
_MOVED = 0.5  # of what a block says too much that stands elsewhere: its box is wrong, not its text
_SHOWN = 5  # words in a reason


@dataclass(slots=True)
class _Claim:
    """A block, what it says that no word at its place explains, and the words at its place that it does not say.

    ``hidden`` are those among them that are invisible: they need not be said.
    """

    block: Block
    said: list[str]
    need: Counter[str] = field(default_factory=Counter)
    missing: list[_Unsaid] = field(default_factory=list)
    hidden: list[str] = field(default_factory=list)
    letters: int = 0


@dataclass(frozen=True, slots=True)
class _Unsaid:
    word: Word
    tokens: tuple[str, ...]


def tokens_of(text: str) -> list[str]:
    """Runs of digits, runs of letters; each character of a script without spaces alone. Case folded."""
    flat = text if text.isascii() else unicodedata.normalize("NFKC", text)
    out: list[str] = []
    for t in _TOKEN.findall(flat.casefold()):
        out += list(t) if ord(t[0]) >= 0x2E80 else [t]
    return out


def check_words(page: ParsedPage, words: Sequence[Word]) -> tuple[dict[int, list[Finding]], list[Finding]]:
    """Findings by index of the block, and those of the page. ``words`` of a text layer that is to be trusted."""
    claims = [_claim(b) for b in page.blocks]
    inside = _covering(page, words)
    loose: list[_Unsaid] = []
    for alone in (True, False):  # a word in two boxes goes to the one that still says it without a word of its own
        for word, blocks in zip(words, inside, strict=True):
            if (len(blocks) < 2) is alone:
                _settle(word, [claims[i] for i in blocks], loose, page)
    found = {i: fs for i, c in enumerate(claims) if (fs := list(_of_block(c, loose, page.page)))}
    lost = [u for u in loose if not _explained(u, claims)]
    return found, list(_of_page(lost, page.page))


def _claim(block: Block) -> _Claim:
    said = tokens_of(block.table.to_text() if block.table else block.text)
    return _Claim(block, said, Counter(said), letters=sum(map(len, said)))


def _covering(page: ParsedPage, words: Sequence[Word]) -> list[list[int]]:
    """For each word the blocks whose place its middle lies in."""
    import numpy as np

    places: list[Box] = []
    owner: list[int] = []
    for i, b in enumerate(page.blocks):
        boxes = [r.box for r in b.regions if r.page == page.page]
        out = [ln.region.box for ln in b.lines if ln.region.page == page.page]
        boxes += [x for x in out if not any(_holds(o, x) for o in boxes)]
        places += [x.grown(_SLACK) for x in boxes]
        owner += [i] * len(boxes)
    if not places or not words:
        return [[] for _ in words]
    p = np.array(places)
    w = np.array([word.box for word in words])
    tall = w[:, 3] - w[:, 1]
    torn = w[:, 2] - w[:, 0] > _TORN * tall * np.array([len(word.text) for word in words])
    y = (w[:, 1] + w[:, 3])[:, None] / 2
    level = (y >= p[:, 1]) & (y <= p[:, 3])
    x = (w[:, 0] + w[:, 2])[:, None] / 2
    hit = level & (x >= p[:, 0]) & (x <= p[:, 2])
    for x in (w[torn, 0] + tall[torn] / 2, w[torn, 2] - tall[torn] / 2):
        hit[torn] |= level[torn] & (x[:, None] >= p[:, 0]) & (x[:, None] <= p[:, 2])
    covering: list[list[int]] = [[] for _ in words]
    for at, place in np.argwhere(hit).tolist():
        if owner[place] not in covering[at]:
            covering[at].append(owner[place])
    return covering


def _holds(outer: Box, inner: Box) -> bool:
    return outer.x0 <= inner.x0 and outer.y0 <= inner.y0 and outer.x1 >= inner.x1 and outer.y1 >= inner.y1


def _settle(word: Word, claims: list[_Claim], loose: list[_Unsaid], page: ParsedPage) -> None:
    """Gives the word to the block at its place that says it; to its missing ones, or the loose ones, if none does."""
    tokens = tokens_of(word.text)
    for claim in claims:
        left = [t for t in tokens if not _take(claim.need, t)]
        tokens = left
        if not tokens:
            return
    if not tokens or any(c.block.kind in UNCOMPARED for c in claims):
        return
    if not word.printed:
        if claims:
            claims[0].hidden += tokens
        return
    unsaid = _Unsaid(word, tuple(tokens))
    if claims:
        claims[0].missing.append(unsaid)
    elif 0 <= (word.box.x0 + word.box.x1) / 2 <= page.width and 0 <= (word.box.y0 + word.box.y1) / 2 <= page.height:
        loose.append(unsaid)


def _take(need: Counter[str], token: str) -> bool:
    if need[token] <= 0:
        return False
    need[token] -= 1
    return True


def _explained(unsaid: _Unsaid, claims: Sequence[_Claim]) -> bool:
    """Whether a block says it too much: then its box is wrong, and nothing is missing."""
    return any(all(c.need[t] > 0 for t in unsaid.tokens) for c in claims)


def _of_block(claim: _Claim, loose: Sequence[_Unsaid], page: int) -> Iterable[Finding]:
    if claim.block.kind in UNCOMPARED:
        return
    lenient = claim.block.confidence is not None or bool(_MATH.search(claim.block.text))
    few = max(_FEW, _SHARE * claim.letters) if lenient else _FEW
    missing = [t for u in claim.missing for t in u.tokens]
    extra = _in_order(claim)
    missing, extra = _unlike(missing, extra)
    wrong = [t for t in extra if t.isdigit()]
    lenient_here = lenient or bool(claim.hidden)
    misread = _unlike_letters(extra, [*missing, *claim.hidden]) if lenient_here else _weight(extra)
    if misread > few or (wrong and not _MATH.search(claim.block.text)):
        yield _too_much(claim, extra, missing, _elsewhere(extra, loose), page)
    elif (_unlike_letters(missing, extra) if lenient else _weight(missing)) > few or any(t.isdigit() for t in missing):
        yield _too_little(claim, missing, page)


def _in_order(claim: _Claim) -> list[str]:
    """What is said too much, in the text's order; of a word said several times the last ones."""
    left = +claim.need
    out: list[str] = []
    for t in reversed(claim.said):
        if left[t] > 0:
            left[t] -= 1
            out.append(t)
    return out[::-1]


def _unlike(missing: list[str], extra: list[str]) -> tuple[list[str], list[str]]:
    """Both without words that are only cut or joined differently."""
    if not missing or not extra:
        return missing, extra
    for digits in (True, False):
        a = "".join(t for t in missing if t.isdigit() is digits)
        b = "".join(t for t in extra if t.isdigit() is digits)
        if a == b or (not digits and sorted(a) == sorted(b)):
            missing = [t for t in missing if t.isdigit() is not digits]
            extra = [t for t in extra if t.isdigit() is not digits]
    return missing, extra


def _unlike_letters(words: Iterable[str], others: Iterable[str]) -> int:
    """Letters of the words that the others do not have: of a word misread by a letter, that letter."""
    return _weight((Counter("".join(words)) - Counter("".join(others))).elements())


def _weight(tokens: Iterable[str]) -> int:
    return sum(len(t) for t in tokens if not t.isdigit())


def _elsewhere(extra: list[str], loose: Sequence[_Unsaid]) -> list[_Unsaid]:
    """The words that no box covers and this block says, where they are most of what it says too much."""
    have = Counter(extra)
    moved = [u for u in loose if all(have[t] > 0 for t in u.tokens)]
    found = sum(len(t) for u in moved for t in u.tokens)
    return moved if found > _MOVED * sum(map(len, extra)) else []


def _too_much(claim: _Claim, extra: list[str], missing: list[str], moved: list[_Unsaid], page: int) -> Finding:
    if moved:
        where = tuple(PageBox(page, b.rounded()) for b in _rows([u.word.box for u in moved]))
        words = _quoted(u.word.text for u in moved)
        return Finding("text_outside_box", f"{words} stand outside the block's box.", where)
    here = f"; the page has {_quoted(missing)} there" if missing else ""
    numbers = [t for t in extra if t.isdigit()]
    said = _quoted(numbers or extra)
    return Finding("text_disagrees", f"It says {said}, which its text layer does not{here}.", claim.block.regions)


def _too_little(claim: _Claim, missing: list[str], page: int) -> Finding:
    boxes = [u.word.box for u in claim.missing if set(u.tokens) & set(missing)]
    where = tuple(PageBox(page, b.rounded()) for b in _rows(boxes))
    table = claim.block.table
    if table is not None and any(_apart(b.box, claim.block) for b in where):
        return Finding("table_row_missing", f"The page has {_quoted(missing)} where the table has no row.", where)
    return Finding("missing_text", f"The block does not say {_quoted(missing)}, which stand in its box.", where)


def _apart(row: Box, block: Block) -> bool:
    """Whether no cell stands at the height of these words."""
    cells = [c.region.box for c in block.table.cells if c.region] if block.table else []
    middle = (row.y0 + row.y1) / 2
    return bool(cells) and not any(c.y0 <= middle <= c.y1 for c in cells)


def _of_page(lost: Sequence[_Unsaid], page: int) -> Iterable[Finding]:
    tokens = [t for u in lost for t in u.tokens]
    if _weight(tokens) > _FEW or any(t.isdigit() for t in tokens):
        where = tuple(PageBox(page, b.rounded()) for b in _rows([u.word.box for u in lost]))
        yield Finding("missing_text", f"No block says {_quoted(u.word.text for u in lost)}.", where)


def _rows(boxes: Iterable[Box]) -> list[Box]:
    """Boxes on one line joined, in their order."""
    out: list[Box] = []
    for b in boxes:
        if out and min(out[-1].y1, b.y1) - max(out[-1].y0, b.y0) > 0.5 * min(out[-1].height, b.height):
            out[-1] = out[-1].union(b)
        else:
            out.append(b)
    return out


def _quoted(words: Iterable[str]) -> str:
    some = list(words)
    more = f" and {len(some) - _SHOWN} more" if len(some) > _SHOWN else ""
    return ", ".join(f"“{w[:40]}”" for w in some[:_SHOWN]) + more
