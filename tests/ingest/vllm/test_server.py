"""``vllm serve`` is started as it should be for what is there, watched, and ended with all its children."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from paperlode.api.vllm_command import vllm_app
from paperlode.ingest.errors import (
    InvalidRequest,
    MissingExtra,
    ServerFailed,
    ServerIncompatible,
    ServerTimeout,
)
from paperlode.ingest.vllm.flags import MODELS, VARIABLES, model_named, plan_serving, recommended_flags, size_for
from paperlode.ingest.vllm.gpus import Gpu, choose_gpus, find_gpus
from paperlode.ingest.vllm.server import Limits, VllmServer, find_vllm

H100 = Gpu("0", "NVIDIA H100 80GB HBM3", 81_559)
L4 = Gpu("1", "NVIDIA L4", 23_034)
DOCS = Path(__file__).parents[3] / "docs" / "vllm.md"

# Behaves like the real one as far as a launcher can see: arguments, log, /health, /v1/models, a child, signals
FAKE = '''\
#!{python}
"""A stand-in for the vllm command: answers, and reads nothing."""
import http.server, json, os, pathlib, signal, subprocess, sys, time

args = sys.argv[2:]
mode = os.environ.get("FAKE_MODE", "")
value = lambda name, default="": args[args.index(name) + 1] if name in args else default
say = lambda text: print(text, file=sys.stderr, flush=True)
say("\\x1b[36m(APIServer)\\x1b[0m arguments " + json.dumps(args))
say("GPU " + os.environ.get("CUDA_VISIBLE_DEVICES", "none"))
child = subprocess.Popen(["sleep", "300"])
pathlib.Path(os.environ["FAKE_DIR"], value("--port") + ".child").write_text(str(child.pid))
if mode == "stubborn":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
else:
    def end(*_):
        child.kill()
        pathlib.Path(os.environ["FAKE_DIR"], value("--port") + ".ended").write_text("in order")
        sys.exit(0)
    signal.signal(signal.SIGTERM, end)
if mode == "dies":
    for n in range(200):
        say("loading part %d" % n)
    say("ValueError: No available memory for the cache blocks.")
    say("Traceback (most recent call last):")
    for n in range(60):
        say("  File \\"api.py\\", line %d" % n)
        say("(APIServer pid=7) ERROR 11-24 10:15:17 [core.py:9]   File \\"x.py\\"")
        say("INFO:     127.0.0.1:48460 - \\"GET /health HTTP/1.1\\" 200 OK")
    say("RuntimeError: see root cause above")
    sys.exit(3)
if mode == "silent":
    sys.exit(1)
if mode == "endless line":
    sys.stderr.write("x" * 50_000_000)
    sys.exit(4)
if mode == "one dies" and value("--port") != os.environ["FAKE_FIRST"]:
    sys.exit(5)
begun = time.time()
key = value("--api-key")

class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        late = mode == "never" or time.time() - begun < 0.3
        body = {{"data": [{{"id": value("--served-model-name", args[0])}}]}}
        if mode == "no vllm":
            body = {{"hello": "world"}}
        refused = self.path.startswith("/v1") and key and self.headers.get("Authorization") != "Bearer " + key
        self.send_response(503 if late else 401 if refused else 200)
        self.end_headers()
        self.wfile.write(b"" if self.path == "/health" else json.dumps({{}} if refused else body).encode())
    def log_message(self, *_):
        pass

http.server.ThreadingHTTPServer((value("--host"), int(value("--port"))), Answer).serve_forever()
'''


@pytest.fixture(scope="module")
def fake(tmp_path_factory):
    """The path of the stand-in for the vllm command."""
    path = tmp_path_factory.mktemp("bin") / "vllm"
    path.write_text(FAKE.format(python=sys.executable))
    path.chmod(0o755)
    return str(path)


def free_port(count=1):
    """The first of ``count`` free ports in a row."""
    while True:
        with contextlib.ExitStack() as stack:
            first = stack.enter_context(socket.socket())
            first.bind(("127.0.0.1", 0))
            port = first.getsockname()[1]
            with contextlib.suppress(OSError, OverflowError):
                for n in range(1, count):
                    stack.enter_context(socket.socket()).bind(("127.0.0.1", port + n))
                return port


@pytest.fixture
def launch(fake, tmp_path):
    """Makes servers of the stand-in in one of its modes, and sees to it that none of their processes outlives the test."""
    made = []

    def make(mode="", *, gpus=(), extra=(), start=20.0, grace=5.0, restarts=3, **options):
        port = free_port(max(1, len(gpus)))
        plan = plan_serving("1.6", gpus=gpus, port=port, extra=extra, executable=fake)
        environment = os.environ | {"FAKE_MODE": mode, "FAKE_DIR": str(tmp_path), "FAKE_FIRST": str(port)}
        limits = Limits(start=start, grace=grace, restarts=restarts)
        made.append(VllmServer(plan, limits=limits, environment=environment, **options))
        return made[-1]

    yield make
    for server in made:
        server.stop()


def running(pid):
    """Whether the process lives; a zombie does not."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def answers(url):
    """Whether a server is ready."""
    with contextlib.suppress(OSError):
        return urllib.request.urlopen(f"{url}/health", timeout=5).status == 200  # noqa: S310  our own, on loopback
    return False


