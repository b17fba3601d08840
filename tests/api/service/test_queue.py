"""The queue: no job is lost, none is done by two, tenants take turns, and what kills its workers is put aside."""

import subprocess
import sys
import time
from collections import Counter

import pytest

from paperlode.api.service.job import State
from paperlode.api.service.job_events import JobEvents
from paperlode.ingest.errors import Conflict, DocumentNotFound, LimitReached, ServerUnreachable, SourceCorrupt


@pytest.fixture
def clock(monkeypatch):
    """The time, to be set forward."""
    now = [time.time()]
    monkeypatch.setattr(time, "time", lambda: now[0])

    def forward(seconds):
        now[0] += seconds

    return forward


def test_a_job_goes_its_way(queue, collection_of, files_of, database):
    """From submission to its end, each step told once to whoever follows it."""
    acme, mine = collection_of()
    (job,) = queue.submit(acme, mine, files_of(1))
    assert (job.state, job.file.name) == (State.QUEUED, "file0.pdf")
    (taken,) = queue.take("w1")
    assert (taken.id, taken.state, taken.attempts) == (job.id, State.RUNNING, 1)
    assert queue.take("w2") == []
    queue.progress("w1", job.id, pages=9, done=4, failed=0)
    queue.progress("w1", job.id, pages=9, done=4, failed=0)
    events = JobEvents(database)
    assert [(e.job["state"], e.job["pages_done"]) for e in events.after(acme, 0, job=job.id)] == [
        ("queued", 0),
        ("running", 0),
        ("running", 4),
    ]
    assert queue.finish("w1", job.id, State.DONE, pages=9, pages_done=9, pages_failed=1)
    done = queue.get(acme, job.id)
    assert (done.state, done.pages, done.pages_done, done.pages_failed) == (State.DONE, 9, 9, 1)
    (last,) = events.after(acme, 0)
    assert last.is_last
    assert last.job["collection"] == "default"
    assert events.after(acme, last.number) == []
    assert events.newest(acme) == last.number


def test_a_file_on_its_way_is_not_queued_twice(queue, collection_of, files_of):
    """Its job is told; when it is through, it may be taken in anew."""
    acme, mine = collection_of()
    first, second = queue.submit(acme, mine, files_of(1)), queue.submit(acme, mine, files_of(1))
    assert first == second
    queue.take("w")
    assert queue.submit(acme, mine, files_of(1))[0].id == first[0].id
    queue.finish("w", first[0].id, State.DONE)
    assert queue.submit(acme, mine, files_of(1))[0].id != first[0].id


def test_jobs_of_one_collection_are_one_worker_s(queue, collection_of, files_of):
    """As many as it asks for; another gets those of another collection."""
    acme, mine = collection_of()
    _, also = collection_of("acme", "more")
    queue.submit(acme, mine, files_of(5))
    queue.submit(acme, also, files_of(5))
    first = queue.take("w1", most=3)
    second = queue.take("w2", most=3)
    assert [j.file.name for j in first] == [j.file.name for j in second] == ["file0.pdf", "file1.pdf", "file2.pdf"]
    assert {j.collection for j in first} | {j.collection for j in second} == {mine, also}
    assert queue.take("w3", most=3) == []


def test_tenants_take_turns(queue, collection_of, files_of):
    """One that queued a thousand files before does not keep another waiting."""
    big, theirs = collection_of("big")
    small, mine = collection_of("small")
    queue.submit(big, theirs, files_of(20))
    queue.submit(small, mine, files_of(3))
    order = []
    for _ in range(8):
        (job,) = queue.take("w")
        order.append(job.tenant)
        queue.finish("w", job.id, State.DONE)
    assert Counter(order[:6]) == {big: 3, small: 3}
    assert order[6:] == [big, big]


def test_jobs_of_a_dead_worker_are_another_s(queue, collection_of, files_of, clock):
    """When it has said nothing for the time of its lease, and not before; what it says later is not noted."""
    acme, mine = collection_of()
    (job,) = queue.submit(acme, mine, files_of(1))
    queue.take("w1")
    clock(50)
    assert queue.keep("w1") == {job.id: False}
    clock(50)
    assert (queue.reap(), queue.take("w2")) == (0, [])
    clock(20)
    assert queue.reap() == 1
    (again,) = queue.take("w2")
    assert again.id == job.id
    assert not queue.finish("w1", job.id, State.DONE)
    queue.progress("w1", job.id, pages=5, done=5, failed=0)
    assert queue.keep("w1") == {}
    assert (queue.get(acme, job.id).state, queue.get(acme, job.id).pages) == (State.RUNNING, 0)
    assert queue.finish("w2", job.id, State.DONE)


