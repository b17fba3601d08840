"""From a sample to the archive: pages by kind, their costs, and how far the sample may be off (bootstrap)."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from math import sqrt
from random import Random
from typing import TYPE_CHECKING

from paperlode.ingest.plan_pages import PageKind
from paperlode.ingest.plan_values import COSTS, Estimate

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from paperlode.ingest.plan_sample import FileSeen, FoundFile
    from paperlode.ingest.plan_values import MeasuredPage, MeasuredRun, Survey

__all__ = ["Draw", "draws", "estimate_of", "page_weights", "size_of"]

DRAWS = 400
_LOW, _HIGH = 0.05, 0.95
_UNSURE = 0.4, 1.6
"""Times its costs, between which a kind of page varies of which one run was read: an assumption, for one run tells no spread."""
_LIKE = {
    PageKind.PLAIN: (PageKind.LAYOUT,),
    PageKind.LAYOUT: (PageKind.PLAIN,),
    PageKind.MIXED: (PageKind.SCAN, PageKind.PICTURE),
    PageKind.SCAN: (PageKind.PICTURE, PageKind.MIXED),
    PageKind.PICTURE: (PageKind.SCAN, PageKind.MIXED),
}


@dataclass(slots=True)
class Draw:
    """One way the archive may be: the sample itself first, then its resamples.

    Attributes:
        documents, unreadable: files that open, and that do not.
        pages: by kind. costs: mean costs of a page by kind, in the order of ``COSTS``.
    """

    documents: float = 0.0
    unreadable: float = 0.0
    pages: dict[PageKind, float] = field(default_factory=dict)
    costs: dict[PageKind, tuple[float, ...]] = field(default_factory=dict)

    def total(self, name: str) -> float:
        """Over all pages."""
        i = COSTS.index(name)
        return sum(n * self.costs_of(k)[i] for k, n in self.pages.items())

    def costs_of(self, kind: PageKind) -> tuple[float, ...]:
        """Of a kind of which no page was measured, those of the kind most like it; nothing where there is none such."""
        for like in (kind, *_LIKE.get(kind, ())):
            if like in self.costs:
                return self.costs[like]
        return (0.0,) * len(COSTS)


def estimate_of(all_draws: Sequence[Draw], value: Callable[[Draw], float]) -> Estimate:
    """The figure of the sample, and the interval of its resamples."""
    first, *others = (value(d) for d in all_draws)
    if not others:
        return Estimate(first, first, first)
    others.sort()
    low, high = (others[round(q * (len(others) - 1))] for q in (_LOW, _HIGH))
    return Estimate(first, min(first, low), max(first, high))


def page_weights(survey: Survey) -> list[tuple[FileSeen, float]]:
    """The files that were looked into, each with the pages of the archive that one page looked at stands for."""
    found, opened = _by_stratum(survey)
    return [
        (s, len(found[name]) / len(seen) * s.pages / len(s.looks))
        for name, seen in opened.items()
        for s in seen
        if s.looks
    ]


def draws(survey: Survey, runs: Sequence[MeasuredRun], seed: int, count: int = DRAWS) -> list[Draw]:
    """The sample's own figures, then ``count`` resamples: of files within their strata, and of runs within their kind.

    What was not sampled but taken whole does not vary.
    """
    random = Random(seed)  # noqa: S311  a sample, no secret
    found, opened = _by_stratum(survey)
    sizes = _mean_sizes(survey)
    by_kind = defaultdict(list)
    for r in runs:
        by_kind[r.run.kind].append(r)
    looked = Counter(look.kind for s in survey.seen for look in s.looks)
    base = _drawn(found, opened, by_kind, sizes)
    out = [base]
    for _ in range(count):
        files = {
            name: random.choices(seen, k=len(seen)) if len(seen) < len(found[name]) else seen
            for name, seen in opened.items()
        }
        again = {k: random.choices(rs, k=len(rs)) for k, rs in by_kind.items()}
        made = _drawn(found, files, again, sizes)
        for k, costs in made.costs.items():
            if k in base.costs:
                of_kind = by_kind.get(k, ())
                read = sum(len(r.pages) for r in of_kind)
                if len(of_kind) < 2 and read < looked[k]:
                    times = random.uniform(*_UNSURE)
                    made.costs[k] = tuple(times * b for b in base.costs[k])
                    continue
                wider = _widening(len(of_kind), read, looked[k])
                made.costs[k] = tuple(b + wider * (c - b) for b, c in zip(base.costs[k], costs, strict=True))
        for k, costs in base.costs.items():  # a kind that was met only beside others may be missing from a resample
            made.costs.setdefault(k, costs)
        out.append(made)
    return out


def _widening(runs: int, pages: int, there: int) -> float:
    """A bootstrap of few runs spreads too little; and where most pages were measured there is little left to vary."""
    if runs < 2:
        return 0.0
    return sqrt(runs / (runs - 1)) * sqrt(max(0.0, 1 - pages / max(there, pages)))


def _by_stratum(
    survey: Survey,
) -> tuple[dict[tuple[str, int], list[FoundFile]], dict[tuple[str, int], list[FileSeen]]]:
    """Files, and those opened. Files of a stratum of which none was opened count with the nearest size of their type."""
    opened: dict[tuple[str, int], list[FileSeen]] = defaultdict(list)
    for s in survey.seen:
        opened[s.file.stratum].append(s)
    found: dict[tuple[str, int], list[FoundFile]] = defaultdict(list)
    for f in survey.files:
        found[_nearest(f.stratum, opened)].append(f)
    return found, opened


def _nearest(stratum: tuple[str, int], opened: Mapping[tuple[str, int], object]) -> tuple[str, int]:
    if stratum in opened or not opened:
        return stratum
    return min(opened, key=lambda o: (o[0] != stratum[0], abs(o[1] - stratum[1]), o))


def _drawn(
    found: Mapping[tuple[str, int], Sequence[FoundFile]],
    opened: Mapping[tuple[str, int], Sequence[FileSeen]],
    runs: Mapping[PageKind, Sequence[MeasuredRun]],
    sizes: Mapping[PageKind, float],
) -> Draw:
    out = Draw()
    pages: dict[PageKind, float] = defaultdict(float)
    for name, seen in opened.items():
        each = len(found[name]) / len(seen)
        for s in seen:
            out.unreadable += each * (s.pages == 0)
            out.documents += each * (s.pages > 0)
            for look in s.looks:
                pages[look.kind] += each * s.pages / len(s.looks)
    out.pages = dict(sorted(pages.items()))
    measured: dict[PageKind, list[MeasuredPage]] = defaultdict(list)
    for rs in runs.values():
        for r in rs:
            for p in r.pages:
                measured[p.kind].append(p)
    for kind, ps in measured.items():
        scale = sizes.get(kind, 1.0) / sum(p.size for p in ps)
        out.costs[kind] = tuple(scale * sum(p.costs[i] for p in ps) for i in range(len(COSTS)))
    return out


def _mean_sizes(survey: Survey) -> dict[PageKind, float]:
    """Of all pages looked at, by kind."""
    total: dict[PageKind, float] = defaultdict(float)
    number: dict[PageKind, float] = defaultdict(float)
    for s, weight in page_weights(survey):
        for look in s.looks:
            total[look.kind] += weight * size_of(look.kind, look.chars)
            number[look.kind] += weight
    return {k: total[k] / number[k] for k in total}


def size_of(kind: PageKind, chars: int) -> float:
    """What a page's costs are thought to grow with: if it is digital its characters, and as much as 500 of them for itself."""
    return 500.0 + chars if kind in {PageKind.PLAIN, PageKind.LAYOUT} else 1.0
