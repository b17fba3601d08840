"""Fusion: standardised scores, what is missing, what a card and a role add, and an order that never wavers."""

from __future__ import annotations

from dataclasses import replace

from paperlode.ingest.document import chunk_id
from paperlode.retrieval.cards import CardFit
from paperlode.retrieval.fields import sparse_pairs, sparse_wanted
from paperlode.retrieval.fusion import Weights, fuse
from paperlode.retrieval.glossary import Notion
from paperlode.retrieval.index import HAS_LABEL, Filter, HybridQuery, Scored
from paperlode.retrieval.legs import legs_of, put_together, trait_legs
from paperlode.retrieval.lexical import SparseVector, sparse_query, term_counts
from paperlode.retrieval.understanding import Understood

PLAIN = Understood("a question")
NONE = Scored("", None, None, None)


def scored(name: str, **scores) -> Scored:
    """A candidate."""
    return NONE._replace(id=name, **scores)


LITTLE = Weights(dense=0.1)
"""By which two candidates differ little: standardised, two scores always lie two standard deviations apart."""


def order(candidates: list[Scored], understood: Understood = PLAIN, **options) -> list[str]:
    """The ids, best first."""
    return [c.id for c in fuse(candidates, understood, depth=options.pop("depth", 10), **options)]


def test_scores_of_different_scales_count_alike() -> None:
    """BM25 in tens and cosines below 1: multiplying all of one kind by a thousand changes nothing."""
    some = [
        scored("a", dense=0.9, lexical=2.0),
        scored("b", dense=0.3, lexical=9.0),
        scored("c", dense=0.2, lexical=1.0),
    ]
    large = [c._replace(lexical=1000 * (c.lexical or 0.0)) for c in some]
    assert order(some) == order(large)
    assert order(some)[-1] == "c"


def test_a_missing_score_is_the_lowest_of_a_list_that_was_cut() -> None:
    """It cannot be higher; where the list was not full it is 0, so that not being found at all counts more."""
    found = [scored(f"f{i}", lexical=10.0 + i, dense=0.5) for i in range(3)]
    missing = scored("m", dense=0.5)
    cut, whole = (fuse([*found, missing], PLAIN, depth=d) for d in (3, 10))
    gap = [next(c.score for c in r if c.id == "f0") - next(c.score for c in r if c.id == "m") for r in (cut, whole)]
    assert gap[0] == 0
    assert gap[1] > 0


def test_equal_candidates_stand_by_id() -> None:
    """Whatever order they come in."""
    same = [scored(i, dense=0.5) for i in "cab"]
    assert order(same) == order(same[::-1]) == ["a", "b", "c"]


def test_a_role_that_answers_lifts_a_chunk() -> None:
    """By the strength of the notion; a statement that is also called so stands before one that only contains it."""
    asks = Notion("margin", (), ("operating income",), ("income_statement",), 1.0)
    plain = scored("plain", dense=0.50)
    role = scored("role", dense=0.49, traits=("income_statement",))
    named = scored("named", dense=0.48, traits=("income_statement", "income_statement.named"))
    assert order([plain, role, named]) == ["plain", "role", "named"]
    assert order([plain, role, named], Understood("q", (asks,)), weights=LITTLE) == ["named", "role", "plain"]
    assert fuse([role], Understood("q", (asks,)), depth=10)[0].roles == ("income_statement",)


def test_a_card_that_fits_lifts_its_document() -> None:
    """By name, period and quarter; one that speaks against it lowers it."""
    one, two = scored(chunk_id("d1", "one"), dense=0.5), scored(chunk_id("d2", "two"), dense=0.49)
    first, second = one.id, two.id
    assert order([one, two]) == [first, second]
    assert order([one, two], documents={"d2": (1.0, CardFit(name=1.0)), "d1": (1.0, CardFit())}, weights=LITTLE) == [
        second,
        first,
    ]
    assert order(
        [one, two], documents={"d1": (1.0, CardFit(quarter=-0.5)), "d2": (1.0, CardFit())}, weights=LITTLE
    ) == [second, first]


def test_a_label_asked_for_lifts_its_clause() -> None:
    """A candidate that has it comes first."""
    one, two = scored("one", dense=0.5), scored("two", dense=0.49, traits=(HAS_LABEL,))
    assert order([one, two], Understood("q", labels=("4.2(b)",)), weights=LITTLE) == ["two", "one"]


def test_what_the_model_cannot_read_is_left_to_the_words() -> None:
    """An unread question's vector says nothing."""
    near, words = scored("near", dense=0.9, lexical=1.0), scored("words", dense=0.1, lexical=1.5)
    assert order([near, words], weights=Weights(dense=2.0)) == ["near", "words"]
    assert order([near, words], weights=Weights(dense=2.0), readable=0.0) == ["words", "near"]


def test_nothing_found_is_nothing() -> None:
    """And no error."""
    assert order([]) == []


def test_neighbouring_terms_are_pairs() -> None:
    """In order, each once, across stop words; a single term has none."""
    assert sparse_pairs("net sales net sales").values == (1.0, 1.0)
    assert set(sparse_pairs("net sales").indices) <= set(sparse_pairs("the net sales of pumps").indices)
    assert sparse_pairs("sales net").indices != sparse_pairs("net sales").indices
    assert sparse_pairs("sales").indices == ()


def test_wanted_terms_have_the_weight_of_their_strongest_phrase() -> None:
    """A term of two phrases counts once."""
    found = sparse_wanted({"net sales": 1.0, "sales tax": 0.25})
    weights = dict(zip(found.indices, found.values, strict=True))
    (sales,), (tax,) = term_counts("sales"), term_counts("tax")
    assert weights[sales] == 1.0
    assert weights[tax] == 0.25


def test_legs_are_asked_for_what_the_query_has() -> None:
    """Only words: two legs; roles and preferred documents add narrower ones, and named documents are their own corpus."""
    words = HybridQuery(None, sparse_query("net sales"), 10)
    assert [leg.score for leg in legs_of(words)] == ["lexical", "page"]
    assert legs_of(HybridQuery(None, SparseVector((), ()), 10)) == []
    roles = legs_of(replace(words, roles=("income_statement",)))
    assert [leg.filter.roles for leg in roles] == [(), (), ("income_statement",)]
    within = legs_of(replace(words, filter=Filter(documents=("d1",))))
    assert {leg.corpus for leg in within} == {("d1",)}
    preferred = legs_of(replace(words, prefer=("d2",)))
    assert [leg.filter.documents for leg in preferred] == [(), (), ("d2",), ("d2",)]


def test_traits_are_asked_for_and_put_to_their_candidates() -> None:
    """Each role, also as the name of a statement, and the labels together; a candidate without any stays one."""
    query = HybridQuery(None, sparse_query("net sales"), 200, roles=("definitions",), labels=("4.1", "4.2"))
    traits = trait_legs(query)
    assert [leg.score for leg in traits] == ["definitions", "definitions.named", HAS_LABEL]
    assert traits[-1].filter.labels == ("4.1", "4.2")
    assert trait_legs(HybridQuery(None, query.sparse, 200)) == []
    words = legs_of(query)[:2]
    found = [[("a", 2.0), ("b", 1.0)], [("a", 3.0)], [("a", 0.0)], [], [("a", 0.0), ("b", 0.0)]]
    made = put_together([*words, *traits], found, str)
    assert made == [
        Scored("a", None, 2.0, 3.0, traits=("definitions", HAS_LABEL)),
        Scored("b", None, 1.0, None, traits=(HAS_LABEL,)),
    ]
