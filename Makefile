# make prints what there is. Every target does the set-up it needs; stamps keep it from being done twice.

SHELL := /bin/bash
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

VENV := .venv
BIN := $(VENV)/bin
EVM := contracts/evm
FORGE_FOLDER := $(CURDIR)/$(EVM)/node_modules/@foundry-rs/forge-linux-amd64/bin
WORKERS ?= 2
SERVICES := services and not devnet and not slow and not story and not long
BENCH ?= *
MINUTES ?= 30
# each worker takes a half in order, so that what a file shares is made once; who is done takes over
IN_PARALLEL := $(BIN)/python -m pytest -q -n $(WORKERS) --dist worksteal
BY_FAULTS := --ignore tests/faults/test_kills.py --ignore tests/faults/test_outages.py \
	--ignore tests/faults/load
KERNELS := $(wildcard chains/*.pyx relayer/*/*.pyx)
OFFLINE := not devnet and not services and not slow and not story and not long
FIND_PYTHON := for name in python3 python3.13 python3.12 python3.11; do \
	$$name -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$name && break; done
PYTHON ?= $(shell $(FIND_PYTHON))

# node comes from the machine, or from the environment when the machine has none
export PATH := $(PATH):$(CURDIR)/$(BIN)

.PHONY: help setup demo demo-fleet test check bench faults sim long soak format contracts \
	contracts-check contracts-solana contracts-solana-check contracts-solana-second \
	slither lock clean

help:
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-23s %s\n", $$1, $$2 }' Makefile

setup: $(VENV)/.stamp-package $(EVM)/node_modules/.stamp ## install everything at locked versions and build the kernels

demo: setup ## the whole story on local chains, nothing else needed
	$(BIN)/relayer demo

demo-fleet: setup ## the same story on PostgreSQL and RabbitMQ, in separate processes
	$(BIN)/relayer demo --fleet

test: setup ## the tests of less than ten minutes: units, properties, contracts, devnets, the story
	$(IN_PARALLEL) -m "$(OFFLINE)" --ignore tests/style tests
	cd $(EVM) && $(FORGE_FOLDER)/forge test --force
	$(IN_PARALLEL) -m "$(SERVICES)" tests
	$(IN_PARALLEL) -m "(devnet or slow or story) and not long" $(BY_FAULTS) tests

check: setup ## format, lint, types, imports, tidy and the offline tests
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	cd $(EVM) && $(FORGE_FOLDER)/forge fmt --check
	$(BIN)/python -m pytest -q tests/style
	$(IN_PARALLEL) -m "$(OFFLINE)" --ignore tests/style tests

bench: setup ## measure; BENCH=risk runs one; results go to build/bench.json
	@failed=; test "$(BENCH)" != "*" || rm -f build/bench.json; \
	for file in tests/bench/bench_$(BENCH).py; do \
		test -f $$file || { echo "there is no $$file"; exit 1; }; \
		echo "$$file"; $(BIN)/python -m tests.bench.$$(basename $$file .py) || failed="$$failed $$file"; \
	done; test -z "$$failed" || { echo "failed:$$failed"; exit 1; }

faults: setup ## break things on purpose: killed processes, servers away; SLICE=1 for some kills
	$(if $(SLICE),FAULT_KILLS=$${FAULT_KILLS:-8}) $(BIN)/python -m pytest -q \
		$(if $(SLICE),tests/faults/load/test_kill_matrix.py tests/faults/test_kills.py,tests/faults)

soak: setup ## load a deployment and see whether it grows; MINUTES=30, FLEET=1 for separate processes
	$(BIN)/python -m tests.soak --minutes $(MINUTES) $(if $(FLEET),--fleet)

sim: setup ## the whole relayer under random faults, one seed a run; SEEDS=n, JOBS=n
	$(BIN)/python -m tests.simulation --seeds $(or $(SEEDS),1000) --jobs $(or $(JOBS),2)

