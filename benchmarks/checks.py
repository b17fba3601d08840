"""Yes/no checks of what the local parser says about a page, scored as olmOCR-bench does.

    python benchmarks/checks.py --checks DIR [--only WORD] [--show] [--need N]

``DIR`` holds ``checks.jsonl`` and the PDFs in ``pdfs/``. Each file is parsed on the CPU, assembled and written as
Markdown without furniture; a check sees the Markdown of its page (the blocks that start there). Prints one line a check
and the totals by kind.

Rules. White space, quotes, dashes and Markdown's own marks are normalised first, as a reader sees the text.
``present``, ``absent``: the text stands in the page with at most ``max_diffs`` (default 0) edits; ``first_n`` and
``last_n`` look at that many characters only, ``case_sensitive`` is true unless said otherwise. ``order``: some place of
``before`` begins before some place of ``after``. ``table``: some cell of a Markdown or HTML table is ``cell``, and its
neighbours (``up``, ``down``, ``left``, ``right``) and headings (``top_heading``: a header cell over it, or the first
cell of its column; ``left_heading``: a header cell left of it, or the first cell of its row) are what is asked.
``math``: the LaTeX, token for token, is in a formula of the page; spacing, sizes, braces around one token and the order
of ``_`` and ``^`` do not count. olmOCR-bench compares rendered formulas instead, which is more lenient.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import unicodedata
from collections import Counter, defaultdict
from dataclasses import dataclass
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from paperlode.ingest.assembly import assemble
from paperlode.ingest.document import Source
from paperlode.ingest.parsing.local import LocalParser
from paperlode.ingest.render import markdown_blocks

_QUOTES = str.maketrans(
    dict.fromkeys("‘’‚‛", "'") | dict.fromkeys("“”„‟", '"') | dict.fromkeys("–—‑‒−", "-") | {"µ": "μ"}
)
_ESCAPED = re.compile(r"\\([\\`*_\[\]{}()#+\-.!|>=~])")
_TAG = re.compile(r"</?(?:table|caption|thead|tbody|tr|td|th|br|b|i|p|sup|sub)\b[^>]{0,200}>", re.IGNORECASE)


def normalised(text: str) -> str:
    """One line of text without Markdown's marks, as a reader sees it."""
    text = _TAG.sub(" ", text)
    text = re.sub(r"(?m)^\s*(?:#{1,6}|>|- )\s*", "", text)
    text = re.sub(r"(?<!\\)\*+|(?<!\\)(?<!\w)_+|(?<!\\)_+(?!\w)", "", text)
    text = unescape(_ESCAPED.sub(r"\1", text))
    return plain(text)


def plain(text: str) -> str:
    """White space single, quotes and dashes of one form, characters composed."""
    return " ".join(unicodedata.normalize("NFC", text).translate(_QUOTES).split())


def places(query: str, text: str, max_diffs: int) -> list[int]:
    """Where ``query`` ends in ``text`` with at most ``max_diffs`` edits (Sellers' algorithm), as end offsets."""
    if not query:
        return []
    if not max_diffs:
        return [m.start() + len(query) for m in re.finditer(f"(?={re.escape(query)})", text)]
    column = list(range(len(query) + 1))
    out = []
    for j, c in enumerate(text, 1):
        previous, column = column, [0]
        for i, q in enumerate(query, 1):
            column.append(min(previous[i] + 1, column[i - 1] + 1, previous[i - 1] + (q != c)))
        if column[-1] <= max_diffs:
            out.append(j)
    return out


def alike(a: str, b: str, max_diffs: int) -> bool:
    """Whether two short texts differ by at most ``max_diffs`` edits."""
    return a == b or (max_diffs > 0 and abs(len(a) - len(b)) <= max_diffs and len(b) in places(a, b, max_diffs))


@dataclass(frozen=True)
class Grid:
    """A table as text by place; a spanning cell stands in all its places, with the id of the cell it is."""

    text: dict[tuple[int, int], str]
    cell: dict[tuple[int, int], int]
    header: frozenset[tuple[int, int]]

    def step(self, at: tuple[int, int], by: tuple[int, int]) -> str | None:
        """The next cell in a direction, past the places of the cell itself."""
        r, c = at
        while (at2 := (r + by[0], c + by[1])) in self.text:
            r, c = at2
            if self.cell[at2] != self.cell[at]:
                return self.text[at2]
        return None

    def headings(self, at: tuple[int, int], by: tuple[int, int]) -> list[str]:
        """Header cells in a direction, and the outermost cell there that has text."""
        line = []
        r, c = at
        while (at2 := (r + by[0], c + by[1])) in self.text:
            r, c = at2
            if self.cell[at2] != self.cell[at] and self.text[at2]:
                line.append(at2)
        outer = set(line[-1:])
        return [self.text[p] for p in line if p in self.header or p in outer]


