"""An archive in a LlamaIndex app: its retriever finds what its search finds, under every filter that it names."""

import asyncio

import pytest
from llama_index.core.vector_stores.types import FilterOperator, MetadataFilter, MetadataFilters

from paperlode.api.archive import Scope
from paperlode.ingest.errors import DocumentNotFound, InvalidRequest
from paperlode.retrieval.llama_index import boxes_of

QUESTION = "How much is the monthly rent?"


def where(key, value, operator=FilterOperator.EQ):
    return MetadataFilters(filters=[MetadataFilter(key=key, value=value, operator=operator)])


def test_its_retriever_finds_what_its_search_finds(lasting):
    """The same chunks in the same order with the same scores; names, pages and boxes in the nodes."""
    hits = lasting.search(QUESTION, limit=3)
    nodes = lasting.as_retriever(similarity_top_k=3).retrieve(QUESTION)
    assert [(n.node_id, n.score) for n in nodes] == [(h.chunk.id, h.score) for h in hits]
    assert nodes[0].metadata["file_name"] == "lease.pdf"
    assert boxes_of(nodes[0]) == tuple(type(r)(r.page, r.box.rounded()) for r in hits[0].regions)


def test_questions_may_be_asked_at_the_same_time(lasting):
    """Each gets its own answer."""
    questions = [QUESTION, "Are pets allowed?", "How is the pump stopped?"] * 4
    retriever = lasting.as_retriever(similarity_top_k=1)

    async def all_of_them():
        return await asyncio.gather(*(retriever.aretrieve(q) for q in questions))

    assert asyncio.run(all_of_them()) == [retriever.retrieve(q) for q in questions]


@pytest.mark.parametrize(
    ("filters", "scope"),
    [
        (where("file_name", "manual.pdf"), Scope(documents=("manual.pdf",))),
        (where("page_label", "2"), Scope(pages=(1, 1))),
        (where("kind", ["text", "table"], FilterOperator.IN), Scope(kinds=("text", "table"))),
        (where("layer", "note"), Scope(layers=("note",))),
        (where("flags", "low_confidence", FilterOperator.NE), Scope(without_flags=("low_confidence",))),
        (where("flags", "low_confidence"), Scope(flags=("low_confidence",))),
        (where("roles", "balance_sheet"), Scope(roles=("balance_sheet",))),
        (where("labels", ["4.2", "Table1"], FilterOperator.ANY), Scope(labels=("4.2", "Table1"))),
    ],
)
def test_every_filter_is_the_archives_own(lasting, filters, scope):
    """Nothing that a retriever takes is refused when it is asked."""
    found = lasting.as_retriever(similarity_top_k=5, filters=filters).retrieve(QUESTION)
    assert [n.node_id for n in found] == [h.chunk.id for h in lasting.search(QUESTION, limit=5, scope=scope)]


def test_what_cannot_be_told_is_refused_when_the_retriever_is_made(lasting):
    """By name; so is a document that there is not."""
    with pytest.raises(InvalidRequest, match="colour"):
        lasting.as_retriever(filters=where("colour", "red"))
    with pytest.raises(DocumentNotFound, match="nosuch"):
        lasting.as_retriever(filters=where("file_name", "nosuch.pdf"))
