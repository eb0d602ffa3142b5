# Every target makes .venv first when it is missing, so these are the only commands a newcomer needs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
LINT := $(VENV)/lint/bin
LINT_STAMP := $(VENV)/lint/.installed
DOCS := $(VENV)/docs/bin
DOCS_STAMP := $(VENV)/docs/.installed
LOCK := requirements
UV := $(BIN)/uv
SAMPLE := tests/howto/sample_project

# The tests start hundreds of processes, each of which would compile everything again; one with a variable of Python's
# own is not forked from another, but started.
unexport PYTHONDONTWRITEBYTECODE PYTHONUNBUFFERED

.DEFAULT_GOAL := help
.PHONY: help demo test long newest oldest neighbours clients mutation lint types types-windows rules format lock audit bench man site readability docs \
    release-check clean

help: ## what there is to make
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/'

# Every package comes from the lock files, the build backend too: what is installed is the same on any day.
$(STAMP): pyproject.toml $(LOCK)/dev.txt $(LOCK)/uv.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10) and "ant-wif needs Python 3.10 or newer; try make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)
	-$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement $(LOCK)/uv.txt
	$(call install,$(BIN)/python,dev)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

$(LINT_STAMP): $(STAMP) $(LOCK)/lint.txt
	$(UV) venv --quiet --clear --seed --python $(BIN)/python $(VENV)/lint || $(PYTHON) -m venv $(VENV)/lint
	$(call install,$(LINT)/python,lint)
	@touch $@

$(DOCS_STAMP): $(STAMP) $(LOCK)/docs.txt
	$(UV) venv --quiet --clear --seed --python $(BIN)/python $(VENV)/docs || $(PYTHON) -m venv $(VENV)/docs
	$(call install,$(DOCS)/python,docs)
	@touch $@

# uv installs in a tenth of pip's time. It does not read pip's settings, so where it finds no index, pip may.
install = $(UV) pip install --quiet --compile-bytecode --python $1 --require-hashes --requirement $(LOCK)/$2.txt || \
    $1 -m pip install --quiet --disable-pip-version-check --require-hashes --requirement $(LOCK)/$2.txt

demo: $(STAMP) ## the whole story on this machine, without an account
	@$(BIN)/ant demo

test: $(STAMP) ## the test suite, in parallel
	$(BIN)/python -m pytest -n auto --dist worksteal

long: $(STAMP) ## the tests that take minutes: many runs under attack, many kills, inputs drawn anew
	$(BIN)/python -m pytest -m long
	$(BIN)/python -m pytest -m hypothesis -n auto --hypothesis-profile long

# The environments of these two are made anew each time: what the bounds allow changes with every release.
newest: $(LINT_STAMP) ## the test suite with the newest versions that pyproject.toml allows
	$(UV) venv --quiet --clear --seed --python $(BIN)/python $(VENV)/newest
	$(UV) pip install --quiet --python $(VENV)/newest --upgrade --editable '.[all]' --group dev --group build
	$(UV) pip freeze --python $(VENV)/newest
	$(VENV)/newest/bin/python -m pytest -n auto --dist worksteal

# Only the package's own bounds are tested: the tools of the tests may be newer.
oldest: $(LINT_STAMP) ## the test suite with the lowest versions that pyproject.toml allows
	$(UV) venv --quiet --clear --seed --python $(BIN)/python $(VENV)/oldest
	$(UV) pip compile --quiet --python $(VENV)/oldest --resolution lowest-direct --all-extras --no-annotate \
	    --output-file $(VENV)/oldest/lowest.txt pyproject.toml
	$(UV) pip install --quiet --python $(VENV)/oldest --constraint $(VENV)/oldest/lowest.txt --editable '.[all]' \
	    --group dev --group build
	$(UV) pip freeze --python $(VENV)/oldest
	$(VENV)/oldest/bin/python -m pytest -n auto --dist worksteal