long: setup ## the tests of many minutes: all worlds, 10,000 sends, mutants; SLICE=1 for the worlds alone
	$(if $(SLICE),$(IN_PARALLEL) -m long -k "not 10000 and not ten_thousand" tests/properties tests/relayer, \
		$(BIN)/python -m pytest -q -m long tests)

format: setup ## put Python and Solidity into shape
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .
	cd $(EVM) && $(FORGE_FOLDER)/forge fmt

contracts: setup ## compile the contracts into contracts/artifacts
	cd $(EVM) && node tools/build.mjs

contracts-check: setup ## rebuild the contracts and compare with contracts/artifacts
	cd $(EVM) && node tools/build.mjs --check

contracts-solana: setup ## compile the Solana programs into contracts/artifacts/solana; needs clang-19
	$(BIN)/python -m contracts.solana.tools.build

contracts-solana-check: setup ## rebuild the Solana programs and compare with what is committed
	$(BIN)/python -m contracts.solana.tools.build --check

contracts-solana-second: setup .venv-bankrun/.stamp ## run the vault for Solana in a bank of 1.18 too, and compare
	RELAYER_REQUIRE_ALL=1 $(BIN)/python -m pytest -q tests/contracts_solana/test_second_runtime.py

slither: setup .venv-slither/.stamp ## static analysis of the contracts; medium and high fail
	cd $(EVM) && PATH=$(FORGE_FOLDER):$$PATH $(CURDIR)/.venv-slither/bin/slither . --fail-medium

lock: setup ## resolve the Python lock files again, after an edit of pyproject.toml or deploy/*.in
	@set -e; compile() { $(BIN)/uv pip compile --quiet --universal --no-emit-index-url \
		--no-emit-find-links --generate-hashes --python-version 3.11 "$$@" > /dev/null; }; \
	command -v $(BIN)/uv > /dev/null || { echo "uv is needed: $(BIN)/pip install uv"; exit 1; }; \
	compile --extra dev pyproject.toml -o deploy/requirements.lock; \
	compile deploy/slither.in -o deploy/slither.lock; \
	compile deploy/bankrun.in -o deploy/bankrun.lock; \
	compile deploy/node.in -o deploy/node.lock

clean: ## remove what was built, the environments and the state of demos too
	rm -rf $(VENV) .venv-slither .venv-bankrun $(EVM)/node_modules $(EVM)/out $(EVM)/cache build dist *.egg-info
	rm -rf .relayer .demo .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	rm -f chains/*.so chains/*.c chains/*.html relayer/*/*.so relayer/*/*.c relayer/*/*.html .coverage .coverage.*

$(VENV)/.stamp-lock: deploy/requirements.lock
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed; on Debian 12:" \
		"apt-get install python3 python3-venv python3-dev gcc"; exit 1; }
	@$(PYTHON) -m venv --help > /dev/null 2>&1 || { echo "install python3-venv"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes \
		--requirement deploy/requirements.lock
	@touch $@

$(VENV)/.stamp-package: $(VENV)/.stamp-lock pyproject.toml $(wildcard setup.py) $(KERNELS)
	@command -v gcc > /dev/null || { echo "a C compiler is needed: apt-get install gcc python3-dev"; exit 1; }
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation \
		--editable .
	$(BIN)/python -m compileall -q relayer chains
	@touch $@

$(EVM)/node_modules/.stamp: $(EVM)/package-lock.json $(VENV)/.stamp-lock
	@command -v npm > /dev/null || $(BIN)/python -m pip install --quiet --disable-pip-version-check \
		--require-hashes --requirement deploy/node.lock
	cd $(EVM) && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@

.venv-slither/.stamp: deploy/slither.lock $(VENV)/.stamp-lock
	$(call environment,.venv-slither,deploy/slither.lock)

# solders of another release has another runtime inside; both in one environment there cannot be
.venv-bankrun/.stamp: deploy/bankrun.lock $(VENV)/.stamp-lock
	$(call environment,.venv-bankrun,deploy/bankrun.lock)

# environment FOLDER LOCK
define environment
	$(PYTHON) -m venv $(1)
	$(1)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes \
		--requirement $(2)
	@touch $(1)/.stamp
endef
