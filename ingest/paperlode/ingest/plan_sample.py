"""Which files and pages a plan looks at: drawn by a seed, from strata of files that are alike in type and size.

The order in which files are opened, and pages read, depends on the seed alone; how far a plan comes on its way depends on
the time it has.
"""

from __future__ import annotations

import os
from collections import defaultdict
from dataclasses import dataclass, field
from math import log, sqrt
from random import Random
from typing import TYPE_CHECKING

from paperlode.ingest.plan_pages import RECOGNISED, Look, PageKind
from paperlode.ingest.sources import MEDIA_TYPES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

__all__ = [
    "MOST_LOOKED_AT",
    "FileSeen",
    "FoundFile",
    "Run",
    "opening_order",
    "pages_to_look_at",
    "reading_order",
    "runs_of",
]

MOST_LOOKED_AT = 96
"""Pages of one file that are looked at; of a longer one, stretches spread over it."""
STRETCH = 12
"""Pages looked at in one go."""
RUN = {True: 2, False: 6}
"""Pages that follow each other and are read together: of those that are recognised, and of digital ones."""

_TYPES = {e: t.rpartition("/")[2] for t, es in MEDIA_TYPES.items() for e in es}


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A file of the archive, by its name and size alone."""

    path: Path
    size: int

    @property
    def type(self) -> str:
        """``pdf``, ``jpeg``, ...: what its extension says; ``other`` for a file named by itself that has none of ours."""
        return _TYPES.get(self.path.suffix.lower(), "other")

    @property
    def stratum(self) -> tuple[str, int]:
        """Type, and size by powers of four."""
        return self.type, self.size.bit_length() // 2


@dataclass(frozen=True, slots=True)
class FileSeen:
    """A file that was opened.

    Attributes:
        pages: how many it has; 0 where it does not open.
        looks: those that were looked at.
        error: code of the error by which it does not open; empty otherwise.
    """

    file: FoundFile
    pages: int = 0
    looks: tuple[Look, ...] = ()
    error: str = ""


@dataclass(frozen=True, slots=True)
class Run:
    """Pages of one file that follow each other, to be read together.

    Attributes:
        kind: of most of them.
        weight: pages of the archive that one of these stands for.
    """

    file: FoundFile
    looks: tuple[Look, ...]
    kind: PageKind
    weight: float = field(default=1.0, compare=False)


def opening_order(files: Sequence[FoundFile], seed: int) -> Iterator[FoundFile]:
    """All files, those first that tell most: strata take turns, by the root of their files times their bytes."""
    strata: dict[tuple[str, int], list[FoundFile]] = defaultdict(list)
    for f in sorted(files, key=lambda f: os.fspath(f.path)):
        strata[f.stratum].append(f)
    turns = []
    for name in sorted(strata):
        members = strata[name]
        Random(f"{seed} {name}").shuffle(members)  # noqa: S311  a sample, no secret
        share = sqrt(len(members) * (1 + sum(f.size for f in members)))
        turns += [(i / share, name, i) for i in range(len(members))]  # one of each stratum before all else
    yield from (strata[name][i] for _, name, i in sorted(turns))


def pages_to_look_at(count: int) -> list[tuple[int, ...]]:
    """Stretches of pages of a file with so many: all of them, or stretches at equal distances."""
    starts = range(0, count, STRETCH)
    if count > MOST_LOOKED_AT:
        wanted = MOST_LOOKED_AT // STRETCH
        starts = [round(i * (count - STRETCH) / (wanted - 1)) for i in range(wanted)]  # type: ignore[assignment]
    return [tuple(range(s, min(s + STRETCH, count))) for s in starts]


def runs_of(seen: FileSeen, weight: float) -> list[Run]:
    """The file's pages in runs; ``weight`` is what one page that was looked at stands for."""
    out: list[Run] = []
    open_run: list[Look] = []

    def close() -> None:
        if open_run:
            kinds = [look.kind for look in open_run]
            out.append(Run(seen.file, tuple(open_run), max(sorted(set(kinds)), key=kinds.count), weight))
            open_run.clear()

    for look in seen.looks:
        if open_run:
            last = open_run[-1]
            same = (last.kind in RECOGNISED) == (look.kind in RECOGNISED)
            if not same or look.page != last.page + 1 or len(open_run) >= RUN[look.kind in RECOGNISED]:
                close()
        open_run.append(look)
    close()
    return out


def reading_order(runs: Iterable[Run], seed: int) -> dict[PageKind, list[Run]]:
    """Runs by kind, each list in the order to read them, last first: drawn without replacement, by weight."""
    by_kind: dict[PageKind, list[tuple[float, Run]]] = defaultdict(list)
    random = Random(seed)  # noqa: S311  a sample, no secret
    for run in sorted(runs, key=lambda r: (os.fspath(r.file.path), r.looks[0].page)):
        key = -log(1.0 - random.random()) / run.weight  # Efraimidis and Spirakis, 2006
        by_kind[run.kind].append((key, run))
    return {k: [r for _, r in sorted(keyed, key=lambda p: -p[0])] for k, keyed in by_kind.items()}
