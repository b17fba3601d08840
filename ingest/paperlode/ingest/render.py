"""A document as Markdown or HTML, block by block, so that a long one streams.

Markdown is for reading: running headers and page numbers are left out unless asked for. HTML holds everything, each
element with its 0-based page and box (``data-page``, ``data-box``: points, origin top left), its layer and its kind, its
name (``id`` and ``data-ref``), its flags and the codes of its findings. Captions stand in one ``figure`` with what they
belong to, notes lead to the block that calls them. A page that failed is named in both.
"""

from __future__ import annotations

import re
from html import escape
from typing import TYPE_CHECKING

from paperlode.ingest.document import Block, Cell, Kind, Layer, PageBox, ParsedDocument, Table
from paperlode.ingest.table_headers import rows_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["html_blocks", "markdown_blocks", "table_html", "table_markdown", "to_html", "to_markdown"]

_LINE_START = re.compile(r"^(\s*)(#{1,6}(?=\s)|[>+-](?=\s)|(?:={3,}|-{3,}|~{3,}))", re.MULTILINE)
_NUMBERED = re.compile(r"^(\s*\d{1,9})([.)])(?=\s)", re.MULTILINE)
_INLINE = re.compile(r"([\\`*_\[\]])")
_BULLET = re.compile(r"^\s*(?:[•▪●○◦‣·–—*-])\s+")
_TAGS = {
    Kind.TITLE: "h1",
    Kind.LIST_ITEM: "li",
    Kind.FIGURE: "figure",
    Kind.CHART: "figure",
    Kind.SEAL: "figure",
    Kind.CODE: "pre",
    Kind.ASIDE: "aside",
    Kind.FOOTNOTE: "aside",
    Kind.PAGE_HEADER: "header",
    Kind.PAGE_FOOTER: "footer",
    Kind.PAGE_NUMBER: "footer",
}
_STYLE = (
    "body{font-family:sans-serif;max-width:50rem;margin:2rem auto;padding:0 1rem;line-height:1.5}"
    "figure{margin:1rem 0}aside a{text-decoration:none}"
    "table{border-collapse:collapse}td,th{border:1px solid #bbb;padding:.2rem .5rem;text-align:left}"
    "caption{text-align:left;white-space:pre-line}"
    "header,footer,aside,figcaption{color:#666;font-size:.85rem}.failed{color:#a00}p,li{white-space:pre-line}"
)


def to_markdown(document: ParsedDocument, *, furniture: bool = False) -> str:
    """The document as GitHub-flavoured Markdown. Tables with spans or several header rows stand as HTML."""
    failed = [
        f"> Page {p.page + 1} could not be read: {_plain(p.failure.message)}" for p in document.pages if p.failure
    ]
    return "\n\n".join([*failed, *markdown_blocks(document.blocks, furniture=furniture)]) + "\n"


def markdown_blocks(blocks: Iterable[Block], *, furniture: bool = False) -> Iterator[str]:
    """Each block as a paragraph of Markdown, without the blank line between; blocks without text give nothing."""
    for b in blocks:
        if b.layer is Layer.FURNITURE and not furniture:
            continue
        if b.table is not None:
            yield table_markdown(b.table)
        elif b.text.strip():
            yield _markdown(b)


def _markdown(block: Block) -> str:
    text = block.text.strip()
    if block.kind is Kind.TITLE:
        return "# " + _plain(text)
    if block.kind is Kind.HEADING:
        return "#" * min(6, (block.level or 1) + 1) + " " + _plain(text)
    if block.kind is Kind.LIST_ITEM:
        return "- " + "\n  ".join(_safe(_BULLET.sub("", text)).splitlines())
    if block.kind is Kind.FORMULA:
        return f"$$\n{text}\n$$" if "$$" not in text else _fenced(text)
    if block.kind is Kind.CODE:
        return _fenced(text)
    if block.kind is Kind.CAPTION:
        return f"*{_plain(text)}*"
    if block.layer is not Layer.BODY or block.kind is Kind.ASIDE:
        return "\n".join("> " + line for line in _safe(text).splitlines())
    return _safe(text)


