"""Embedding models that are served: what is asked, what is made of answers, and how a server's troubles are met."""

from __future__ import annotations

import logging

import numpy as np
import pytest

from paperlode.ingest.errors import (
    InvalidRequest,
    ModelUnknown,
    ServerBusy,
    ServerError,
    ServerFailed,
    ServerIncompatible,
    ServerKeyRefused,
    ServerModelUnknown,
    ServerRequestRefused,
    ServerTimeout,
    ServerUnreachable,
)
from paperlode.retrieval.embedding import ModelOptions, load_embedder, same_model
from paperlode.retrieval.minilm import published_weights
from paperlode.retrieval.token_counts import bound, cut_to

from .standin import DIMENSIONS, ModelServer, vector_of

QUICK = ModelOptions(backoff=0.01, attempts=3, timeout=5.0)


def quick(**given):
    return ModelOptions(**{"backoff": 0.01, "attempts": 3, "timeout": 5.0} | given)


def loaded(server, options=QUICK, model="tiny", family=""):
    return load_embedder(f"openai:{model}@{server.url}{family}", options=options)


def test_vectors_are_those_of_the_server_at_unit_length_in_the_order_of_the_texts():
    """Whatever order the answer is in; dimensions are found by asking, the length from /v1/models."""
    texts = [f"number {i} of the texts" for i in range(7)]
    with ModelServer() as server:
        model = loaded(server, quick(batch=3))
        assert (model.name, model.dimensions, model.max_tokens) == (f"openai:tiny@{server.url}", DIMENSIONS, 128)
        vectors = model.embed(texts)
        query = model.embed_query(texts[3])
    expected = np.array([vector_of(t) for t in texts], dtype=np.float32)
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    assert np.allclose(vectors, expected, atol=1e-6)
    assert np.allclose(query, expected[3], atol=1e-6)
    assert vectors.dtype == np.float32
    assert model.embed([]).shape == (0, DIMENSIONS)
    assert model.reads("公司") == 1.0


def test_batches_go_together_and_never_more_than_allowed():
    """Twelve texts in batches of two by three requests at a time."""
    with ModelServer(delay=0.05) as server:
        model = loaded(server, quick(batch=2, concurrency=3))
        server.most = 0
        model.embed([f"text {i}" for i in range(12)])
        sizes = [len(body["input"]) for path, body, _ in server.asked if path == "/v1/embeddings"][1:]
    assert sizes == [2] * 6
    assert 1 < server.most <= 3


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_busy_or_broken_server_is_asked_again(status):
    """What fails twice succeeds the third time."""
    troubles = [(status, {"Retry-After": "0"}), (status, {})]
    with ModelServer(fault=lambda path, n: troubles.pop() if n > 2 and troubles else None) as server:
        model = loaded(server)
        assert model.embed(["a text"]).shape == (1, DIMENSIONS)
        assert server.paths().count("/v1/embeddings") == 4
    assert not troubles


def test_a_server_that_asks_for_a_pause_gets_it():
    """Retry-After goes before our own pause."""
    import time

    with ModelServer(fault=lambda path, n: (503, {"Retry-After": "1"}) if n == 3 else None) as server:
        model = loaded(server)
        started = time.monotonic()
        model.embed(["a text"])
    assert time.monotonic() - started >= 1.0


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (429, ServerBusy),
        (500, ServerFailed),
        (401, ServerKeyRefused),
        (404, ServerIncompatible),
        (400, ServerRequestRefused),
    ],
)
def test_errors_say_where_and_what_to_do(status, kind):
    """Each refusal has its own error with the address in it and a hint; only a busy or broken server is asked again."""
    with ModelServer(fault=lambda path, n: (status, {}) if path == "/v1/embeddings" else None) as server:
        with pytest.raises(kind) as caught:
            loaded(server)
        assert server.url in caught.value.what
        assert caught.value.hint
        assert len(server.asked) == (3 if status in {429, 500} else 1)


def test_an_unknown_model_and_a_server_that_is_not_there():
    """The one names what is served where, the other the address."""
    with ModelServer() as server:
        with pytest.raises(ServerModelUnknown, match="other") as caught:
            loaded(server, model="other")
        assert "/v1/models" in caught.value.hint
        gone = server.url
    with pytest.raises(ServerUnreachable, match=gone):
        load_embedder(f"openai:tiny@{gone}", options=QUICK)


