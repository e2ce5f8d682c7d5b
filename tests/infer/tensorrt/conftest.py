from __future__ import annotations

from pathlib import Path

import pytest

from tests.parts.gpu_machine import machine, real_package
from tests.parts.toy_models import segmenter

__all__ = ["machine"]
TOY = "classes: [a, b, c, d, e]\noutputs: {logits: scores}\ninput: {std: [255], side: 64, stride: 8}\n"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What the machines were made of, for who started these tests in a process of their own."""
    if on := real_package():
        terminalreporter.write_line(f"on the real {on}")


@pytest.fixture
def toy(tmp_path: Path) -> Path:
    """A network of one layer whose sides and batch are free, described beside it."""
    (tmp_path / "toy.yaml").write_text(TOY)
    return segmenter(tmp_path / "toy.onnx", size=(None, None), batch=None)
