"""The libraries that run networks, loaded so that they report nothing to their makers and leave nothing in the home.

ONNX Runtime (since 1.32) and OpenVINO count imports and sessions, keep a number for this user in the home folder, and
send both away; each has a switch that only works before it is loaded.
"""

from __future__ import annotations

import importlib
import os
import sys
from typing import Any

_FATAL = 4  # ONNX Runtime writes to the standard error below this; every error is an exception as well


def onnxruntime() -> Any:
    """The module; raises ImportError."""
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    module = importlib.import_module("onnxruntime")
    module.set_default_logger_severity(_FATAL)
    return module


def openvino() -> Any:
    """The module; raises ImportError."""
    reporter = "openvino_telemetry"
    if "openvino" in sys.modules or reporter in sys.modules:
        return importlib.import_module("openvino")
    sys.modules[reporter] = None  # type: ignore[assignment]  # as if it were not installed, which OpenVINO allows for
    try:
        return importlib.import_module("openvino")
    finally:
        sys.modules.pop(reporter, None)  # another thread that loads it at the same moment may have been first
