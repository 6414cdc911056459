# One word per task; `make help` lists them. Needs Python 3.11+ and a package index, nothing else.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

# The first of these that runs, is 3.11 or newer and can make a virtual environment. Override: make setup PYTHON=...
CANDIDATES := python3.11 python3.12 python3.13 python3.14 python3 python
FITS := import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))
PYTHON ?= $(shell for p in $(CANDIDATES); do if "$$p" -c '$(FITS)' >/dev/null 2>&1; then echo "$$p"; break; fi; done)

VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
WORKERS ?= 2
OLDEST ?= .venv-oldest
COMPARE = $(BIN)/python -m bench.peers setup && nice -n 10 $(BIN)/python -m bench.peers run
# import-linter needs a newer rich than we do, and which layer imports which does not depend on releases.
LAYERS := tests/unit/test_house_imports.py::test_the_layers_hold
# Who sets this would compile every test and every module anew in each of the many processes that the tests start.
unexport PYTHONDONTWRITEBYTECODE
QUICK := $(addprefix tests/unit/test_,$(addsuffix .py,house house_imports loss conversions receipt ledger_machine evidence))

.PHONY: help setup check test test-oldest test-system demo audits audits-long bench bench-smoke bench-peers-adult bench-peers-nltcs bench-peers-bank bench-peers-arx docs build clean

help:  ## this list
	@grep -E '^[a-z-]+:.*  ## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*  ## /\1\t/' | expand -t 20

$(STAMP): pyproject.toml
	@if [ -z "$(PYTHON)" ]; then echo "dpsynth needs Python 3.11 or newer with venv; name one: make setup PYTHON=/path/to/python3" >&2; exit 1; fi
	@echo "installing dpsynth and its tools into $(VENV) (about a minute) ..." >&2
	@"$(PYTHON)" -m venv "$(VENV)"
	@"$(BIN)/python" -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	@touch "$@"

setup: $(STAMP)  ## the virtual environment with everything that development needs

check: setup  ## format, lint, types, layers, rules of the house, the quickest tests: under a minute
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache | tail -n 12
	@$(BIN)/python -m pytest -q $(QUICK)

test: setup  ## every test; the last line is pytest's summary
	@$(BIN)/python -m pytest -q -rs -n $(WORKERS) --dist worksteal

test-oldest:  ## every test with the oldest supported dependencies, in an environment of its own (Python 3.11)
	@"$(PYTHON)" -m venv "$(OLDEST)"
	@"$(OLDEST)/bin/python" -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	@echo "pip may now say that a tool of development asks for something newer: the tests tell whether it matters" >&2
	@"$(OLDEST)/bin/python" -m pip install --quiet --disable-pip-version-check -r tests/constraints-oldest.txt
	@"$(OLDEST)/bin/python" -m pytest -q -rs -n $(WORKERS) --dist worksteal --deselect $(LAYERS)

test-system: setup  ## every test again, and none may skip
	@echo "run as an ordinary user; system packages (Debian names): chromium default-jre-headless postgresql" >&2
	@$(BIN)/python -m pytest -q -rs -n $(WORKERS) --dist worksteal --forbid-skips

demo: setup  ## the whole journey on UCI Adult, ending in a refused overspend
	@$(BIN)/dpsynth demo --force

audits: setup  ## the statistical audits of this library, at full size; writes dated results
	@for script in audits/*.py; do echo "== $$script"; $(BIN)/python "$$script"; done

audits-long: setup  ## black-box audits from CSV to CSV on searched worst cases: as long as MINUTES says (60)
	@$(BIN)/python audits/end_to_end.py --minutes $(or $(MINUTES),60)

bench: setup  ## the benchmarks; results go to bench/results
	@for script in bench/*.py; do echo "== $$script"; $(BIN)/python "$$script"; done

bench-smoke: setup  ## a small comparison with a peer on data that ship with dpsynth: a few minutes, nothing kept
	@$(BIN)/python -m bench.peers smoke

bench-peers-adult: setup  ## all peers on McKenna-coded Adult: hours; goes on where it stopped; results in bench/results
	@$(COMPARE) adult_mckenna && $(BIN)/python -m bench.peers page

bench-peers-nltcs: setup  ## the same on NLTCS
	@$(COMPARE) nltcs && $(BIN)/python -m bench.peers page

bench-peers-bank: setup  ## the same on Bank Marketing
	@$(COMPARE) bank_full && $(BIN)/python -m bench.peers page

bench-peers-arx: setup  ## the same on ARX's Adult
	@$(COMPARE) arx_adult && $(BIN)/python -m bench.peers page

docs: setup  ## the documentation, as HTML in docs/_build/html
	@$(BIN)/python -m sphinx -q -W --keep-going -b html docs docs/_build/html

build: setup  ## wheel and sdist in dist/
	@$(BIN)/python -m build --no-isolation --outdir dist .

clean:  ## remove what the other words made, except the virtual environments
	@rm -rf dist build docs/_build .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
