"""How many planted wrong figures the citation check catches in answers, and how many right sentences it lets pass.

    python benchmarks/citations.py [--index DIR] [--half a|b] [--seed 1000] [--cases 400] [--show 5]

Without ``--index`` the sources are generated (tables and text, English and Chinese, truth known by construction). With it they
are chunks of a real index: sentences about table cells, as the table reading understands them, and text reworded.
Prints, by kind, right sentences passed and wrong ones caught, with 95 % intervals (Wilson) on the sums. ``--half`` takes the
documents whose digest is even (a) or odd (b): the check was written looking at a.
"""

from __future__ import annotations

import argparse
from collections import Counter
from math import sqrt
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

from cited_answers import Case, cases_of_table
from cited_prose import cases_of_prose
from generated_sources import generated_chunks

from paperlode.api.archive import Archive
from paperlode.ingest.document import Chunk, Kind, Layer, from_json
from paperlode.ingest.table_reading import read_table
from paperlode.retrieval.answer_sentences import Sentence, without_marks
from paperlode.retrieval.citation_check import SentenceCheck, check_sentence
from paperlode.retrieval.evidence import Evidence
from paperlode.retrieval.quotes import sentences

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


def check(case: Case, *, as_text: bool = False) -> SentenceCheck:
    """The check of a case's sentence against its chunk, or against the chunk's text alone."""
    text, cited = without_marks(case.text)
    source = Evidence(1, [case.chunk], read_table=None if as_text else read_table)
    return check_sentence(Sentence(text, cited), {1: source})


def cases(chunks: Sequence[Chunk], rng: Random) -> Iterator[Case]:
    """Cases from tables and text in turn."""
    order = list(chunks)
    rng.shuffle(order)
    for chunk in order:
        if chunk.part is not None:
            yield from cases_of_table(chunk, read_table, rng)
        elif chunk.kind is Kind.TEXT and chunk.layer is Layer.BODY:
            found = list(sentences(chunk.text))
            if found:
                yield from cases_of_prose(rng.choice(found), chunk, rng)


def chunks_of(index: Path, half: str) -> list[Chunk]:
    """The chunks of every document of the index, or of half of the documents."""
    with Archive.open(index) as archive:
        lines = [line for d in archive.documents() for line in archive.export(d.digest, "jsonl")]
    every = [from_json(Chunk, line) for line in lines]
    wanted = {"a": 0, "b": 1}.get(half)
    return [c for c in every if wanted is None or int(c.document, 16) % 2 == wanted]


def interval(good: int, n: int) -> tuple[float, float]:
    """Wilson's 95 % interval."""
    if not n:
        return 0.0, 1.0
    z, p = 1.96, good / n
    middle, spread = p + z * z / (2 * n), z * sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return (middle - spread) / (1 + z * z / n), (middle + spread) / (1 + z * z / n)


def main() -> None:
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--index", type=Path)
    ap.add_argument("--half", choices=("a", "b"), default="")
    ap.add_argument("--seed", type=int, default=1000)
    ap.add_argument("--cases", type=int, default=400, help="of right and of wrong sentences each")
    ap.add_argument("--show", type=int, default=0, help="sentences that were judged wrongly, of each sort")
    ap.add_argument("--as-text", action="store_true", help="tables known by their text only, as in LlamaIndex nodes")
    a = ap.parse_args()
    rng = Random(a.seed)  # noqa: S311
    chunks = chunks_of(a.index, a.half) if a.index else list(generated_chunks(rng, 600))
    good: Counter[tuple[bool, str]] = Counter()
    n: Counter[tuple[bool, str]] = Counter()
    bad: dict[bool, list[tuple[Case, SentenceCheck]]] = {True: [], False: []}
    for case in cases(chunks, rng):
        if sum(v for (right, _), v in n.items() if right is case.right) >= a.cases:
            continue
        n[case.right, case.kind] += 1
        result = check(case, as_text=a.as_text)
        good[case.right, case.kind] += result.supported is case.right
        if result.supported is not case.right:
            bad[case.right].append((case, result))
    for right, title in ((True, "right sentences passed"), (False, "planted faults caught")):
        total, passed = sum(v for k, v in n.items() if k[0] is right), sum(v for k, v in good.items() if k[0] is right)
        low, high = interval(passed, total)
        print(f"{title}: {passed} of {total} = {passed / max(1, total):.4f} [{low:.3f}, {high:.3f}]")
        for (r, kind), count in sorted(n.items()):
            if r is right:
                print(f"    {kind:28s} {good[r, kind]:4d} of {count:4d}")
        for case, result in bad[right][: a.show]:
            print(f"  - {case.kind}: {case.text}\n      {result.problems}\n      {case.chunk.shown_text[:900]!r}")


if __name__ == "__main__":
    main()
