"""Two indexes that shall hold the same, compared: by count, by sampled points, by sampled questions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from paperlode.api.push import Samples
    from paperlode.retrieval.edge import EdgeIndex
    from paperlode.retrieval.embedding import Embedder
    from paperlode.retrieval.index import Index
    from paperlode.retrieval.points import StoredPoint
    from paperlode.retrieval.server import QdrantIndex

__all__ = ["Check", "compare"]

TOLERANCE = 1e-4
"""Of a number in a vector: both sides store 32 bits and make vectors one long."""
QUESTION_WORDS = 9
_SAID = 5


@dataclass(frozen=True, slots=True)
class Check:
    """How a copy compares.

    Attributes:
        expected, held: chunks and documents in the index and in the copy.
        points: compared one by one. differing: ids of those that are not the same, with what differs.
        questions: asked. agreement: average share of their hits that both gave. best: questions with the same best hit.
        disagreed: questions with other hits.
        needed: the least agreement that is sound.
    """

    expected: tuple[int, int]
    held: tuple[int, int]
    points: int
    differing: tuple[str, ...]
    questions: int
    agreement: float
    best: int
    disagreed: tuple[str, ...]
    needed: float

    @property
    def sound(self) -> bool:
        """Whether the copy can take the place of the index."""
        return self.expected == self.held and not self.differing and self.agreement >= self.needed

    def problems(self) -> list[str]:
        """What is wrong, in words."""
        said = []
        if self.expected != self.held:
            there, here = (
                f"{chunks:,} chunks of {documents:,} documents" for chunks, documents in (self.held, self.expected)
            )
            said.append(f"the collection holds {there} where the index holds {here}")
        if self.differing:
            some = "; ".join(self.differing[:_SAID])
            said.append(f"{len(self.differing)} of {self.points} sampled points differ: {some}")
        if self.agreement < self.needed:
            some = "; ".join(repr(q) for q in self.disagreed[:_SAID])
            said.append(
                f"{self.agreement:.1%} of the hits of {self.questions} sampled questions agree, {self.needed:.1%} must: {some}"
            )
        return said


def compare(
    index: EdgeIndex, copy: QdrantIndex, sampled: Sequence[StoredPoint], embedder: Embedder, samples: Samples
) -> Check:
    """Compares a copy with the index it was made of; ``sampled`` are points of the index."""
    differing: list[str] = []
    for start in range(0, len(sampled), 64):
        part = sampled[start : start + 64]
        there = {p.id: p for p in copy.points([p.id for p in part])}
        found = ((p.id, _difference(p, there.get(p.id))) for p in part)
        differing += [f"{i} ({why})" for i, why in found if why]
    shares, best, disagreed = [], 0, []
    asked = _questions(sampled, samples.questions)
    for question in asked:
        ours, theirs = _hits(index, embedder, question, samples.top), _hits(copy, embedder, question, samples.top)
        share = len(set(ours) & set(theirs)) / max(len(ours), len(theirs), 1) if ours or theirs else 1.0
        shares.append(share)
        best += ours[:1] == theirs[:1]
        if share < 1:
            disagreed.append(question)
    agreement = sum(shares) / len(shares) if shares else 1.0
    return Check(
        expected=(index.count(), len(index.documents())),
        held=(copy.count(), len(copy.documents())),
        points=len(sampled),
        differing=tuple(differing),
        questions=len(asked),
        agreement=agreement,
        best=best,
        disagreed=tuple(disagreed),
        needed=samples.agreement,
    )


def _hits(index: Index, embedder: Embedder, question: str, top: int) -> list[str]:
    from paperlode.retrieval.search import Search

    return [hit.chunk.id for hit in Search(index, embedder).search(question, limit=top)]


def _questions(sampled: Sequence[StoredPoint], wanted: int) -> list[str]:
    """Words from the middle of sampled chunks: what is asked about is there to be found."""
    found = []
    for point in sampled:
        words = str(point.payload.get("text", "")).split()
        if len(words) >= QUESTION_WORDS:
            middle = (len(words) - QUESTION_WORDS) // 2
            found.append(" ".join(words[middle : middle + QUESTION_WORDS]))
    every = max(1, len(found) // wanted) if wanted else 1
    return found[::every][:wanted]


def _difference(ours: StoredPoint, theirs: StoredPoint | None) -> str:
    """What differs between two points; empty where nothing does."""
    if theirs is None:
        return "missing"
    payload = [k for k in {**ours.payload, **theirs.payload} if ours.payload.get(k) != theirs.payload.get(k)]
    if payload:
        return f"payload {', '.join(sorted(payload))}"
    if set(ours.vectors) != set(theirs.vectors):
        return f"vectors {', '.join(sorted(set(ours.vectors) ^ set(theirs.vectors)))}"
    vectors = [k for k in ours.vectors if not _close(ours.vectors[k], theirs.vectors[k])]
    return f"vectors {', '.join(sorted(vectors))}" if vectors else ""


def _close(a: Any, b: Any) -> bool:
    import numpy as np

    if hasattr(a, "indices"):
        return a.indices == b.indices and _close(a.values, b.values)
    one, other = np.asarray(a, dtype=np.float32), np.asarray(b, dtype=np.float32)
    return one.shape == other.shape and bool(np.allclose(one, other, rtol=0, atol=TOLERANCE))
