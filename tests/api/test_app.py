"""The query API over a small archive that keeps its values in memory."""

import re
import threading
from collections.abc import Iterator, Sequence
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from paperlode.api import answer_models, models
from paperlode.api.app import create_app
from paperlode.api.archive import Archive, Scope, Status
from paperlode.api.archive_like import ArchiveLike
from paperlode.api.routes.problems import STATUS, status_of
from paperlode.ingest import errors
from paperlode.ingest.document import Box, Chunk, Finding, Kind, Layer, PageBox
from paperlode.ingest.ledger_tables import Counts, DocumentRecord, FailedPage, Recipe
from paperlode.retrieval.answer import Answer, Citation
from paperlode.retrieval.index import Filter
from paperlode.retrieval.search import Copy, Hit

LEASE, OTHER = "a1" * 32, "b2" * 32
CLAUSE = "3f0c7a52-8a61-5d0e-9c38-1f2b64d7e9a0"
UNKNOWN = "00000000-0000-0000-0000-000000000000"
BOXES = (PageBox(3, Box(72, 310.5, 523.2, 352.8)), PageBox(4, Box(72, 80, 523.2, 92.25)))
TEXT = "<script>alert(1)</script> & 责任上限"
PNG = b"\x89PNG\r\n\x1a\n"


def record(digest: str, name: str) -> DocumentRecord:
    """A searchable document of six pages, one of them failed."""
    recipe = Recipe("local-3", "1", "minilm")
    return DocumentRecord(digest, name, name, "application/pdf", 1000, 6, "indexed", recipe, 9, 1, 1_768_469_400.0)


def hit(rank: int = 1) -> Hit:
    """A clause that runs over two pages."""
    seen = Finding("sum_mismatch", "90 is stated, 80 is the sum.", BOXES[:1])
    chunk = Chunk(
        CLAUSE, LEASE, 4, TEXT, Kind.TEXT, Layer.BODY, BOXES, (7, 8), 20, "local-3",
        heading_path=("7 Liability",), flags=("sum_mismatch",), findings=(seen,),
        labels=("7.2",), references=("term:Tenant",),
    )  # fmt: skip
    because, copies = ("document of Harbour Lets Ltd",), (Copy("copy", OTHER, 2),)
    return Hit(rank, 1.5, chunk, 3, f"7.2 Cap\n{TEXT}", because, copies)


