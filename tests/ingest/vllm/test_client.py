"""The client over real loopback sockets: nothing is lost, each fault has its end, and nobody waits longer than said."""

from __future__ import annotations

import asyncio
import builtins
import json
import pickle
import time

import pytest

from paperlode.ingest.errors import (
    CropRefused,
    InvalidRequest,
    MissingExtra,
    ServerError,
    ServerFailed,
    ServerIncompatible,
    ServerKeyRefused,
    ServerModelUnknown,
    ServerTimeout,
    ServerUnreachable,
)
from paperlode.ingest.vllm.client import Limits, VLLMRecogniser
from paperlode.ingest.vllm.replicas import Patience
from paperlode.ingest.vllm.values import Crop, End, Recogniser, Task

from .standin import MODEL, Asked, Fault, StandIn

QUICK = Limits(
    deadline=5.0,
    silence=2.0,
    connect=2.0,
    pause=0.01,
    longest_pause=0.1,
    patience=Patience(first_answer=1.0, comeback=8.0, probe_first=0.02, probe_longest=0.1),
)


def _crop(i=0, task=Task.OCR):
    return Crop(b"\x89PNG picture %d" % i, "image/png", 56, 28, task, name=f"page {i}")


def _said(asked: Asked) -> str:
    return f"The text of {asked.image[5:].decode()} 中文"


def _expected(i):
    return f"The text of picture {i} 中文"