def children(folder):
    """The child processes that stand-ins started."""
    return [int(p.read_text()) for p in folder.glob("*.child")]


# ------------------------------------------------------------------------------------------------------------ GPUs


def says(text):
    """A runner whose nvidia-smi says that."""
    return lambda _command: text


TWO = "0, GPU-aaaa-1, 81559, NVIDIA H100 80GB HBM3\n1, GPU-bbbb-2, 23034, NVIDIA L4\n"


def test_gpus_are_read():
    """Index, name and memory come from nvidia-smi; memory it does not tell is unknown, not zero."""
    assert find_gpus(run=says(TWO)) == (H100, L4)
    shared = find_gpus(run=says("0, GPU-c, [N/A], NVIDIA GB10, with a comma\n"))
    assert shared == (Gpu("0", "NVIDIA GB10, with a comma", None),)


def test_no_gpu():
    """No nvidia-smi, and one that finds no device, both mean: no GPU."""

    def missing(_command):
        raise FileNotFoundError

    def none(command):
        raise subprocess.CalledProcessError(6, command, output="No devices were found\n")

    assert find_gpus(run=missing) == () == find_gpus(run=none) == find_gpus(run=says("No devices were found"))
    assert find_gpus(run=says("")) == ()


def test_a_broken_driver_is_an_error():
    """A driver that fails, hangs or talks nonsense is said, not taken for a machine without a GPU."""

    def failing(command):
        raise subprocess.CalledProcessError(9, command, stderr="Driver/library version mismatch")

    def hanging(command):
        raise subprocess.TimeoutExpired(command, 20)

    for run, word in ((failing, "mismatch"), (hanging, "timed out"), (says("Segmentation fault"), "Segmentation")):
        with pytest.raises(InvalidRequest, match=word) as e:
            find_gpus(run=run)
        assert "--gpus cpu" in e.value.hint


@pytest.mark.parametrize(
    ("value", "ids"),
    [
        ("1,0", ["1", "0"]),
        ("GPU-bbbb", ["1"]),
        ("1,-1,0", ["1"]),
        ("", []),
        ("MIG-abc", ["MIG-abc"]),
        ("NoDevFiles", []),
    ],
)
def test_cuda_visible_devices_is_kept(value, ids):
    """GPUs that CUDA would hide are not used, and its order is kept."""
    assert [g.id for g in find_gpus(run=says(TWO), environment={"CUDA_VISIBLE_DEVICES": value})] == ids


def test_gpus_are_chosen():
    """All, some, each once, or the processor; what is not there is refused, and no GPU at all is an error with a hint."""
    assert choose_gpus("all", [H100, L4]) == (H100, L4)
    assert choose_gpus("1, 0,1", [H100, L4]) == (L4, H100)
    assert choose_gpus("cpu", [H100]) == ()
    with pytest.raises(InvalidRequest, match=r"no GPU '7'; there is 0 \(NVIDIA H100"):
        choose_gpus("0,7", [H100])
    with pytest.raises(InvalidRequest, match="no NVIDIA GPU") as e:
        choose_gpus("all", [])
    assert "--gpus cpu" in e.value.hint
    with pytest.raises(InvalidRequest, match="names '9'"):
        find_gpus(run=says(TWO), environment={"CUDA_VISIBLE_DEVICES": "9"})


