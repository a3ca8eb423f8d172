# make demo | test | check | format | bench | results: all that is needed beforehand is Python 3.11 (to 3.13).
# `make demo` and `make test` set up .venv first, and again whenever pyproject.toml or constraints.txt change.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV ?= .venv
# Where machines without an NVIDIA driver get the small CPU build of PyTorch from.
TORCH_INDEX ?= https://download.pytorch.org/whl/cpu
# Further arguments, as in `make test ARGS="-m 'not slow' tests/test_dataset.py"`.
ARGS ?=

BIN := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install --disable-pip-version-check
TORCH := $(shell grep '^torch==' constraints.txt)

.PHONY: demo test check format bench results setup

demo: $(VENV)/.core
	$(BIN)/python launch.py algo=dagger env=ant $(ARGS)

test: $(VENV)/.dev
	$(BIN)/python -m pytest -n 2 --dist loadgroup $(ARGS)

check: $(VENV)/.dev
	$(BIN)/python -m ruff check .
	$(BIN)/python -m ruff format --check .
	$(BIN)/python -m mypy

format: $(VENV)/.dev
	$(BIN)/python -m ruff check --fix .
	$(BIN)/python -m ruff format .

bench: $(VENV)/.dev
	$(BIN)/python -m benchmarks $(ARGS)

results: $(VENV)/.dev
	$(BIN)/python -m results $(ARGS)

setup: $(VENV)/.dev

$(VENV)/.core: pyproject.toml constraints.txt $(VENV)/.torch
	@echo 'Installing il into $(VENV), about a minute'
	@$(INSTALL) --quiet --constraint constraints.txt --editable .
	@touch $@

$(VENV)/.dev: pyproject.toml constraints.txt $(VENV)/.torch
	@echo 'Installing il, its extras and the development tools into $(VENV), one to two minutes'
	@$(INSTALL) --quiet --constraint constraints.txt --editable '.[dev]'
	@touch $(VENV)/.core $@

# PyTorch from the first place that has it: wheels on this machine, the index of CPU builds where there is no NVIDIA
# driver, PyPI (whose Linux builds bring CUDA along). What it needs comes with the steps above.
$(VENV)/.torch: constraints.txt
	@test -n '$(PYTHON)' || { echo 'No python3.11 found: make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)' >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' \
	|| { echo '$(PYTHON) is not Python 3.11 to 3.13: make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)' >&2; exit 1; }
	@test -x $(BIN)/pip || $(PYTHON) -m venv $(VENV)
	@$(INSTALL) --quiet --no-deps --no-index $(TORCH) 2>/dev/null \
	|| $(INSTALL) --no-deps $(if $(shell command -v nvidia-smi),,--retries 2 --extra-index-url $(TORCH_INDEX)) $(TORCH)
	@touch $@
