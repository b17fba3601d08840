# Two commands for a newcomer: make demo, make test. Everything they need is installed into .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
VLLM := .venv-vllm
DEMO ?= demo
QUESTION := How long is the initial term of the supply agreement?

.PHONY: help setup demo test test-vllm vllm-env lint types check wheel samples notebooks clean

help:
	@echo "make demo    install, ingest samples/, search three times, ask once, draw the answer's box"
	@echo "make test    install, then lint, types, tests, and the tests again on the built wheel"
	@echo "make vllm-env   install a vLLM that needs no GPU into $(VLLM) (2.5 GB); make test then tests against it too"
	@echo "make notebooks  execute notebooks/ offline, and save their outputs in place"
	@echo "make setup   install paperlode with everything for development and benchmarks into $(VENV)"

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

# The CPU build of torch first: any later requirement would pull gigabytes of CUDA.
$(VENV)/.paperlode: pyproject.toml constraints.txt | $(BIN)/python
	$(BIN)/python -m pip install --quiet --constraint constraints.txt torch
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable .
	@touch $@

$(VENV)/.development: $(VENV)/.paperlode
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	@touch $@

setup: $(VENV)/.development

demo: $(VENV)/.paperlode
	$(BIN)/paperlode ingest samples/archive --index $(DEMO)
	$(BIN)/paperlode search "termination for convenience notice period" --index $(DEMO) --limit 3
	$(BIN)/paperlode search "net revenue by segment" --index $(DEMO) --limit 3
	$(BIN)/paperlode search "营业收入" --index $(DEMO) --limit 3
	$(BIN)/paperlode ask "$(QUESTION)" --index $(DEMO) --picture $(DEMO)/answer.png
	@echo "The page with its box: $(DEMO)/answer.png"

lint: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: setup
	$(BIN)/mypy
	$(BIN)/pyright

test: lint types
	$(BIN)/python -m pytest -q -m "not vllm" --durations=10
	$(MAKE) test-vllm
	$(MAKE) wheel

# The real vLLM, in an environment of its own: the one that PAPERLODE_TEST_VLLM names, or that of make vllm-env. Where there
# is neither, the tests are skipped and say so: nobody is made to download 2.5 GB.
test-vllm: setup
	PAPERLODE_TEST_VLLM="$${PAPERLODE_TEST_VLLM:-$$(test ! -e $(VLLM)/.ready || echo "$(CURDIR)/$(VLLM)")}" \
		$(BIN)/python -m pytest -q -rs -m vllm --durations=5 tests/ingest/vllm tests/retrieval/vllm

vllm-env: $(VLLM)/.ready

$(VLLM)/.ready: tests/ingest/vllm/setup_real_vllm.sh
	rm -rf $(VLLM)
	sh $< $(VLLM)
	@touch $@

# The artefact itself: built, installed alone, and asked for its help, its types and its health, away from the sources.
wheel: setup
	rm -rf build dist
	$(BIN)/python -m pip wheel --quiet --no-deps --wheel-dir dist .
	$(BIN)/python -m pip install --quiet --no-deps --target build/site dist/paperlode-*.whl
	cd build && PYTHONPATH=site ../$(BIN)/python -m paperlode --help > help.txt
	cd build && PYTHONPATH=site ../$(BIN)/python -c "import paperlode.ingest, pathlib; p = pathlib.Path(paperlode.ingest.__file__); assert 'site' in str(p), p; assert (p.parent / 'py.typed').exists()"

samples: setup
	$(BIN)/python samples/make_samples.py

notebooks: setup
	$(BIN)/python notebooks/execute.py

clean:
	rm -rf $(VENV) $(VLLM) build dist $(DEMO)
