"""`streamseg import` at the door; what it makes of a model is in tests/convert."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.parts.program import run_program
from tests.test_cli import one_line


@pytest.mark.parametrize("name", ["best.pt", "model.tflite"])
def test_a_file_of_another_kind_is_told_what_to_do_first(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b"PK")
    said = one_line(run_program("import", tmp_path / name), 2)
    assert f"ONNX files, not {Path(name).suffix}" in said
    assert "streamseg import FILE.onnx" in said
