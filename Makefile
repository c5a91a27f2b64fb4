# make run    the main job: 20,000 synthetic patients -> risk model -> explained report
# make test   the tests (make slow: the long ones)
# make lint   ruff, mypy and the documentation site
# make docs   the site, in build/site/
# make explorer  the script of the explorer's page, from its sources (needs Node.js)
# make bench  the benchmark suite    make fuzz   malformed files by the thousand
# make licences  the licence of all that is installed    make clean   remove .venv, builds and caches
#
# Each builds .venv first, once: `make run` from requirements.lock, the others from requirements-dev.lock
# beside it; again when a lock or pyproject.toml changes.
# Another Python: make run PYTHON=/path/to/python3.12

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help setup develop run test slow lint style types docs explorer bench fuzz licences clean

# The first of these that is 3.11 or later, can make an environment, and really runs (a shim may not).
PYTHON_IS_GOOD = -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1
PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3 python; do \
	if $$p $(PYTHON_IS_GOOD); then echo $$p; break; fi; done)

BIN := .venv/bin

help:
	@sed -n '/^#/!q; s/^# \{0,1\}//p' Makefile

setup: .venv/.compiled

develop: setup .venv/.developing

.venv/.locked: requirements.lock
	@chosen="$(PYTHON)"; "$$chosen" $(PYTHON_IS_GOOD) || { \
		echo "crsrisk needs Python 3.11 or later with the venv module: found '$$chosen'." \
		     "Install one, or name it: make run PYTHON=/path/to/python3.12" >&2; exit 2; }; \
	if ! $(BIN)/python $(PYTHON_IS_GOOD); then \
		echo "Making .venv with $$chosen"; "$$chosen" -m venv --clear .venv; fi
	@echo "Installing requirements.lock into .venv (a few minutes, once)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --requirement requirements.lock
	@touch $@

.venv/.developing: .venv/.locked requirements-dev.lock
	@echo "Installing requirements-dev.lock into .venv (a minute, once)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --requirement requirements-dev.lock
	@touch $@

.venv/.installed: .venv/.locked pyproject.toml
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

# the solver is compiled once for each state of its sources; the compiled code is kept in the user's cache
KERNEL := $(wildcard crsrisk/biology/*.py) crsrisk/data/mitigation.py $(patsubst %,crsrisk/simulation/%.py,layout ward solve)

.venv/.compiled: .venv/.installed $(KERNEL)
	@echo "Compiling the solver (up to a minute, once)"
	@$(BIN)/crsrisk simulate --patients 16 --product tarlatamab --overwrite \
		--out .venv/compiled/cohort.parquet > /dev/null
	@touch $@

run: setup
	$(BIN)/crsrisk run experiments/001_baseline --overwrite

# SLOW=yes: the long ones in the same run, which share what a module computes once
test: develop
	$(BIN)/python -m pytest $(if $(SLOW),,-m "not slow") --numprocesses auto --dist loadscope

slow: develop
	$(BIN)/python -m pytest -m slow --numprocesses auto --dist loadscope

lint: style types docs

style: develop
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: develop
	$(BIN)/mypy

docs: develop
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build

explorer:
	cd explorer && npm ci && npm run types && npm run build

bench: develop
	$(BIN)/python -m bench

fuzz: develop
	$(BIN)/python -m fuzz

licences: develop
	@$(BIN)/pip-licenses --from=mixed --order=license

clean:
	rm -rf .venv build dist explorer/node_modules *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
