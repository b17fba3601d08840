"""An archive on a question file: what is found and answered, over the whole archive and inside each question's document.

Free functions over ``Archive``; the metrics are those of ``paperlode.retrieval.evaluate``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import PurePath
from typing import TYPE_CHECKING

from paperlode.api.values import Scope
from paperlode.ingest.errors import DocumentNotFound, InvalidRequest
from paperlode.retrieval.answer_marks import answer_metrics
from paperlode.retrieval.evaluate import (
    ALL_PAGES,
    KS,
    MRR,
    RIGHT_DOCUMENT,
    Comparison,
    Estimate,
    Ranked,
    citation_metrics,
    compare,
    document_metrics,
    estimate,
    page_metrics,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from paperlode.api.archive import Archive
    from paperlode.retrieval.answer import Answer
    from paperlode.retrieval.question_file import EvalQuestion
    from paperlode.retrieval.rerank import Reranker

__all__ = [
    "SCOPES",
    "Asked",
    "Evaluation",
    "Given",
    "asked_of",
    "by_name",
    "compared",
    "estimates",
    "evaluate",
    "metrics_of",
]

SCOPES = ("archive", "document")
"""Where a question is asked: of all documents, and inside its own."""
SOURCES = 5
"""Hits that an answer is made from, as ``ask`` does."""


_ORDER = (
    *(f"hit@{k}" for k in KS), MRR, ALL_PAGES, RIGHT_DOCUMENT, "answered", "refused rightly", "figures right", "words found",
    "citation precision", "citation recall", "sentences supported",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Asked:
    """A question with its document as this archive knows it.

    Attributes:
        key: of the document: its digest; ``by_name`` where the archive does not hold it (then ``missing``); empty where
            the question names none.
        name: of the document's file.
        evidence: pages on which the answer stands, with the key.
    """

    question: EvalQuestion
    key: str = ""
    name: str = ""
    evidence: frozenset[tuple[str, int]] = frozenset()
    missing: bool = False


@dataclass(frozen=True, slots=True)
class Given:
    """An answer as far as it is judged.

    Attributes:
        text, refused: as in ``Answer``.
        cited: the places of each citation (digest and 0-based page).
        supported: share of the sentences a language model wrote that passed the check; None where none was written.
    """

    text: str
    refused: bool
    cited: tuple[frozenset[tuple[str, int]], ...] = ()
    supported: float | None = None


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What one configuration gave.

    Attributes:
        name: of the configuration, for people.
        asked: the questions, in the order of the file.
        ranked: by scope and question id: best first.
        given: the answers, likewise; empty where none were asked for.
    """

    name: str
    asked: tuple[Asked, ...]
    ranked: Mapping[str, Mapping[str, Sequence[Ranked]]]
    given: Mapping[str, Mapping[str, Given]] = field(default_factory=dict[str, dict[str, Given]])


def by_name(name: str) -> str:
    """What stands for the digest of a document that an archive does not hold: its file name without extension."""
    return f"name:{PurePath(name).stem}"


def asked_of(archive: Archive, questions: Sequence[EvalQuestion]) -> tuple[Asked, ...]:
    """The questions with their documents and pages found.

    Raises:
        InvalidRequest: several documents are called what a question names; a document has no such page; none of the documents
            named is in the archive. A single one that is not is ``missing``, and scores 0.
    """
    asked = tuple(_asked(archive, q) for q in questions)
    named = [a for a in asked if a.question.document]
    if named and all(a.missing for a in named):
        raise InvalidRequest(
            f"None of the documents that the questions name is in the archive, {named[0].question.document!r} for one.",
            hint="Is it the right index? See: paperlode status",
        )
    return asked