class MemoryArchive:
    """Two documents and one hit; notes what it was asked, and whether two callers were inside at once."""

    def __init__(self) -> None:
        self.records = [record(LEASE, "lease.pdf"), record(OTHER, "other report.pdf")]
        self.asked: list[tuple[str, int, Scope | None]] = []
        self.drawn: list[tuple[str, int, tuple[Box, ...]]] = []
        self.raises: Exception | None = None
        self.pause = threading.Event()
        self.pause.set()
        self.entered = threading.Event()
        self.answering = threading.Event()
        self.thinking = threading.Event()
        self.thinking.set()
        self.crowded = threading.Event()
        self.inside = 0

    def search(self, question: str, *, limit: int = 5, scope: Scope | None = None) -> list[Hit]:
        """Up to ``limit`` times the same hit."""
        self.inside += 1
        self.entered.set()
        if self.inside > 1:
            self.crowded.set()
        self.pause.wait(10)
        self.inside -= 1
        if self.raises:
            raise self.raises
        self.asked.append((question, limit, scope))
        scope = scope or Scope()
        for name in scope.documents:
            self.document(name)
        Filter(pages=scope.pages)
        return [hit(n + 1) for n in range(min(limit, 2))]

    def answer(self, question: str, hits: Sequence[Hit]) -> Answer:
        """Quotes the hit, once it is allowed to."""
        self.answering.set()
        self.thinking.wait(10)
        return Answer(f"{TEXT} [1]", (Citation(1, LEASE, "lease.pdf", 3, BOXES[:1], TEXT, ("local-3/scan",)),))

    def names(self, hits: Sequence[Hit]) -> dict[str, str]:
        """By digest."""
        return {h.document: self.document(h.document).name for h in hits}

    def follow(self, document: str, label: str, *, referring: bool = False) -> list[Chunk]:
        """The clause, for its own label; nothing refers to it."""
        self.document(document)
        return [hit().chunk] if label == "Section 7.2" and not referring else []

    def hit(self, chunk: str) -> Chunk:
        """The one chunk."""
        if chunk != CLAUSE:
            raise errors.DocumentNotFound(f"There is no hit {chunk!r} in the index.")
        return hit().chunk

    def status(self) -> Status:
        """Of the two documents."""
        return Status("", 0, "minilm", 384, "local-3", "1", Counts(2, 12, 2, 18, 0, {"local-3/scan": 10}), [], 0, 1)

    def documents_after(self, last: tuple[str, str] | None, limit: int) -> list[DocumentRecord]:
        """Both, or the second."""
        return [r for r in self.records if last is None or (r.name, r.digest) > last][:limit]

    def document(self, ref: str) -> DocumentRecord:
        """By digest, its beginning, or name."""
        for r in self.records:
            if r.name == ref or (len(ref) >= 6 and r.digest.startswith(ref)):
                return r
        raise errors.DocumentNotFound(f"There is no document {ref!r} in the index.", hint="See: paperlode status")

    def failed_pages(self, document: str) -> list[FailedPage]:
        """One."""
        return [FailedPage(5, "page_timeout", "Page 6 took too long.")]

    def original(self, document: str) -> Path:
        """Gone."""
        raise errors.SourceNotFound(f"{self.document(document).name} is gone.")

    def export(self, document: str, form: str) -> Iterator[str]:
        """Its name and the form."""
        return iter([self.document(document).name, form])

    def page_picture(self, document: str, page: int, *, boxes: Sequence[Box] = ()) -> bytes:
        """Notes what is drawn."""
        if page >= self.document(document).page_count:
            raise errors.DocumentNotFound(f"There is no page {page}.")
        self.drawn.append((document, page, tuple(boxes)))
        return PNG


def real(archive: Archive) -> ArchiveLike:
    """The type checkers prove here that the real archive is what the API asks for."""
    return archive


def fake(archive: MemoryArchive) -> ArchiveLike:
    """The type checkers prove here that so is the one in memory."""
    return archive


@pytest.fixture
def archive() -> MemoryArchive:
    """An archive."""
    return MemoryArchive()


@pytest.fixture
def client(archive: MemoryArchive) -> Iterator[TestClient]:
    """A client of the service over it."""
    with TestClient(create_app(archive), base_url="http://localhost", raise_server_exceptions=False) as c:
        yield c


def test_search_points_at_page_and_boxes(client: TestClient) -> None:
    """A hit says which document, page and boxes its text came from, and what kind of text it is."""
    response = client.post("/v1/search", json={"question": " cap? ", "limit": 1})
    assert response.status_code == 200
    assert response.json() == {
        "question": "cap?",
        "hits": [
            {
                "rank": 1,
                "score": 1.5,
                "id": CLAUSE,
                "document": LEASE,
                "name": "lease.pdf",
                "page": 3,
                "pages": [3, 4],
                "regions": [
                    {"page": 3, "box": [72, 310.5, 523.2, 352.8]},
                    {"page": 4, "box": [72, 80, 523.2, 92.25]},
                ],
                "kind": "text",
                "layer": "body",
                "heading_path": ["7 Liability"],
                "text": TEXT,
                "passage": f"7.2 Cap\n{TEXT}",
                "because": ["document of Harbour Lets Ltd"],
                "copies": [{"id": "copy", "document": OTHER, "page": 2}],
                "confidence": None,
                "flags": ["sum_mismatch"],
                "findings": [
                    {
                        "code": "sum_mismatch",
                        "reason": "90 is stated, 80 is the sum.",
                        "regions": [{"page": 3, "box": [72, 310.5, 523.2, 352.8]}],
                    }
                ],
                "labels": ["7.2"],
                "references": ["term:Tenant"],
                "read_by": ["local-3"],
                "picture": f"/v1/documents/{LEASE}/pages/3/picture.png?hit={CLAUSE}",
            }
        ],
    }


