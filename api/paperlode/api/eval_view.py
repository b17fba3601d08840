"""What ``paperlode eval`` prints: figures with intervals, comparisons, and the questions to look at. Pages count from 1 here."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from paperlode.api.evaluation import compared, estimates, metrics_of
from paperlode.api.terminal import clean, console, styled
from paperlode.retrieval.evaluate import DEPTH, rank_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from paperlode.api.evaluation import Asked, Evaluation

__all__ = ["evaluation_object", "show_evaluation"]

LISTED = 10
"""Questions listed of each kind."""
WIDTH = 80
_HEADS = {"archive": "Whole archive", "document": "Inside the question's document"}
_BROKEN_DOWN = ("hit@1", "hit@5", "hit@10", "MRR@10")
_ONLY = "hit@5"
"""The metric by which a question is got by only one of two runs."""


def evaluation_object(
    run: Evaluation, against: Evaluation | None, names: Mapping[str, str], by: str | None
) -> dict[str, Any]:
    """Everything as JSON; its pages count from 0."""
    out: dict[str, Any] = {"config": run.name, "against": against.name if against else None, "scopes": {}}
    for scope in run.ranked:
        metrics = metrics_of(run, scope)
        part: dict[str, Any] = {"metrics": [asdict(e) for e in estimates(metrics)]}
        if by:
            part["by"] = {v: [asdict(e) for e in estimates(metrics, ids)] for v, ids in _groups(run, by).items()}
        if against:
            part["comparison"] = [asdict(c) for c in compared(run, against, scope)]
            part["only_this"], part["only_against"] = _only(run, against, scope)
        part["questions"] = [_question_object(run, a, scope, names, metrics) for a in run.asked if _was(run, a, scope)]
        out["scopes"][scope] = part
    return out


def show_evaluation(run: Evaluation, against: Evaluation | None, names: Mapping[str, str], by: str | None) -> None:
    """The same for people, in 80 columns."""
    out = console()
    if against:
        out.print(styled("this:    ", (run.name, "bold")))
        out.print(styled("against: ", (against.name, "bold")))
    for scope in run.ranked:
        metrics = metrics_of(run, scope)
        if not metrics:
            continue
        lines = list(_compared(run, against, scope)) if against else list(_figures(metrics))
        head = (
            "    this  against  difference, 95 % interval   +/-       p" if against else "     n  value  95 % interval"
        )
        out.print(
            styled(
                (
                    f"\n{_HEADS[scope]:<21}{head}" if len(_HEADS[scope]) < 21 else f"\n{_HEADS[scope]}\n{'':<21}{head}",
                    "bold",
                )
            )
        )
        for line in lines:
            out.print(styled(line))
        if by:
            out.print(styled((f"\n  by {by}", "bold")))
            for line in _by(run, metrics, by):
                out.print(styled(line))
    for scope in run.ranked:
        for line in _missed(run, scope, names):
            out.print(styled(line))
        for line in _differing(run, against, scope) if against else _wrong(run, scope, metrics_of(run, scope)):
            out.print(styled(line))


def _figures(metrics: Mapping[str, Mapping[str, float]]) -> Iterator[str]:
    for e in estimates(metrics):
        yield f"  {e.name:<19}{e.n:>6}  {e.value:.3f}  {e.low:.3f} to {e.high:.3f}"


def _compared(run: Evaluation, against: Evaluation | None, scope: str) -> Iterator[str]:
    if against is None:
        return
    for c in compared(run, against, scope):
        interval = f"{c.difference:+.3f}  {c.low:+.3f} to {c.high:+.3f}"
        yield f"  {c.name:<19}   {c.value:.3f}    {c.against:.3f}  {interval:<25} {f'{c.better}/{c.worse}':>5}   {c.p:.3f}"


def _groups(run: Evaluation, by: str) -> dict[str, list[str]]:
    """Ids of the questions by the values of a field, the most frequent first."""
    values = {a.question.id: a.question.value(by) for a in run.asked}
    counts = Counter(values.values())
    return {v: [q for q, own in values.items() if own == v] for v, _ in counts.most_common()}


def _by(run: Evaluation, metrics: Mapping[str, Mapping[str, float]], by: str) -> Iterator[str]:
    yield f"  {'':<23}{'n':>6}  hit@1  hit@5  hit@10  MRR@10  hit@5, 95 %"
    for value, ids in _groups(run, by).items():
        found = {e.name: e for e in estimates(metrics, ids)}
        if "hit@5" in found:
            one, five, ten, mrr = (found[m].value for m in _BROKEN_DOWN)
            low, high = found["hit@5"].low, found["hit@5"].high
            name = _short(value or "(none)", 23)
            yield f"  {name:<23}{found['hit@5'].n:>6}  {one:.3f}  {five:.3f}   {ten:.3f}   {mrr:.3f}  {low:.3f} to {high:.3f}"


def _missed(run: Evaluation, scope: str, names: Mapping[str, str]) -> Iterator[str]:
    missed = [a for a in run.asked if a.question.pages and _was(run, a, scope) and not _rank(run, a, scope, DEPTH)]
    if not missed:
        return
    yield f"\nNot among the best {DEPTH}, {_HEADS[scope].lower()}: {len(missed)}"
    for a in missed[:LISTED]:
        yield f"  {_short(a.question.question, WIDTH - 2)}"
        pages = ", ".join(str(p + 1) for p in a.question.pages[:5])
        wanted = f"{a.name}, which is not in the archive" if a.missing else f"{a.name} p. {pages}"
        ranked, rank = run.ranked[scope][a.question.id], _rank(run, a, scope)
        best = ranked[0] if ranked else None
        found = (
            f"{names.get(best.document, best.document)} p. {best.pages[0] + 1}" if best and best.pages else "nothing"
        )
        yield f"    wanted: {_short(wanted, WIDTH - 12)}" + (f" (rank {rank})" if rank else "")
        yield f"    found:  {_short(found, WIDTH - 12)}"
    yield from _more(len(missed))


def _wrong(run: Evaluation, scope: str, metrics: Mapping[str, Mapping[str, float]]) -> Iterator[str]:
    """Answers that lack what was expected."""
    right = metrics.get("figures right", {})
    wrong = [a for a in run.asked if right.get(a.question.id) == 0]
    if not wrong:
        return
    yield f"\nWithout the figures expected, {_HEADS[scope].lower()}: {len(wrong)}"
    for a in wrong[:LISTED]:
        yield f"  {_short(a.question.question, WIDTH - 2)}"
        yield f"    expected: {_short(a.question.answer, WIDTH - 14)}"
        yield f"    answer:   {_short(run.given[scope][a.question.id].text, WIDTH - 14)}"
    yield from _more(len(wrong))


def _more(count: int) -> Iterator[str]:
    if count > LISTED:
        yield f"  ... and {count - LISTED} more: --json lists all"


def _differing(run: Evaluation, against: Evaluation, scope: str) -> Iterator[str]:
    asked = {a.question.id: a.question.question for a in run.asked}
    for only, who in zip(_only(run, against, scope), ("this", "against"), strict=True):
        if only:
            yield f"\nAmong the best 5 only with {who}, {_HEADS[scope].lower()}: {len(only)}"
            for q in only[:LISTED]:
                yield f"  {_short(asked[q], WIDTH - 2)}"
            yield from _more(len(only))


def _only(run: Evaluation, against: Evaluation, scope: str) -> tuple[list[str], list[str]]:
    mine, theirs = metrics_of(run, scope).get(_ONLY, {}), metrics_of(against, scope).get(_ONLY, {})
    both = [q for q in mine if q in theirs]
    return [q for q in both if mine[q] > theirs[q]], [q for q in both if mine[q] < theirs[q]]


def _was(run: Evaluation, a: Asked, scope: str) -> bool:
    return a.question.id in run.ranked[scope]


def _rank(run: Evaluation, a: Asked, scope: str, depth: int | None = None) -> int | None:
    return rank_of(a.evidence, run.ranked[scope][a.question.id][:depth])


def _question_object(
    run: Evaluation, a: Asked, scope: str, names: Mapping[str, str], metrics: Mapping[str, Mapping[str, float]]
) -> dict[str, Any]:
    q = a.question
    ranked = [
        {"document": r.document, "name": names.get(r.document, ""), "pages": list(r.pages)}
        for r in run.ranked[scope][q.id]
    ]
    given = run.given.get(scope, {}).get(q.id)
    return {
        "id": q.id,
        "question": q.question,
        "document": a.key if a.key and not a.missing else None,
        "name": a.name,
        "pages": list(q.pages),
        "missing": a.missing,
        "rank": _rank(run, a, scope),
        "scores": {m: by[q.id] for m, by in metrics.items() if q.id in by},
        "ranked": ranked,
        "answer": {"text": given.text, "refused": given.refused} if given else None,
        "expected": q.answer or None,
    }


def _short(text: str, width: int) -> str:
    text = " ".join(clean(text).split())
    return text if len(text) <= width else f"{text[: width - 1]}…"