def evaluate(
    archive: Archive,
    asked: Sequence[Asked],
    *,
    name: str = "",
    limit: int = 10,
    scopes: Sequence[str] = SCOPES,
    answers: bool = False,
    sources: int = SOURCES,
    reranker: Reranker | None = None,
    on_progress: Callable[[int, int], None] | None = None,
    on_notice: Callable[[str], None] | None = None,
) -> Evaluation:
    """Asks every question of the archive.

    Args:
        archive: with the reranker and language model that are to be evaluated.
        asked: see ``asked_of``.
        name: of this configuration.
        limit: pages found for each question.
        scopes: of ``SCOPES``. Inside its document a question is asked that names one.
        answers: whether to answer too, from the best ``sources`` hits.
        sources: see ``answers``.
        reranker: in place of the archive's own.
        on_progress: told how many of how many questions are done.
        on_notice: told where a reranker could not judge.

    Raises:
        ServerError: a server of the embedding model or the language model gives no answer.
    """
    ranked: dict[str, dict[str, Sequence[Ranked]]] = {s: {} for s in scopes}
    given: dict[str, dict[str, Given]] = {s: {} for s in scopes} if answers else {}
    steps = [(a, s) for a in asked for s in scopes if s == "archive" or a.question.document]
    for done, (a, scope) in enumerate(steps):
        if on_progress:
            on_progress(done, len(steps))
        q = a.question
        if a.missing and scope == "document":
            ranked[scope][q.id] = ()
            if answers:
                given[scope][q.id] = Given("", refused=True)
            continue
        where = Scope(documents=(a.key,)) if scope == "document" else None
        hits = archive.search(q.question, limit=limit, scope=where, reranker=reranker, on_notice=on_notice)
        ranked[scope][q.id] = tuple(Ranked(h.document, h.pages) for h in hits)
        if answers:
            given[scope][q.id] = _given(archive.answer(q.question, hits[:sources]))
    if on_progress:
        on_progress(len(steps), len(steps))
    return Evaluation(name, tuple(asked), ranked, given)


def metrics_of(run: Evaluation, scope: str) -> dict[str, dict[str, float]]:
    """By metric and question id, each metric for the questions that it can be told of."""
    found: dict[str, dict[str, float]] = {}
    for a in run.asked:
        q, ranked = a.question, run.ranked[scope].get(a.question.id)
        if ranked is None:
            continue
        scores: dict[str, float] = {}
        if q.answerable and q.pages:
            scores |= page_metrics(a.evidence, ranked)
        if q.answerable and q.document and scope == "archive":
            scores |= document_metrics(a.key, ranked)
        if answer := run.given.get(scope, {}).get(q.id):
            scores |= _answer_scores(a, answer)
        for name, value in scores.items():
            found.setdefault(name, {})[q.id] = value
    return {m: found[m] for m in sorted(found, key=_ORDER.index)}


def estimates(metrics: Mapping[str, Mapping[str, float]], ids: Iterable[str] | None = None) -> list[Estimate]:
    """The metrics with their intervals, over all questions or those with these ``ids``."""
    only = None if ids is None else frozenset(ids)
    kept = {m: [v for q, v in by.items() if only is None or q in only] for m, by in metrics.items()}
    return [estimate(m, values) for m, values in kept.items() if values]


def compared(run: Evaluation, against: Evaluation, scope: str) -> list[Comparison]:
    """The metrics of both on the questions that both have."""
    mine, theirs = metrics_of(run, scope), metrics_of(against, scope)
    found = (compare(m, mine[m], theirs[m]) for m in mine if m in theirs)
    return [c for c in found if c]


def _asked(archive: Archive, q: EvalQuestion) -> Asked:
    if not q.document:
        return Asked(q)
    try:
        record = archive.document(q.document)
    except DocumentNotFound:
        key = by_name(q.document)
        return Asked(q, key, q.document, frozenset((key, p) for p in q.pages), missing=True)
    except InvalidRequest as exc:
        raise InvalidRequest(f"Question {q.id!r} (line {q.line}): {exc.what}", hint=exc.hint) from exc
    beyond = [p + 1 for p in q.pages if p >= record.page_count]
    if beyond:
        raise InvalidRequest(
            f"Question {q.id!r} (line {q.line}) names page {beyond[0]} of {record.name!r}, which has {record.page_count}.",
            hint="Pages count from 1, over all pages of the file.",
        )
    return Asked(q, record.digest, record.name, frozenset((record.digest, p) for p in q.pages))


def _given(answer: Answer) -> Given:
    cited = tuple(frozenset({(c.document, c.page)} | {(c.document, r.page) for r in c.boxes}) for c in answer.citations)
    checks = answer.checks
    supported = sum(c.supported for c in checks) / len(checks) if checks else None
    return Given(answer.text, answer.refused, cited, supported)


def _answer_scores(a: Asked, answer: Given) -> dict[str, float]:
    q = a.question
    if not q.answerable:
        return {"refused rightly": float(answer.refused)}
    scores = {"answered": float(not answer.refused)}
    if q.answer:
        scores |= answer_metrics(q.question, q.answer, answer.text, refused=answer.refused)
    if q.pages:  # what a refusal shows is no claim
        scores |= citation_metrics(a.evidence, () if answer.refused else answer.cited)
    return scores if answer.supported is None else scores | {"sentences supported": answer.supported}
