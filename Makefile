# make demo | test | check | format | bench | results: all that is needed beforehand is Python 3.11 (to 3.13).
# `make demo` and `make test` set up .venv first, and again whenever pyproject.toml or constraints.txt change.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV ?= .venv
# Where machines without an NVIDIA driver get the small CPU build of PyTorch from.
TORCH_INDEX ?= https://download.pytorch.org/whl/cpu
# Further arguments, as in `make test ARGS="-m 'not slow' tests/test_dataset.py"`.
ARGS ?=

BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
TORCH := $(shell grep '^torch==' constraints.txt)

.PHONY: demo test check format bench results setup clean
.DELETE_ON_ERROR:

demo: $(VENV)/.core
	$(BIN)/python launch.py algo=dagger env=ant $(ARGS)

test: $(VENV)/.dev
	$(BIN)/python -m pytest $(ARGS)

check: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/.dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/.dev
	$(BIN)/python -m benchmarks $(ARGS)

results: $(VENV)/.dev
	$(BIN)/python -m results $(ARGS)

setup: $(VENV)/.dev

clean:
	rm -rf $(VENV)

$(VENV)/.core: pyproject.toml constraints.txt $(VENV)/.torch
	$(PIP) install --quiet --constraint constraints.txt --editable .
	touch $@

$(VENV)/.dev: pyproject.toml constraints.txt $(VENV)/.torch
	$(PIP) install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $(VENV)/.core $@

# The first of these that works: a wheel that pip finds on this machine, the CPU build where there is no CUDA;
# otherwise the next step takes whatever PyPI has for this platform.
$(VENV)/.torch: constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) install --quiet --no-deps --no-index $(TORCH) 2>/dev/null \
	|| command -v nvidia-smi >/dev/null \
	|| $(PIP) install --no-deps --timeout 10 --retries 1 --index-url $(TORCH_INDEX) $(TORCH) \
	|| echo 'No CPU build of PyTorch at $(TORCH_INDEX): taking the default one.'
	touch $@
