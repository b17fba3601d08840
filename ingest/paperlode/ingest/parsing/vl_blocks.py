"""What was read of a page's parts becomes its blocks."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import replace
from typing import TYPE_CHECKING

from paperlode.ingest.document import Block, Box, Cell, Kind, Line, PageBox, Table
from paperlode.ingest.parsing.judge import Answer
from paperlode.ingest.parsing.layout_labels import meaning_of
from paperlode.ingest.parsing.otsl import parse_otsl
from paperlode.ingest.parsing.outline import heading_level
from paperlode.ingest.parsing.print_lines import lines_in
from paperlode.ingest.parsing.vl_outputs import clean_formula, clean_seal, clean_table, clean_text, parse_chart
from paperlode.ingest.parsing.vl_spotting import spotted_blocks
from paperlode.ingest.vllm.values import Task

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from paperlode.ingest.parsing.layout import Region
    from paperlode.ingest.parsing.vl_plan import Part
    from paperlode.ingest.parsing.vl_text_layer import RegionText

__all__ = ["own_answer", "page_blocks", "region_block"]

_LINE = 1.35  # heights of a line of print over its font size
_BODY_LABELS = frozenset({"text", "abstract", "reference_content"})
_WORD = re.compile(r"[^\W_]+")


def own_answer(own: RegionText) -> Answer:
    """The answer for a region whose text is taken from the page's text layer: not recognised, so without confidence."""
    return Answer((own.text,), plain=True)


def page_blocks(parts: Sequence[Part], answers: Sequence[Answer], *, page: int, scale: float) -> tuple[Block, ...]:
    """The blocks of all parts, in their order, boxes in points of the upright page.

    Left out is a text inside a chart that the chart's own answer says too; never a caption.

    Args:
        parts: in pixels.
        answers: one a part.
        page: 0-based.
        scale: points a pixel.
    """
    read = list(zip(parts, answers, strict=True))
    body = _body_size(read, scale)
    one_each = [_block(p, a, page=page, scale=scale, body=body) for p, a in read]
    charts = [(p.region, b) for p, b in zip(parts, one_each, strict=True) if p.region.label == "chart" and b]
    out: list[Block] = []
    for (part, answer), block in zip(read, one_each, strict=True):
        if part.task is Task.SPOTTING:
            size = (part.region.box.x1, part.region.box.y1)
            others = [p.region.box for p in parts if p.task is not None and p is not part]
            out += spotted_blocks(answer, size, page, scale=scale, read=others, flags=part.flags)
        elif block is not None and not _said_by_chart(part, block, charts):
            out.append(block)
    return tuple(out)


def _block(part: Part, answer: Answer, *, page: int, scale: float, body: float) -> Block | None:
    if part.task is Task.SPOTTING:
        return None
    block = region_block(part.region, answer, page=page, scale=scale, body=body)
    if part.own is not None:
        block = replace(block, lines=_own_lines(part.own, block.text, page))
    if part.figures:
        block = _without_tokens(block, [token for token, _ in part.figures])
    return replace(block, flags=(*part.flags, *block.flags))


def _own_lines(own: RegionText, text: str, page: int) -> tuple[Line, ...]:
    out: list[Line] = []
    at = 0
    for said, box in own.lines:
        out.append(Line(at, at + len(said), PageBox(page, box.rounded())))
        at += len(said) + 1
    return tuple(out) if text == own.text else ()


def _without_tokens(block: Block, tokens: Sequence[str]) -> Block:
    """The words that stood for figures taken out of the table; ``raw`` keeps them."""
    any_token = re.compile(" ?(?:" + "|".join(map(re.escape, tokens)) + ")")
    if block.table is None:
        return replace(block, text=any_token.sub("", block.text).strip())
    cells = tuple(replace(c, text=any_token.sub("", c.text).strip()) for c in block.table.cells)
    table = replace(block.table, cells=cells)
    return replace(block, table=table, text=table.to_text())