# ----------------------------------------------------------------------------------------------------------- flags


def flag_values(replica):
    """The flags of a command with their values, in order."""
    words = replica.command[3:]
    return {
        w: (words[i + 1] if i + 1 < len(words) and not words[i + 1].startswith("-") else None)
        for i, w in enumerate(words)
        if w.startswith("--")
    }


def test_one_replica_a_gpu():
    """Each GPU gets a server of its own, with its own port, sized by its own memory, and sees no other GPU."""
    plan = plan_serving("1.6", gpus=[H100, L4], port=9000, environment={})
    assert [r.port for r in plan.replicas] == [9000, 9001]
    assert [dict(r.environment)["CUDA_VISIBLE_DEVICES"] for r in plan.replicas] == ["0", "1"]
    assert {dict(r.environment)["CUDA_DEVICE_ORDER"] for r in plan.replicas} == {"PCI_BUS_ID"}
    large, small = map(flag_values, plan.replicas)
    assert plan.replicas[0].command[:3] == ("vllm", "serve", MODELS["1.6"])
    assert (large["--max-num-seqs"], small["--max-num-seqs"]) == ("512", "256")
    assert large["--limit-mm-per-prompt"] == '{"image":1}'
    assert plan.replicas[1].url == "http://127.0.0.1:9001"
    for flag in ("--trust-remote-code", "--no-enable-prefix-caching", "--mm-processor-cache-gb", "--dtype"):
        assert flag in large


def test_the_command_survives_a_shell():
    """What --print shows gives a shell the very words, variables included."""
    replica = plan_serving("1.6", gpus=[H100], extra=["--served-model-name", "a b'c"], environment={}).replicas[0]
    words = shlex.split(replica.shell)
    assert tuple(words[len(replica.environment) :]) == replica.command
    assert words[: len(replica.environment)] == [f"{k}={v}" for k, v in replica.environment]


def test_the_processor():
    """Without a GPU there is no memory share, and no bfloat16; what the user set in the environment is left alone."""
    plan = plan_serving("1.5", gpus=(), environment={})
    flags = flag_values(plan.replicas[0])
    assert "--gpu-memory-utilization" not in flags
    assert flags["--dtype"] == "float32"
    assert dict(plan.replicas[0].environment) == {"VLLM_NO_USAGE_STATS": "1", "VLLM_CPU_KVCACHE_SPACE": "1"}
    own = plan_serving(gpus=(), environment={"VLLM_CPU_KVCACHE_SPACE": "8", "VLLM_NO_USAGE_STATS": "0"})
    assert own.replicas[0].environment == ()


@given(st.sampled_from(recommended_flags(size_for(80))), st.booleans(), st.booleans())
def test_every_flag_can_be_replaced(flag, underscores, equals):
    """The user's own flag, however it is spelled, takes the place of ours, and every other of ours stays."""
    name = flag.name.replace("--no-", "--").replace("_", "-")
    if underscores:
        name = "--" + name[2:].replace("-", "_")
    extra = [f"{name}=7"] if equals else [name, "7"]
    plan = plan_serving(gpus=[H100], extra=extra)
    assert plan.replicas[0].command[-len(extra) :] == tuple(extra)
    assert {f.name for f in plan.flags} == {f.name for f in recommended_flags(size_for(80))} - {flag.name}
    assert flag.name not in plan.replicas[0].command[: -len(extra)]


def test_other_spellings_replace_too():
    """The aliases that vLLM has, and its dotted form, are known."""
    for extra, gone in (
        (["--device-memory-utilization", "0.3"], "--gpu-memory-utilization"),
        (["-asc", "8"], "--api-server-count"),
        (["--limit-mm-per-prompt.image", "2"], "--limit-mm-per-prompt"),
    ):
        assert gone not in {f.name for f in plan_serving(gpus=[H100], extra=extra).flags}