def test_both_forms_of_search_are_one(client: TestClient, archive: MemoryArchive) -> None:
    """The same search by URL and by JSON asks the archive the same and gives the same."""
    by_url = client.get(
        "/v1/search",
        params={
            "q": "cap?",
            "limit": 2,
            "document": ["lease.pdf", OTHER[:8]],
            "kind": ["text", "table"],
            "page_from": 2,
            "page_to": 4,
        },
    )
    by_json = client.post(
        "/v1/search",
        json={
            "question": "cap?",
            "limit": 2,
            "documents": ["lease.pdf", OTHER[:8]],
            "kinds": ["text", "table"],
            "page_from": 2,
            "page_to": 4,
        },
    )
    assert by_url.json() == by_json.json()
    scope = Scope(documents=("lease.pdf", OTHER[:8]), kinds=("text", "table"), pages=(2, 4))
    assert archive.asked == [("cap?", 2, scope)] * 2


@pytest.mark.parametrize(
    ("given", "pages"),
    [
        ({}, None),
        ({"page_from": 0}, (0, models.MAX_PAGE)),
        ({"page_to": 0}, (0, 0)),
        ({"page_from": 3}, (3, models.MAX_PAGE)),
    ],
)
def test_page_ranges_may_be_open(
    client: TestClient, archive: MemoryArchive, given: dict[str, int], pages: tuple[int, int] | None
) -> None:
    """A range without first or last page is open at that side, and page 0 is a page."""
    client.get("/v1/search", params={"q": "cap?", **given}).raise_for_status()
    assert archive.asked == [("cap?", 5, Scope(pages=pages))]


def test_a_hits_picture_can_be_fetched(client: TestClient, archive: MemoryArchive) -> None:
    """The path that a hit names gives its page, with those of its boxes drawn that lie on that page."""
    (found,) = client.get("/v1/search", params={"q": "cap?", "limit": 1}).json()["hits"]
    response = client.get(found["picture"])
    assert (response.status_code, response.headers["content-type"], response.content) == (200, "image/png", PNG)
    assert archive.drawn == [(LEASE, 3, (BOXES[0].box,))]


def test_ask_cites(client: TestClient) -> None:
    """An answer has the place of every quote, and the hits it was made from."""
    body = client.post("/v1/ask", json={"question": "cap?", "limit": 2}).json()
    assert body["text"] == f"{TEXT} [1]"
    assert body["citations"] == [
        {
            "n": 1,
            "document": LEASE,
            "name": "lease.pdf",
            "page": 3,
            "regions": [{"page": 3, "box": [72, 310.5, 523.2, 352.8]}],
            "quote": TEXT,
            "read_by": ["local-3/scan"],
            "picture": f"/v1/documents/{LEASE}/pages/3/picture.png",
        }
    ]
    assert [h["rank"] for h in body["hits"]] == [1, 2]


def test_documents(client: TestClient) -> None:
    """Documents are listed, and each is found by its digest, the beginning of it, or its name."""
    listed = client.get("/v1/documents").json()["documents"]
    assert [d["name"] for d in listed] == ["lease.pdf", "other report.pdf"]
    assert listed[0]["updated"] == "2026-01-15T09:30:00Z"
    failures = [{"page": 5, "code": "page_timeout", "message": "Page 6 took too long."}]
    for key in (OTHER, OTHER[:8], "other%20report.pdf"):
        assert client.get(f"/v1/documents/{key}").json() == {**listed[1], "failures": failures}


def test_health(client: TestClient) -> None:
    """Health tells what the archive holds, and nothing about where it lies."""
    body = client.get("/v1/health").json()
    assert re.match(r"\d", body.pop("version"))
    counted = {"documents": 2, "pages": 12, "failed_pages": 2, "chunks": 18, "pending": 1}
    assert body == {"status": "ok", "read_by": {"local-3/scan": 10}, **counted}


def test_a_plain_picture_has_no_boxes(client: TestClient, archive: MemoryArchive) -> None:
    """Without a hit the page is drawn as it is; the first page is 0."""
    assert client.get("/v1/documents/lease.pdf/pages/0/picture.png").content == PNG
    assert archive.drawn == [(LEASE, 0, ())]


