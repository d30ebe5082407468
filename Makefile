# The front door: `make demo` and `make test` need nothing but Python 3.11 or newer.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
JOBS ?= auto
PORT ?= 8000
EXAMPLES ?= 200
SEED ?= 1
RELEASED ?= openapi/released.json

.PHONY: help demo test fuzz bench faults check format lint types layers migrations contract breaks openapi clients app spa lock clean

help: ## Show this list
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/  make \1\t\2/' | expand -t 24

demo: $(VENV)/.app ## Serve a demonstration on http://127.0.0.1:8000; PORT=… for another
	@exec $(BIN)/itschool demo --port $(PORT)

test: $(VENV)/.dev ## Run every test
	@$(BIN)/pytest -q -n $(JOBS) $(ARGS)

fuzz: $(VENV)/.dev ## Attack every operation; EXAMPLES=… of each, SEED=… for others
	@EXAMPLES=$(EXAMPLES) SEED=$(SEED) $(BIN)/pytest -q -n $(JOBS) tests/fuzz $(ARGS)

bench: $(VENV)/.dev ## Measure what is promised; ARGS=… for one, see benchmarks/README.md
	@$(BIN)/python -m benchmarks $(ARGS)

faults: $(VENV)/.dev ## Kill the server and PostgreSQL in the midst of imports; ARGS='--movements 20000'
	@$(BIN)/python -m faults $(ARGS)

check: format lint types layers migrations contract breaks openapi clients spa test fuzz ## All that CI checks

format: $(VENV)/.dev ## Check the formatting
	@$(BIN)/ruff format --check --quiet .

lint: $(VENV)/.dev ## Lint
	@$(BIN)/ruff check --quiet .

types: $(VENV)/.dev ## Check the types
	@$(BIN)/mypy --no-error-summary

layers: $(VENV)/.dev ## Check that imports go down the staircase
	@$(BIN)/lint-imports --no-logo >/dev/null || $(BIN)/lint-imports --no-logo

migrations: $(VENV)/.dev ## Check that models and migrations agree
	@$(BIN)/itschool db check

contract: $(VENV)/.dev ## Check that openapi/openapi.json is the code's
	@$(BIN)/itschool openapi check openapi/openapi.json

breaks: $(VENV)/.dev ## Check that openapi/openapi.json breaks nothing that was released
	@if [ -e $(RELEASED) ]; then $(BIN)/itschool openapi changes $(RELEASED) openapi/openapi.json; \
	  else echo "Nothing is released yet, so there is nothing to break: no $(RELEASED)."; fi

openapi: openapi/node_modules/.installed ## Lint openapi/openapi.json with Spectral and Redocly
	@cd openapi && node_modules/.bin/spectral lint --quiet --fail-severity hint openapi.json
	@cd openapi && REDOCLY_SUPPRESS_UPDATE_NOTICE=true node_modules/.bin/redocly lint --format=stylish openapi.json 2>.redocly.log \
	  || { cat .redocly.log >&2; exit 1; }

clients: openapi/clients/node_modules/.installed $(VENV)/clients/.installed ## Generate clients from the document, and compile them
	@node openapi/clients/check.mjs openapi/openapi.json $(VENV)/clients/bin

app: examples/spa/node_modules/.installed ## Serve the example web app, beside `make demo`, on http://127.0.0.1:5173
	@cd examples/spa && ITSCHOOL_URL=http://127.0.0.1:$(PORT) PORT=5173 npm start --silent

spa: examples/spa/node_modules/.installed $(VENV)/.app ## Do what a parent does with the example web app, in headless Chromium
	@cd examples/spa && npm test --silent

lock: $(VENV)/.uv ## Pin all dependencies anew
	@$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --no-annotate pyproject.toml -o requirements/app.lock
	@$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --group dev pyproject.toml -c requirements/app.lock -o requirements/dev.lock
	@printf 'uv\nhatchling\neditables\n' | $(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --no-annotate - -o requirements/bootstrap.lock
	@printf 'openapi-python-client\nmypy\n' | $(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --no-annotate - -o requirements/clients.lock

$(VENV)/clients/.installed: $(VENV)/.uv requirements/clients.lock
	@$(BIN)/uv venv --quiet --clear --python $(BIN)/python $(@D)
	@VIRTUAL_ENV=$(@D) $(BIN)/uv pip install --quiet --require-hashes -r requirements/clients.lock
	@touch $@

%/node_modules/.installed: %/package-lock.json %/.npmrc
	@command -v npm >/dev/null && node -e 'const [a, b] = process.versions.node.split("."); process.exitCode = +(a * 100 + +b < 2019)' || { \
	  echo "'make $(MAKECMDGOALS)' needs Node.js 20.19 or newer, with npm: https://nodejs.org/en/download," >&2; \
	  echo "or on Debian and Ubuntu: apt-get install nodejs npm" >&2; exit 1; }
	@echo "Installing the tools of $*/package.json (once) …" >&2
	@cd $* && npm ci --silent
	@touch $@

clean: ## Remove the environment and the demonstration's data
	@rm -rf $(VENV) .demo openapi/node_modules openapi/clients/node_modules examples/spa/node_modules

$(VENV)/.uv: requirements/bootstrap.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "Python 3.11 or newer is needed; '$(PYTHON)' is older or is not there." >&2; \
	  echo "Name another one, such as: make PYTHON=python3.12 $(or $(MAKECMDGOALS),demo)" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { \
	  echo "Python could not make a virtual environment. On Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/bootstrap.lock
	@touch $@

$(VENV)/.app: $(VENV)/.uv requirements/app.lock pyproject.toml
	@echo "Setting up the environment (once) …" >&2
	@VIRTUAL_ENV=$(VENV) $(BIN)/uv pip install --quiet --require-hashes -r requirements/app.lock
	@VIRTUAL_ENV=$(VENV) $(BIN)/uv pip install --quiet --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.dev: $(VENV)/.app requirements/dev.lock
	@echo "Adding what the tests need (once) …" >&2
	@VIRTUAL_ENV=$(VENV) $(BIN)/uv pip install --quiet --require-hashes -r requirements/dev.lock
	@touch $@