def test_what_cannot_be_passed_on():
    """A flag that would make the launcher wait at the wrong place is refused and says what to do; so is a lost word."""
    for extra in (
        ["--port", "1"],
        ["--host=0.0.0.0"],
        ["--model", "x"],
        ["--config", "f.yaml"],
        ["--ssl-keyfile", "k"],
    ):
        with pytest.raises(InvalidRequest, match="cannot be given") as e:
            plan_serving(gpus=[H100], extra=extra)
        assert e.value.hint
    with pytest.raises(InvalidRequest, match="no flag of vLLM"):
        plan_serving(gpus=[H100], extra=["1.5"])
    with pytest.raises(InvalidRequest, match="2 ports"):
        plan_serving(gpus=[H100, L4], port=65_535)


def test_models(tmp_path):
    """Versions, names on the hub and folders are told apart; a folder is served under its name, not its path."""
    assert model_named("1.0") == "PaddlePaddle/PaddleOCR-VL"
    assert model_named("me/my-model.v2") == "me/my-model.v2"
    for wrong in ("1.7", "paddle", "../x/y", "a/b/c", "-x/y"):
        with pytest.raises(InvalidRequest, match=r"is no version|no config"):
            model_named(wrong)
    with pytest.raises(InvalidRequest, match="no checkpoint"):
        model_named(str(tmp_path))
    (tmp_path / "config.json").write_text("{}")
    served = flag_values(plan_serving(str(tmp_path), gpus=()).replicas[0])
    assert served["--served-model-name"] == tmp_path.name


@given(st.floats(1, 300))
def test_sizes_grow_with_the_memory(gb):
    """A larger GPU never gets less to do, the share stays sensible, and one picture always fits into a step."""
    size, larger = size_for(gb), size_for(gb * 1.2)
    assert larger.batched_tokens >= size.batched_tokens >= 3_600
    assert larger.sequences >= size.sequences
    shares = [s.memory_share for s in (size, larger) if s.memory_share is not None]
    assert [0.5 <= share <= 0.9 for share in shares] == [True, True]
    assert shares[1] * 1.2 >= shares[0] * 0.97  # shares are rounded to hundredths


def test_keys_are_known_and_hidden():
    """The bearer keys of the user's flags or of VLLM_API_KEY are known to the launcher, and not shown by repr."""
    plan = plan_serving(gpus=[H100], extra=["--api-key", "k1", "k2", "--seed", "0"])
    assert plan.keys == ("k1", "k2")
    assert "k1" not in repr(plan) + repr(plan.replicas)
    assert plan_serving(gpus=[H100], extra=["--api-key=k3"]).keys == ("k3",)
    assert plan_serving(gpus=[H100], environment={"VLLM_API_KEY": "k4"}).keys == ("k4",)


def doc_rows(heading):
    """The rows of the table under that heading of docs/vllm.md, cells without back-ticks."""
    section = re.split(r"^## ", DOCS.read_text(encoding="utf-8"), flags=re.MULTILINE)
    text = next(s for s in section if s.startswith(heading))
    rows = [line.strip("|").split(" | ") for line in text.splitlines() if line.startswith("| ")]
    return [tuple(c.strip().strip("`") for c in row) for row in rows[1:]]


def test_the_documentation_tells_every_flag():
    """docs/vllm.md lists exactly the flags that are given, with the very reasons, and the variables."""
    flags = {f.name: f.reason for f in recommended_flags(size_for(80))}
    shown = {row[0].split()[0]: row[1] for row in doc_rows("Every flag")}
    assert shown == flags | dict(VARIABLES)


def test_the_documentation_tells_the_sizes():
    """The sizes in docs/vllm.md are those that are chosen."""
    rows = doc_rows("Sizing")
    assert len(rows) >= 6
    for gb, _cards, batched, sequences, share in rows:
        size = size_for(float(gb))
        assert (int(batched), int(sequences), float(share)) == (size.batched_tokens, size.sequences, size.memory_share)


# ---------------------------------------------------------------------------------------------------------- server


def test_ready_and_gone(launch, tmp_path):
    """Inside the block the server answers under the model's name; after it neither it nor its child is left."""
    seen = []
    with launch(on_progress=seen.append) as server:
        assert server.model == MODELS["1.6"]
        (pid,) = server.pids
        assert running(pid)
        assert server.failed() is None
    assert not running(pid)
    assert (tmp_path / f"{server.plan.replicas[0].port}.ended").exists()
    assert not any(map(running, children(tmp_path)))
    assert (seen[-1].ready, seen[-1].replicas) == (1, 1)
    assert server.pids == ()


