# Two environments, each made when it is missing and left alone when it is up to date:
#   .venv      what serves (no torch unless EXTRAS asks for it)
#   .venv-dev  what trains, tests and checks
PYTHON ?= $(shell command -v python3.11 || command -v python3)
PORT ?= 8000
EXTRAS ?=
# Whose networks are imported; timm needs torchvision of the build of torch that is installed.
PACKAGES ?= skl2onnx transformers keras

# A Python that is given by PYTHON=... takes the place of another one.
which := -c 'import sys; print(sys.base_prefix.translate({47: 45, 32: 45}), sys.hexversion, sep="-")'
asked := $(if $(filter file,$(origin PYTHON)),,$(or $(shell $(PYTHON) $(which)),$(error \
	PYTHON=$(PYTHON) cannot be run)))
make_venv = { test -x $(1)/bin/python && { test -z '$(asked)' || \
	test "`$(1)/bin/python $(which)`" = '$(asked)'; }; } || $(PYTHON) -m venv --clear $(1)

comma := ,
stamp := .venv/installed$(asked)$(if $(EXTRAS),-$(subst $(comma),-,$(EXTRAS)))
dev_stamp := .venv-dev/installed$(asked)
pip_install := -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

# Tests start some hundred processes: what they import is compiled once, whatever the environment says.
quick_tests := env -u PYTHONDONTWRITEBYTECODE .venv-dev/bin/python -m pytest -m "not slow" \
	-n auto --maxprocesses 4 --dist loadfile

.PHONY: serve test test-pages test-slow test-packages test-contract bench bench-peers check format clean

serve: $(stamp)
	.venv/bin/noisevote serve --port $(PORT)

test: $(dev_stamp)
	$(quick_tests) --ignore tests/service/page

# The pages, in a real browser.
test-pages: $(dev_stamp)
	$(quick_tests) tests/service/page

test-slow: $(dev_stamp)
	.venv-dev/bin/python -m pytest -m slow -s --timeout 3600

# Networks of packages that nothing else here needs, in an environment of their own.
test-packages:
	$(call make_venv,.venv-packages)
	.venv-packages/bin/python $(pip_install) --editable ".[dev]" $(PACKAGES)
	KERAS_BACKEND=torch .venv-packages/bin/python -m pytest -m slow -s --timeout 3600 \
		tests/training/importing/test_elsewhere.py

test-contract: $(dev_stamp)
	.venv-dev/bin/python -m pytest -s --timeout 3600 tests/service/test_contract.py

bench: $(dev_stamp)
	.venv-dev/bin/python -m tests.load.bench

bench-peers: $(dev_stamp)
	.venv-dev/bin/python -m tests.load.bench peers

check: $(dev_stamp)
	.venv-dev/bin/ruff format --check .
	.venv-dev/bin/ruff check .
	.venv-dev/bin/mypy
	.venv-dev/bin/lint-imports
	.venv-dev/bin/hadolint docker/Dockerfile
	.venv-dev/bin/check-jsonschema --builtin-schema vendor.compose-spec docker-compose.yml

format: $(dev_stamp)
	.venv-dev/bin/ruff format .
	.venv-dev/bin/ruff check --fix .

clean:
	rm -rf .venv .venv-dev .venv-packages build *.egg-info

$(stamp): pyproject.toml constraints.txt
	$(call make_venv,.venv)
	.venv/bin/python $(pip_install) --editable ".$(if $(EXTRAS),[$(EXTRAS)])"
	touch $@

$(dev_stamp): pyproject.toml constraints.txt
	$(call make_venv,.venv-dev)
	.venv-dev/bin/python $(pip_install) --editable ".[dev]"
	touch $@
