from __future__ import annotations

from tests.infer.tensorrt.conftest import machine, pytest_terminal_summary
from tests.parts.gpu_scene import scene

__all__ = ["machine", "pytest_terminal_summary", "scene"]