def test_a_silent_server_is_given_up():
    """After the timeout, with what was waited for in the message."""
    with ModelServer(delay=0.6) as server, pytest.raises(ServerTimeout, match=r"0\.2 s"):
        loaded(server, quick(timeout=0.2, attempts=1))


def test_the_key_is_sent_and_told_to_nobody():
    """It goes into the header; neither the name, nor the options' repr, nor an error of the server that echoes it has it."""
    with ModelServer(key="secret-key") as server:
        model = loaded(server, quick(key="secret-key"))
        model.embed(["a text"])
        assert "secret" not in model.name
        assert "secret" not in repr(quick(key="secret-key"))
        with pytest.raises(ServerKeyRefused) as caught:
            loaded(server, quick(key="another-secret"))
        assert "another-secret" not in str(caught.value)
        assert "PAPERLODE_EMBEDDING_KEY" in caught.value.hint


def _broken(change):
    def answer(path, value):
        if path != "/v1/embeddings":
            return value
        return change(value)

    return answer


@pytest.mark.parametrize(
    "change",
    [
        lambda _: "no JSON",
        lambda _: [],
        lambda _: {"data": None},
        lambda v: {"data": v["data"][:-1]},
        lambda v: {"data": [{**d, "embedding": [0.0] * DIMENSIONS} for d in v["data"]]},
        lambda v: {"data": [{**d, "embedding": [float("nan")] * DIMENSIONS} for d in v["data"]]},
        lambda v: {"data": [{**d, "index": 0} for d in v["data"]]},
        lambda v: {"data": [{**d, "embedding": ["a"]} for d in v["data"]]},
    ],
)
def test_an_answer_without_sound_vectors_is_refused(change):
    """Whatever the server says, no vector comes in that is missing, has no direction, or is no vector."""
    with ModelServer(answer=_broken(change)) as server, pytest.raises(ServerIncompatible, match=server.url):
        loaded(server).embed(["one", "two"])


def test_vectors_of_another_length_than_at_first_are_refused():
    """A server that changes its model under way is noticed."""
    longer = [0]

    def answer(path, value):
        if path == "/v1/embeddings" and longer[0]:
            return {"data": [{**d, "embedding": d["embedding"] * 2} for d in value["data"]]}
        return value

    with ModelServer(answer=answer) as server:
        model = loaded(server)
        longer[0] = 1
        with pytest.raises(ServerIncompatible, match="16 numbers each were expected"):
            model.embed(["a text"])


def test_the_family_s_prefix_is_sent_and_counted():
    """E5's prefixes by the model's name, or as named behind #; counted within max_tokens."""
    with ModelServer(model="multilingual-e5-tiny", length=8) as server:
        model = loaded(server, model="multilingual-e5-tiny")
        model.embed(["one two"])
        model.embed_query("one two")
        assert server.texts() == ["word", "passage: one two", "query: one two"]
        assert model.count("one two") == 5
        assert model.count("") == 3
        with pytest.raises(InvalidRequest, match="9 tokens is longer than the 8"):
            model.embed(["one two three four five six"])
        assert loaded(server, model="multilingual-e5-tiny", family="#none").count("one two") == 4
    with ModelServer(model="mine") as server:
        model = loaded(server, model="mine", family="#e5-multilingual")
        model.embed_query("x")
        assert server.texts()[-1] == "query: x"
        assert model.name.endswith("#e5-multilingual")


def test_a_long_question_is_cut_at_its_end():
    """To whole words, as many as the model reads."""
    with ModelServer(length=6) as server:
        model = loaded(server)
        model.embed_query("one two three four five six seven")
        assert server.texts()[-1] == "one two three four"


