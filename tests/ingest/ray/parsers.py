"""Parsers for these tests, made by the workers: their pages take a while, or take their worker down."""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING

from paperlode.ingest.document import Block, Box, Kind, PageBox, ParsedPage
from paperlode.ingest.parsing.local import LocalOptions, LocalParser

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from paperlode.ingest.document import Source

__all__ = ["DeadlyParser", "SlowParser", "plain_parser", "write_pdf"]


class SlowParser:
    """Reads PDFs in the worker itself, each page in ``seconds``; notes who read it in ``notes``, a folder."""

    fingerprint = "slow-1"
    documents_at_once = 2

    def __init__(self, seconds: float = 0.0, notes: Path | None = None) -> None:
        self.seconds, self.notes = seconds, notes

    def page_count(self, source: Source) -> int:
        import pymupdf

        with pymupdf.open(source.uri) as doc:
            return int(doc.page_count)

    def stands(self, read_by: str) -> bool:
        return False

    def page_prints(self, source: Source, stop: int) -> Sequence[str]:
        return ()

    def parse(self, source: Source, pages: Sequence[int]) -> Iterator[ParsedPage]:
        import pymupdf

        for n in pages:
            time.sleep(self.seconds)
            self.before(n)
            with pymupdf.open(source.uri) as doc:
                text = doc[n].get_text().strip()
            if self.notes:
                with (self.notes / f"{os.getpid()}").open("a") as f:
                    f.write(f"{source.name} {n}\n")
            block = Block(Kind.TEXT, text, (PageBox(n, Box(72, 72, 540, 720)),))
            yield ParsedPage(n, 612.0, 792.0, self.fingerprint, (block,))

    def before(self, page: int) -> None:
        """Each page begins so."""

    def close(self) -> None:
        pass


class DeadlyParser(SlowParser):
    """Page 3 kills its worker, whoever reads it."""

    def before(self, page: int) -> None:
        if page == 3:
            os.kill(os.getpid(), signal.SIGKILL)


def plain_parser() -> LocalParser:
    """The local parser, by text layers alone, so that nothing takes long."""
    return LocalParser(options=LocalOptions("plain"), workers=1)


def write_pdf(path: Path, pages: int, *, said: str = "notice period") -> Path:
    """A PDF of so many pages, none like another."""
    import pymupdf

    doc = pymupdf.open()
    for n in range(pages):
        page = doc.new_page(width=612, height=792)
        page.insert_text((72, 100), f"Clause {n + 1} of {path.stem}", fontsize=11)
        page.insert_text((72, 160), f"The {said} of party {n} is {30 + n} days after receipt.", fontsize=11)
    doc.save(path)
    doc.close()
    return path