# No plugin is loaded by itself: the runs within the tests name those that take part.
neighbours: $(LINT_STAMP) ## the pytest plugin beside other plugins of pytest, the newest of each
	$(UV) venv --quiet --clear --python $(BIN)/python $(VENV)/neighbours
	$(UV) pip install --quiet --python $(VENV)/neighbours --upgrade --editable '.[all]' --group dev --group neighbours
	$(UV) pip freeze --python $(VENV)/neighbours
	PYTEST_DISABLE_PLUGIN_AUTOLOAD=1 $(VENV)/neighbours/bin/python -m pytest -p ant_wif -p hypothesispytest -m neighbours

clients: $(LINT_STAMP) ## frameworks that use the API, the newest of each, below ant exec; needs npm
	$(UV) venv --quiet --clear --python $(BIN)/python $(VENV)/clients
	$(UV) pip install --quiet --python $(VENV)/clients --upgrade --editable '.[emulator]' --group clients
	mkdir $(VENV)/clients/npm
	cp tests/clients/package.json $(VENV)/clients/npm
	npm install --silent --no-audit --no-fund --prefix $(VENV)/clients/npm
	$(UV) pip freeze --python $(VENV)/clients
	npm ls --prefix $(VENV)/clients/npm
	$(VENV)/clients/bin/python -m pytest -m clients --noconftest tests/test_clients.py

# What a changed line leaves in the temporary folder, such as folders that nobody may enter, breaks no later run.
mutation: $(LINT_STAMP) ## change the decisions in the code, one at a time, and list the changes that no test notices
	@test "$$(id -u)" -ne 0 || { echo "run this as an ordinary user: code that is changed at random could change the machine"; exit 1; }
	$(UV) venv --quiet --clear --python $(BIN)/python $(VENV)/mutation
	$(UV) pip install --quiet --python $(VENV)/mutation --upgrade --editable '.[all]' --group dev --group build --group mutation
	scratch=$$(mktemp -d); trap 'chmod -R u+rwX "$$scratch"; rm -rf "$$scratch"' EXIT; \
	    TMPDIR=$$scratch $(VENV)/mutation/bin/mutmut run --max-children 2 $(ONLY)
	$(VENV)/mutation/bin/mutmut results | sed '/: not checked$$/d'

lint: types types-windows rules ## format, rules, types, layers, words and the CI examples

types: $(STAMP)
	$(BIN)/mypy

types-windows: $(STAMP)
	$(BIN)/mypy --platform win32 --cache-dir .mypy_cache/win32

