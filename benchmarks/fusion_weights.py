"""Weights of the fusion, cross-validated over documents: chosen on some, judged on the others.

    python benchmarks/fusion_weights.py --set reports INDEX QUESTIONS --set contracts INDEX QUESTIONS [--folds 5] [--draws 200]

Each set is an archive that ``retrieval.py`` made and its questions. Every question is searched once inside its document and,
where its track is asked over a whole archive (``--whole``), once over all; what each weight alone gives each candidate is
kept, and then put together with each setting. The documents of each set are dealt into folds by name. For every fold weights
are fitted on the other folds, from the best of ``--draws`` settings drawn from wide ranges that do not know the weights in
the code, each weight then changed in steps, and judged on the fold. All tracks count alike. Beside it: weights fitted on all,
those in the code, the same without each of them, all weights equal, meaning alone and words alone.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import sys
from collections import defaultdict
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from paperlode.api.archive import Archive, Scope
from paperlode.retrieval import search as search_module
from paperlode.retrieval.fusion import Weights, fuse

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

STEPS = ((0.0, 0.1), (0.5, 0.2), (0.7, 0.4), (1.4, 0.6), (2.0, 0.8))
"""What a weight is multiplied by, and what is tried in place of 0."""
NOTHING = dict.fromkeys((f.name for f in fields(Weights)), 0.0)
FIXED = {
    "all equal": Weights(**dict.fromkeys(NOTHING, 0.5)),
    "meaning alone": Weights(**{**NOTHING, "dense": 1.0}),
    "words alone": Weights(**{**NOTHING, "lexical": 1.0}),
    "in the code": Weights(),
    **{f"in the code, without {name}": replace(Weights(), **{name: 0.0}) for name in NOTHING},
}


@dataclass(frozen=True)
class Asked:
    """One search as the fusion got it: what each weight alone gives each candidate, shape (candidates, weights).

    The fused score is linear in the weights, so these are all that any setting needs.
    """

    track: str
    fold: tuple[str, str]
    right: tuple[bool, ...]
    page: tuple[int, ...]
    parts: np.ndarray

    def score(self, weights: Weights) -> tuple[float, float]:
        """hit@5 and MRR@10 over pages; candidates are in the order of their ids, which decides among equals."""
        total = np.round(self.parts @ np.array([getattr(weights, name) for name in NOTHING]), 9)
        seen: set[int] = set()
        for i in np.argsort(-total, kind="stable"):
            if self.page[i] in seen:
                continue
            seen.add(self.page[i])
            if self.right[i]:
                return float(len(seen) <= 5), 1 / len(seen)
            if len(seen) == 10:
                break
        return 0.0, 0.0


def parts_of(candidates: Any, understood: Any, options: Mapping[str, Any], ids: Sequence[str]) -> np.ndarray:
    """The scores that each weight alone gives, candidates in the order of ``ids``."""
    columns = []
    for name in NOTHING:
        got = {
            c.id: c.score for c in fuse(candidates, understood, **options, weights=Weights(**{**NOTHING, name: 1.0}))
        }
        columns.append([got[i] for i in ids])
    return np.array(columns).T.reshape(len(ids), len(NOTHING))


def captured(name: str, index: Path, questions: Path, whole: Sequence[str]) -> list[Asked]:
    kept: list[tuple[Any, Any, Any]] = []

    def note(candidates: Any, understood: Any, **options: Any) -> Any:
        kept.append((tuple(candidates), understood, {k: v for k, v in options.items() if k != "weights"}))
        return fuse(candidates, understood, **options)

    search_module.fuse = note  # type: ignore[assignment]
    out: list[Asked] = []
    with Archive.open(index) as archive:
        names = {d.digest: Path(d.name).stem for d in archive.documents()}
        digests = {n: d for d, n in names.items()}
        store = archive._index  # noqa: SLF001  the pages of all candidates, not only of the hits
        for q in json.loads(questions.read_text("utf-8"))["questions"]:
            gold = frozenset((e["doc"], int(e["page"])) for e in q["evidence"])
            scopes: list[tuple[str, Scope | None]] = [("inside", Scope(documents=(digests[q["doc_name"]],)))]
            if q["track"] in whole:
                scopes.append(("whole", None))
            for where, scope in scopes:
                kept.clear()
                archive.search(q["question"], limit=10, scope=scope)
                ((candidates, understood, options),) = kept
                ids = sorted(c.id for c in candidates)
                at = {c.id: (names[c.document], c.pages or (0,)) for c in store.get(ids)}
                number: dict[tuple[str, int], int] = {}
                pages = tuple(number.setdefault((at[i][0], at[i][1][0]), len(number)) for i in ids)
                right = tuple(any((at[i][0], p) in gold for p in at[i][1]) for i in ids)
                parts = parts_of(candidates, understood, options, ids)
                out.append(Asked(f"{q['track']} {where}", (name, q["doc_name"]), right, pages, parts))
    search_module.fuse = fuse
    return out


def drawn(rng: random.Random) -> Weights:
    """Log-uniform from 0.05 to 2, and each but meaning and words at 0 once in four times."""
    values = {}
    for name in NOTHING:
        out = name not in {"dense", "lexical"} and rng.random() < 0.25
        values[name] = 0.0 if out else round(0.05 * 40 ** rng.random(), 3)
    return Weights(**values)


def by_track(asked: Sequence[Asked], scores: Sequence[tuple[float, float]], wanted: set[int]) -> dict[str, list[float]]:
    sums: dict[str, list[float]] = defaultdict(lambda: [0.0, 0.0, 0])
    for i in wanted:
        for k in (0, 1):
            sums[asked[i].track][k] += scores[i][k]
        sums[asked[i].track][2] += 1
    return {t: [s[0] / s[2], s[1] / s[2]] for t, s in sorted(sums.items())}


def value(tracks: Mapping[str, Sequence[float]]) -> float:
    """Mean over tracks of -log of what is missed, by hit@5 and by MRR@10: halving the misses counts the same on each track."""
    return sum(-math.log(1.02 - x) / 2 for pair in tracks.values() for x in pair) / len(tracks)


class Fitter:
    """Finds weights for some of the searches; what a setting scores is worked out once a search."""

    def __init__(self, asked: Sequence[Asked]) -> None:
        self.asked = asked
        self._scores: dict[Weights, list[tuple[float, float]]] = {}

    def scores(self, weights: Weights) -> list[tuple[float, float]]:
        """hit@5 and MRR@10 of every search."""
        if weights not in self._scores:
            self._scores[weights] = [one.score(weights) for one in self.asked]
            print(f"\r{len(self._scores)} settings", end="", file=sys.stderr)
        return self._scores[weights]

    def value(self, weights: Weights, wanted: set[int]) -> float:
        """Of the setting, on the wanted searches."""
        return value(by_track(self.asked, self.scores(weights), wanted))

    def fit(self, drawn: Sequence[Weights], wanted: set[int]) -> Weights:
        """The best of those drawn, then each weight in turn made smaller and larger, twice over, as long as that is better."""
        best = max(drawn, key=lambda w: self.value(w, wanted))
        for _ in range(2):
            for name in NOTHING:
                now = getattr(best, name)
                tries = [replace(best, **{name: round(now * f, 3) if now else g}) for f, g in STEPS]
                best = max([best, *tries], key=lambda w: self.value(w, wanted))
        return best


def main() -> None:
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--set", nargs=3, action="append", required=True, metavar=("NAME", "INDEX", "QUESTIONS"))
    ap.add_argument("--whole", nargs="*", default=["financebench", "ohr_law"])
    ap.add_argument("--folds", type=int, default=5)
    ap.add_argument("--draws", type=int, default=100)
    ap.add_argument("--seed", type=int, default=0)
    a = ap.parse_args()
    asked = [one for s in a.set for one in captured(s[0], Path(s[1]), Path(s[2]), a.whole)]
    print(f"{len(asked)} searches kept", file=sys.stderr)
    fold_of = {}
    for name in {one.fold[0] for one in asked}:
        for i, document in enumerate(sorted({one.fold[1] for one in asked if one.fold[0] == name})):
            fold_of[name, document] = i % a.folds
    rng = random.Random(a.seed)  # noqa: S311
    settings = [drawn(rng) for _ in range(a.draws)]
    fitter, everything = Fitter(asked), set(range(len(asked)))
    held: list[tuple[float, float]] = [(0.0, 0.0)] * len(asked)
    for fold in range(a.folds):
        inside = {i for i, one in enumerate(asked) if fold_of[one.fold] == fold}
        chosen = fitter.fit(settings, everything - inside)
        for i in inside:
            held[i] = fitter.scores(chosen)[i]
        print(json.dumps({"fold": fold, "chosen": asdict(chosen)}), flush=True)
    chosen = fitter.fit(settings, everything)
    print(json.dumps({"fold": "none", "chosen": asdict(chosen)}), flush=True)
    rows = [("chosen on the other folds", held), ("chosen on all", fitter.scores(chosen))]
    rows += [(name, fitter.scores(weights)) for name, weights in FIXED.items()]
    for name, got in rows:
        tracks = by_track(asked, got, everything)
        said = {t: f"{h:.3f} / {m:.3f}" for t, (h, m) in tracks.items()}
        print(json.dumps({"weights": name, "value": round(value(tracks), 4), **said}))


if __name__ == "__main__":
    main()