def test_tokens_are_counted_by_a_tokenizer_here_before_the_server_is_asked(embedder):
    """A folder named in the options, or by the model's name, counts exactly and asks nobody."""
    folder, text = published_weights(), "unbelievable electroencephalograms"
    expected = embedder.count(text)
    assert expected > 4
    with ModelServer(model=str(folder), length=256) as server:
        by_name = loaded(server, model=str(folder))
        assert by_name.count(text) == expected
        assert by_name.counting.way == "tokenizer"
        assert "/tokenize" not in server.paths()
    with ModelServer() as server:
        for named in (str(folder), str(folder / "tokenizer.json")):
            assert loaded(server, quick(tokenizer=named)).count(text) == expected
        found = loaded(server, quick(tokenizer=folder.name, folder=folder.parent))
        assert found.count(text) == expected
        with pytest.raises(ModelUnknown, match=r"tokenizer\.json"):
            loaded(server, quick(tokenizer=str(folder.parent / "nothing"))).count("x")


def test_the_server_counts_where_no_tokenizer_is_here():
    """By vLLM's /tokenize, the same text once."""
    with ModelServer() as server:
        model = loaded(server)
        assert [model.count("one two three") for _ in range(3)] == [5, 5, 5]
        assert model.counting.way == "server"
        assert server.paths().count("/tokenize") == 2
        assert model.note == ""


def test_without_either_the_count_is_an_upper_bound_and_says_so(caplog):
    """A server without /tokenize and no tokenizer: the text's bytes, with a warning that names the setting."""
    with ModelServer(lacks=("/tokenize", "/v1/models")) as server, caplog.at_level(logging.WARNING):
        model = loaded(server)
        assert model.count("one two three") == bound("one two three") == 13 + 8
        assert model.counting.way == "bytes"
        assert model.max_tokens == 512
        assert "PAPERLODE_EMBEDDING_TOKENIZER" in caplog.text
        assert "PAPERLODE_EMBEDDING_TOKENIZER" in model.note
        assert loaded(server, quick(max_tokens=64)).max_tokens == 64


@pytest.mark.parametrize(
    "text", ["unbelievable figures", "第二条 违约责任", "Ⅷ ﷺ ㎒ ½", "naïve café", "👩‍👩‍👧 x", "\ud800"]
)
def test_the_bound_is_never_too_low(text):
    """For a text of any script, against a real tokenizer."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(published_weights() / "tokenizer.json"))
    tokenizer.no_padding()
    if text != "\ud800":
        assert bound(text) >= len(tokenizer.encode(text).ids)
    assert bound(text) > len(text)


def test_a_cut_is_the_longest_beginning_that_fits():
    """Whole words where there are any; a text without spaces is cut anywhere."""
    words = lambda text: len(text.split())  # noqa: E731
    assert cut_to("one two three", 2, words) == "one two"
    assert cut_to("one two three", 3, words) == "one two three"
    assert cut_to("abcdef" * 10, 3, len) == "abc"


@pytest.mark.parametrize(
    "name", ["openai:m@http://user:pw@host", "openai:m@http://host?key=1", "openai:m@https://", "openai:m"]
)
def test_an_address_with_a_password_or_none_at_all_is_refused(name):
    """A name is stored and shown: nothing secret may be in it."""
    with pytest.raises(InvalidRequest) as caught:
        load_embedder(name, options=QUICK)
    assert "pw" not in str(caught.value)


def test_a_server_that_moved_serves_the_same_model():
    """The options' address goes before that in the name, which stays what it was."""
    assert same_model("openai:m@http://a:1", "openai:m@https://b/v1")
    assert not same_model("openai:m@http://a:1", "openai:n@http://a:1")
    assert not same_model("openai:m@http://a:1#e5", "openai:m@http://a:1")
    assert same_model("multilingual", "st:intfloat/multilingual-e5-small")
    with ModelServer() as server:
        model = load_embedder("openai:tiny@http://127.0.0.1:9/v1", options=quick(url=f"{server.url}/v1/"))
        assert model.name == "openai:tiny@http://127.0.0.1:9/v1"
        assert model.embed(["x"]).shape == (1, DIMENSIONS)


def test_an_error_in_one_batch_ends_the_others():
    """No batch goes on to be tried while the caller has the error already."""

    def fault(path, n):
        return (503, {"Retry-After": "30"}) if n > 3 else ((400, {}) if n == 3 else None)

    import time

    with ModelServer(fault=fault) as server:
        model = loaded(server, quick(batch=1, attempts=5))
        started = time.monotonic()
        with pytest.raises(ServerError):
            model.embed([f"text {i}" for i in range(4)])
        model._pool.shutdown(wait=True)
    assert time.monotonic() - started < 10
