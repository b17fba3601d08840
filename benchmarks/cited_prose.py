"""Sentences of running text said in other words, and with planted faults; beside ``cited_answers``, for text."""

from __future__ import annotations

import re
from decimal import Decimal
from itertools import pairwise
from typing import TYPE_CHECKING

from cited_answers import DAY, YEAR, Case

if TYPE_CHECKING:
    from collections.abc import Iterator
    from random import Random

    from paperlode.ingest.document import Chunk

__all__ = ["cases_of_prose"]

NUMBER_WORDS = (
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
)
FIGURE = re.compile(
    r"(?<![\w.,/-])\$?\d[\d,]*(?:\.\d+)?(?:\s(?:million|billion|thousand)\b|%|\spercent\b)?(?![\w/-]|[.,]\d)"
)


def cases_of_prose(sentence: str, chunk: Chunk, rng: Random) -> Iterator[Case]:
    """A sentence of the source said in other words, and the same with one fault in its figures."""
    figures = [m for m in FIGURE.finditer(sentence) if not YEAR.fullmatch(m[0]) and len(re.sub(r"\D", "", m[0])) > 1]
    if not 40 <= len(sentence) <= 320 or not figures or "[" in sentence:
        return
    lead = rng.choice(("According to the filing, ", "The document states that ", "As disclosed, ", ""))
    body = sentence.rstrip(".。 ")
    if lead and body[:1].isupper() and body[1:2].islower():
        body = body[0].lower() + body[1:]
    kind, said = _reworded(body, rng)
    yield Case(kind, True, f"{lead}{said} [1].", chunk)
    fault, wrong = _faulty(body, rng)
    if wrong and wrong != body:
        yield Case(fault, False, f"{lead}{wrong} [1].", chunk)


def _reworded(body: str, rng: Random) -> tuple[str, str]:
    ways = [("as printed", body)]
    if "%" in body:
        ways.append(("percent in words", re.sub(r"(\d)%", r"\1 percent", body)))
    if m := re.search(r"\$(\d+(?:\.\d+)?) billion", body):
        millions = Decimal(m[1]) * 1000
        ways.append(("other scale word", body.replace(m[0], f"${millions:,.0f} million", 1)))
    if m := DAY.search(body):
        ways.append(("date in another form", body.replace(m[0], f"{m[2]} {m[1]} {m[3]}", 1)))
    if m := re.search(
        r"(?<![\d,.$-])([2-9]|1[0-2]) (?=years|months|days|stores|countries|segments|employees|states)", body
    ):
        ways.append(("number in words", body.replace(m[0], f"{NUMBER_WORDS[int(m[1])]} ", 1)))
    if len(body.split()) > 12:
        words = body.split()
        part = " ".join(words[2:9])
        if not re.search('["“”‘]', body):
            ways.append(("quoted phrase", f"The filing says “{part}” among other things"))
    return rng.choice(ways[1:] or ways) if rng.random() < 0.7 else ways[0]


def _faulty(body: str, rng: Random) -> tuple[str, str]:
    figures = [m for m in FIGURE.finditer(body) if not YEAR.fullmatch(m[0]) and len(re.sub(r"\D", "", m[0])) > 1]
    days = {(m.start(2), m.end(2)) for m in DAY.finditer(body)}
    figures = [m for m in figures if not any(s <= m.start() < e for s, e in days)]
    ways: list[tuple[str, str]] = []
    if figures:
        m = rng.choice(figures)
        spots = [i for i in range(m.start(), m.end()) if body[i].isdigit()]
        i = rng.choice(spots)
        new = rng.choice([d for d in "123456789" if d != body[i]])
        ways.append(("digit changed in text", body[:i] + new + body[i + 1 :]))
        pairs = [(a, b) for a, b in pairwise(spots) if body[a] != body[b] and body[b] != "0"]
        if pairs:
            a, b = rng.choice(pairs)
            out = list(body)
            out[a], out[b] = out[b], out[a]
            ways.append(("digits transposed in text", "".join(out)))
    if " million" in body or " billion" in body:
        swap = {"million": "billion", "billion": "million"}
        m2 = rng.choice(list(re.finditer(r"(?<=\d )(million|billion)", body)) or [None])  # type: ignore[list-item]
        if m2:
            ways.append(("scale wrong in text", body[: m2.start()] + swap[m2[1]] + body[m2.end() :]))
    if m := DAY.search(body):
        day = int(m[2])
        wrong = day - 3 if day > 6 else day + 5
        ways.append(("day wrong in text", body[: m.start(2)] + str(wrong) + body[m.end(2) :]))
    if m := YEAR.search(body):
        ways.append(("year not there in text", body[: m.start()] + str(int(m[0]) - 14) + body[m.end() :]))
    if m := re.search(r"\b(increased|decreased)\b(?= (?:by )?(?:approximately )?\$?\d)", body):
        other = "decreased" if m[1] == "increased" else "increased"
        ways.append(("direction wrong in text", body[: m.start()] + other + body[m.end() :]))
    if len(body.split()) > 12 and not re.search('["“”‘]', body):
        words = body.split()[2:9]
        words[3] = "unicorn"
        ways.append(("quoted word changed", f"The filing says “{' '.join(words)}” among other things"))
    return rng.choice(ways) if ways else ("", "")