def test_replicas_together(launch, tmp_path):
    """Two replicas start side by side, each with its own GPU and port, and both end."""
    lines = []
    with launch(gpus=[H100, L4], on_line=lambda n, line: lines.append((n, line))) as server:
        assert len(set(server.pids)) == len(set(server.urls)) == 2
    assert {(0, "GPU 0"), (1, "GPU 1")} <= set(lines)
    assert not any(map(running, children(tmp_path)))


def test_one_that_dies_takes_its_log_along(launch, tmp_path):
    """An early death is told with the exit code, the last lines of the log, and what may help; its child is ended too."""
    with pytest.raises(ServerFailed, match="exit code 3") as e:
        launch("dies").start()
    assert "loading part 199\nValueError: No available memory" in e.value.what
    assert e.value.what.rstrip().endswith("cache blocks.\nRuntimeError: see root cause above")  # no frames, no requests
    assert "loading part 0\n" not in e.value.what
    assert "--gpu-memory-utilization" in e.value.hint
    assert not any(map(running, children(tmp_path)))


def test_one_of_two_that_dies_ends_both(launch, tmp_path):
    """When one replica cannot start, the error names it, and the other does not live on unwatched."""
    with pytest.raises(ServerFailed, match=r"GPU 1, port .* exit code 5"):
        launch("one dies", gpus=[H100, L4]).start()
    assert len(children(tmp_path)) == 2
    assert not any(map(running, children(tmp_path)))


def test_a_log_without_end_is_bounded(launch):
    """50 MB without a line break neither fill the memory nor the message."""
    with pytest.raises(ServerFailed, match="exit code 4") as e:
        launch("endless line").start()
    assert 0 < len(e.value.what) < 50_000


def test_too_late(launch, tmp_path):
    """A server that never answers is given up after the limit, with its log, and ended."""
    with pytest.raises(ServerTimeout, match="within 1 s") as e:
        launch("never", start=1.0).start()
    assert "(APIServer) arguments" in e.value.what
    assert "\x1b" not in e.value.what
    assert not any(map(running, children(tmp_path)))


def test_what_is_no_vllm(launch):
    """A program that answers something else is not called ready."""
    with pytest.raises(ServerIncompatible, match="names no model"):
        launch("no vllm").start()


def test_sigterm_ignored(launch, tmp_path):
    """A server that ignores SIGTERM is killed after the grace period, with its child."""
    with launch("stubborn", grace=0.5) as server:
        (pid,) = server.pids
        begun = time.monotonic()
    assert 0.4 < time.monotonic() - begun < 5
    assert not running(pid)
    assert not any(map(running, children(tmp_path)))


def test_killed_and_started_again(launch, tmp_path):
    """A server killed with -9 is noticed at once, its orphans are ended, and it answers again on the same port."""
    with launch() as server:
        (pid,), urls = server.pids, server.urls
        (orphan,) = children(tmp_path)
        os.kill(pid, signal.SIGKILL)
        deadline = time.monotonic() + 5
        while server.failed() is None and time.monotonic() < deadline:
            time.sleep(0.02)
        assert "signal 9" in server.failed().what
        server.restart()
        assert not running(orphan)
        assert server.pids != (pid,)
        assert server.urls == urls
        assert server.failed() is None


def test_watching_restarts_and_gives_up(launch):
    """A watched replica that dies is started again as often as allowed; then its error is raised and all end."""
    told = []
    server = launch(restarts=1)

    def killer():
        first = server.pids[0]
        os.kill(first, signal.SIGKILL)
        while first in server.pids or not answers(server.urls[0]):
            time.sleep(0.02)
        os.kill(server.pids[0], signal.SIGKILL)

    with server:
        thread = threading.Thread(target=killer, daemon=True)
        thread.start()
        with pytest.raises(ServerFailed, match="signal 9"):
            server.watch(on_restart=lambda number, error: told.append((number, error.code)))
    assert told == [(0, "server_failed")]
    assert server.pids == ()


