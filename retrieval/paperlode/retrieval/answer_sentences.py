"""An answer's sentences with the numbers of the sources they cite, found while the answer is still being written."""

from __future__ import annotations

import re
from dataclasses import dataclass

__all__ = ["Sentence", "SentenceStream", "without_marks"]

_MARK = re.compile(r"\s?[\[【]\s*((?:(?:source|来源)?\s*\d{1,3}\s*(?:[,，、;]|-|–|and)?\s*)+)[\]】]", re.IGNORECASE)
_END = re.compile(
    r"(?:[.!?][\"'”’)*_]*(?P<a>(?:\s?[\[【][^\]】\n]{1,24}[\]】])*)(?=\s)"
    r"|[。！？；][”’」』）*_]*(?P<b>(?:\s?[\[【][^\]】\n]{1,24}[\]】])*)(?=[^\s\[【”’」』）])"
    r"|[。！？；][”’」』）*_]*(?:\s?[\[【][^\]】\n]{1,24}[\]】])*(?=\s)"
    r"|(?=\n))"
)
_STARTS = re.compile(r"\s+(?=[^\s\[【])")
_ABBREVIATION = re.compile(
    r"(?:\b(?:No|Nos|Inc|Corp|Ltd|Co|Mr|Ms|Mrs|Dr|vs|e\.g|i\.e|U\.S|St|Fig|Sec|Art|approx|Jan|Feb|Mar|Apr|Aug|Sept?|Oct|Nov|Dec|[A-Z])"
    r"|(?:^|\n)\s*\d{1,2})\.$"
)
_BULLET = re.compile(r"^\s*(?:[-*•·]|\d{1,2}[.)、](?=\s))\s*")
_THINKING = re.compile(r"<think(?:ing)?>.*?</think(?:ing)?>", re.DOTALL | re.IGNORECASE)
_OPEN_THINKING = re.compile(r"<think(?:ing)?>", re.IGNORECASE)
_MOST = 200
"""Marks of one sentence; a model that goes on for ever is not followed."""


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence as the model wrote it, without marks, and the sources it cites; ``lead`` is the white space before it."""

    text: str
    cited: tuple[int, ...]
    lead: str = ""
    written: str = ""


class SentenceStream:
    """Takes the pieces of an answer as they come, gives its sentences as they are complete.

    A sentence is complete when the next one begins: its marks may stand behind its full stop. What a model thinks aloud
    (``<think>``) is left out.
    """

    def __init__(self) -> None:
        self._held = ""
        self._thought = False

    def add(self, piece: str) -> list[Sentence]:
        """The sentences that ``piece`` completes."""
        self._held += piece
        if not self._thought:
            if len(self._held.lstrip()) < len("<thinking>") and "<thinking>".startswith(self._held.lstrip().lower()):
                return []
            stripped = _THINKING.sub("", self._held)
            if _OPEN_THINKING.search(stripped):
                return []
            self._held, self._thought = stripped, True
        out: list[Sentence] = []
        while (at := self._boundary()) > 0:
            done, self._held = self._held[:at], self._held[at:]
            out += _sentences(done)
        return out

    def end(self) -> list[Sentence]:
        """What is left when nothing more comes."""
        rest = _THINKING.sub("", self._held)
        opened = _OPEN_THINKING.search(rest)
        rest = rest[: opened.start()] if opened else rest
        self._held = ""
        return _sentences(rest)

    def _boundary(self) -> int:
        """Where the first sentence ends, 0 while that is not known."""
        for m in _END.finditer(self._held):
            at = m.end()
            if not self._held[:at].strip() or _ABBREVIATION.search(self._held[:at].rstrip("\"'”’)*_")):
                continue
            rest = self._held[at:]
            if rest.startswith("\n") or (rest and not rest[0].isspace()):
                following = re.match(r"\s*[\[【]", rest)
                if following is None and (not rest.startswith("\n") or _STARTS.match(rest)):
                    return at
                continue
            if _STARTS.match(rest):
                return at
        return 0


def without_marks(text: str) -> tuple[str, tuple[int, ...]]:
    """The text without its citation marks, and the numbers in them, each once, in order."""
    cited: list[int] = []
    for m in _MARK.finditer(text):
        numbers = [int(n) for n in re.findall(r"\d+", m[1])]
        if re.search(r"\d\s*[-–]\s*\d", m[1]) and len(numbers) == 2 and numbers[0] < numbers[1] < numbers[0] + 20:
            numbers = list(range(numbers[0], numbers[1] + 1))
        cited += numbers
        if len(cited) > _MOST:
            break
    return _MARK.sub("", text), tuple(dict.fromkeys(cited))


def _sentences(text: str) -> list[Sentence]:
    body = text.strip()
    if not body:
        return []
    lead = text[: len(text) - len(text.lstrip())]
    plain, cited = without_marks(body)
    plain = re.sub(r"[*_`]{2,}|(?<!\w)[*_`](?=\w)|(?<=\w)[*_`](?!\w)", "", _BULLET.sub("", plain)).strip()
    if not any(c.isalnum() for c in plain) and not cited:
        return []
    return [Sentence(plain, cited, lead, body)]
