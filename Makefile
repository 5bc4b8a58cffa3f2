# make demo | test | lab | build | check | lint | bench | lock | clean
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
UV     := $(VENV)/.uv/bin/uv

export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: demo test lab venv build check lint bench slow lock clean

demo: $(READY)  ## build unit 01, hand in a small class, grade it, show the report
	$(BIN)/gencourse demo

test: $(READY)  ## every test that belongs to a change (see `slow` for the rest)
	$(BIN)/ruff check .
	$(BIN)/python -m pytest

lab: $(READY)  ## JupyterLab on the student notebooks
	$(BIN)/jupyter lab notebooks

venv: $(READY)

$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(v < (3, 11) and f"gencourse needs Python 3.11 or newer and $(PYTHON) is {v[0]}.{v[1]}: make PYTHON=/path/to/python3.11 ...")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $(READY)

build: $(READY)  ## notebooks and public cases from the text sources
	$(BIN)/gencourse build

check: $(READY)  ## are the committed notebooks what their sources build?
	$(BIN)/gencourse build --check

lint: $(READY)
	$(BIN)/ruff check .

bench: $(READY)  ## speed against peers, ratios in one run
	$(BIN)/python -m pytest benchmarks -s

slow: $(READY)  ## tests too long for every change
	$(BIN)/python -m pytest -m slow

lock: pyproject.toml  ## pin everything anew
	@test -x $(UV) || ($(PYTHON) -m venv $(VENV)/.uv && $(VENV)/.uv/bin/pip install --quiet uv)
	@printf '%s\n' 'torch==2.14.1' 'torchvision==0.29.1' > $(VENV)/.pins
	@printf '%s\n' \
	  '# Every package of the course, pinned for Linux, macOS and Windows on Python 3.11 and newer.' \
	  '# Made from pyproject.toml by `make lock`; installed by `make venv` or `pip install -r requirements.lock`.' > requirements.lock
	$(UV) pip compile --quiet --universal --python-version 3.11 --no-annotate --no-header \
	  pyproject.toml $(VENV)/.pins --extra lab --extra grade --extra test --extra site --extra bench >> requirements.lock

clean:  ## everything that can be made again; never the gradebook, submissions or secret
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .ruff_cache .benchmarks demo