@pytest.mark.parametrize(
    "path",
    [
        "/v1/documents/nothing.pdf",
        "/v1/documents/nothing.pdf/pages/0/picture.png",
        "/v1/documents/lease.pdf/pages/6/picture.png",
        f"/v1/documents/lease.pdf/pages/3/picture.png?hit={UNKNOWN}",
        f"/v1/documents/lease.pdf/pages/2/picture.png?hit={CLAUSE}",
        f"/v1/documents/{OTHER}/pages/3/picture.png?hit={CLAUSE}",
        "/v1/search?q=cap&document=nothing.pdf",
    ],
)
def test_what_is_not_there(client: TestClient, archive: MemoryArchive, path: str) -> None:
    """An unknown document, page or hit, or a hit that stands elsewhere, is a 404 problem, and nothing is drawn."""
    response = client.get(path)
    assert response.headers["content-type"] == "application/problem+json"
    body = response.json()
    assert (response.status_code, body["status"], body["code"]) == (404, 404, "document_not_found")
    assert not archive.drawn


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"q": ""},
        {"q": "  "},
        {"q": "x" * 2001},
        {"q": "cap", "limit": 0},
        {"q": "cap", "limit": 101},
        {"q": "cap", "limit": "many"},
        {"q": "cap", "kind": "poem"},
        {"q": "cap", "page_from": -1},
        {"q": "cap", "page_from": 4, "page_to": 2},
    ],
)
def test_requests_that_make_no_sense(client: TestClient, params: dict[str, Any]) -> None:
    """A question or filter outside its limits is a 422 problem, by URL and by JSON alike."""
    names = {"q": "question", "kind": "kinds"}
    body = {names.get(k, k): [v] if k == "kind" else v for k, v in params.items()}
    for response in (
        client.get("/v1/search", params=params),
        client.post("/v1/search", json=body),
        client.post("/v1/ask", json=body),
    ):
        problem = response.json()
        assert (response.status_code, problem["code"], problem["title"]) == (422, "invalid_request", "Invalid request")
        assert problem["detail"]


@pytest.mark.parametrize("question", ["x", "限" * 2000])
@pytest.mark.parametrize("limit", [1, 100])
def test_the_limits_themselves_are_allowed(client: TestClient, question: str, limit: int) -> None:
    """Questions of 1 and 2,000 characters, and 1 and 100 hits, are taken."""
    assert client.post("/v1/search", json={"question": question, "limit": limit}).status_code == 200


@pytest.mark.parametrize("content", [b"{", b"[]", b'{"question": "cap", "limt": 3}', b'{"question": 3}', b"\xff"])
def test_bodies_that_are_not_understood(client: TestClient, content: bytes) -> None:
    """Broken JSON, another type, or an option misspelt is a problem document and does not reach the archive."""
    response = client.post("/v1/search", content=content, headers={"Content-Type": "application/json"})
    assert response.status_code in {400, 422}
    assert response.json()["status"] == response.status_code


def test_every_error_has_a_status() -> None:
    """Each error of paperlode has a status, and the table names only errors."""
    kinds = [getattr(errors, name) for name in errors.__all__]
    assert {status_of(kind("x")) for kind in kinds} <= {401, 403, 404, 409, 413, 415, 422, 429, 500, 501, 502, 503, 504}
    assert set(STATUS) <= set(kinds)


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (errors.DocumentNotFound, 404),
        (errors.InvalidRequest, 422),
        (errors.ArchiveLocked, 503),
        (errors.StorageFull, 503),
        (errors.LedgerServerUnreachable, 503),
        (errors.SchemaMismatch, 500),
        (errors.ArchiveCorrupt, 500),
        (errors.MissingExtra, 501),
        (errors.SourceNotFound, 404),
        (errors.SourceChanged, 409),
        (errors.PageTimeout, 504),
    ],
)
def test_errors_are_problem_documents(
    client: TestClient, archive: MemoryArchive, error: type[errors.PaperlodeError], status: int
) -> None:
    """An error of the archive comes back with its message, hint and code, under a fitting status."""
    archive.raises = error("It broke.", hint="Mend it.")
    response = client.get("/v1/search", params={"q": "cap"})
    assert response.headers["content-type"] == "application/problem+json"
    assert response.headers.get("retry-after") == ("5" if status == 503 else None)
    code = archive.raises.code
    assert response.status_code == status
    assert response.json() == {
        "type": f"urn:paperlode:problem:{code}",
        "title": code.replace("_", " ").capitalize(),
        "status": status,
        "detail": "It broke.",
        "hint": "Mend it.",
        "code": code,
    }