def _fenced(text: str) -> str:
    longest = max((len(m.group()) for m in re.finditer(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}\n{text}\n{fence}"


def _plain(text: str) -> str:
    return _safe(" ".join(text.split()))


def _safe(text: str) -> str:
    """The text so that Markdown shows it as it is."""
    out = _INLINE.sub(r"\\\1", text.replace("&", "&amp;").replace("<", "&lt;"))
    return _NUMBERED.sub(r"\1\\\2", _LINE_START.sub(r"\1\\\2", out))


def table_markdown(table: Table) -> str:
    """The table with pipes; with spans or more than one header row as HTML, which Markdown lets through."""
    if (
        not table.rows
        or not table.cols
        or table.header_rows > 1
        or any(c.row_span > 1 or c.col_span > 1 for c in table.cells)
    ):
        return table_html(table, places=False)
    grid = [[_plain(t).replace("|", "\\|") for t in row] for row in table.grid()]
    if not table.header_rows:
        grid.insert(0, [""] * table.cols)
    lines = ["| " + " | ".join(row) + " |" for row in grid]
    lines.insert(1, "|" + " --- |" * table.cols)
    caption = [f"*{_plain(table.caption)}*\n"] if table.caption.strip() else []
    return "\n".join([*caption, *lines])


def to_html(document: ParsedDocument) -> str:
    """The document as one HTML page, everything escaped, nothing left out."""
    name = escape(document.source.name)
    failed = "".join(
        f'<p class="failed" data-page="{p.page}">Page {p.page + 1} could not be read: {escape(p.failure.message)}</p>\n'
        for p in document.pages
        if p.failure
    )
    head = f'<meta charset="utf-8"><title>{name}</title><style>{_STYLE}</style>'
    body = "\n".join(html_blocks(document.blocks))
    return f"<!doctype html>\n<html><head>{head}</head><body>\n{failed}{body}\n</body></html>\n"


def html_blocks(blocks: Iterable[Block]) -> Iterator[str]:
    """Each block as one HTML element; runs of list items stand in one list, a float and its captions in one figure.

    Only captions right before or after what they are linked to can stand with it; others are paragraphs.
    """
    run: list[Block] = []
    for b in blocks:
        if run and not _goes_with(run, b):
            yield _run(run)
            run = []
        run.append(b)
    if run:
        yield _run(run)


def _goes_with(run: list[Block], block: Block) -> bool:
    """Whether a block is put into one element with those before it: items of a list, a float and its captions."""
    if _is_item(run[-1]) or _is_item(block):
        return _is_item(run[-1]) and _is_item(block)
    anchor = next((b.ref for b in run if not _captioned(b)), "")
    target = _captioned(run[0]) or anchor
    if not target or (anchor and anchor != target):
        return False
    return _captioned(block) == target or (not anchor and block.ref == target)


def _is_item(block: Block) -> bool:
    return block.kind is Kind.LIST_ITEM and block.layer is Layer.BODY


def _captioned(block: Block) -> str:
    """The name of what the block is the caption of; empty for none."""
    if block.kind is not Kind.CAPTION:
        return ""
    return next((k.target for k in block.links if k.relation == "caption" and k.target != block.ref), "")


def _run(run: list[Block]) -> str:
    if _is_item(run[0]):
        return "<ul>" + "".join(_element(b) for b in run) + "</ul>"
    at = next((i for i, b in enumerate(run) if not _captioned(b)), None)
    if len(run) == 1 or at is None:
        return "\n".join(_element(b) for b in run)
    captions = [_caption(b) for i, b in enumerate(run) if i != at]
    caption = f"<figcaption>{''.join(captions)}</figcaption>"
    anchor = run[at]
    own = _tag(anchor) == "figure"
    inside = escape(anchor.text.strip()) if own else _element(anchor)
    return f"<figure{_where(anchor) if own else ''}>" + (caption + inside if at else inside + caption) + "</figure>"


def _caption(block: Block) -> str:
    return f"<p{_where(block)}><em>{escape(block.text.strip())}</em>{_calls(block)}</p>"


def _element(block: Block) -> str:
    where = _where(block)
    if block.table is not None:
        return table_html(block.table, where)
    if block.kind is Kind.CAPTION:
        return _caption(block)
    text = escape(block.text.strip())
    if block.kind is Kind.FORMULA:
        return f'<p{where}><code class="formula">{text}</code></p>'
    tag = _tag(block)
    return f"<{tag}{where}>{text}{_calls(block)}</{tag}>"


def _tag(block: Block) -> str:
    if block.table is not None:
        return "table"
    if block.kind is Kind.HEADING:
        return f"h{min(6, max(1, block.level or 1) + 1)}"
    tag = _TAGS.get(block.kind, "p")
    return "p" if tag == "li" and block.layer is not Layer.BODY else tag


def _calls(block: Block) -> str:
    """Links from a note to the places that call it, one for each block."""
    targets = dict.fromkeys(k.target for k in block.links if k.relation == "note")
    return "".join(f' <a href="#{escape(t)}" data-relation="note">↩</a>' for t in targets)


def _where(block: Block) -> str:
    """The attributes of a block's element: name, kind, layer, place, flags, findings."""
    ref = f' id="{escape(block.ref)}" data-ref="{escape(block.ref)}"' if block.ref else ""
    out = f'{ref} data-kind="{block.kind.value}" data-layer="{block.layer.value}"{_places(block.regions)}'
    if block.flags:
        out += f' data-flags="{escape(" ".join(block.flags))}"'
    if block.findings:
        out += f' data-findings="{escape(" ".join(dict.fromkeys(f.code for f in block.findings)))}"'
    return out


def _places(regions: tuple[PageBox, ...]) -> str:
    if not regions:
        return ""
    boxes = ";".join(f"{r.page}:" + ",".join(f"{v:g}" for v in r.box) for r in regions)
    return f' data-page="{regions[0].page}" data-box="{boxes}"'


def table_html(table: Table, attributes: str = "", *, places: bool = True) -> str:
    """The table with spans, header cells and caption; each cell with its place when it is known, unless ``places`` is off.

    Places of the grid that no cell covers become empty cells, so that columns stay under each other.
    """
    covered = {(r, c) for x in table.cells for r in range(x.row, x.row_end + 1) for c in range(x.col, x.col_end + 1)}
    out = [f"<table{attributes}>"]
    if table.caption.strip():
        out.append(f"<caption>{escape(table.caption)}</caption>")
    for r, cells in enumerate(rows_of(table)):
        tag = "th" if r < table.header_rows else "td"
        tags = {c.col: _cell(tag, c, places=places) for c in cells}
        tags |= {c: f"<{tag}></{tag}>" for c in range(table.cols) if (r, c) not in covered}
        out.append("<tr>" + "".join(tags[c] for c in sorted(tags)) + "</tr>")
    return "\n".join([*out, "</table>"])


def _cell(tag: str, cell: Cell, *, places: bool) -> str:
    spans = f' rowspan="{cell.row_span}"' if cell.row_span > 1 else ""
    spans += f' colspan="{cell.col_span}"' if cell.col_span > 1 else ""
    place = _places((cell.region,)) if places and cell.region is not None else ""
    return f"<{tag}{spans}{place}>{escape(' '.join(cell.text.split()))}</{tag}>"