class _Tables(HTMLParser):
    """The HTML tables of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.grids: list[Grid] = []
        self._open: dict[str, Any] | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "table":
            self._open = {"text": {}, "cell": {}, "header": set(), "row": -1, "at": [], "in": False}
        t = self._open
        if t is None:
            return
        if tag == "tr":
            t["row"] += 1
        elif tag in ("td", "th"):
            given = dict(attrs)
            rows, cols = int(given.get("rowspan") or 1), int(given.get("colspan") or 1)
            r, c = t["row"], 0
            while (r, c) in t["text"]:
                c += 1
            number = len(set(t["cell"].values()))
            t["at"] = [(i, j) for i in range(r, r + rows) for j in range(c, c + cols)]
            for p in t["at"]:
                t["text"][p], t["cell"][p] = "", number
            if tag == "th":
                t["header"].update(t["at"])
            t["in"] = True

    def handle_data(self, data: str) -> None:
        if self._open and self._open["in"]:
            for p in self._open["at"]:
                self._open["text"][p] += data

    def handle_endtag(self, tag: str) -> None:
        t = self._open
        if t is None:
            return
        if tag in ("td", "th"):
            t["in"] = False
        elif tag == "table":
            texts = {p: plain(s) for p, s in t["text"].items()}
            self.grids.append(Grid(texts, t["cell"], frozenset(t["header"] | {p for p in texts if p[0] == 0})))
            self._open = None


def tables(markdown: str) -> list[Grid]:
    """All tables of the page, Markdown's and HTML's."""
    html = _Tables()
    html.feed(markdown)
    out = html.grids
    rows: list[list[str]] = []
    for line in [*markdown.split("\n"), ""]:
        if line.startswith("|"):
            rows.append([normalised(c) for c in re.split(r"(?<!\\)\|", line.strip())[1:-1]])
        elif rows:
            body = [r for r in rows if not all(re.fullmatch(r":?-{3,}:?", c) for c in r)]
            texts = {(i, j): c for i, r in enumerate(body) for j, c in enumerate(r)}
            out.append(Grid(texts, {p: n for n, p in enumerate(texts)}, frozenset(p for p in texts if p[0] == 0)))
            rows = []
    return out


_STEPS = {"up": (-1, 0), "down": (1, 0), "left": (0, -1), "right": (0, 1)}


def table_holds(check: dict[str, Any], markdown: str) -> str:
    """Empty when the check holds, else what was found instead."""
    diffs = int(check.get("max_diffs", 0))
    seen = []
    for grid in tables(markdown):
        for at, text in grid.text.items():
            if not alike(plain(check["cell"]), text, diffs):
                continue
            wrong = []
            for side, by in _STEPS.items():
                found = grid.step(at, by) if check.get(side) else None
                if check.get(side) and not (found is not None and alike(plain(check[side]), found, diffs)):
                    wrong.append(f"{side} is {found!r}")
            for side, by in (("top_heading", (-1, 0)), ("left_heading", (0, -1))):
                if check.get(side):
                    heads = grid.headings(at, by)
                    if not any(alike(plain(check[side]), h, diffs) for h in heads):
                        wrong.append(f"{side} is {heads}")
            if not wrong:
                return ""
            seen.append("; ".join(wrong))
    return " / ".join(dict.fromkeys(seen)) or "no such cell"


_TOKEN = re.compile(r"\\(?:[A-Za-z]+|.)|\S")
_UNSEEN = frozenset(
    [
        "\\left",
        "\\right",
        "\\,",
        "\\;",
        "\\:",
        "\\!",
        "\\quad",
        "\\qquad",
        "\\displaystyle",
        "\\textstyle",
        "\\limits",
        "\\nolimits",
        "~",
        "&",
        "\\\\",
        "\\big",
        "\\Big",
    ]
)
_SAME = {
    "\\boldsymbol": "\\mathbf",
    "\\bm": "\\mathbf",
    "\\varepsilon": "\\epsilon",
    "\\dfrac": "\\frac",
    "\\tfrac": "\\frac",
    "\\ne": "\\neq",
    "\\le": "\\leq",
    "\\ge": "\\geq",
    "\\to": "\\rightarrow",
    "*": "\\ast",
    "−": "-",
    "∫": "\\int",
    "∑": "\\sum",
    "∂": "\\partial",
    "∇": "\\nabla",
    "×": "\\times",
    "π": "\\pi",
    "⋅": "\\cdot",
    "∞": "\\infty",
}


def latex_tokens(latex: str) -> list[str]:
    """Tokens of a formula in one spelling: no spacing, every script in braces, ``_`` before ``^``."""
    found: list[str] = _TOKEN.findall(latex)
    raw = [_SAME.get(t, t) for t in found if t not in _UNSEEN]
    out, _ = _group(raw, 0)
    return out


def _atom(raw: list[str], i: int) -> tuple[list[str], int]:
    if i < len(raw) and raw[i] == "{":
        inner, i = _group(raw, i + 1)
        return inner, i
    return raw[i : i + 1], i + 1


def _group(raw: list[str], i: int) -> tuple[list[str], int]:
    out: list[str] = []
    while i < len(raw):
        t = raw[i]
        if t == "}":
            return out, i + 1
        if t in "_^":
            scripts = {}
            while i < len(raw) and raw[i] in "_^":
                mark = raw[i]
                inner, i = _atom(raw, i + 1)
                scripts[mark] = inner
            for mark in "_^":
                if mark in scripts:
                    out += [mark, "{", *scripts[mark], "}"]
        elif t == "{":
            inner, i = _group(raw, i + 1)
            out += inner
        elif t in ("\\frac", "\\sqrt", "\\mathbf", "\\mathrm", "\\overline", "\\hat", "\\vec", "\\text"):
            out.append(t)
            i += 1
            for _ in range(2 if t == "\\frac" else 1):
                inner, i = _atom(raw, i)
                out += ["{", *inner, "}"]
        else:
            out.append(t)
            i += 1
    return out, i


def formulas(markdown: str) -> list[str]:
    """LaTeX between dollar signs, single or double, or in backslash brackets."""
    found = re.findall(r"\$\$(.+?)\$\$|\\\[(.+?)\\\]|\\\((.+?)\\\)|(?<![\\$])\$([^$\n]+)\$", markdown, re.DOTALL)
    return [next(g for g in m if g) for m in found]


def math_holds(check: dict[str, Any], markdown: str) -> str:
    """Empty when the formula is there, else the formulas that are."""
    want = latex_tokens(check["math"])
    for f in formulas(markdown):
        have = latex_tokens(f)
        if any(have[i : i + len(want)] == want for i in range(len(have) - len(want) + 1)):
            return ""
    return " / ".join(" ".join(f.split()) for f in formulas(markdown)) or "no formulas"


def holds(check: dict[str, Any], markdown: str) -> str:
    """Empty when the check passes, else why not."""
    kind = check["type"]
    if kind == "table":
        return table_holds(check, markdown)
    if kind == "math":
        return math_holds(check, markdown)
    text = normalised(markdown)
    diffs = int(check.get("max_diffs", 0))
    if kind == "order":
        before = [e - len(plain(check["before"])) for e in places(plain(check["before"]), text, diffs)]
        after = [e - len(plain(check["after"])) for e in places(plain(check["after"]), text, diffs)]
        return "" if before and after and min(before) < max(after) else f"before at {before}, after at {after}"
    query = plain(check["text"])
    if not check.get("case_sensitive", True):
        query, text = query.lower(), text.lower()
    first, last = check.get("first_n"), check.get("last_n")
    if first and last:
        text = text[:first] + text[-last:]
    elif first or last:
        text = text[:first] if first else text[-int(last or 0) :]
    found = places(query, text, diffs)
    if kind == "present":
        return "" if found else "not there"
    return "" if not found else "there: " + repr(text[max(0, found[0] - len(query) - 40) : found[0] + 40])


def pages_of(parser: LocalParser, file: Path) -> dict[int, str]:
    """The Markdown of each page, 1-based, without furniture."""
    source = Source(str(file), file.name, "application/pdf", "", file.stat().st_size)
    blocks = defaultdict(list)
    for b in assemble(parser.parse(source, range(parser.page_count(source)))):
        blocks[b.page + 1].append(b)
    return {n: "\n\n".join(markdown_blocks(bs)) for n, bs in blocks.items()}


def main() -> None:
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--checks", type=Path, required=True)
    ap.add_argument("--only", default="", help="files whose name holds this word")
    ap.add_argument("--show", action="store_true", help="print each page's Markdown as well")
    ap.add_argument("--need", type=int, default=0, help="exit with 1 when fewer pass")
    a = ap.parse_args()
    lines = (a.checks / "checks.jsonl").read_text(encoding="utf-8").splitlines()
    checks = [c for line in lines if line.strip() and a.only in (c := json.loads(line))["pdf"]]
    parser = LocalParser(workers=1)
    passed, total = Counter[str](), Counter[str]()
    try:
        for name in dict.fromkeys(c["pdf"] for c in checks):
            pages = pages_of(parser, a.checks / "pdfs" / name)
            for c in (c for c in checks if c["pdf"] == name):
                why = holds(c, pages.get(c["page"], ""))
                total[c["type"]] += 1
                passed[c["type"]] += not why
                print(f"{'FAIL' if why else 'pass'} {c['type']:8} {c['id']}" + (f": {why[:300]}" if why else ""))
            if a.show:
                print("\n".join(f"--- {name} page {n}\n{m}" for n, m in sorted(pages.items())))
    finally:
        parser.close()
    for kind in sorted(total):
        print(f"{kind:8} {passed[kind]:3} of {total[kind]}")
    print(f"all      {sum(passed.values()):3} of {sum(total.values())}")
    sys.exit(1 if sum(passed.values()) < a.need else 0)


if __name__ == "__main__":
    main()
