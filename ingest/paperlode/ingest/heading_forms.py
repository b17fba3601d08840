"""What the words of a heading look like, and what looks like one and is none."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from paperlode.ingest.numbering import number_of
from paperlode.ingest.table_headers import is_units_line

if TYPE_CHECKING:
    from paperlode.ingest.document import Block

__all__ = ["ends_in_phrase", "is_bare_label", "is_no_heading", "is_signed", "names_document", "reads_as_title"]

MOST_WORDS = 14
"""Words of a title without capitals throughout."""
_SMALL = frozenset(
    re.findall(
        r"\w+",
        "a an and as at but by de en for from if in into its nor of off on onto or our over per than that the their this to "
        "under up upon via vs with within without your",
    )
)
_WORD = re.compile(r"[^\W\d_][\w'’&-]*")
_MONTH = r"(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\.?"
_PERIODS = re.compile(
    r"for|the|fiscal|calendar|three|six|nine|twelve|months?|quarters?|years?|ended|ending|as|of|at|and|in|vs|increase|decrease"
    rf"|total|change|unaudited|audited|restated|millions?|thousands?|billions?|except|per|share|data|{_MONTH}|\d+",
    re.IGNORECASE,
)
"""Words of column headers: periods, units, changes."""
_FORM_FIELD = re.compile(
    r"(?:by|name|title|date|attn|attention|signature|signed|witness|its|dated|tel|fax|address|re)\s*[:_]|.*_{4,}|.*\.{4,}|.*-{6,}"
    r"|(?:table|figure|fig\.|chart|graph)\s+\d{1,3}(?:[.\-]\d{1,3})?\s*[:.\-–—]"
    r"|(?:by and )?between|and|among|in witness whereof.*|(?:english )?translation"
    r"|\(?seal\)?|total:.*|(?:strictly )?confidential",
    re.IGNORECASE,
)
_SIGNATURE = re.compile(r"(?:by|name|signature|signed|title)\s*[:_]|/s/|_{5,}", re.IGNORECASE)
_RUNNING_WORD = re.compile(
    r"(?:\d{1,4}\W*)?(?:(?:[\w.&-]{1,20} ){0,2}confidential|draft|execution (?:copy|version))?\W*", re.IGNORECASE
)
_DATE = re.compile(
    rf"(?:dated\s+(?:as\s+of\s+)?)?(?:{_MONTH}\s+\d{{1,2}},?\s+(?:19|20)\d\d|\d{{1,2}}\s+{_MONTH},?\s+(?:19|20)\d\d)",
    re.IGNORECASE,
)
_LABELS = re.compile(r"\b(?:exhibit|annex|appendix|schedule|attachment)\s+(?:[A-Z]\b|\d)", re.IGNORECASE)
_TO = re.compile(r"\bto\s+(?:the\s+)?(?:exhibit|annex|appendix|schedule|attachment)", re.IGNORECASE)
_CONFIDENTIAL = re.compile(
    r"confidential\s+(?:treatment|portions?|information)\b.*\b(?:request|omitted|redacted|filed)", re.IGNORECASE
)
_DOCUMENT = re.compile(
    r"\b(?:agreement|contract|amendment|lease|licen[cs]e|policy|plan|indenture|deed|memorandum|charter|by-?laws|certificate|"
    r"report|form\s+\d{1,2}-[a-z]\b|statement of work|terms (?:and|of)|guarant[ey]e?|settlement"
    r"|prospectus|proxy statement)\b"
    r"|协议|合同|报告|章程|说明书|公告",
    re.IGNORECASE,
)


def reads_as_title(text: str) -> bool:
    """Whether a few words are set as titles are: capitals throughout, or every word of weight with a capital."""
    text = text.strip()
    if (
        not text
        or text[0] in "([•-–—"
        or re.search(r"\d\.\d", text)
        or text.endswith((",", ";", ":", "—"))
        or len(text) > 160
    ):
        return False
    words = _WORD.findall(text)
    if not words:
        return any("\u3400" <= c <= "\u9fff" for c in text) and len(text) <= 30 and text[-1] not in "。，；"
    if text.upper() == text:
        return True
    weighty = [w for w in words if w.lower() not in _SMALL]
    capital = sum(w[0].isupper() for w in weighty)
    inner = re.search(r"[a-z]{2}[.?!]\s+\S", text)
    return (
        len(words) <= MOST_WORDS
        and not inner
        and words[0][0].isupper()
        and capital >= max(1, round(0.8 * len(weighty)))
    )


def ends_in_phrase(text: str) -> bool:
    """Whether a row of a heading breaks off at a word that wants another: ``RESULTS OF``."""
    words = re.findall(r"\w+$", text.rstrip()[-40:])
    return bool(words and words[0].lower() in _SMALL) or text.rstrip().endswith((",", "&", "–", "—"))


def is_bare_label(text: str) -> bool:
    """Whether a heading is only a label and number (``ARTICLE III``, ``Exhibit A``), its title elsewhere."""
    text = " ".join(text[:64].split())
    number = number_of(text)
    bare = number is not None and number.form in (
        "part",
        "exhibit",
        "item",
        "article",
        "section",
        "zh_part",
        "zh_chapter",
    )
    return bare and number is not None and not text[number.end :].strip(" .:-–—")


def is_no_heading(block: Block, text: str) -> bool:
    """Whether what a parser took for a heading is none: a line of a form, part of a table's head, a formula, a sentence."""
    letters = sum(c.isalpha() for c in text)
    if not letters or letters < 0.4 * sum(not c.isspace() for c in text):
        return True
    if text[0].islower() and number_of(text) is None:
        return True
    if text.endswith(("—", "–", "-", ",", ";", " means:", " mean:")) or "=" in text:
        return True
    if is_units_line(text) or _of_a_table(text) or _DATE.fullmatch(text) or _form_line(text):
        return True
    if _CONFIDENTIAL.search(text) or (len(_LABELS.findall(text)) > 1 and not _TO.search(text)):
        return True
    if text[0] in "[［" and text[-1] in "]］" and not reads_as_title(text[1:-1]):
        return True
    number = number_of(text)
    rest = text[number.end :].strip() if number else text
    if _RUNNING_WORD.fullmatch(rest) and (number is None or number.form == "decimal"):
        return True
    sentence = text.endswith((".", "。")) and len(_WORD.findall(rest)) > 1
    return sentence and not block.bold and (number is None or not reads_as_title(rest))


def names_document(text: str) -> bool:
    """Whether a line of a first page is what the document is called: it says agreement, report, plan and is no sentence."""
    if not 3 < len(text) <= 200 or text.endswith((".", ":", ";", ",")) or number_of(text) is not None:
        return False
    return bool(_DOCUMENT.search(text)) and reads_as_title(text) and not _CONFIDENTIAL.search(text) and ":" not in text


def is_signed(text: str) -> bool:
    """Whether a block opens with the lines of a signature: what stands over it is a name."""
    return _SIGNATURE.match(text) is not None


def _form_line(text: str) -> bool:
    m = _FORM_FIELD.match(text)
    return m is not None and (m.end() == len(text) or m.group()[-1] in ":_.-–—")


def _of_a_table(text: str) -> bool:
    """Whether a line has only words and figures that head columns; one such word alone may head a section."""
    words = re.findall(r"\w+", text)
    return len(words) > 1 and all(_PERIODS.fullmatch(w) for w in words)