def test_what_kills_its_workers_is_put_aside(queue, collection_of, files_of, clock):
    """After so many attempts that got nowhere, with its reason; it waits longer each time, and can be tried by hand."""
    acme, mine = collection_of()
    (job,) = queue.submit(acme, mine, files_of(1))
    waits = []
    for _ in range(3):
        while not queue.take("w"):
            clock(0.5)
            waits.append(0.5)
        queue.lost("w")
    assert sum(waits) >= 1
    found = queue.get(acme, job.id)
    assert (found.state, found.code) == (State.QUARANTINED, "quarantined")
    assert "3 times" in found.reason
    clock(1000)
    assert queue.take("w") == []
    assert queue.retry(acme, job.id).state is State.QUEUED
    (taken,) = queue.take("w")
    assert (taken.again, taken.reason) == (True, "")


def test_what_keeps_a_worker_from_going_on_is_said(queue, collection_of, files_of, clock):
    """A server that is away is no file's fault: the job is tried again, and in the end put aside with that reason."""
    acme, mine = collection_of()
    (job,) = queue.submit(acme, mine, files_of(1))
    states = []
    for _ in range(3):
        clock(60)
        assert queue.take("w")
        queue.lost("w", ServerUnreachable("The server is away.", hint="Start it."))
        states.append(queue.get(acme, job.id).state)
    assert states == [State.QUEUED, State.QUEUED, State.QUARANTINED]
    found = queue.get(acme, job.id)
    assert "The server is away." in found.reason
    assert found.hint == "Start it."


def test_a_job_that_gets_on_is_not_blamed(queue, collection_of, files_of, clock):
    """However often its worker dies."""
    acme, mine = collection_of()
    (job,) = queue.submit(acme, mine, files_of(1))
    for n in range(20):
        clock(60)
        assert queue.take("w")
        queue.progress("w", job.id, pages=100, done=n + 1, failed=0)
        queue.lost("w")
    assert queue.get(acme, job.id).state is State.QUEUED


def test_company_of_what_kills_is_not_blamed(queue, collection_of, files_of, clock):
    """Those that were taken together with it are taken alone the next time, and get through."""
    acme, mine = collection_of()
    jobs = queue.submit(acme, mine, files_of(4))
    poison = jobs[2].id
    assert len(queue.take("w", most=16)) == 4
    queue.lost("w")
    for _ in range(40):
        clock(60)
        taken = queue.take("w", most=16)
        assert len(taken) <= 1
        for job in taken:
            queue.lost("w") if job.id == poison else queue.finish("w", job.id, State.DONE)
    states = {j.id: j.state for j in queue.listed(acme)}
    assert states.pop(poison) is State.QUARANTINED
    assert set(states.values()) == {State.DONE}


def test_jobs_given_back_are_not_blamed(queue, collection_of, files_of):
    """A worker that is stopped, or whose owner is away, hands them over at once."""
    acme, mine = collection_of()
    queue.submit(acme, mine, files_of(2))
    for _ in range(10):
        assert len(queue.take("w", most=2)) == 2
        queue.give_back("w")
    first, second = queue.take("w", most=2)
    queue.give_back("w", only=[first.id])
    assert {queue.get(acme, j.id).state for j in (first,)} == {State.QUEUED}
    assert queue.get(acme, second.id).state is State.RUNNING


def test_cancelling(queue, collection_of, files_of):
    """What waits ends at once, what runs when its worker hears of it, also if that dies; what has ended stays so."""
    acme, mine = collection_of()
    waits, runs, dies, ends = queue.submit(acme, mine, files_of(4))
    assert queue.cancel(acme, waits.id).state is State.CANCELLED
    assert len(queue.take("w", most=3)) == 3
    assert queue.cancel(acme, runs.id).cancelling
    assert queue.keep("w") == {runs.id: True, dies.id: False, ends.id: False}
    queue.finish("w", runs.id, State.CANCELLED)
    queue.finish("w", ends.id, State.DONE)
    assert queue.cancel(acme, ends.id).state is State.DONE
    queue.cancel(acme, dies.id)
    queue.lost("w")
    assert queue.get(acme, dies.id).state is State.CANCELLED
    assert queue.take("w2") == []
    assert queue.retry(acme, runs.id).state is State.QUEUED