def test_what_nobody_expected_tells_nothing(client: TestClient, archive: MemoryArchive) -> None:
    """A fault of the program is a 500 problem without its message, and the service goes on."""
    archive.raises = RuntimeError("secret path")
    response = client.get("/v1/search", params={"q": "cap"})
    assert (response.status_code, response.json()["code"]) == (500, "internal_error")
    assert "secret" not in response.text
    archive.raises = None
    assert client.get("/v1/search", params={"q": "cap"}).status_code == 200


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/v1/nothing", 404), ("DELETE", "/v1/search", 405)])
def test_unknown_endpoints(client: TestClient, method: str, path: str, status: int) -> None:
    """A path or method that does not exist is a problem document too."""
    response = client.request(method, path)
    assert response.headers["content-type"] == "application/problem+json"
    assert (response.status_code, response.json()["title"]) == (status, HTTPStatus(status).phrase)


@pytest.mark.parametrize(
    "path",
    ["/v1/search?q=cap", "/v1/documents/lease.pdf/pages/0/picture.png", "/v1/nothing", "/v1/search", "/openapi.json"],
)
def test_nothing_is_read_as_html(client: TestClient, path: str) -> None:
    """Every response forbids guessing its type and running anything in it; document text is JSON, whatever it looks like."""
    response = client.get(path)
    assert response.headers["x-content-type-options"] == "nosniff"
    assert "default-src 'none'" in response.headers["content-security-policy"]
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["content-type"] in {"application/json", "application/problem+json", "image/png"}


def test_unexpected_errors_have_the_headers_too(client: TestClient, archive: MemoryArchive) -> None:
    """A 500 that no handler foresaw still forbids guessing its type."""
    archive.raises = RuntimeError("x")
    assert client.get("/v1/search", params={"q": "cap"}).headers["x-content-type-options"] == "nosniff"


def test_one_call_at_a_time(client: TestClient, archive: MemoryArchive) -> None:
    """Requests that arrive together reach the archive one after the other, and all are answered."""
    archive.pause.clear()
    statuses: list[int] = []
    callers = [
        threading.Thread(target=lambda: statuses.append(client.get("/v1/search?q=cap").status_code)) for _ in range(4)
    ]
    for caller in callers:
        caller.start()
    assert archive.entered.wait(10)
    assert not archive.crowded.wait(0.3)
    archive.pause.set()
    for caller in callers:
        caller.join(10)
    assert statuses == [200] * 4
    assert not archive.crowded.is_set()


def test_a_busy_archive_asks_to_come_back(archive: MemoryArchive) -> None:
    """Who has waited too long is told to try again (503), and the caller inside is still answered."""
    archive.pause.clear()
    with TestClient(create_app(archive, patience=0.05), base_url="http://localhost") as client:
        statuses: list[int] = []
        first = threading.Thread(target=lambda: statuses.append(client.get("/v1/search?q=cap").status_code))
        first.start()
        assert archive.entered.wait(10)
        response = client.get("/v1/documents")
        archive.pause.set()
        first.join(10)
    assert (response.status_code, response.json()["code"], response.headers["retry-after"]) == (503, "busy", "5")
    assert statuses == [200]


