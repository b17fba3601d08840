"""Finding the clause of a category inside its contract: this search beside BM25 and meaning alone, over the same chunks.

    python benchmarks/clauses.py --index DIR --clauses FILE

``--index`` is an archive of the contracts, ``--clauses`` lines of ``{"doc", "category", "query", "pages"}``: the query is the
category's description, the pages those of the clause (0-based). A query with clauses on several pages is asked once, and any of
them counts. Alone: the same chunks ranked by one score, one hit a page. Prints hit@5 and MRR@10 of each, and for hit@5 the
questions that only one of the two has, with the two-sided exact sign test over them.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from math import comb
from pathlib import Path
from typing import TYPE_CHECKING, Any

from paperlode.api.archive import Archive, Scope
from paperlode.retrieval.index import Filter, HybridQuery
from paperlode.retrieval.lexical import sparse_query
from paperlode.retrieval.points import MEANT

if TYPE_CHECKING:
    from collections.abc import Iterable


def alone(archive: Archive, question: str, digest: str, kind: str) -> list[tuple[int, ...]]:
    """The pages of the first ten pages' best chunks by one score."""
    index, embedder = archive._index, archive.embedder  # noqa: SLF001  one vector of the same index
    only = Filter(documents=(digest,), layers=tuple(MEANT))
    if kind == "dense":
        query = HybridQuery(embedder.embed_query(question), None, 200, only)
    else:
        query = HybridQuery(None, sparse_query(question), 200, only)
    found = [c for c in index.search(query) if getattr(c, kind) is not None]
    found.sort(key=lambda c: (-getattr(c, kind), c.id))
    chunks = {c.id: c for c in index.get([c.id for c in found])}
    return one_a_page(chunks[c.id].pages for c in found)


def one_a_page(pages: Iterable[tuple[int, ...]]) -> list[tuple[int, ...]]:
    kept: dict[int, tuple[int, ...]] = {}
    for on in pages:
        kept.setdefault(on[0] if on else 0, on)
    return list(kept.values())[:10]


def rank(pages: list[tuple[int, ...]], gold: set[int]) -> int:
    """From 1; 0 when none of the pages is right."""
    return next((n for n, on in enumerate(pages, 1) if gold & set(on)), 0)


def sign_test(wins: int, losses: int) -> float:
    """Two-sided, exact."""
    n = wins + losses
    return min(1.0, 2 * sum(comb(n, k) for k in range(min(wins, losses) + 1)) / 2**n) if n else 1.0


def main() -> None:
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--index", type=Path, required=True)
    ap.add_argument("--clauses", type=Path, required=True)
    a = ap.parse_args()
    asked: dict[tuple[str, str], set[int]] = defaultdict(set)
    for line in a.clauses.read_text("utf-8").splitlines():
        c: dict[str, Any] = json.loads(line)
        asked[c["doc"], c["query"]] |= set(c["pages"])
    ranks: dict[str, list[int]] = {"ours": [], "lexical": [], "dense": []}
    with Archive.open(a.index) as archive:
        digests = {Path(d.name).stem: d.digest for d in archive.documents()}
        for (doc, query), gold in asked.items():
            digest = digests[doc]
            hits = archive.search(query, limit=10, scope=Scope(documents=(digest,)))
            ranks["ours"].append(rank([h.pages for h in hits], gold))
            for kind in ("lexical", "dense"):
                ranks[kind].append(rank(alone(archive, query, digest, kind), gold))
    n = len(asked)
    for name, got in ranks.items():
        hit, mrr = sum(0 < r <= 5 for r in got) / n, sum(1 / r for r in got if r) / n
        said: dict[str, Any] = {"search": name, "queries": n, "hit@5": round(hit, 4), "MRR@10": round(mrr, 4)}
        if name != "ours":
            pairs = list(zip(ranks["ours"], got, strict=True))
            wins = sum(0 < x <= 5 and not 0 < y <= 5 for x, y in pairs)
            losses = sum(0 < y <= 5 and not 0 < x <= 5 for x, y in pairs)
            said |= {"only ours": wins, "only this": losses, "p": round(sign_test(wins, losses), 5)}
        print(json.dumps(said))


if __name__ == "__main__":
    main()