async def _until(condition, seconds=5.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "did not come about in time"
        await asyncio.sleep(0.01)


def _first(n, fault):
    """The fault for the first ``n`` requests."""
    left = [n]

    def which(_):
        left[0] -= 1
        return fault if left[0] >= 0 else None

    return which


def test_what_goes_over_the_wire():
    """The request is what the model wants: picture, then prompt; special tokens kept for spotting only; the right names."""

    async def run():
        async with StandIn(_said, key="secret") as s, VLLMRecogniser(s.url + "/v1/", key="secret") as r:
            client: Recogniser = r
            got = await client.recognise(_crop(7, Task.TABLE), temperature=0.2, max_tokens=99)
            await client.recognise(_crop(8, Task.SPOTTING))
            first, second = s.asked
        assert got.text == _expected(7)
        assert (got.end, got.model, got.tokens) == (
            End.STOP,
            MODEL,
            len(_expected(7)) // 3 + (len(_expected(7)) % 3 > 0),
        )
        assert got.mean_logprob is not None
        assert got.lowest_logprob == -0.2
        assert first.image == _crop(7).image
        assert (first.media_type, first.prompt) == ("image/png", "Table Recognition:")
        sent = {k: v for k, v in first.body.items() if k != "messages"}
        assert sent == {
            "model": MODEL,
            "temperature": 0.2,
            "max_completion_tokens": 99,
            "max_tokens": 99,
            "skip_special_tokens": True,
            "stream": True,
            "stream_options": {"include_usage": True},
            "logprobs": True,
        }
        assert second.body["skip_special_tokens"] is False
        assert (second.body["temperature"], second.body["max_completion_tokens"]) == (0.0, 4096)
        assert first.headers["authorization"] == "Bearer secret"

    asyncio.run(run())


def test_length_and_the_old_name_of_the_limit():
    """An output cut off says so; the most tokens are told under both names, for servers that know only the old one."""

    async def run():
        async with StandIn(lambda _: "x" * 300) as s, VLLMRecogniser(s.url) as r:
            got = await r.recognise(_crop(), max_tokens=10)
            assert (got.text, got.end, got.tokens) == ("x" * 30, End.LENGTH, 10)
            assert s.asked[0].body["max_completion_tokens"] == s.asked[0].body["max_tokens"] == 10

    asyncio.run(run())


def test_64_at_once():
    """64 callers all get their own text; connections are used again; the server's eight slots are kept busy."""

    async def run():
        async with (
            StandIn(_said, latency=0.005, per_token=0.001, slots=8) as s,
            VLLMRecogniser(s.url, limits=QUICK) as r,
        ):
            got = await asyncio.gather(*(r.recognise(_crop(i)) for i in range(64)))
            assert [g.text for g in got] == [_expected(i) for i in range(64)]
            assert r.under_way == 0
            assert s.connections < 40

    asyncio.run(run())


def test_pressure_grows_over_the_wire():
    """With more to do than one by one, the client finds by itself that the server takes more at once."""

    async def run():
        async with StandIn(_said, latency=0.02, per_token=0.005, slots=64) as s, VLLMRecogniser(s.url) as r:
            done = 0

            async def caller():
                nonlocal done
                while time.monotonic() < end:
                    await r.recognise(_crop(done))
                    done += 1

            end = time.monotonic() + 4.0
            await asyncio.gather(*(caller() for _ in range(60)))
            assert s.most_running > 16
            assert s.served == done

    asyncio.run(run())


@pytest.mark.parametrize(
    "fault", [Fault.BUSY, Fault.FAILED, Fault.CUT, Fault.ABORT, Fault.HANG, Fault.HANG_INSIDE, Fault.GARBAGE]
)
def test_passing_faults_are_retried(fault):
    """Each fault that can pass, passes: the text is whole, and a part that came before it is in no answer."""

    async def run():
        limits = Limits(silence=0.3, pause=0.01, patience=QUICK.patience)
        n = 1 if fault in {Fault.HANG, Fault.HANG_INSIDE, Fault.GARBAGE} else 3
        async with StandIn(_said, fault=_first(n, fault)) as s, VLLMRecogniser(s.url, limits=limits) as r:
            got = await r.recognise(_crop(1))
            assert got.text == _expected(1)
            assert len(s.asked) == n + 1

    asyncio.run(run())


@pytest.mark.parametrize(
    ("fault", "kind", "times"),
    [
        (Fault.FAILED, ServerFailed, 4),
        (Fault.CUT, ServerUnreachable, 4),
        (Fault.HANG, ServerTimeout, 2),
        (Fault.GARBAGE, ServerIncompatible, 2),
        (Fault.REFUSED, CropRefused, 1),
        (Fault.KEY, ServerKeyRefused, 1),
    ],
)
def test_lasting_faults_end_in_their_error(fault, kind, times):
    """A fault that lasts is asked about as often as that can help, and its error names crop and server."""

    async def run():
        limits = Limits(silence=0.2, pause=0.01, patience=QUICK.patience)
        async with StandIn(_said, fault=lambda _: fault) as s, VLLMRecogniser(s.url, limits=limits) as r:
            with pytest.raises(ServerError) as caught:
                await r.recognise(_crop(3))
            assert type(caught.value) is kind
            assert "page 3" in caught.value.what
            assert s.url in caught.value.what
            assert len(s.asked) == times
            assert pickle.loads(pickle.dumps(caught.value)).what == caught.value.what  # noqa: S301 - our own

    asyncio.run(run())


def test_the_deadline_cancels_on_the_wire():
    """A stream that never stops is ended at the deadline, and the server sees that nobody listens any more."""

    async def run():
        limits = Limits(deadline=0.3, attempts=1, patience=QUICK.patience)
        async with StandIn(lambda _: "x" * 10**5, per_token=0.01) as s, VLLMRecogniser(s.url, limits=limits) as r:
            started = time.monotonic()
            with pytest.raises(ServerTimeout, match=r"0\.3 s"):
                await r.recognise(_crop())
            assert time.monotonic() - started < 2.0
            await _until(lambda: s.disconnects == 1 and s.running == 0)

    asyncio.run(run())


def test_a_cancelled_caller_cancels_its_request():
    """The server sees the disconnect, the place is free again, and other callers are not disturbed."""

    async def run():
        slow = [True]
        fault = lambda _: Fault.HANG if slow[0] else None  # noqa: E731
        async with StandIn(_said, fault=fault) as s, VLLMRecogniser(s.url, limits=QUICK, most_at_once=1) as r:
            tasks = [asyncio.create_task(r.recognise(_crop(i))) for i in range(5)]  # one under way, four waiting
            await _until(lambda: s.running == 1)
            for t in tasks[:3]:
                t.cancel()
            slow[0] = False
            got = await asyncio.gather(*tasks, return_exceptions=True)
            assert all(isinstance(g, asyncio.CancelledError) for g in got[:3])
            assert [g.text for g in got[3:] if not isinstance(g, BaseException)] == [_expected(3), _expected(4)]
            await _until(lambda: s.disconnects == 1 and s.running == 0)
            assert r.under_way == 0

    asyncio.run(run())


class _Thrice:
    """A watch that stops at the third ``again``."""

    def __init__(self):
        self.text = ""

    def feed(self, delta):
        self.text += delta
        return self.text.index("and again") if self.text.count("again") == 3 else None


def test_a_loop_is_stopped_on_the_wire():
    """The stream ends at the third repeat, text and tokens stop where the loop began, and the server stops as well."""

    async def run():
        async with (
            StandIn(lambda _: "Good.\n", fault=lambda _: Fault.LOOP) as s,
            VLLMRecogniser(s.url, watch=lambda _: _Thrice()) as r,
        ):
            got = await r.recognise(_crop())
            assert (got.text, got.end) == ("Good.\n", End.LOOP)
            assert got.tokens < 20
            await _until(lambda: s.disconnects == 1 and s.running == 0)

    asyncio.run(run())


def test_nothing_is_lost_when_the_server_is_killed_and_started_again():
    """Killed in the middle and away for a second: all 64 crops are read in the end."""

    async def run():
        async with (
            StandIn(_said, latency=0.01, per_token=0.002, slots=8) as s,
            VLLMRecogniser(s.url, limits=QUICK) as r,
        ):
            tasks = [asyncio.create_task(r.recognise(_crop(i))) for i in range(64)]
            await _until(lambda: s.served >= 5)
            await s.stop()
            served = s.served
            await asyncio.sleep(1.0)
            assert sum(t.done() for t in tasks) <= served
            await s.start()
            got = await asyncio.gather(*tasks)
            assert [g.text for g in got] == [_expected(i) for i in range(64)]

    asyncio.run(run())


def test_a_server_that_comes_back_under_another_name():
    """Without a name of our own, the served one is read again."""

    async def run():
        async with StandIn(_said) as s, VLLMRecogniser(s.url, limits=QUICK) as r:
            await r.recognise(_crop(1))
            s.model = "other"
            assert (await r.recognise(_crop(2))).model == "other"

    asyncio.run(run())


def test_one_of_two_replicas_dies():
    """Both are used; when one dies the other reads everything; when it returns it is used again."""

    async def run():
        async with (
            StandIn(_said, latency=0.01, per_token=0.001) as a,
            StandIn(_said, latency=0.01, per_token=0.001) as b,
            VLLMRecogniser([a.url, b.url], limits=QUICK) as r,
        ):
            await asyncio.gather(*(r.recognise(_crop(i)) for i in range(40)))
            assert min(a.served, b.served) >= 5, "least loaded first"
            tasks = [asyncio.create_task(r.recognise(_crop(i))) for i in range(40)]
            await _until(lambda: a.running > 0)
            await a.stop()
            got = await asyncio.gather(*tasks)
            assert [g.text for g in got] == [_expected(i) for i in range(40)]
            before = a.served
            await a.start()
            async with asyncio.timeout(5.0):
                while a.served == before:
                    await r.recognise(_crop(0))

    asyncio.run(run())


def test_a_replica_that_refuses_our_key_is_left_out():
    """One misconfigured replica of two costs nothing but itself."""

    async def run():
        async with (
            StandIn(_said, key="other") as a,
            StandIn(_said) as b,
            VLLMRecogniser([a.url, b.url], limits=QUICK) as r,
        ):
            await asyncio.gather(*(r.recognise(_crop(i)) for i in range(10)))
            assert (a.served, b.served) == (0, 10)

    asyncio.run(run())


@pytest.mark.parametrize(
    ("key", "model", "kind"), [("x", None, ServerKeyRefused), ("secret", "nope", ServerModelUnknown)]
)
def test_wrong_key_and_wrong_model_are_said_at_once(key, model, kind):
    """All who wait are told, at once and not after the patience has run out; the key is in no message."""

    async def run():
        started = time.monotonic()
        async with StandIn(_said, key="secret") as s, VLLMRecogniser(s.url, key=key, model=model) as r:
            got = await asyncio.gather(*(r.recognise(_crop(i)) for i in range(5)), return_exceptions=True)
        assert [type(g) for g in got] == [kind] * 5
        assert time.monotonic() - started < 3.0
        assert "secret" not in str(got[0])
        assert model is None or MODEL in str(got[0])

    asyncio.run(run())


def test_no_server_at_all():
    """Nothing listens there: the callers are told after the patience for a first answer, later ones at once."""

    async def run():
        async with StandIn(_said) as s:
            url = s.url
        async with VLLMRecogniser(url, limits=QUICK) as r:
            started = time.monotonic()
            with pytest.raises(ServerUnreachable, match="cannot be reached"):
                await r.recognise(_crop())
            assert 0.9 < time.monotonic() - started < 3.0
            started = time.monotonic()
            with pytest.raises(ServerUnreachable):
                await r.recognise(_crop())
            assert time.monotonic() - started < 0.3

    asyncio.run(run())


def test_something_else_listens_there():
    """A server without models is named as such."""

    async def run():
        async with StandIn(_said, model="") as s, VLLMRecogniser(s.url, limits=QUICK) as r:
            with pytest.raises(ServerIncompatible, match="no models"):
                await r.recognise(_crop())

    asyncio.run(run())


def test_single_bad_crops_do_not_stop_the_others():
    """With every tenth crop refused, broken or garbled, the others are read."""

    async def run():
        bad = {0: Fault.REFUSED, 10: Fault.FAILED, 20: Fault.GARBAGE, 30: Fault.CUT}

        def fault(asked):
            return bad.get(int(asked.image.split()[-1]))

        async with StandIn(_said, fault=fault) as s, VLLMRecogniser(s.url, limits=QUICK) as r:
            got = await asyncio.gather(*(r.recognise(_crop(i)) for i in range(40)), return_exceptions=True)
            failed = {i: type(g) for i, g in enumerate(got) if isinstance(g, BaseException)}
            assert failed == {0: CropRefused, 10: ServerFailed, 20: ServerIncompatible, 30: ServerUnreachable}

    asyncio.run(run())


def test_close_ends_everything_and_can_be_called_again():
    """Those who wait and those under way are told; the sockets are closed; calls afterwards are refused."""

    async def run():
        async with StandIn(_said, fault=lambda _: Fault.HANG) as s:
            r = VLLMRecogniser(s.url, limits=QUICK, most_at_once=1)
            tasks = [asyncio.create_task(r.recognise(_crop(i))) for i in range(3)]
            await _until(lambda: s.running == 1)
            await r.close()
            await r.close()
            got = await asyncio.gather(*tasks, return_exceptions=True)
            assert all(isinstance(g, InvalidRequest | ServerUnreachable) for g in got)
            with pytest.raises(InvalidRequest, match="closed"):
                await r.recognise(_crop())
            await _until(lambda: s.running == 0)

    asyncio.run(run())


@pytest.mark.parametrize("url", ["", "127.0.0.1:8000", "ftp://x", "http://", "http://u:p@x", "http://x?key=1", []])
def test_addresses_that_are_none(url):
    with pytest.raises(InvalidRequest) as caught:
        VLLMRecogniser(url)
    assert "u:p" not in str(caught.value)


def test_a_key_with_a_line_end_is_refused():
    with pytest.raises(InvalidRequest, match="key"):
        VLLMRecogniser("http://x", key="secret\n")


def test_missing_httpx_names_the_command(monkeypatch):
    real = builtins.__import__

    def without(name, *a, **k):
        if name == "httpx":
            raise ImportError(name)
        return real(name, *a, **k)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingExtra, match=r"paperlode\[vllm\]"):
        VLLMRecogniser("http://x")


def test_the_stand_in_speaks_the_wire_format():
    """The stand-in's own promises: models, health, metrics, the recorded shapes of its refusals."""
    import httpx

    async def run():
        async with StandIn(_said, key="k") as s, httpx.AsyncClient(base_url=s.url, trust_env=False) as c:
            assert (await c.get("/v1/models")).json() == {"error": "Unauthorized"}
            c.headers["Authorization"] = "Bearer k"
            assert (await c.get("/v1/models")).json()["data"][0]["id"] == MODEL
            assert (await c.get("/health")).status_code == 200
            assert "vllm:num_requests_running" in (await c.get("/metrics")).text
            assert (await c.get("/x")).json() == {"detail": "Not Found"}
            assert (await c.get("/v1/chat/completions")).status_code == 405
            refused = await c.post("/v1/chat/completions", content=json.dumps({"model": "nope"}))
            assert refused.json()["error"]["param"] == "model"

    asyncio.run(run())