def test_nobody_waits_for_an_answer_but_who_asked(archive: MemoryArchive) -> None:
    """While an answer is being made, as a language model may take minutes to, others search and ask."""
    archive.thinking.clear()
    with TestClient(create_app(archive, patience=0.05), base_url="http://localhost") as client:
        bodies: list[dict[str, Any]] = []
        asked = threading.Thread(target=lambda: bodies.append(client.post("/v1/ask", json={"question": "cap?"}).json()))
        asked.start()
        assert archive.answering.wait(10)
        statuses = [client.get(path).status_code for path in ("/v1/search?q=cap", "/v1/documents")]
        assert not bodies
        archive.thinking.set()
        asked.join(10)
    assert statuses == [200, 200]
    assert bodies[0]["text"] == f"{TEXT} [1]"


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost:8000", 200),
        ("127.0.0.1", 200),
        ("[::1]:8000", 200),
        ("LOCALHOST", 200),
        ("evil.example", 421),
        ("evil.example:8000", 421),
        ("localhost.evil.example", 421),
        ("[::1", 421),
        ("", 421),
    ],
)
def test_only_known_names_are_answered(client: TestClient, host: str, status: int) -> None:
    """A foreign name that is made to point at this machine gets nothing out of the archive."""
    response = client.get("/v1/documents", headers={"Host": host})
    assert response.status_code == status
    assert (status == 200) == ("lease.pdf" in response.text)


def test_other_names_can_be_allowed(archive: MemoryArchive) -> None:
    """A service that is started for a network answers by the names it is given, or by any."""
    for hosts in (["papers.example"], ["*"]):
        with TestClient(create_app(archive, hosts=hosts), base_url="http://papers.example:8000") as client:
            assert client.get("/v1/health").status_code == 200


def test_every_schema_has_an_example_that_fits(client: TestClient) -> None:
    """Each model in the OpenAPI document has an example, and the model takes it and gives it back."""
    schemas = client.get("/openapi.json").json()["components"]["schemas"]
    described = {name: s for name, s in schemas.items() if s.get("type") == "object"}
    assert set(described) >= {
        "SearchRequest",
        "SearchResults",
        "HitOut",
        "CitedAnswer",
        "DocumentDetail",
        "Problem",
        "Health",
    }
    for name, schema in described.items():
        model = getattr(models, name, None) or getattr(answer_models, name)
        (example,) = schema["examples"]
        kept = model.model_validate(example).model_dump(mode="json", exclude_unset=True)
        assert kept == example


def test_the_openapi_document_is_whole(client: TestClient) -> None:
    """It has the eight endpoints, every reference in it leads somewhere, and problems have their media type."""
    response = client.get("/openapi.json")
    document = response.json()
    assert {(m, p) for p, item in document["paths"].items() for m in item} == {
        ("get", "/v1/search"),
        ("post", "/v1/search"),
        ("post", "/v1/ask"),
        ("get", "/v1/documents"),
        ("get", "/v1/documents/{key}"),
        ("get", "/v1/documents/{key}/follow"),
        ("get", "/v1/documents/{key}/pages/{page}/picture.png"),
        ("get", "/v1/health"),
    }
    references = set(re.findall(r'"#/components/schemas/(\w+)"', response.text))
    assert references <= set(document["components"]["schemas"])
    for item in document["paths"].values():
        for operation in item.values():
            assert list(operation["responses"]["422"]["content"]) == ["application/problem+json"]
    picture = document["paths"]["/v1/documents/{key}/pages/{page}/picture.png"]["get"]
    assert list(picture["responses"]["200"]["content"]) == ["image/png"]


def test_a_reference_is_followed(client: TestClient) -> None:
    """To the passage that it means, with pages and boxes; nothing is an answer, an unknown document is none."""
    body = client.get("/v1/documents/lease.pdf/follow", params={"label": "Section 7.2"}).json()
    (passage,) = body["passages"]
    assert (passage["text"], passage["pages"], passage["labels"]) == (TEXT, [3, 4], ["7.2"])
    assert passage["regions"][0] == {"page": 3, "box": [72, 310.5, 523.2, 352.8]}
    back = client.get("/v1/documents/lease.pdf/follow", params={"label": "Section 7.2", "back": True}).json()
    assert back["passages"] == []
    assert client.get("/v1/documents/none.pdf/follow", params={"label": "1"}).status_code == 404
