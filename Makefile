# What people type. Each target sets up what it needs; `make help` lists them.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
FIRMWARE := $(VENV)/firmware/.ready
TYPINGS := $(VENV)/typings/.ready
WEB := client/web
NPM := sh $(WEB)/tools/npm
WEB_READY := $(WEB)/node_modules/.ready
PAGE := coordinator/soul_coordinator/web/index.html
# Three at a time even on two cores: many tests wait for a deadline most of the time.
JOBS ?= 3
.DEFAULT_GOAL := help
.PHONY: help run test check cover bench schema docs format clean

help: ## this list
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Soul Connect needs Python 3.11 or newer; set PYTHON=..." >&2; exit 1; }
	@echo "Setting up $(VENV) (once; a minute or two)"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

# The real MicroPython and umqtt, for the firmware's tests; nothing outside $(VENV) is touched.
$(FIRMWARE): tests/firmware/ground.sh | $(READY)
	@sh $< $(VENV)/firmware $(BIN)/python

# The ESP32's stubs stand in for the standard library's: away from where mypy looks.
$(TYPINGS): constraints.txt | $(READY)
	@rm -rf $(@D)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt --target $(@D) 'micropython-esp32-stubs==1.25.*'
	@touch $@

$(WEB_READY): $(WEB)/package-lock.json $(WEB)/tools/npm | $(READY)
	@echo "Setting up $(WEB)/node_modules (once; half a minute)"
	@$(NPM) ci --loglevel error --no-progress
	@touch $@

# The page, in the package. The first time the install below $(VENV) has built it already.
$(PAGE): $(shell find $(WEB)/ui $(WEB)/core/src $(WEB)/tools -type f -not -path '*/test/*') $(WEB)/package.json $(WEB)/package-lock.json | $(READY) $(WEB_READY)
	@echo "Building the page"
	@$(NPM) run --silent page

run: $(READY) $(PAGE) ## a server with two demo players; Ctrl-C ends it
	@exec $(BIN)/soul-connect serve --demo

test: $(READY) $(FIRMWARE) $(WEB_READY) $(PAGE) ## every test, on a fresh machine as well
	@sh tests/system-packages.sh
	@$(BIN)/python -m pip check
	@$(MAKE) --no-print-directory check
	@$(NPM) test --silent
	@$(BIN)/python -m pytest -q -n $(JOBS) --dist loadfile --no-loadscope-reorder

check: $(READY) $(TYPINGS) $(WEB_READY) ## ruff, mypy and tsc --strict, pyright for the firmware, eslint, imports, schema and docs drift, branch coverage
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy
	@$(BIN)/basedpyright --project firmware --warnings
	@$(BIN)/lint-imports --no-logo 2>/dev/null || $(BIN)/lint-imports
	@$(BIN)/python -m soul_protocol.schema --check config/schema
	@$(BIN)/python firmware/generate.py --check
	@$(BIN)/python -m soul_connect.cli.grammar --check
	@$(BIN)/python docs/tables.py --check
	@$(BIN)/python docs/api.py --check
	@PYTHONPATH=tests $(BIN)/python -m broker.conformance --check
	@$(NPM) run --silent types:check
	@$(NPM) run --silent tsc
	@$(NPM) run --silent lint
	@$(MAKE) --no-print-directory cover

# Without the state machine: what it happens to reach is not what a test shows. Without all orders of
# presence: they take long under a tracer.
cover: $(READY) ## every branch of the core, the protocol, the ACL and the client's session, or it fails
	@$(BIN)/python -m pytest -q --cov --ignore tests/coordinator/core/test_machine.py \
	  --ignore tests/coordinator/core/test_presence_interleavings.py \
	  tests/coordinator/core tests/protocol tests/broker/test_acl.py tests/broker/test_topics.py \
	  $(wildcard tests/client/test_session_*.py) tests/client/test_reconnect.py tests/client/test_clock.py \
	  tests/client/test_optimistic.py tests/client/test_expectation.py

bench: $(READY) ## commands beside Snapcast, a thousand users, brokers side by side, the storage
	@sh tests/system-packages.sh
	@PYTHONPATH=tests $(BIN)/python -m bench

schema: $(READY) $(WEB_READY) ## write config/schema, the firmware's and the web client's part of it, from the contract
	@$(BIN)/python -m soul_protocol.schema config/schema
	@$(BIN)/python firmware/generate.py
	@$(NPM) run --silent types

docs: $(READY) ## write the tables of docs/protocol.md and docs/api.md from the code
	@$(BIN)/python -m soul_connect.cli.grammar
	@$(BIN)/python docs/tables.py
	@$(BIN)/python docs/api.py
	@PYTHONPATH=tests $(BIN)/python -m broker.conformance

format: $(READY) $(WEB_READY) ## ruff's and eslint's fixes, and formatting
	@$(BIN)/ruff check --fix
	@$(BIN)/ruff format
	@$(NPM) run --silent format

clean: ## remove what the targets made
	@rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache dist $(WEB)/node_modules $(WEB)/dist $(dir $(PAGE))
