"""Search and ask."""

from collections.abc import Mapping, Sequence
from typing import Annotated

from fastapi import APIRouter, Query

from paperlode.api.answer_models import AnswerOut, CitedAnswer
from paperlode.api.archive import Scope
from paperlode.api.models import (
    MAX_FILTERS,
    MAX_LIMIT,
    MAX_PAGE,
    MAX_QUESTION,
    AskRequest,
    CitationOut,
    HitOut,
    SearchRequest,
    SearchResults,
)
from paperlode.ingest.document import Kind
from paperlode.ingest.errors import InvalidRequest
from paperlode.retrieval.search import Hit

from .access import GateDep
from .gate import Gate

__all__ = ["router"]

router = APIRouter(tags=["search"])

Name = Annotated[str, Query(min_length=1, max_length=1024)]


@router.get("/search", summary="Search by URL")
def search_by_url(
    gate: GateDep,
    *,
    q: Annotated[
        str, Query(min_length=1, max_length=MAX_QUESTION, examples=["cap on liability"], description="the question")
    ],
    limit: Annotated[int, Query(ge=1, le=MAX_LIMIT, examples=[5], description="how many pages to find")] = 5,
    document: Annotated[
        list[Name] | None,
        Query(
            max_length=MAX_FILTERS,
            description="only this document: digest, the beginning of one, or file name; repeatable",
        ),
    ] = None,
    kind: Annotated[
        list[Kind] | None, Query(max_length=MAX_FILTERS, description="only blocks of this kind; repeatable")
    ] = None,
    flag: Annotated[
        list[Name] | None, Query(max_length=MAX_FILTERS, description="only what has this quality flag; repeatable")
    ] = None,
    no_flag: Annotated[
        list[Name] | None, Query(max_length=MAX_FILTERS, description="nothing that has this quality flag; repeatable")
    ] = None,
    page_from: Annotated[int | None, Query(ge=0, le=MAX_PAGE, description="first page, 0-based")] = None,
    page_to: Annotated[int | None, Query(ge=0, le=MAX_PAGE, description="last page, 0-based, inclusive")] = None,
) -> SearchResults:
    """The best pages for a question, best first, each with the text, the page and the boxes of its evidence."""
    request = SearchRequest(
        question=q,
        limit=limit,
        documents=document or [],
        kinds=kind or [],
        flags=flag or [],
        without_flags=no_flag or [],
        page_from=page_from,
        page_to=page_to,
    )
    return _search(gate, request)


@router.post("/search", summary="Search")
def search(gate: GateDep, request: SearchRequest) -> SearchResults:
    """The best pages for a question, best first, each with the text, the page and the boxes of its evidence."""
    return _search(gate, request)


@router.post("/ask", summary="Ask for a cited answer")
def ask(gate: GateDep, request: AskRequest) -> CitedAnswer:
    """An answer, every statement with its page and boxes: quotations, or a language model's checked words."""
    question = _question(request)
    with gate.enter() as archive:
        hits = archive.search(question, limit=request.limit, scope=_scope(request))
        names = archive.names(hits)
    with gate.aside() as archive:
        answer = archive.answer(question, hits)
    return CitedAnswer(
        question=question,
        **AnswerOut.of(answer).model_dump(),
        citations=[CitationOut.of(c) for c in answer.citations],
        hits=_hits(hits, names),
    )


def _search(gate: Gate, request: SearchRequest) -> SearchResults:
    question = _question(request)
    with gate.enter() as archive:
        hits = archive.search(question, limit=request.limit, scope=_scope(request))
        names = archive.names(hits)
    return SearchResults(question=question, hits=_hits(hits, names))


def _question(request: SearchRequest | AskRequest) -> str:
    if not (question := request.question.strip()):
        raise InvalidRequest("The question is empty.", hint="Ask with at least one word.")
    return question


def _scope(request: SearchRequest | AskRequest) -> Scope:
    pages = None
    if request.page_from is not None or request.page_to is not None:
        pages = (request.page_from or 0, MAX_PAGE if request.page_to is None else request.page_to)
    return Scope(
        documents=tuple(request.documents),
        kinds=tuple(request.kinds),
        pages=pages,
        flags=tuple(request.flags),
        without_flags=tuple(request.without_flags),
    )


def _hits(hits: Sequence[Hit], names: Mapping[str, str]) -> list[HitOut]:
    return [HitOut.of(h, names.get(h.document, h.document)) for h in hits]
