"""The judge of quality: what wants a person's look on a page, with the reason and the place.

A finding says that something is probably wrong; what is only worth knowing stays a flag. Codes:

- ``missing_text``, ``text_disagrees``: the page's text layer has words that no block says, or a block says others than it.
- ``text_outside_box``: what a block says stands elsewhere on the page than its box, or nothing or too little is printed there.
- ``uncovered_ink``: print that no block covers.
- ``table_row_missing``: words or print in a table at a height where it has no row. ``sum_mismatch``,
  ``empty_column``, ``header_without_rows``: see ``sums``.
- ``text_repeats``, ``garbled_text``, ``script_changes``, ``boxes_overlap``, ``order_jumps``, ``low_confidence``, and the
  ``output_…`` flags of a recognition that stayed unsound.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from paperlode.ingest.document import Finding
from paperlode.ingest.parsing.quality_ink import check_ink
from paperlode.ingest.parsing.quality_text import LOOP, check_text
from paperlode.ingest.parsing.quality_words import UNCOMPARED, check_words
from paperlode.ingest.table_checks import checked_sums

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from paperlode.ingest.document import Block, ParsedPage
    from paperlode.ingest.parsing.evidence import Evidence

    _ByBlock = dict[int, list[Finding]]

__all__ = ["NOT_JUDGED", "judge_page", "judged", "wants_look"]

NOT_JUDGED = "not_judged"
"""Code of the finding on a page at which the judge itself failed: nobody has looked at it."""

_LOGO = 6  # pieces of print: fewer, on a page whose words are known, are a logo or a signature


def judge_page(page: ParsedPage, evidence: Evidence) -> ParsedPage:
    """The page with findings on its blocks and on itself, their codes among the flags; earlier findings are replaced.

    A failed page is returned as it is.
    """
    if page.failure is not None:
        return page
    page = _unjudged(page)
    by_block, of_page = _findings(page, evidence)
    blocks = tuple(_with_findings(b, by_block.get(i, ())) for i, b in enumerate(page.blocks))
    codes = (f.code for f in of_page)
    return replace(page, blocks=blocks, findings=tuple(of_page), flags=tuple(dict.fromkeys((*page.flags, *codes))))


def judged(page: ParsedPage, evidence: Callable[[], Evidence]) -> ParsedPage:
    """``judge_page`` for parsers, the evidence gathered here: a fault of either costs no page, and is itself a finding."""
    try:
        return judge_page(page, evidence())
    except MemoryError:
        raise
    except Exception as exc:  # noqa: BLE001  whatever it is: what was read is worth more than what is thought of it
        reason = f"What was read could not be compared with the page: {type(exc).__name__}: {exc}."
        found = (*page.findings, Finding(NOT_JUDGED, reason))
        return replace(page, findings=found, flags=tuple(dict.fromkeys((*page.flags, NOT_JUDGED))))


def wants_look(page: ParsedPage) -> bool:
    """Whether a person should see the page: it failed, or there is a finding on it or on one of its blocks."""
    return page.failure is not None or bool(page.findings) or any(b.findings for b in page.blocks)


def _findings(page: ParsedPage, evidence: Evidence) -> tuple[_ByBlock, list[Finding]]:
    found = check_text(page, compared=evidence.words is not None)
    of_page: list[Finding] = []
    if evidence.words is not None:
        by_words, missing = check_words(page, evidence.words)
        found = _joined(found, by_words, page.blocks)
        of_page += missing
    if evidence.ink is not None:
        by_ink, uncovered = check_ink(page, evidence.ink)
        if evidence.words is None:
            found = _added(found, by_ink)
        of_page += [f for f in uncovered if evidence.words is None or len(f.regions) >= _LOGO]
    sums = {
        i: checked_sums(b, read=evidence.words is not None and i not in found)
        for i, b in enumerate(page.blocks)
        if b.table
    }
    return _added(found, {i: some for i, some in sums.items() if some}), of_page


def _joined(by_text: _ByBlock, by_words: _ByBlock, blocks: Sequence[Block]) -> _ByBlock:
    """Both; a loop is one only where the text layer does not repeat itself too, and then is told once."""
    kept: _ByBlock = {}
    for i, some in by_text.items():
        alone = blocks[i].kind in UNCOMPARED or any(f.code == "text_disagrees" for f in by_words.get(i, ()))
        kept[i] = [f for f in some if f.code != LOOP or alone]
    loops = {i for i, some in kept.items() if any(f.code == LOOP for f in some)}
    told = {i: [f for f in some if i not in loops or f.code != "text_disagrees"] for i, some in by_words.items()}
    return _added(kept, told)


def _added(a: _ByBlock, b: _ByBlock) -> _ByBlock:
    return {i: [*a.get(i, ()), *b.get(i, ())] for i in sorted({*a, *b})}


def _with_findings(block: Block, found: Iterable[Finding]) -> Block:
    some = tuple(found)
    if not some:
        return block
    return replace(block, findings=some, flags=tuple(dict.fromkeys((*block.flags, *(f.code for f in some)))))


def _unjudged(page: ParsedPage) -> ParsedPage:
    """Without the findings of an earlier judgement, and their codes."""
    blocks = tuple(
        replace(b, findings=(), flags=_without(b.flags, b.findings)) if b.findings else b for b in page.blocks
    )
    return replace(page, blocks=blocks, findings=(), flags=_without(page.flags, page.findings))


def _without(flags: tuple[str, ...], findings: tuple[Finding, ...]) -> tuple[str, ...]:
    codes = {f.code for f in findings}
    return tuple(f for f in flags if f not in codes or f.startswith("output_"))
