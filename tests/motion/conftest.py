from __future__ import annotations

from tests.infer.tensorrt.conftest import machine, pytest_terminal_summary

__all__ = ["machine", "pytest_terminal_summary"]