def test_a_taken_port_is_refused(launch):
    """What listens there already would be taken for ours, and is neither asked nor ended."""
    server = launch()
    with socket.socket() as other:
        other.bind(("127.0.0.1", server.plan.replicas[0].port))
        other.listen()
        with pytest.raises(InvalidRequest, match="cannot be listened on") as e:
            server.start()
        assert "--port" in e.value.hint
        assert server.pids == ()


def test_a_key_is_used_and_not_shown(launch):
    """A server that wants a bearer key is asked with it, and the key stands in no log line."""
    lines = []
    with launch(extra=["--api-key", "sesame-71"], on_line=lambda _, line: lines.append(line)) as server:
        assert server.model
    assert any("***" in line for line in lines)
    assert not any("sesame-71" in line for line in lines)


def test_the_command_is_found(fake, tmp_path):
    """The command is found by its path and by its environment's folder; where there is none, the hint names pip."""
    assert find_vllm(fake) == fake
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "vllm").symlink_to(fake)
    assert find_vllm(str(tmp_path)) == str(tmp_path / "bin" / "vllm")
    with pytest.raises(MissingExtra) as e:
        find_vllm(str(tmp_path / "nothing"))
    assert "pip install" in e.value.hint
    with pytest.raises(MissingExtra, match="no command"):
        VllmServer(plan_serving(gpus=(), port=free_port(), executable=str(tmp_path / "none"))).start()


# -------------------------------------------------------------------------------------------------------- the command


def test_print_shows_the_command_only():
    """--print needs neither vLLM nor a GPU, and gives a shell command, or JSON with every reason."""
    out = CliRunner().invoke(
        vllm_app, ["serve", "--gpus", "cpu", "--print", "--port", "9", "--", "--max-num-seqs", "8"]
    )
    assert out.exit_code == 0, out.output
    words = shlex.split(out.stdout)
    assert words[words.index("vllm") :][:3] == ["vllm", "serve", MODELS["1.6"]]
    assert words[words.index("--host") + 1] == "127.0.0.1"
    assert words[-2:] == ["--max-num-seqs", "8"]
    assert words.count("--max-num-seqs") == 1
    out = CliRunner().invoke(vllm_app, ["serve", "--gpus", "cpu", "--print", "--json"])
    told = json.loads(out.stdout)
    assert told["replicas"][0]["command"][0] == "vllm"
    assert all(f["reason"] for f in told["flags"])


def test_usage_errors_are_messages():
    """A version that is not there, and a lost word, end with code 1 and a hint, as JSON too."""
    out = CliRunner().invoke(vllm_app, ["serve", "--gpus", "cpu", "--print", "--model", "9.9", "--json"])
    assert out.exit_code == 1
    assert json.loads(out.stdout)["error"]["code"] == "invalid_request"
    assert "1.6" in out.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_the_command_ends_in_order(fake, tmp_path, number):
    """The command says where it answers; Ctrl-C, SIGTERM and a closed terminal end server and child, with code 130."""
    environment = os.environ | {"FAKE_DIR": str(tmp_path), "FAKE_MODE": ""}
    program = "from paperlode.api.vllm_command import vllm_app; vllm_app()"
    port = free_port()
    command = [sys.executable, "-c", program, "serve", "--gpus", "cpu", "--vllm", fake, "--port", str(port), "--json"]
    started = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert started.stdout is not None
    ready = ""
    while not ready.endswith("}\n"):
        assert started.poll() is None
        ready += started.stdout.readline()
    assert json.loads(ready) == {"model": MODELS["1.6"], "urls": [f"http://127.0.0.1:{port}"]}
    started.send_signal(number)
    _, errors = started.communicate(timeout=30)
    assert started.returncode == 130, errors
    assert "Ready: " in errors
    assert (tmp_path / f"{port}.ended").exists()
    assert not any(map(running, children(tmp_path)))


def test_help_teaches():
    """The help names the version, the flags after --, and where the reasons stand."""
    out = CliRunner().invoke(vllm_app, ["serve", "--help"], env={"COLUMNS": "200", "TERM": "dumb"})
    assert out.exit_code == 0
    for words in ("1.6", "--print", "docs/vllm.md", "pip install"):
        assert words in out.output