def _said_by_chart(part: Part, block: Block, charts: Iterable[tuple[Region, Block]]) -> bool:
    """Whether a text in a chart says nothing, or nothing that the chart's answer does not say."""
    if part.chart is None or part.region.label == "figure_title":
        return False
    if not block.text:
        return set(block.flags) <= {*part.flags, "blank"}  # an error is kept, flagged
    answered = [b.text for r, b in charts if (r.label, r.box) == (part.chart.label, part.chart.box)]
    words = _words("\n".join(answered))
    whole = "".join(words)
    known = set(words)
    return all(w in known if w.isascii() else w in whole for w in _words(block.text))


def _words(text: str) -> list[str]:
    return _WORD.findall(unicodedata.normalize("NFKC", text).casefold())


def _body_size(read: Sequence[tuple[Part, Answer]], scale: float) -> float:
    """Height in points of the page's lines of running text, as a font size; 10 where there is none."""
    sizes = sorted(
        p.region.box.height * scale / (text.count("\n") + 1) / _LINE
        for p, a in read
        if p.region.label in _BODY_LABELS and p.task is Task.OCR and (text := "\n".join(a.texts))
    )
    return sizes[len(sizes) // 2] if sizes else 10.0


def region_block(region: Region, answer: Answer, *, page: int, scale: float, body: float = 10.0) -> Block:
    """The block of a region, nothing of the answer left out.

    Args:
        region: in pixels.
        answer: what was read of it.
        page: 0-based.
        scale: points a pixel.
        body: font size in points of the page's running text, for the levels of headings.
    """
    meaning = meaning_of(region.label)
    where = PageBox(page, Box(*(v * scale for v in region.box)).rounded())
    block = Block(meaning.kind, "", (where,), meaning.layer, confidence=answer.confidence, flags=answer.flags)
    joined = "\n".join(answer.texts).strip()
    if not joined:
        return block
    if answer.plain:
        return _levelled(_lined(replace(block, text=joined), answer), body)
    if meaning.kind is Kind.TABLE:
        return _table(block, answer, joined)
    if meaning.kind is Kind.CHART:
        chart = parse_chart(joined)
        return replace(block, text=chart.to_text() if chart else joined, table=chart, raw=joined)
    if meaning.kind is Kind.FORMULA:
        return replace(block, text=clean_formula(joined), raw=joined)
    if meaning.kind is Kind.SEAL:
        return replace(block, text=clean_seal(joined))
    return _levelled(_lined(replace(block, text=clean_text(joined)), answer), body)


def _lined(block: Block, answer: Answer) -> Block:
    return replace(block, lines=lines_in(block.text, answer.bands, block.regions[0]))


def _levelled(block: Block, body: float) -> Block:
    """A heading with its level: from its number, else from the height of its lines."""
    if block.kind is Kind.TITLE:
        return replace(block, level=1)
    if block.kind is not Kind.HEADING:
        return block
    lines = block.text.count("\n") + 1
    size = block.regions[0].box.height / lines / _LINE
    return replace(block, level=heading_level(block.text, size=size, body=body))


def _table(block: Block, answer: Answer, raw: str) -> Block:
    """The table of all parts, one below the other; without cells in the output, its text and a flag."""
    tables = [t for text in answer.texts if (t := parse_otsl(text))]
    if len(tables) < len(answer.texts) or not tables:
        return replace(block, text=raw, raw=raw, flags=(*block.flags, "output_no_table"))
    table = tables[0]
    for part in tables[1:]:
        table = _below(table, part)
    table = clean_table(table)
    return replace(block, text=table.to_text(), table=table, raw=raw)


def _below(upper: Table, lower: Table) -> Table:
    """Both as one grid. The lower one was cut off between rows: its first rows are no header."""
    moved: list[Cell] = [replace(c, row=c.row + upper.rows) for c in lower.cells]
    return replace(upper, rows=upper.rows + lower.rows, cols=max(upper.cols, lower.cols), cells=(*upper.cells, *moved))
