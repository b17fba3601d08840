"""A small archive in two versions, and a parser and a model that take no time: for runs that are killed by the hundred."""

from __future__ import annotations

import hashlib
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

import numpy as np

from paperlode.ingest.document import Block, Box, Kind, PageBox, PageFailure, ParsedPage

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from paperlode.ingest.document import Source

__all__ = ["HashModel", "LineParser", "write_new", "write_old"]


class HashModel:
    """An embedding model: each word gives a direction, by its hash."""

    name = "hashes"
    dimensions = 32
    max_tokens = 96

    def count(self, text: str) -> int:
        """Words, and two special tokens."""
        return len(text.split()) + 2

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Shape ``(len(texts), dimensions)``, of length 1."""
        out = np.full((len(texts), self.dimensions), 0.01, dtype=np.float32)
        for row, text in zip(out, texts, strict=True):
            for word in text.lower().split():
                row[hashlib.sha256(word.encode()).digest()[0] % self.dimensions] += 1
        return np.asarray(out / np.linalg.norm(out, axis=1, keepdims=True), dtype=np.float32)

    def embed_query(self, text: str) -> NDArray[np.float32]:
        """As any text."""
        return np.asarray(self.embed([text])[0], dtype=np.float32)

    def reads(self, text: str) -> float:  # noqa: ARG002
        """All of it."""
        return 1.0


class LineParser:
    """Reads files of lines: the first says that it is a PDF, those with # say nothing, each other one is a page.

    A page's paragraphs are parted by |; a paragraph that begins with = is a heading; the page FAIL fails.
    """

    fingerprint = "lines-1"
    documents_at_once = 2

    @staticmethod
    def _pages(source: Source) -> list[str]:
        lines = Path(source.uri).read_text("utf-8").splitlines()[1:]
        return [line for line in lines if not line.startswith("#")]

    def page_count(self, source: Source) -> int:
        """Lines."""
        return len(self._pages(source))

    def stands(self, read_by: str) -> bool:  # noqa: ARG002
        """No older version reads as this one."""
        return False

    def page_prints(self, source: Source, stop: int) -> list[str]:
        """Hashes of the lines."""
        return [hashlib.sha256(line.encode()).hexdigest()[:32] for line in self._pages(source)[:stop]]

    def parse(self, source: Source, pages: Sequence[int]) -> Iterator[ParsedPage]:
        """The lines wanted."""
        lines = self._pages(source)
        for number in pages:
            yield self.page(number, lines[number])

    def page(self, number: int, line: str) -> ParsedPage:
        """One of them."""
        if line == "FAIL":
            return ParsedPage(number, 612, 792, self.fingerprint, failure=PageFailure("page_timeout", "late"))
        blocks = []
        for i, text in enumerate(line.split("|")):
            kind = Kind.HEADING if text.startswith("=") else Kind.TEXT
            blocks.append(Block(kind, text.lstrip("="), (PageBox(number, Box(72, 72 + 40 * i, 540, 100 + 40 * i)),)))
        return ParsedPage(number, 612, 792, self.fingerprint, tuple(blocks))

    def close(self) -> None:
        """Nothing is open."""


def _page(rng: Random, name: str, number: int) -> str:
    parts = [f"={name} part {number}"] if number % 2 == 0 else []
    for _ in range(rng.randint(1, 4)):
        words = " ".join(
            rng.choices(("lease", "rent", "notice", "deposit", "tenant", "price", "audit", "margin"), k=20)
        )
        parts.append(f"On page {number} of {name}: {words}.")
    return "|".join(parts)


def _write(path: Path, pages: Sequence[str], *, note: str = "") -> None:
    path.write_text("\n".join(("%PDF-lines", *([f"# {note}"] if note else []), *pages)), encoding="utf-8")


def _documents() -> dict[str, list[str]]:
    rng = Random(11)  # noqa: S311
    names = (
        "changed", "longer", "shorter", "moved", "deleted", "copied", "replaced", "anew", "same", "failing", "long",
        "handed on", "swapped", "swapped too",
    )  # fmt: skip
    return {name: [_page(rng, name, n) for n in range(40 if name == "long" else rng.randint(2, 7))] for name in names}


def write_old(folder: Path) -> None:
    """The archive as it was."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, pages in _documents().items():
        _write(folder / f"{name}.pdf", ["FAIL", *pages] if name == "failing" else pages)


def write_new(folder: Path) -> None:
    """What became of it, written over the old one."""
    rng, pages = Random(12), _documents()  # noqa: S311
    for name in ("changed", "long"):
        middle = len(pages[name]) // 2
        _write(
            folder / f"{name}.pdf",
            [*pages[name][:middle], _page(rng, f"{name} anew", middle), *pages[name][middle + 1 :]],
        )
    _write(folder / "longer.pdf", [pages["longer"][0], _page(rng, "put in", 1), *pages["longer"][1:]])
    _write(folder / "shorter.pdf", pages["shorter"][:-1])
    (folder / "moved.pdf").rename(folder / "moved away.pdf")
    (folder / "deleted.pdf").unlink()
    _write(folder / "copy.pdf", pages["copied"])
    _write(folder / "replaced.pdf", [_page(rng, "replacement", n) for n in range(4)])
    _write(folder / "anew.pdf", pages["anew"], note="saved by another program")
    _write(folder / "handed on.pdf", [_page(rng, "handed on", n) for n in range(3)])
    _write(folder / "was handed on.pdf", pages["handed on"])  # what the other held, which now holds a later version
    _write(folder / "swapped.pdf", pages["swapped too"])
    _write(folder / "swapped too.pdf", pages["swapped"])
    _write(folder / "new.pdf", [_page(rng, "new", n) for n in range(3)])
