"""What the query API takes and gives, as JSON.

Everywhere: pages are 0-based; boxes are ``[x0, y0, x1, y1]`` in PDF points (1/72 inch), origin at the top left of the
page as displayed. Text is the document's own, never to be read as HTML.
"""

from datetime import UTC, datetime
from typing import Annotated, Literal, Self
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from paperlode.api.examples import ASKED, CITATION, COPY, DOCUMENT, FAILED, FINDING, HIT, PASSAGE, READ_BY, REGION
from paperlode.ingest.document import Chunk, Finding, Kind, Layer, PageBox
from paperlode.ingest.ledger_tables import DocumentRecord
from paperlode.retrieval.answer import Citation as AnswerCitation
from paperlode.retrieval.search import Hit

__all__ = [
    "MAX_LIMIT",
    "MAX_PAGE",
    "MAX_QUESTION",
    "AskRequest",
    "CitationOut",
    "DocumentDetail",
    "DocumentList",
    "DocumentOut",
    "FailedPageOut",
    "FindingOut",
    "Health",
    "HitOut",
    "PassageOut",
    "Passages",
    "Problem",
    "Region",
    "SearchRequest",
    "SearchResults",
    "example",
]

MAX_QUESTION = 2000
"""Characters of a question."""
MAX_LIMIT = 100
"""Hits of one search."""
MAX_PAGE = 10_000_000
"""Above any page number: the end of an open range."""
MAX_FILTERS = 100
"""Documents or kinds named in one filter."""

_READ_BY = "what read its pages: parser and, after a slash, the way it took"
_PAGES_READ_BY = "pages by what read them (parser and, after a slash, the way it took), without those that failed"


def example(value: dict[str, JsonValue], *, extra: Literal["ignore", "forbid"] = "ignore") -> ConfigDict:
    """The configuration of a model that is shown by this example."""
    return ConfigDict(json_schema_extra={"examples": [value]}, extra=extra)


class Region(BaseModel):
    """A box on a page."""

    model_config = example(REGION)

    page: Annotated[int, Field(ge=0, description="0-based")]
    box: Annotated[
        tuple[float, float, float, float], Field(description="[x0, y0, x1, y1] in PDF points, top left origin")
    ]

    @classmethod
    def of(cls, region: PageBox) -> Self:
        """From the value."""
        x0, y0, x1, y1 = region.box
        return cls(page=region.page, box=(x0, y0, x1, y1))


class FindingOut(BaseModel):
    """Why something wants a look."""

    model_config = example(FINDING)

    code: str
    reason: Annotated[str, Field(description="for a person")]
    regions: list[Region]

    @classmethod
    def of(cls, finding: Finding) -> Self:
        """From the value."""
        return cls(code=finding.code, reason=finding.reason, regions=[Region.of(r) for r in finding.regions])


class _Question(BaseModel):
    question: Annotated[str, Field(min_length=1, max_length=MAX_QUESTION, description="in plain words")]
    limit: Annotated[int, Field(ge=1, le=MAX_LIMIT, description="how many pages to find")] = 5
    documents: Annotated[
        list[Annotated[str, Field(min_length=1, max_length=1024)]],
        Field(max_length=MAX_FILTERS, description="only these: digest, the beginning of one, or file name"),
    ] = []
    kinds: Annotated[list[Kind], Field(max_length=MAX_FILTERS, description="only blocks of these kinds")] = []
    flags: Annotated[
        list[Annotated[str, Field(min_length=1, max_length=100)]],
        Field(max_length=MAX_FILTERS, description="only what has one of these quality flags"),
    ] = []
    without_flags: Annotated[
        list[Annotated[str, Field(min_length=1, max_length=100)]],
        Field(max_length=MAX_FILTERS, description="nothing that has one of these quality flags"),
    ] = []
    page_from: Annotated[int | None, Field(ge=0, le=MAX_PAGE, description="first page, 0-based")] = None
    page_to: Annotated[int | None, Field(ge=0, le=MAX_PAGE, description="last page, 0-based, inclusive")] = None


class SearchRequest(_Question):
    """A search."""

    model_config = example({**ASKED, "kinds": ["text", "table"], "page_from": 0, "page_to": 20}, extra="forbid")


class AskRequest(_Question):
    """A question to be answered from the ``limit`` best pages."""

    model_config = example(ASKED, extra="forbid")


class CopyOut(BaseModel):
    """Where the text of a hit stands a second time."""

    model_config = example(COPY)

    id: Annotated[str, Field(description="of the chunk")]
    document: Annotated[str, Field(description="digest (sha256) of the document")]
    page: Annotated[int, Field(description="its first page, 0-based")]


