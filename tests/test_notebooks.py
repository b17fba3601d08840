"""The notebooks run offline from beginning to end, and the outputs kept in them are those of such a run."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

NOTEBOOKS = Path(__file__).resolve().parent.parent / "notebooks"
NAMES = sorted(p.stem for p in NOTEBOOKS.glob("*.ipynb"))
LARGEST = 600_000
PICTURES = ("image/png", "image/jpeg")
OF_A_MACHINE = re.compile(r"/(?:home|root|tmp|Users|var|work|opt|usr|private)/|[A-Z]:\\|site-packages")


def read(path):
    """The notebook, checked against its schema."""
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    return notebook


def code(notebook):
    return [c for c in notebook.cells if c.cell_type == "code"]


def shown(cell):
    """What a cell says and draws: texts as they are, of a picture that there is one."""
    out = []
    for output in cell.outputs:
        if output.output_type == "stream":
            out.append((output.name, output.text))
        elif pictures := [k for k in PICTURES if k in output.get("data", {})]:
            out.append((pictures[0], bool(output.data[pictures[0]])))
        else:
            out += sorted(output.get("data", {"error": output.get("ename")}).items())
    return out


def test_all_four_are_there():
    """None was lost, and none is added without being run."""
    assert NAMES == ["chunking_evaluation", "llama_index_app", "quickstart", "scanned_contract"]


@pytest.mark.parametrize("name", NAMES)
def test_outputs_are_kept(name):
    """Of one run of all cells in order; without errors, warnings or paths of a machine; and small."""
    path = NOTEBOOKS / f"{name}.ipynb"
    cells = code(read(path))
    assert [c.execution_count for c in cells] == list(range(1, len(cells) + 1))
    outputs = [o for c in cells for o in c.outputs]
    assert {o.output_type for o in outputs} <= {"stream", "display_data", "execute_result"}
    assert {o.name for o in outputs if o.output_type == "stream"} == {"stdout"}
    assert sum(any(k in o.get("data", {}) for k in PICTURES) for o in outputs) >= 2
    texts = [str(s) for c in cells for _, s in shown(c)] + [c.source for c in cells]
    assert [m.group() for t in texts for m in [OF_A_MACHINE.search(t)] if m] == []
    assert path.stat().st_size < LARGEST


@pytest.mark.parametrize("name", NAMES)
def test_each_says_what_it_needs(name):
    """The first cell has a title, what it shows, and the command that installs what it needs."""
    first = read(NOTEBOOKS / f"{name}.ipynb").cells[0]
    assert first.cell_type == "markdown"
    assert first.source.startswith("# ")
    assert "pip install" in first.source


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("name", NAMES)
def test_it_runs_and_says_what_is_kept(name, tmp_path):
    """A run now, with this interpreter and without a network, gives the same texts, and pictures where there are pictures."""
    command = [sys.executable, NOTEBOOKS / "execute.py", "--into", tmp_path, name]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    kept, fresh = (code(read(folder / f"{name}.ipynb")) for folder in (NOTEBOOKS, tmp_path))
    assert [c.source for c in fresh] == [c.source for c in kept]
    assert [shown(c) for c in fresh] == [shown(c) for c in kept], "Where the change is meant: make notebooks"


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("import urllib.request\nurllib.request.urlopen('http://192.0.2.1', timeout=5)", "run offline"),
        ("raise ValueError('no')", "ValueError"),
    ],
)
def test_errors_and_the_network_end_a_run(source, reason, tmp_path):
    """Also where a cell fails or asks for another machine, the command fails, and saves nothing."""
    (tmp_path / "notebooks").mkdir()
    for beside in ("samples", "benchmarks"):
        (tmp_path / beside).mkdir()
    script = tmp_path / "notebooks" / "execute.py"
    script.write_bytes((NOTEBOOKS / "execute.py").read_bytes())
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source, id="a")])
    nbformat.write(notebook, tmp_path / "notebooks" / "bad.ipynb")
    done = subprocess.run([sys.executable, script, "--into", tmp_path], capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert reason in done.stderr
    assert not (tmp_path / "bad.ipynb").exists()