def test_what_cannot_be_retried_is_said(queue, collection_of, files_of):
    """Of what has not ended, and of what is done without a failed page."""
    acme, mine = collection_of()
    job, whole, part, bad = queue.submit(acme, mine, files_of(4))
    with pytest.raises(Conflict, match="not ended"):
        queue.retry(acme, job.id)
    queue.take("w", most=4)
    queue.finish("w", whole.id, State.DONE, pages=3, pages_done=3, pages_failed=0)
    queue.finish("w", part.id, State.DONE, pages=3, pages_done=3, pages_failed=1)
    queue.finish("w", bad.id, State.FAILED, error=SourceCorrupt("It is broken.", hint="Get it again."))
    failed = queue.get(acme, bad.id)
    assert (failed.code, failed.reason, failed.hint) == ("source_corrupt", "It is broken.", "Get it again.")
    with pytest.raises(Conflict, match="Nothing"):
        queue.retry(acme, whole.id)
    assert queue.retry(acme, part.id).again
    assert queue.retry(acme, bad.id).reason == ""


def test_another_tenant_s_job_is_not_there(queue, collection_of, files_of, database):
    """Whatever is asked of it, the answer is that of an id that never was."""
    acme, mine = collection_of("acme")
    other, _ = collection_of("other")
    (job,) = queue.submit(acme, mine, files_of(1))
    for ask in (queue.get, queue.cancel, queue.retry):
        said = []
        for name in (job.id, "no-such-job"):
            with pytest.raises(DocumentNotFound) as found:
                ask(other, name)
            said.append(str(found.value).replace(name, "X"))
        assert said[0] == said[1]
    assert (
        queue.listed(other)
        == JobEvents(database).after(other, 0)
        == JobEvents(database).after(other, 0, job=job.id)
        == []
    )
    assert queue.get(acme, job.id).state is State.QUEUED
    with pytest.raises(DocumentNotFound):
        queue.submit(other, mine, files_of(1))


def test_jobs_are_listed_page_by_page(queue, collection_of, files_of):
    """The newest first, each once, also those of the same moment; of a collection or a state alone."""
    acme, mine = collection_of()
    _, more = collection_of("acme", "more")
    queue.submit(acme, mine, files_of(25))
    queue.submit(acme, more, files_of(3))
    seen, before = [], None
    while page := queue.listed(acme, before=before, limit=10):
        seen += [j.id for j in page]
        before = page[-1].created, page[-1].id
    assert len(seen) == len(set(seen)) == 28
    assert len(queue.listed(acme, collection=more)) == 3
    queue.cancel(acme, seen[0])
    assert [j.id for j in queue.listed(acme, states=[State.CANCELLED])] == [seen[0]]


def test_too_many_jobs_are_refused(queue, collection_of, files_of):
    """Those that fit too: all or none. A file that is on its way already counts once."""
    acme, mine = collection_of()
    queue.submit(acme, mine, files_of(3), most=4)
    with pytest.raises(LimitReached, match="4 files wait"):
        queue.submit(acme, mine, files_of(3, "other"), most=4)
    assert len(queue.listed(acme)) == 3
    assert len(queue.submit(acme, mine, files_of(4), most=4)) == 4


WORKER = """
import sys, time
from paperlode.api.service.database import ServiceDatabase
from paperlode.api.service.job import State
from paperlode.api.service.queue import Queue
database = ServiceDatabase.open(sys.argv[1])
queue = Queue(database)
while jobs := queue.take(sys.argv[2], most=2):
    time.sleep(0.002)
    for job in jobs:
        if queue.finish(sys.argv[2], job.id, State.DONE):
            print(job.id, flush=True)
database.close()
"""


def test_no_job_is_done_by_two_of_many_processes(service_place, database, queue, collection_of, files_of):
    """Four processes at the same queue: each job is done once, all are done."""
    acme, _ = collection_of("acme")
    for n in range(6):
        _, mine = collection_of("acme", f"c{n}")
        queue.submit(acme, mine, files_of(12))
    workers = [
        subprocess.Popen([sys.executable, "-c", WORKER, str(service_place), f"w{n}"], stdout=subprocess.PIPE, text=True)
        for n in range(4)
    ]
    done = [line for w in workers for line in w.communicate(timeout=60)[0].split()]
    assert [w.returncode for w in workers] == [0] * 4
    while rest := queue.take("last", most=2):  # those of a collection that another had when a worker looked
        done += [j.id for j in rest if queue.finish("last", j.id, State.DONE)]
    assert len(done) == len(set(done)) == 72
    assert {j.state for j in queue.listed(acme, limit=100)} == {State.DONE}