class HitOut(BaseModel):
    """One page that answers, with the chunk that is the evidence."""

    model_config = example(HIT)

    rank: Annotated[int, Field(description="1 for the best")]
    score: Annotated[float, Field(description="higher is better; comparable within one search only")]
    id: Annotated[str, Field(description="of the chunk: the same input always gives the same id")]
    document: Annotated[str, Field(description="digest (sha256) of the document")]
    name: Annotated[str, Field(description="file name of the document")]
    page: Annotated[int, Field(description="the page this hit stands for, 0-based")]
    pages: Annotated[list[int], Field(description="all pages the evidence stands on, 0-based")]
    regions: Annotated[list[Region], Field(description="where the evidence stands, in reading order")]
    kind: Kind
    layer: Layer
    heading_path: Annotated[list[str], Field(description="headings above it, outermost first")]
    text: Annotated[str, Field(description="the evidence as printed, with a table's caption and header rows")]
    passage: Annotated[str, Field(description="the evidence with its neighbours on the page")]
    because: Annotated[list[str], Field(description="what of the question it answers to, beside words and meaning")]
    copies: Annotated[list[CopyOut], Field(description="where the same text stands in other documents")]
    confidence: Annotated[float | None, Field(description="0 to 1 of the recognition; null for a digital text layer")]
    flags: list[str]
    findings: Annotated[list[FindingOut], Field(description="what the judge of quality says of the evidence")]
    labels: Annotated[list[str], Field(description="what it can be referred to by: 4.2(b), Table3, term:Affiliate")]
    references: Annotated[list[str], Field(description="labels of what it refers to in the same document")]
    read_by: Annotated[list[str], Field(description=_READ_BY)]
    picture: Annotated[str, Field(description="path of the page's picture with the evidence marked")]

    @classmethod
    def of(cls, hit: Hit, name: str) -> Self:
        """From the value; ``name`` is the document's."""
        chunk = hit.chunk
        return cls(
            rank=hit.rank,
            score=hit.score,
            id=chunk.id,
            document=chunk.document,
            name=name,
            page=hit.page,
            pages=list(chunk.pages),
            regions=[Region.of(r) for r in chunk.regions],
            kind=chunk.kind,
            layer=chunk.layer,
            heading_path=list(chunk.heading_path),
            text=chunk.shown_text,
            passage=hit.passage,
            because=list(hit.because),
            copies=[CopyOut(id=c.chunk, document=c.document, page=c.page) for c in hit.copies],
            confidence=chunk.confidence,
            flags=list(chunk.flags),
            findings=[FindingOut.of(f) for f in chunk.findings],
            labels=list(chunk.labels),
            references=list(chunk.references),
            read_by=list(chunk.read_by or (chunk.parser,)),
            picture=f"{_picture(chunk.document, hit.page)}?hit={quote(chunk.id, safe='')}",
        )


class PassageOut(BaseModel):
    """A piece of a document, as a reference leads to it."""

    model_config = example(PASSAGE)

    id: Annotated[str, Field(description="of the chunk: the same input always gives the same id")]
    pages: Annotated[list[int], Field(description="0-based")]
    regions: Annotated[list[Region], Field(description="where it stands, in reading order")]
    kind: Kind
    heading_path: Annotated[list[str], Field(description="headings above it, outermost first")]
    text: Annotated[str, Field(description="as printed, with a table's caption and header rows")]
    labels: list[str]
    references: list[str]

    @classmethod
    def of(cls, chunk: Chunk) -> Self:
        """From the value."""
        return cls(
            id=chunk.id,
            pages=list(chunk.pages),
            regions=[Region.of(r) for r in chunk.regions],
            kind=chunk.kind,
            heading_path=list(chunk.heading_path),
            text=chunk.shown_text,
            labels=list(chunk.labels),
            references=list(chunk.references),
        )


class Passages(BaseModel):
    """What a reference leads to; nothing is an answer too."""

    model_config = example({"label": "Section 7.2", "passages": [PASSAGE]})

    label: str
    passages: list[PassageOut]


class SearchResults(BaseModel):
    """The hits of a search, best first; no hits is an answer too."""

    model_config = example({"question": "What is the cap on liability?", "hits": [HIT]})

    question: str
    hits: list[HitOut]