rules: $(LINT_STAMP)
	$(LINT)/ruff format --check .
	$(LINT)/ruff check .
	$(BIN)/python tools/words.py
	PYTHONPATH=src:pytest_plugin $(LINT)/lint-imports
	$(LINT)/check-jsonschema --builtin-schema vendor.github-workflows ci-examples/github-actions/*.yml
	$(LINT)/check-jsonschema --builtin-schema vendor.github-actions action.yml
	$(LINT)/check-jsonschema --builtin-schema vendor.gitlab-ci --data-transform gitlab-ci ci-examples/gitlab/.gitlab-ci.yml
	$(LINT)/check-jsonschema --builtin-schema vendor.circle-ci ci-examples/circleci/.circleci/config.yml
	$(LINT)/check-jsonschema --builtin-schema vendor.buildkite ci-examples/buildkite/pipeline.yml
	$(LINT)/check-jsonschema --builtin-schema vendor.cloudbuild ci-examples/google-cloud-build/cloudbuild.yaml
	$(LINT)/check-jsonschema --builtin-schema vendor.azure-pipelines --data-transform azure-pipelines --regex-variant python ci-examples/azure-pipelines/azure-pipelines.yml
	# The schema does not know the audiences of a token: all else is checked.
	sed 's/oidc:$$/oidc: true/; /audiences:$$/d; /- https:..api.anthropic.com$$/d' ci-examples/bitbucket/bitbucket-pipelines.yml | \
	    $(LINT)/check-jsonschema --builtin-schema vendor.bitbucket-pipelines --default-filetype yaml -
	$(LINT)/check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml
	$(LINT)/check-jsonschema --builtin-schema vendor.dependabot .github/dependabot.yml
	$(LINT)/check-jsonschema --builtin-schema vendor.github-issue-forms .github/ISSUE_TEMPLATE/[!c]*.yml
	$(LINT)/check-jsonschema --builtin-schema vendor.github-issue-config .github/ISSUE_TEMPLATE/config.yml
	$(LINT)/zizmor --offline --quiet .github ci-examples/github-actions/*.yml action.yml

format: $(LINT_STAMP) ## put the code into shape
	$(LINT)/ruff format .
	$(LINT)/ruff check --fix .

COMPILE := $(UV) pip compile --quiet --upgrade --universal --python-version 3.10 --generate-hashes \
    --no-emit-index-url --no-emit-package ant-wif --custom-compile-command 'make lock'

lock: $(LINT_STAMP) ## lock the newest versions of everything that development needs
	$(COMPILE) --output-file $(LOCK)/dev.txt --all-extras --group dev --group build pyproject.toml
	$(COMPILE) --output-file $(LOCK)/action.txt --constraint $(LOCK)/dev.txt --group build pyproject.toml
	$(COMPILE) --output-file $(LOCK)/lint.txt --group lint
	$(COMPILE) --output-file $(LOCK)/docs.txt --group docs pyproject.toml
	$(COMPILE) --output-file $(LOCK)/uv.txt --group uv
	echo '.[pytest]' | $(COMPILE) --output-file $(LOCK)/sample.txt --group $(SAMPLE)/pyproject.toml:test -

# Not used here: FileResponse and multipart forms of starlette; pytest's own temporary folder is the user's affair.
audit: $(LINT_STAMP) ## known vulnerabilities in the lowest versions that pyproject.toml allows; asks the package index
	$(UV) pip compile --quiet --python $(BIN)/python --resolution lowest-direct --all-extras --no-annotate \
	    --output-file $(VENV)/lowest.txt pyproject.toml
	$(UV) tool run --quiet pip-audit --strict --disable-pip --no-deps --requirement $(VENV)/lowest.txt \
	    --ignore-vuln GHSA-7f5h-v6xp-fcq8 --ignore-vuln GHSA-2c2j-9gv5-cj73 --ignore-vuln CVE-2025-71176

# Measured with what a user has: httpcore imports trio, which the tests need, into every process where it is there.
bench: $(STAMP) ## the figures beside those of the official SDK, as ratios within one run
	$(UV) venv --quiet --clear --python $(BIN)/python $(VENV)/bench
	$(UV) pip install --quiet --compile-bytecode --python $(VENV)/bench --constraint $(LOCK)/dev.txt --editable '.[all]' anthropic
	$(VENV)/bench/bin/python benchmarks/run.py

man: $(STAMP) ## a man page for each command, in build/man; the wheel installs the same ones
	PYTHONPATH=src:tools $(BIN)/python tools/manpages.py build/man

site: $(DOCS_STAMP) ## the documentation site, in build/site; a warning or a broken link is an error
	NO_MKDOCS_2_WARNING=1 PYTHONPATH=src:tools $(DOCS)/python -m mkdocs build --strict

readability: $(DOCS_STAMP) ## the mean length of the sentences in documentation and help; at most 16 words
	PYTHONPATH=src:tools $(DOCS)/python tools/readability.py

docs: $(STAMP) ## the pictures in docs/img, which need Chromium, and the documentation site
	PYTHONPATH=tests $(BIN)/python tests/support/screenshots.py
	$(MAKE) site

release-check: $(LINT_STAMP) ## build and try what a release would publish, and say what is wrong
	$(BIN)/python tests/support/release_check.py

clean: ## remove what make made
	rm -rf $(VENV) mutants build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
