"""The check of the TensorRT backend against the real names of TensorRT must be able to fail."""

from __future__ import annotations

import ast
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

from tests.parts.patience import finished

ROOT = Path(__file__).parents[2]
TOOL = ROOT / "tools" / "check_tensorrt_types.py"


def check(*files: Path) -> subprocess.CompletedProcess[str]:
    done = finished([sys.executable, TOOL, *files])
    if "skipped" in done.stdout:
        pytest.skip(done.stdout.strip().splitlines()[-1])
    return done


@pytest.mark.slow
def test_the_backend_uses_names_that_both_versions_have() -> None:
    done = check()
    assert done.returncode == 0, done.stdout
    assert done.stdout.count("types: fine") == 2


def test_a_name_that_does_not_exist_fails_the_check(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.py"
    wrong.write_text("import tensorrt as trt\n\ntrt.Builder(trt.Logger()).max_batch_size\n")
    done = check(wrong)
    assert done.returncode == 1
    assert done.stdout.count('has no attribute "max_batch_size"') == 2


def test_stubs_that_are_no_python_are_mended() -> None:
    mended = runpy.run_path(str(TOOL))["mended"]
    raw = (
        "def size(self, in: list[tuple[int, int]], out: int = 0, last: str) -> bool: ...\n"
        "bool: DataType  # value = <DataType.BOOL: 4>\n"
    )
    (line,) = mended(raw)
    assert line == "def size(self, in_: list[tuple[int, int]], out: int = 0, last: str = ...) -> bool: ..."
    ast.parse(line)


def test_what_cannot_be_had_is_said_and_nothing_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    if sys.version_info < (3, 11):
        pytest.skip("the check says so itself on Python 3.10")
    main = runpy.run_path(str(TOOL))["main"]
    main.__globals__["CACHE"] = tmp_path
    monkeypatch.setattr(sys, "argv", [str(TOOL)])
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    assert main() == 0
    without_gcc, without_stubs = capsys.readouterr().out.splitlines()
    assert without_gcc == "TensorRT 11.4.0.106 types: skipped: no gcc"
    assert "TensorRT 10.13.0.35.1 types: skipped: " in without_stubs
    assert "tensorrt-stubs==10.13.0.35.1" in without_stubs
