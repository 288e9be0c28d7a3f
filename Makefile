# Everything lives in .venv at the root: `make setup`, then `.venv/bin/mft`.

VENV := .venv
BIN := $(VENV)/bin
PYTHONS := $(or $(PYTHON),python3.11 python3.12 python3)
UV := uv==0.13.9
UI := dashboards/ui
UI_SOURCES := $(wildcard $(addprefix $(UI)/,*.json *.html *.ts src/*.* src/*/*.*))
PAGE := api/http/page/index.html
PICTURES := bot-wide-dark bot-narrow-light killed scanner-wide
CRASHES := $(wildcard tests/flows/test_*_crash.py)
MUTMUT := mutmut==3.8.1

.DEFAULT_GOAL := help
.PHONY: help setup ui types demo test check chaos mutants screenshots bench load clean lock

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' Makefile

setup: $(VENV)/.installed ## Install the bot and its tools into .venv (Python 3.11 or 3.12)

ui: $(PAGE) ## Build the page (Node.js 20; without it everything else runs)

types: setup $(UI)/node_modules ## Make the page's types anew from the HTTP interface
	$(BIN)/mft openapi > $(UI)/openapi.json
	cd $(UI) && npm run --silent types && rm openapi.json

demo: setup ui ## Show the whole bot at work: exchange, engine on paper, archive, API, page
	$(BIN)/mft demo

test: setup ui ## Run all tests
	$(BIN)/python -m pytest -n 3 --dist worksteal $(PYTEST)

check: setup ## Run what CI runs: format, lint, types, house rules, tests, coverage
	$(BIN)/black --check .
	$(BIN)/isort --check-only .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m tests.quality.money
	$(BIN)/python -m tests.quality.conventions
	$(BIN)/python -m tests.quality.docs
	$(MAKE) test PYTEST="--cov --cov-report=json:.coverage.json --durations=12"
	$(BIN)/python -m tests.quality.branches .coverage.json

chaos: setup ## Run every scenario of faults (half an hour; CI runs a twentieth)
	MFT_CHAOS=all $(BIN)/python -m pytest -n 2 tests/chaos $(CRASHES) --durations=5

mutants: setup ## Change risk and kill code in every small way; tests must notice
	$(BIN)/python -m pip install --quiet --disable-pip-version-check $(MUTMUT)
	rm -rf mutants
	$(BIN)/mutmut run
	$(BIN)/mutmut results

screenshots: setup ui ## Make the pictures of the user guide anew
	$(BIN)/python -m pytest -q tests/dashboards/test_page.py tests/dashboards/test_page_kill.py
	cp $(addprefix out/page/,$(addsuffix .png,$(PICTURES))) docs/images

bench: setup ## Measure the speed of the books and of the whole path
	$(BIN)/mft bench

load: setup ui ## Measure what the page and 200 readers of the stream cost
	$(BIN)/python -m tests.dashboards.load

clean: ## Remove .venv, caches and build products; recordings and results stay
	rm -rf $(UI)/node_modules api/http/page
	rm -rf $(VENV) build dist mutants *.egg-info .coverage* .hypothesis
	rm -rf .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
	find flows connectors api tests -name __pycache__ -prune -exec rm -rf {} +

# Beside the project's own: its build backend, and what that needs for `pip install -e`.
lock: $(VENV)/.created ## Resolve requirements.lock anew; UPGRADE=--upgrade takes newer versions
	$(BIN)/python -m pip install --quiet --disable-pip-version-check $(UV)
	$(BIN)/python -c 'import tomllib; \
	    print(*tomllib.load(open("pyproject.toml", "rb"))["build-system"]["requires"], "editables", sep="\n")' \
	  | $(BIN)/uv pip compile pyproject.toml - --quiet --extra dev $(UPGRADE) \
	    --universal --python-version 3.11 --generate-hashes --no-annotate --no-strip-extras \
	    --no-emit-index-url --custom-compile-command 'make lock' \
	    --output-file requirements.lock > /dev/null

$(UI)/node_modules: $(UI)/package-lock.json
	cd $(UI) && npm ci --silent --no-audit --no-fund && touch node_modules

$(PAGE): $(UI_SOURCES)
	@if node -e 'process.exit(Number(parseInt(process.versions.node) < 20))' 2> /dev/null; then \
	  $(MAKE) --no-print-directory $(UI)/node_modules && cd $(UI) && npm run --silent build; \
	else \
	  echo "No page: Node.js 20 or newer is not there (https://nodejs.org). All else works." >&2; \
	fi

$(VENV)/.created:
	@for python in $(PYTHONS); do \
	  "$$python" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 12))' \
	    2> /dev/null || continue; \
	  "$$python" -c 'import ensurepip, venv' 2> /dev/null || { bare="$$python"; continue; }; \
	  "$$python" -m venv $(VENV) && touch $@; exit; \
	done; \
	if [ -n "$$bare" ]; then \
	  echo "$$bare has no venv module. On Debian and Ubuntu: sudo apt-get install python3-venv"; \
	else \
	  echo "Expected Python 3.11 or 3.12 as one of: $(PYTHONS). Install one, or name it: make setup PYTHON=/path/to/python3.12"; \
	fi >&2; exit 1

$(VENV)/.installed: $(VENV)/.created requirements.lock pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@
