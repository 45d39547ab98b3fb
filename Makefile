# Every target sets itself up: a virtual environment in .venv, with the wheel that users get.

PYTHON ?= $(shell for each in python3.13 python3.12 python3.11 python3; do \
	$$each -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$each && break; done)
VENV ?= .venv
BIN = $(VENV)/bin
CODE = $(shell find waitfor -name '*.py') pyproject.toml README.md

.PHONY: demo test image test-image test-pods lint types coverage docs bench clean

demo: $(VENV)/wheel $(VENV)/tests ## a name, a port and a health endpoint come up one after another
	$(BIN)/python examples/demo.py

test: $(VENV)/wheel $(VENV)/tests ## every test, against the installed wheel
	@tests/tools
	$(BIN)/python -m pytest $(ARGS)

coverage: $(VENV)/wheel $(VENV)/tests ## the tests again, counting which lines and branches they reach
	@tests/tools
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest $(ARGS)
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report --fail-under=95

image: ## the container image, with docker, podman or buildah; see image/README.md
	image/build

test-image: $(VENV)/wheel $(VENV)/tests ## the image that is built, and the black-box tests against its one file
	@tests/tools
	$(BIN)/python -m pytest tests/image
	WAITFOR=$(CURDIR)/dist/waitfor $(BIN)/python -m pytest tests/blackbox

test-pods: $(VENV)/wheel $(VENV)/tests $(VENV)/pods ## the examples, as pods that really run
	$(BIN)/python -m pytest tests/pods

lint: $(VENV)/checks
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: $(VENV)/wheel $(VENV)/checks
	$(BIN)/mypy

docs: $(VENV)/wheel ## write what is generated from the code
	$(BIN)/python docs/generate.py

bench: $(VENV)/wheel ## by hand, on a quiet machine; see benchmarks/README.md
	$(BIN)/python benchmarks/run.py $(ARGS)

clean:
	rm -rf .venv* dist .coverage* .mypy_cache .pytest_cache .ruff_cache .hypothesis

$(VENV)/pip:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or later with venv is missing: apt-get install python3-venv" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --upgrade 'pip>=25.1'
	@touch $@

$(VENV)/wheel: $(VENV)/pip $(CODE)
	rm -rf $(VENV)/dist
	$(BIN)/pip wheel --quiet --no-deps --wheel-dir $(VENV)/dist .
	$(BIN)/pip install --quiet $(VENV)/dist/waitfor-*.whl
	$(BIN)/pip install --quiet --no-deps --force-reinstall $(VENV)/dist/waitfor-*.whl
	@touch $@

$(VENV)/tests: $(VENV)/pip pyproject.toml
	$(BIN)/pip install --quiet --group test
	@touch $@

$(VENV)/pods: $(VENV)/pip pyproject.toml
	$(BIN)/pip install --quiet --group pods
	@touch $@

$(VENV)/checks: $(VENV)/pip pyproject.toml
	$(BIN)/pip install --quiet --group check
	@touch $@
