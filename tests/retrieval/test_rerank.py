"""Reranking: the model's order where it judged, the search's where it did not, and never a hit lost."""

from __future__ import annotations

import logging
import time

import pytest

from paperlode.ingest.errors import (
    InvalidRequest,
    ModelUnknown,
    ServerBusy,
    ServerIncompatible,
    ServerKeyRefused,
    ServerModelUnknown,
)
from paperlode.retrieval.embedding import ModelOptions
from paperlode.retrieval.rerank import (
    RerankedSearch,
    RerankOptions,
    best_window,
    load_reranker,
    read_text,
    rerank,
)
from paperlode.retrieval.search import Hit, Search

from .standin import ModelServer, score_of
from .tiny_models import write_cross_encoder

TEXTS = ["the rent is due", "pets are allowed", "rent of 1,250 euros a month", "nothing of it", "a month of notice"]


class Overlap:
    """A reranker: the share of the question's words in the text."""

    name = "overlap"

    def __init__(self, seconds=0.0):
        self.batches = []
        self.seconds = seconds

    def score(self, question, texts):
        time.sleep(self.seconds)
        self.batches.append(list(texts))
        return [score_of(question, t) for t in texts]


@pytest.fixture
def hits(chunk_of):
    chunks = [chunk_of(t, ordinal=i, page=i) for i, t in enumerate(TEXTS)]
    return [Hit(i + 1, 1.0 - i / 10, c, i, c.text) for i, c in enumerate(chunks)]


def order(found):
    return [TEXTS.index(h.chunk.text) for h in found.hits]


def test_hits_stand_as_the_model_judges_them(hits):
    """Best first, ranked anew, with the model's scores; equals keep the search's order."""
    found = rerank("rent a month", hits, Overlap())
    assert order(found) == [2, 4, 0, 1, 3]
    assert [h.rank for h in found.hits] == [1, 2, 3, 4, 5]
    assert [h.score for h in found.hits] == sorted((h.score for h in found.hits), reverse=True)
    assert found.hits[0].score == score_of("rent a month", TEXTS[2])
    assert (found.judged, found.note) == (5, "")
    assert rerank("rent a month", hits, Overlap()) == found


def test_batches_and_candidates_are_as_asked(hits):
    """At most so many texts at a time, at most so many in all; the others follow, under the lowest that was judged."""
    model = Overlap()
    found = rerank("rent a month", hits, model, options=RerankOptions(batch=2, candidates=3))
    assert [len(b) for b in model.batches] == [2, 1]
    assert order(found) == [2, 0, 1, 3, 4]
    scores = [h.score for h in found.hits]
    assert scores == sorted(scores, reverse=True)
    assert scores[3] - scores[4] == pytest.approx(0.1)
    assert found.note == ""
    assert rerank("x", [], model).hits == []


def test_when_the_time_is_over_the_rest_keeps_its_order(hits, caplog):
    """What was judged goes first; the note says how far it came."""
    with caplog.at_level(logging.WARNING):
        found = rerank("rent a month", hits, Overlap(seconds=0.2), options=RerankOptions(batch=1, seconds=0.3))
    assert found.judged == 2
    assert order(found) == [0, 1, 2, 3, 4]
    assert "judged 2 of 5 hits within 0.3 s" in found.note
    assert found.note in caplog.text


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (lambda _: [float("nan")] * 8, "finite scores"),
        (lambda _: [1.0], "8 finite scores"),
        (lambda _: 1 / 0, "ZeroDivisionError"),
        (
            lambda _: (_ for _ in ()).throw(ServerBusy("http://a answered 503", hint="Wait.")),
            "http://a answered 503 Wait.",
        ),
    ],
)
def test_when_the_model_fails_the_search_s_own_order_stands(hits, caplog, answer, why):
    """Also when it failed half way; the note and the log say why."""

    class Failing(Overlap):
        def score(self, question, texts):
            return super().score(question, texts) if not self.batches else answer(texts)

    options = RerankOptions(batch=8)
    many = hits * 4
    with caplog.at_level(logging.WARNING):
        found = rerank("rent a month", many, Failing(), options=options)
    assert found.hits == many
    assert found.judged == 0
    assert why in found.note
    assert "search's own order" in caplog.text


def test_options_that_make_no_sense_are_refused():
    """Before anything is judged."""
    for wrong in ({"seconds": 0}, {"batch": 0}, {"candidates": 0}, {"seconds": float("nan")}):
        with pytest.raises(InvalidRequest):
            RerankOptions(**wrong)


def test_the_model_reads_title_headings_and_passage(chunk_of):
    """As a person would, each once."""
    chunk = chunk_of("It is due.", title="Lease", heading_path=("Lease", "3. Rent"))
    assert read_text(Hit(1, 1.0, chunk, 0, "It is due. Monthly.")) == "Lease > 3. Rent\nIt is due. Monthly."
    assert read_text(Hit(1, 1.0, chunk_of("It is due."), 0, "It is due.")) == "It is due."


