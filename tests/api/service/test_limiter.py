"""How much one caller may ask for, whatever others do."""

import time

import pytest

from paperlode.api.service.limiter import Limiter
from paperlode.ingest.errors import LimitReached


@pytest.fixture
def clock(monkeypatch):
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


def ask(limiter, who="a", times=1):
    for _ in range(times):
        with limiter.turn(who):
            pass


def test_a_caller_has_so_many_requests_a_second(clock):
    """After a pause as many at once as the bucket holds; another caller is not kept waiting by it."""
    limiter = Limiter(per_second=2, burst=5)
    ask(limiter, times=5)
    with pytest.raises(LimitReached, match=r"Try again in 1 second\."):
        ask(limiter)
    ask(limiter, "b", 5)
    clock[0] += 1
    ask(limiter, times=2)
    with pytest.raises(LimitReached):
        ask(limiter)
    clock[0] += 3600
    ask(limiter, times=5)
    with pytest.raises(LimitReached):
        ask(limiter)


def test_a_caller_has_so_many_requests_under_way(clock):
    """One that fails gives its place back as well."""
    limiter = Limiter(per_second=0, at_once=2)
    with limiter.turn("a"), limiter.turn("a"):
        with pytest.raises(LimitReached, match="2 requests"):
            ask(limiter)
        ask(limiter, "b")
    with pytest.raises(ZeroDivisionError), limiter.turn("a"):
        raise ZeroDivisionError
    with limiter.turn("a"), limiter.turn("a"):
        pass


def test_silent_callers_are_forgotten(clock, monkeypatch):
    """Those that have nothing under way; what is remembered does not grow."""
    monkeypatch.setattr("paperlode.api.service.limiter._MOST_CALLERS", 10)
    limiter = Limiter()
    with limiter.turn("first"):
        for n in range(50):
            ask(limiter, f"k{n}")
        assert "first" in limiter._buckets
    for n in range(50):
        ask(limiter, f"j{n}")
    assert len(limiter._buckets) <= 11
