"""How often ``ask`` without a language model gives a cell for a question whose answer is one number, and how often it is right.

    python benchmarks/figures_asked.py --index DIR --questions FILE [--half a|b] [--whole] [--show]

The archive must hold the documents of the questions (``benchmarks/retrieval.py`` makes it); each question is asked inside its
document, or with ``--whole`` of the whole archive. A question counts when its answer holds one number and little else. A cell is
right when its figure, printed or in full, is the answer's, rounded as the answer is. ``--half`` takes the documents whose digest
is even (a) or odd (b): the finder was written looking at a.
"""

from __future__ import annotations

import argparse
import json
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

from paperlode.api.archive import Archive, Scope
from paperlode.retrieval.amounts import Amount, amounts

if TYPE_CHECKING:
    from paperlode.retrieval.figure_answer import FigureAnswer

LONGEST = 60
"""Characters of an answer that is one number."""


def right(figure: FigureAnswer, answer: Amount) -> bool:
    """Whether a cell says what the answer says; in full or as printed, whichever the answer gives."""
    return any(
        abs(a - b) <= max(answer.step / 2, Decimal("0.005") * b)
        for a in (answer.value, answer.printed)
        for b in (abs(figure.value), abs(figure.value / figure.scale))
    )


def main() -> None:
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--index", type=Path, required=True)
    ap.add_argument("--questions", type=Path, required=True)
    ap.add_argument("--half", choices=("a", "b"), default="")
    ap.add_argument("--whole", action="store_true")
    ap.add_argument("--show", action="store_true")
    a = ap.parse_args()
    asked = given = good = elsewhere = others = 0
    with Archive.open(a.index) as archive:
        digests = {Path(d.name).stem: d.digest for d in archive.documents()}
        for q in json.loads(a.questions.read_text(encoding="utf-8"))["questions"]:
            digest = digests.get(q["doc_name"])
            if digest is None or (a.half and int(digest, 16) % 2 != "ab".index(a.half)):
                continue
            scope = None if a.whole else Scope(documents=(digest,))
            figure = archive.ask(q["question"], scope=scope)[0].figure
            numbers = amounts(q["answer"])
            if len(numbers) != 1 or len(q["answer"]) > LONGEST:
                others += 1
                elsewhere += figure is not None
                continue
            asked += 1
            given += figure is not None
            ok = figure is not None and right(figure, numbers[0])
            good += ok
            if a.show and figure is not None:
                print("right" if ok else "WRONG", q["question"], "|", q["answer"], "|", figure.text)
    print(
        f"{asked} questions for one number: a cell for {given}, right {good}; {others} other questions: a cell for {elsewhere}"
    )


if __name__ == "__main__":
    main()
