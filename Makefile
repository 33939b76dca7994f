# Every target sets up what it needs. `make help` lists them.
# The system's own interpreter, where it will do: distributions build it with all optimisations, and it is what an
# installation runs.
SYSTEM_PYTHON := /usr/bin/python3
PYTHON ?= $(shell $(SYSTEM_PYTHON) -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	&& echo $(SYSTEM_PYTHON) || echo python3)
PORT ?= 8000
# Set in some containers: every process of the tests would compile every module anew.
unexport PYTHONDONTWRITEBYTECODE
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check -qq

.DEFAULT_GOAL := help

.PHONY: help
help: ## what can be made here
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

.PHONY: install
install: $(VENV)/.run ## the server, the demo and the participant's commands, into .venv

# The locks name every package: nothing is left to resolve (pip 23 would look for coverage[toml] beyond its lock).
$(VENV)/.run: requirements/run.lock requirements/static.lock pyproject.toml
	@echo "Installing into $(VENV) (once; a minute or two) ..."
	@$(PYTHON) -m venv $(VENV)
	@$(PIP) install --require-hashes --no-deps -r requirements/run.lock
	@$(PIP) install --require-hashes --no-deps -r requirements/static.lock
	@$(PIP) install --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.dev: $(VENV)/.run requirements/dev.lock
	@echo "Installing what tests and lint need ..."
	@$(PIP) install --require-hashes --no-deps -r requirements/dev.lock
	@touch $@

.PHONY: demo
demo: $(VENV)/.run ## a played season at http://127.0.0.1:8000 (PORT=8001 changes it)
	@$(BIN)/srs-server demo --port $(PORT)

.PHONY: services
services: # PostgreSQL, Redis, nginx, faketime and Chromium, for the tests (as root they are installed, otherwise named)
	@sh tests/services.sh

SUITE := -n 2

.PHONY: test
test: $(VENV)/.dev services ## the everyday suite: SQLite, PostgreSQL, Redis, real workers
	@$(MAKE) --no-print-directory -j 3 everyday waiting floors

# They kill and count real processes.
KILLING := $(addprefix tests/faults/test_,nothing_is_lost.py web_killed.py told_once.py house_killed.py)
# They wait for processes of their own more than they work: beside the others they cost little time.
WAITING := $(KILLING) $(addprefix tests/,functional/test_uploads_over_http.py functional/test_slow_uploads.py functional/test_run.py \
	security/test_limits.py golden/test_demo.py)
# What the unit tests of these packages must cover whole by themselves, lines and branches.
COVERED := game traces scoring

.PHONY: everyday
everyday:
	@$(BIN)/python -m pytest $(SUITE) tests $(addprefix --ignore ,tests/lint $(WAITING) $(COVERED:%=tests/unit/%))

.PHONY: waiting
waiting:
	@$(BIN)/python -m pytest -q $(WAITING)

.PHONY: floors
floors:
	@$(BIN)/python -m pytest -q $(COVERED:%=--cov=srs.%) --cov-report= $(COVERED:%=tests/unit/%)
	@$(BIN)/python tests/coverage_floors.py $(COVERED)

.PHONY: coverage
coverage: $(VENV)/.dev services ## what the everyday suite covers, of every package
	@$(BIN)/python -m pytest $(SUITE) --cov --cov-report= tests
	@$(BIN)/python tests/coverage_floors.py

.PHONY: lint
lint: $(VENV)/.dev ## ruff, mypy --strict, import-linter, house rules
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache
	@$(BIN)/python -m pytest -q -p no:randomly tests/lint

.PHONY: bench
bench: $(VENV)/.dev ## speed, as ratios measured in one run
	@for file in benchmarks/bench_*.py; do $(BIN)/python $$file || exit 1; done

.PHONY: screenshots
screenshots: $(VENV)/.dev services ## the pictures of README and docs, taken from a demo (ALL=folder takes every page)
	@$(BIN)/python tests/screenshots.py $(if $(ALL),--all $(ALL))

.PHONY: clean-pages
clean-pages: $(VENV)/.dev services ## look at every page with axe-core, and note how those look in which it found nothing
	@: > tests/browser/clean_pages.txt
	@SRS_FULL=1 SRS_RECORD=1 $(BIN)/python -m pytest tests/browser/test_every_page.py

# They hold promised seconds: nothing else may run beside them.
ALONE := $(KILLING) $(addprefix tests/faults/test_,same_scores.py bell.py)

.PHONY: faults
faults: export SRS_FULL := 1
faults: export SRS_LEDGER := $(shell mktemp -u)
faults: $(VENV)/.dev services ## the checks at their full size; prints what was tried, lost, doubled
	@status=0; \
	$(BIN)/python -m pytest -n 2 -p no:randomly tests --ignore tests/lint $(addprefix --ignore ,$(ALONE)) || status=$$?; \
	$(BIN)/python -m pytest -p no:randomly $(ALONE) || status=$$?; \
	rm -f $$SRS_LEDGER; exit $$status

.PHONY: lock
lock: $(VENV)/.dev ## write requirements/*.lock anew from pyproject.toml
	@$(BIN)/uv pip compile -q $(LOCK) --extra server --extra lab --group build pyproject.toml -o requirements/run.lock
	@$(BIN)/uv pip compile -q $(LOCK) --extra server --extra lab --group build --group dev -c requirements/run.lock pyproject.toml -o requirements/dev.lock
	@$(BIN)/uv pip compile -q $(LOCK) --no-deps --group static -o requirements/static.lock
LOCK := --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --custom-compile-command "make lock"