class CitationOut(BaseModel):
    """Where quote ``n`` of an answer was taken from."""

    model_config = example(CITATION)

    n: Annotated[int, Field(description="the number that stands in brackets in the answer, from 1")]
    document: Annotated[str, Field(description="digest (sha256) of the document")]
    name: Annotated[str, Field(description="file name of the document")]
    page: Annotated[int, Field(description="0-based")]
    regions: Annotated[list[Region], Field(description="where the quote stands")]
    quote: Annotated[str, Field(description="the words as printed")]
    read_by: Annotated[list[str], Field(description=_READ_BY)]
    picture: Annotated[str, Field(description="path of the page's picture")]

    @classmethod
    def of(cls, citation: AnswerCitation) -> Self:
        """From the value."""
        return cls(
            n=citation.n,
            document=citation.document,
            name=citation.name,
            page=citation.page,
            regions=[Region.of(b) for b in citation.boxes],
            quote=citation.quote,
            read_by=list(citation.read_by),
            picture=_picture(citation.document, citation.page),
        )


class DocumentOut(BaseModel):
    """A document of the archive."""

    model_config = example(DOCUMENT)

    id: Annotated[str, Field(description="digest (sha256) of the bytes that it was first seen with")]
    content: Annotated[str, Field(description="digest (sha256) of the bytes that it holds now")]
    name: Annotated[str, Field(description="file name")]
    media_type: str
    size: Annotated[int, Field(description="bytes")]
    pages: int
    failed_pages: Annotated[int, Field(description="pages that could not be parsed")]
    read_by: Annotated[dict[str, int], Field(description=_PAGES_READ_BY)]
    chunks: Annotated[int, Field(description="pieces of it in the index")]
    status: Annotated[str, Field(description="indexed when it is searchable, otherwise pending or failed")]
    updated: datetime

    @classmethod
    def of(cls, record: DocumentRecord) -> Self:
        """From the ledger's record."""
        return cls(
            id=record.digest,
            content=record.content,
            name=record.name,
            media_type=record.media_type,
            size=record.size,
            pages=record.page_count,
            failed_pages=record.failed_pages,
            read_by=dict(record.read_by),
            chunks=record.chunks,
            status=record.status,
            updated=datetime.fromtimestamp(record.updated, UTC),
        )


class DocumentList(BaseModel):
    """Searchable documents of a collection, by name."""

    model_config = example({"documents": [DOCUMENT], "next": "WyJsZWFzZS5wZGYiLCI4ZjRiIl0"})

    documents: list[DocumentOut]
    next: Annotated[str | None, Field(description="cursor of the next page; null on the last")]


class FailedPageOut(BaseModel):
    """A page that could not be parsed, and why."""

    model_config = example(FAILED)

    page: Annotated[int, Field(description="0-based")]
    code: Annotated[str, Field(description="stable and machine-readable")]
    message: str


class DocumentDetail(DocumentOut):
    """A document of the archive and its pages that could not be parsed."""

    model_config = example({**DOCUMENT, "failed_pages": 1, "failures": [FAILED]})

    failures: list[FailedPageOut]


class Health(BaseModel):
    """The service answers and its archive can be read."""

    model_config = example(
        {
            "status": "ok",
            "version": "0.1.0",
            "documents": 12,
            "pages": 340,
            "failed_pages": 1,
            "read_by": READ_BY,
            "chunks": 1504,
            "pending": 0,
        }
    )

    status: Literal["ok"]
    version: Annotated[str, Field(description="of paperlode")]
    documents: Annotated[int, Field(description="searchable")]
    pages: Annotated[int, Field(description="of those documents")]
    failed_pages: Annotated[int, Field(description="that could not be parsed")]
    read_by: Annotated[dict[str, int], Field(description=_PAGES_READ_BY)]
    chunks: Annotated[int, Field(description="in the index")]
    pending: Annotated[int, Field(description="documents begun and not finished")]


class Problem(BaseModel):
    """What went wrong, as RFC 9457 has it (``application/problem+json``), with a hint and paperlode's own code."""

    model_config = example(
        {
            "type": "urn:paperlode:problem:document_not_found",
            "title": "Document not found",
            "status": 404,
            "detail": "There is no document 'lease.pdf' in the index.",
            "hint": "See: paperlode status",
            "code": "document_not_found",
        }
    )

    type: Annotated[str, Field(description="a URN that ends with the code")]
    title: str
    status: int
    detail: Annotated[str, Field(description="what happened")]
    hint: Annotated[str, Field(description="what to do next; may be empty")]
    code: Annotated[str, Field(description="stable and machine-readable")]


def _picture(document: str, page: int) -> str:
    return f"/v1/documents/{quote(document, safe='')}/pages/{page}/picture.png"
