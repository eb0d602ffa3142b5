# Every target makes .venv first when it is missing, so these are the only commands a newcomer needs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
LINT := $(VENV)/lint/bin
LINT_STAMP := $(VENV)/lint/.installed

# The tests start hundreds of processes, each of which would compile everything again.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help demo test lint format bench docs clean

help: ## what there is to make
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/'

$(STAMP): pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10) and "ant-wif needs Python 3.10 or newer; try make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1'
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[all]' --group dev
	@touch $@

$(LINT_STAMP): $(STAMP)
	$(PYTHON) -m venv $(VENV)/lint
	$(LINT)/python -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1'
	$(LINT)/python -m pip install --quiet --disable-pip-version-check --group lint
	@touch $@

demo: $(STAMP) ## the whole story on this machine, without an account
	@$(BIN)/ant demo

test: $(STAMP) ## the test suite, in parallel
	$(BIN)/python -m pytest -n auto --dist worksteal

lint: $(STAMP) $(LINT_STAMP) ## format, rules, types, layers and the CI examples
	$(LINT)/ruff format --check .
	$(LINT)/ruff check .
	$(BIN)/mypy
	PYTHONPATH=src:pytest_plugin $(LINT)/lint-imports
	$(LINT)/check-jsonschema --builtin-schema vendor.github-workflows ci-examples/github-actions/*.yml
	$(LINT)/check-jsonschema --builtin-schema vendor.github-actions ci-examples/github-actions/action/action.yml
	$(LINT)/check-jsonschema --builtin-schema vendor.gitlab-ci --data-transform gitlab-ci ci-examples/gitlab/.gitlab-ci.yml
	$(LINT)/check-jsonschema --builtin-schema vendor.circle-ci ci-examples/circleci/.circleci/config.yml
	$(LINT)/check-jsonschema --builtin-schema vendor.buildkite ci-examples/buildkite/pipeline.yml
	$(LINT)/check-jsonschema --builtin-schema vendor.cloudbuild ci-examples/google-cloud-build/cloudbuild.yaml
	$(LINT)/check-jsonschema --builtin-schema vendor.azure-pipelines --data-transform azure-pipelines --regex-variant python ci-examples/azure-pipelines/azure-pipelines.yml
	$(LINT)/zizmor --offline --quiet ci-examples/github-actions/*.yml ci-examples/github-actions/action/action.yml

format: $(LINT_STAMP) ## put the code into shape
	$(LINT)/ruff format .
	$(LINT)/ruff check --fix .

bench: $(STAMP) ## the figures beside those of the official SDK, as ratios within one run
	$(BIN)/python benchmarks/run.py

docs: $(STAMP) ## the pictures in docs/img; needs Chromium
	PYTHONPATH=tests $(BIN)/python tests/screenshots.py

clean: ## remove what make made
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
