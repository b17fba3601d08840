"""A tiny archive: real PDFs, real index, a parser without worker processes and a model of hashed words."""

import hashlib

import numpy as np
import pytest

from paperlode.api.archive import Archive
from paperlode.ingest.document import Block, Box, Kind, PageBox, ParsedPage


class WordModel:
    """An embedding model: each word gives a direction, by its hash."""

    name = "words"
    dimensions = 256
    max_tokens = 128

    def count(self, text):
        return len(text.split()) + 2

    def embed(self, texts):
        out = np.zeros((len(texts), self.dimensions), dtype=np.float32)
        out[:, 0] = 0.01
        for row, text in zip(out, texts, strict=True):
            for word in text.lower().split():
                row[int(hashlib.sha256(word.strip(".,?").encode()).hexdigest(), 16) % self.dimensions] += 1
        return out / np.linalg.norm(out, axis=1, keepdims=True)

    def embed_query(self, text):
        return self.embed([text])[0]

    def reads(self, text):
        return 1.0


class DirectParser:
    """Reads PDFs in this process, one block a text block."""

    fingerprint = "direct-1"
    documents_at_once = 2

    def __init__(self):
        self.parsed = 0

    def stands(self, read_by):
        return False

    def page_prints(self, source, stop):
        return ()

    def page_count(self, source):
        import pymupdf

        with pymupdf.open(source.uri) as doc:
            return doc.page_count

    def parse(self, source, pages):
        import pymupdf

        with pymupdf.open(source.uri) as doc:
            for n in pages:
                page = doc[n]
                blocks = tuple(
                    Block(Kind.TEXT, text.strip(), (PageBox(n, Box(*box).rounded()),))
                    for *box, text, _, kind in page.get_text("blocks")
                    if kind == 0
                )
                self.parsed += 1
                yield ParsedPage(n, page.rect.width, page.rect.height, "direct-1", blocks)

    def close(self):
        pass


LEASE = [
    ["The tenant shall pay a monthly rent of 1,250 euros.", "The deposit is three months of rent."],
    ["Either party may end this lease with ninety days of notice.", "Pets are allowed."],
]
MANUAL = [["Press the red button to stop the pump.", "Clean the filter every week."]]


def write_pdf(path, pages):
    """A PDF with one paragraph below the other on each page."""
    import pymupdf

    doc = pymupdf.open()
    for paragraphs in pages:
        page = doc.new_page(width=612, height=792)
        for k, text in enumerate(paragraphs):
            page.insert_text((72, 100 + 60 * k), text, fontsize=11)
    doc.save(path)
    doc.close()
    return path


@pytest.fixture
def docs(tmp_path):
    folder = tmp_path / "docs"
    folder.mkdir()
    write_pdf(folder / "lease.pdf", LEASE)
    write_pdf(folder / "manual.pdf", MANUAL)
    return folder


@pytest.fixture
def archive(tmp_path, docs):
    """An archive over ``docs``."""
    with Archive.create(tmp_path / "index", embedder=WordModel()) as archive:
        archive.ingest([docs], parser=DirectParser())
        yield archive


@pytest.fixture(scope="session")
def lasting(tmp_path_factory):
    """The same archive, for tests that only read."""
    folder = tmp_path_factory.mktemp("lasting")
    write_pdf(folder / "lease.pdf", LEASE)
    write_pdf(folder / "manual.pdf", MANUAL)
    with Archive.create(folder / "index", embedder=WordModel()) as archive:
        archive.ingest([folder], parser=DirectParser())
        yield archive


@pytest.fixture
def word_model():
    return WordModel()


@pytest.fixture
def parser():
    return DirectParser()


@pytest.fixture
def pdf_writer():
    return write_pdf
