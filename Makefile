# The ways to run and test wordwatch with no container. Each target first sets up what it needs (deploy/local/setup.py).
# Settings are WORDWATCH_* environment variables; `make run WORDWATCH_PORT=9000` works too.
SHELL := /bin/sh
.DEFAULT_GOAL := help
.SUFFIXES:

# The Python (3.11 or later) to make the virtual environment with.
PYTHON ?= python3
# Which process's logs to follow; empty: all.
service ?=
# Of `make chaos`: short, medium or long.
form ?= long

# Three at a time on two processors: most tests wait for something. Those of one file share what they start.
SIDE_BY_SIDE = -n 3 --dist loadfile

# Recipes `exec`, so that a signal for make reaches the program and not a shell that would leave it behind.

# A user's own settings of Python are not meant for this one.
unexport PYTHONPATH PYTHONHOME PYTHONSAFEPATH

SETUP = "$(PYTHON)" -m deploy.local.setup --home "$${WORDWATCH_HOME:-}" --tools "$${WORDWATCH_TOOLS:-}"
RUNNER = $(SETUP) -- -m deploy.local
# What only looks at a running stack needs nothing that the set-up brings.
CONTROL = "$(PYTHON)" -m deploy.local.setup --bare -- -m deploy.local
DEV = $(SETUP) --dev --

.PHONY: help run demo lab scale ps logs stop test test-long chaos bench bench-long verify-compose lint format docs messages errors settings \
	openapi lock clean

help: ## List these targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' Makefile | awk -F'|' '{ printf "%-20s %s\n", $$1, $$2 }'

run: ## Start everything on this machine, in the foreground; Ctrl-C stops it
	@exec $(RUNNER) run

demo: ## Count words on the sample site, or: make demo URL=example.org WORDS="python;open source"
	@exec $(RUNNER) demo --url "$${URL:-}" --words "$${WORDS:-}"

lab: ## Open servers that misbehave, an address for each way, to try out what a check makes of them
	@exec $(DEV) -m deploy.lab

scale: ## Change how many fetchers run: make scale fetcher=4
	@exec $(CONTROL) scale $(filter-out WORDWATCH_% PYTHON=%,$(MAKEOVERRIDES))

ps: ## Show what runs
	@exec $(CONTROL) ps

logs: ## Follow the logs of all processes, or of one: make logs service=fetcher
	@exec $(CONTROL) logs --service "$(service)"

stop: ## Stop what `make run` started, from another terminal
	@exec $(CONTROL) stop

test: lint ## Everything that CI runs: lint, types, all tests
	@exec $(DEV) -m deploy.local.browser
	@exec $(DEV) -m pytest $(SIDE_BY_SIDE)

test-long: ## What takes too long for every time: more kills, longer outages
	@exec $(DEV) -m pytest -m long

chaos: ## Half an hour of kills, stops and restarts under 10,000 checks, each accounted for; shorter: make chaos form=medium
	@exec $(DEV) -m tests.chaos "$(form)"

bench: ## Measure it against peers, floors and bars, side by side; needs nginx, redis-server and wrk; for CI: make bench form=short
	@exec $(DEV) -m bench $(filter short,$(form))

bench-long: ## The same with ten million checks, and over a million pages; takes hours
	@exec $(DEV) -m bench long

verify-compose: ## With Docker: build, scale and crash every container of a stack of its own, and account for every check
	@exec "$(PYTHON)" -m deploy.compose.verify

lint: ## Check style, types and the rules about imports
	@exec $(DEV) -m ruff check .
	@exec $(DEV) -m ruff format --check .
	@exec $(DEV) -m mypy
	@exec $(DEV) -c "from importlinter.cli import lint_imports_command as main; main()"

format: ## Put the code into the house's form
	@exec $(DEV) -m ruff format .
	@exec $(DEV) -m ruff check --fix .

docs: ## Build the documentation as a site for a browser, into .wordwatch/docs (or docs in WORDWATCH_HOME)
	@exec $(DEV) -m deploy.docs_site

messages: ## Write docs/messages.md anew, from the tables of topics and messages
	@$(DEV) -m shared.messages_page > docs/messages.md

errors: ## Write docs/errors.md anew, from the table of errors
	@$(DEV) -m shared.errors_page > docs/errors.md

settings: ## Write docs/settings.md anew, from the table of settings
	@$(DEV) -m shared.settings_page > docs/settings.md

openapi: ## Write docs/openapi.md anew, from the OpenAPI document
	@$(DEV) -m services.gateway.openapi.page > docs/openapi.md

lock: ## Choose the versions of all packages anew (UPGRADE=1: the newest), with hashes
	@$(LOCK) pyproject.toml --extra local --extra dev -o requirements/dev.lock
	@$(LOCK) pyproject.toml --extra local -c requirements/dev.lock -o requirements/run.lock
	@$(LOCK) pyproject.toml -c requirements/dev.lock -o requirements/services.lock
	@$(LOCK) requirements/go.in -o requirements/go.lock
	@$(LOCK) requirements/peers.in -o requirements/peers.lock

LOCK = $(DEV) -m uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
	--no-emit-index-url $(if $(UPGRADE),--upgrade)

clean: ## Stop what runs, and remove all local state, the database too
	@exec $(CONTROL) clean