def test_a_search_gives_more_candidates_than_are_wanted(index, embedder, write, chunk_of):
    """The best by the model comes first though the search had it further down; as many hits as asked."""
    write([chunk_of(f"clause {i} about rent", ordinal=i, page=i) for i in range(12)])
    search = Search(index, embedder)
    plain = search.search("rent clause 7", limit=12)

    class Last(Overlap):
        def score(self, question, texts):
            self.batches.append(texts)
            return [float(plain[-1].passage in t) for t in texts]

    notes = []
    model = Last()
    reranked = RerankedSearch(search, model, on_note=notes.append).search("rent clause 7", limit=2)
    assert [h.chunk.id for h in reranked] == [plain[-1].chunk.id, plain[0].chunk.id]
    assert sum(len(b) for b in model.batches) == 12
    assert notes == []
    slow = RerankedSearch(search, Overlap(0.05), options=RerankOptions(batch=1, seconds=0.01), on_note=notes.append)
    assert len(slow.search("rent clause 7", limit=3)) == 3
    assert "judged 1 of 12" in notes[0]


def test_a_long_text_is_read_where_the_question_s_words_are():
    """The best window, whole words, within the limit; the beginning where no place is better; short texts whole."""
    words = lambda text: len(text.split())  # noqa: E731
    text = " ".join(["filler"] * 300 + ["the", "monthly", "rent", "is", "due"] + ["filler"] * 300)
    window = best_window("monthly rent", text, 40, words)
    assert "monthly rent" in window
    assert words(window) <= 40
    assert set(window.split()) == {"filler", "the", "monthly", "rent", "is", "due"}
    assert best_window("nothing there", " ".join(map(str, range(600))), 40, words).startswith("0 1 2 ")
    assert best_window("x", "short", 40, words) == "short"
    assert len(best_window("租金", "甲" * 500 + "租金" + "乙" * 500, 50, len)) <= 50
    assert "租金" in best_window("租金", "甲" * 500 + "租金" + "乙" * 500, 50, len)


QUICK = ModelOptions(backoff=0.01, attempts=2, timeout=5.0)


def test_a_served_reranker_scores_by_score_or_rerank():
    """The same scores in the texts' order, whichever of the two paths the server has."""
    for lacks, path in (((), "/v1/score"), (("/v1/score",), "/v1/rerank")):
        with ModelServer(lacks=lacks) as server:
            model = load_reranker(f"vllm:tiny@{server.url}", options=QUICK)
            assert model.name == f"vllm:tiny@{server.url}"
            assert model.score("rent a month", TEXTS) == [score_of("rent a month", t) for t in TEXTS]
            assert model.score("x", []) == []
            assert server.paths()[-1] == path


def test_a_served_reranker_is_given_what_it_reads():
    """Long texts by their best window, a long question cut: the server, which refuses what is too long, refuses nothing."""
    long = " ".join(["filler"] * 400 + ["monthly", "rent"] + ["filler"] * 100)
    with ModelServer(length=64) as server:
        model = load_reranker(f"vllm:tiny@{server.url}", options=QUICK)
        scores = model.score("monthly rent", [long, "nothing"])
        assert scores == [1.0, 0.0]
        assert len(model.score("monthly rent " * 100, [long])) == 1


def test_a_server_s_refusals_are_ours():
    """Wrong key, unknown model, no scores: each names the address."""
    with ModelServer(key="k") as server:
        with pytest.raises(ServerKeyRefused, match=server.url) as caught:
            load_reranker(f"vllm:tiny@{server.url}", options=QUICK).score("a", ["b"])
        assert "PAPERLODE_RERANK_KEY" in caught.value.hint
    with ModelServer() as server, pytest.raises(ServerModelUnknown, match="other"):
        load_reranker(f"vllm:other@{server.url}", options=QUICK).score("a", ["b"])
    with ModelServer(answer=lambda path, _: {"data": [{"index": 0}]}) as server, pytest.raises(ServerIncompatible):
        load_reranker(f"vllm:tiny@{server.url}", options=QUICK).score("a", ["b"])


def test_an_unknown_reranker_is_refused_with_the_known_forms():
    """The message says what to write instead."""
    for name in ("bge", "st:", "vllm:", "vllm:@http://a", ""):
        with pytest.raises(ModelUnknown, match=r"'st:NAME'.*'vllm:MODEL@URL'"):
            load_reranker(name)
    with pytest.raises(InvalidRequest, match="@http"):
        load_reranker("vllm:tiny")


@pytest.mark.slow
def test_a_cross_encoder_is_loaded_by_folder(tmp_path):
    """The scores are the library's own; a long text is cut to a window; a folder without a model is unknown."""
    library = pytest.importorskip("sentence_transformers")
    folder = write_cross_encoder(tmp_path / "models" / "tiny-cross")
    model = load_reranker("st:somebody/tiny-cross", options=ModelOptions(folder=tmp_path / "models"))
    assert model.name == "st:somebody/tiny-cross"
    expected = library.CrossEncoder(str(folder)).predict([("rent", t) for t in TEXTS], show_progress_bar=False)
    scores = model.score("rent", TEXTS)
    assert scores == pytest.approx(expected.tolist(), abs=1e-6)
    assert len(set(scores)) == len(TEXTS)
    assert model.score("rent", []) == []
    long = "x " * 300 + "rent " + "x " * 300
    assert model.score("rent", [long]) != model.score("rent", ["x " * 600])
    with pytest.raises(ModelUnknown, match="cannot load the cross-encoder"):
        load_reranker(f"st:{tmp_path}")
