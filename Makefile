# Two environments, each made when it is missing and left alone when it is up to date:
#   .venv      what serves (no torch unless EXTRAS asks for it)
#   .venv-dev  what trains, tests and checks
PYTHON ?= $(shell command -v python3.11 || command -v python3)
PORT ?= 8000
EXTRAS ?=

comma := ,
stamp := .venv/installed$(if $(EXTRAS),-$(subst $(comma),-,$(EXTRAS)))
pip_install := -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

.PHONY: serve test test-slow test-contract bench bench-peers check format clean

serve: $(stamp)
	.venv/bin/noisevote serve --port $(PORT)

test: .venv-dev/installed
	.venv-dev/bin/python -m pytest -m "not slow" -n auto --maxprocesses 4 --dist loadfile

test-slow: .venv-dev/installed
	.venv-dev/bin/python -m pytest -m slow -s

test-contract: .venv-dev/installed
	.venv-dev/bin/python -m pytest -s tests/service/test_contract.py

bench: .venv-dev/installed
	.venv-dev/bin/python -m tests.load.bench

bench-peers: .venv-dev/installed
	.venv-dev/bin/python -m tests.load.bench peers

check: .venv-dev/installed
	.venv-dev/bin/ruff format --check .
	.venv-dev/bin/ruff check .
	.venv-dev/bin/mypy
	.venv-dev/bin/lint-imports
	.venv-dev/bin/hadolint docker/Dockerfile
	.venv-dev/bin/check-jsonschema --builtin-schema vendor.compose-spec docker-compose.yml

format: .venv-dev/installed
	.venv-dev/bin/ruff format .
	.venv-dev/bin/ruff check --fix .

clean:
	rm -rf .venv .venv-dev build *.egg-info

$(stamp): pyproject.toml constraints.txt
	test -x .venv/bin/python || $(PYTHON) -m venv .venv
	.venv/bin/python $(pip_install) --editable ".$(if $(EXTRAS),[$(EXTRAS)])"
	touch $@

.venv-dev/installed: pyproject.toml constraints.txt
	test -x .venv-dev/bin/python || $(PYTHON) -m venv .venv-dev
	.venv-dev/bin/python $(pip_install) --editable ".[dev]"
	touch $@
