"""``paperlode serve`` as its user has it: processes, real files, kill -9."""

import hashlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

import psutil
import pytest


class Served:
    """A running service; ``start`` it, ask it, ``kill`` it."""

    def __init__(self, folder, *options):
        self.folder, self.options = folder, options
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.process = None

    def start(self):
        command = [sys.executable, "-m", "paperlode", "serve", "--index", str(self.folder), "--port", str(self.port)]
        self.process = subprocess.Popen([*command, *self.options], stderr=subprocess.PIPE, text=True)
        until = time.monotonic() + 60
        while time.monotonic() < until and self.process.poll() is None:
            try:
                return self.ask("/v1/health")
            except HTTPError:
                raise
            except URLError:
                time.sleep(0.05)
        raise AssertionError(self.process.communicate(timeout=5))

    def ask(self, path, data=None, *, method=None, key=None, **query):
        url = f"http://127.0.0.1:{self.port}{path}" + (f"?{urlencode(query)}" if query else "")
        headers = {"Content-Type": "application/octet-stream"} | ({"Authorization": f"Bearer {key}"} if key else {})
        with urlopen(Request(url, data, headers, method=method), timeout=30) as answer:
            body = answer.read()
            return json.loads(body) if "json" in answer.headers["Content-Type"] else body

    def workers(self):
        return [p for p in psutil.Process(self.process.pid).children() if "worker" in p.cmdline()]

    def end(self, how=signal.SIGINT):
        if self.process.poll() is None:
            self.process.send_signal(how)
        return self.process.communicate(timeout=60)[1]


@pytest.fixture
def served(tmp_path):
    made = Served(tmp_path / "index")
    yield made
    if made.process is not None and made.process.poll() is None:
        made.process.kill()
        made.process.communicate()


def until(holds, seconds=90):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := holds():
            return found
        time.sleep(0.05)
    raise AssertionError("never")


def refused(call):
    """With which status a call is refused."""
    with pytest.raises(HTTPError) as error:
        call()
    with error.value as answer:
        return answer.code


def settled(served):
    """All jobs, once none is on its way."""

    def ended():
        jobs = served.ask("/v1/jobs", limit=200)["jobs"]
        return jobs if all(j["state"] not in {"queued", "running"} for j in jobs) else None

    return until(ended)


def test_a_file_is_taken_in_by_a_worker_and_found(served, docs):
    """The index is an ordinary one afterwards; workers end with the service, and nothing is left running."""
    served.start()
    data = (docs / "manual.pdf").read_bytes()
    served.ask("/v1/documents", data, name="manual.pdf")
    (job,) = settled(served)
    assert (job["state"], job["pages_done"]) == ("done", job["pages"])
    hits = served.ask("/v1/search", q="pump")["hits"]
    assert hits[0]["document"] == hashlib.sha256(data).hexdigest()
    workers = served.workers()
    messages = served.end()
    assert "Traceback" not in messages
    assert "Fatal" not in messages
    assert not psutil.wait_procs(workers, timeout=10)[1]
    out = subprocess.run(
        [sys.executable, "-m", "paperlode", "status", "--index", str(served.folder), "--json"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert [d["name"] for d in json.loads(out.stdout)["documents"]] == ["manual.pdf"]


@pytest.mark.parametrize("victim", ["worker", "service"])
def test_what_dies_loses_nothing(served, pdf_writer, tmp_path, victim):
    """Killed with -9 in the middle: every file is done in the end, each once, and the index is sound."""
    files = [
        pdf_writer(tmp_path / f"{n}.pdf", [[f"Clause {n}.{p} of the agreement about zebras."] for p in range(6)])
        for n in range(6)
    ]
    served.start()
    for path in files:
        served.ask("/v1/documents", path.read_bytes(), name=path.name)
    until(lambda: any(j["state"] != "queued" for j in served.ask("/v1/jobs")["jobs"]))
    if victim == "worker":
        (worker,) = until(served.workers)
        os.kill(worker.pid, signal.SIGKILL)
    else:
        served.process.kill()
        served.process.communicate()
        served.start()
    jobs = settled(served)
    assert {j["state"] for j in jobs} == {"done"}
    assert len(jobs) == 6
    assert len({h["document"] for h in served.ask("/v1/search", q="zebras", limit=100)["hits"]}) == 6
    assert served.ask("/v1/health")["documents"] == 6
    served.end()
    status = [sys.executable, "-m", "paperlode", "status", "--index", str(served.folder)]
    assert subprocess.run(status, capture_output=True, check=False).returncode == 0


def test_a_job_that_runs_is_cancelled_with_all_that_it_does(served, pdf_writer, tmp_path):
    """Within seconds; its pages are not read on, and those waiting behind it are taken."""
    long = pdf_writer(tmp_path / "long.pdf", [[f"Page {p} of a very long agreement."] for p in range(3000)])
    served.start()
    job = served.ask("/v1/documents", long.read_bytes(), name="long.pdf")["id"]
    until(lambda: served.ask(f"/v1/jobs/{job}")["pages_done"] > 20)
    short = pdf_writer(tmp_path / "short.pdf", [["A short one about zebras."]])
    after = served.ask("/v1/documents", short.read_bytes(), name="short.pdf")["id"]
    assert served.ask(f"/v1/jobs/{job}/cancel", method="POST")["cancelling"]
    ended = until(lambda: (j := served.ask(f"/v1/jobs/{job}"))["state"] == "cancelled" and j, seconds=20)
    assert ended["pages_done"] < 3000
    until(lambda: served.ask(f"/v1/jobs/{after}")["state"] == "done")
    assert served.ask("/v1/health")["documents"] == 1


def test_keys_are_asked_for_as_soon_as_there_is_one(served, docs):
    """One that is made beside a running service is good at once; one that is revoked is not, at once."""

    def keys(*args):
        command = [sys.executable, "-m", "paperlode", "keys", *args, "--index", str(served.folder)]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    key = keys("create", "first", "--scope", "admin").strip()
    served.options = ("--ingesters", "0")
    assert refused(served.start) == 401
    assert served.ask("/v1/health", key=key)["documents"] == 0
    other = keys("create", "second", "--scope", "read").strip()
    assert served.ask("/v1/search", q="a", key=other)["hits"] == []
    data = (docs / "manual.pdf").read_bytes()
    assert refused(lambda: served.ask("/v1/documents", data, name="a.pdf", key=other)) == 403
    keys("revoke", other.split("_")[1])
    assert refused(lambda: served.ask("/v1/search", q="a", key=other)) == 401
    assert [k["state"] for k in json.loads(keys("list", "--json"))["keys"]] == ["good", "revoked"]


def test_an_open_address_without_keys_is_refused(served):
    """Nobody offers an archive to a whole network by mistake."""
    base = [sys.executable, "-m", "paperlode", "serve", "--index", str(served.folder), "--host", "0.0.0.0"]
    for options, said in (([], "no key yet"), (["--no-keys"], "read and delete everything")):
        done = subprocess.run([*base, *options], capture_output=True, text=True, check=False)
        assert done.returncode == 1
        assert said in done.stderr
