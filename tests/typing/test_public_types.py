"""What an editor sees of the package: types, misspelt arguments, completions; by mypy, pyright and jedi."""

from __future__ import annotations

import dataclasses
import inspect
import json
import re
import shutil
import sys
import typing
from pathlib import Path

import pytest

import streamseg
from streamseg.contracts import Controls
from streamseg.gpu import GpuLabels
from tests.parts.documents import ROOT
from tests.parts.patience import finished

HERE = Path(__file__).parent
GOOD, BAD = HERE / "public_types.py", HERE / "bad_public_types.py"
WRONG = [number for number, line in enumerate(BAD.read_text().splitlines(), 1) if "# wrong" in line]


def test_every_public_name_is_there_and_listed_once() -> None:
    assert streamseg.__all__ == sorted(set(streamseg.__all__), key=lambda name: (not name[0].isupper(), name))
    for name in streamseg.__all__:
        assert getattr(streamseg, name) is not None
    assert dir(streamseg) == sorted(streamseg.__all__)
    with pytest.raises(AttributeError, match="lode"):
        streamseg.lode  # type: ignore[attr-defined]  # noqa: B018


def test_what_is_imported_late_is_what_type_checkers_are_told() -> None:
    told = (ROOT / "streamseg" / "__init__.py").read_text()
    block = told[told.index("if TYPE_CHECKING:") : told.index("__version__ =")]
    names = {
        module: tuple(name.strip() for name in found.split(","))
        for module, found in re.findall(r"from (\S+) import (.+)", block)
    }
    assert names == streamseg._MODULES


def test_types_can_be_read_while_a_program_runs() -> None:
    """As pydantic, FastAPI and typer do, with those of the fields of what a field holds."""
    seen: list[object] = []

    def read(kind: object) -> None:
        if any(kind is one for one in seen) or not (inspect.isfunction(kind) or dataclasses.is_dataclass(kind)):
            return
        seen.append(kind)
        for hint in typing.get_type_hints(kind).values():
            for part in (hint, *typing.get_args(hint)):
                read(part)

    for kind in (Controls, *(getattr(streamseg, name) for name in streamseg.__all__)):
        read(kind)
    assert {streamseg.open, streamseg.load, streamseg.Shown, GpuLabels, Controls} <= set(seen)


def test_importing_the_package_loads_no_library() -> None:
    code = "import sys, streamseg; print(*{'numpy', 'cv2', 'av', 'onnxruntime', 'msgspec'} & set(sys.modules))"
    assert finished([sys.executable, "-c", code]).stdout.split() == []


@pytest.mark.parametrize("function", [streamseg.open, streamseg.load, streamseg.frames, streamseg.Stream.change])
def test_every_argument_has_a_name_a_type_and_a_word_in_the_docstring(function: typing.Any) -> None:
    parameters = inspect.signature(function).parameters
    for name, parameter in parameters.items():
        if name != "self":
            assert parameter.kind is not inspect.Parameter.VAR_KEYWORD
            assert parameter.annotation not in (inspect.Parameter.empty, "object")
            assert function is streamseg.Stream.change or f"\n    {name}: " in (inspect.getdoc(function) or "")


@pytest.mark.slow
def test_mypy_sees_what_is_wrong_and_nothing_else() -> None:
    done = finished([sys.executable, "-m", "mypy", "--strict", str(GOOD), str(BAD), str(ROOT / "examples")], cwd=ROOT)
    found = re.findall(r"^(.*?):(\d+): error: (.*)", done.stdout, re.MULTILINE)
    assert found, done.stdout + done.stderr
    assert [each for each in found if Path(each[0]).name != BAD.name] == []
    assert sorted({int(number) for _, number, _ in found}) == WRONG


@pytest.mark.slow
def test_pyright_sees_what_is_wrong_and_nothing_else(tmp_path: Path) -> None:
    """In a folder without the checkout, so that it reads the package as it is installed."""
    pytest.importorskip("pyright", reason="pyright is not installed")
    for file in (GOOD, BAD):
        shutil.copy(file, tmp_path)
    shutil.copytree(ROOT / "examples", tmp_path / "examples", ignore=shutil.ignore_patterns("*.ipynb", "__pycache__"))
    missing = [name for name in ("fastapi", "supervision") if not _installed(name)]
    for path in (tmp_path / "examples").glob("*.py"):
        if any(f"import {name}" in path.read_text() or f"from {name}" in path.read_text() for name in missing):
            path.unlink()  # all of it would be unknown
    (tmp_path / "pyrightconfig.json").write_text(json.dumps({"typeCheckingMode": "strict"}))
    words = [sys.executable, "-m", "pyright", "--outputjson", "--pythonpath", sys.executable, "-p", str(tmp_path)]
    done = finished(words, cwd=tmp_path)
    try:
        found = json.loads(done.stdout)["generalDiagnostics"]
    except ValueError:
        pytest.skip(f"pyright cannot be had here: {' '.join((done.stdout + done.stderr).split())[-200:]}")
    errors = [(Path(each["file"]).name, each["range"]["start"]["line"] + 1, each["message"]) for each in found]
    assert [each for each in errors if each[0] != BAD.name] == []
    assert sorted({number for _, number, _ in errors}) == WRONG


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("streamseg.", {"open", "load", "frames", "PushSource", "Result", "StreamsegError"}),
        ("streamseg.open(0, mo", {"model="}),
        ("streamseg.open(0, st", {"start=", "steady=", "stall_timeout="}),
        ("streamseg.load('person').", {"classes", "close", "name"}),
        ("streamseg.open(0).", {"run", "change", "metrics", "close", "stop"}),
        ("for shown in streamseg.open(0):\n    shown.", {"frame", "segmentation", "image", "dropped"}),
        ("streamseg.Result.of(0).", {"labels", "areas", "draw", "to_coco", "to_pil", "to_supervision", "to_dict"}),
    ],
)
def test_an_editor_completes(typed: str, offered: set[str]) -> None:
    jedi = pytest.importorskip("jedi", reason="jedi is not installed")
    script = jedi.Script(f"import streamseg\n{typed}", project=jedi.Project(ROOT))
    assert offered <= {each.name for each in script.complete()}


def _installed(name: str) -> bool:
    try:
        __import__(name)
    except ImportError:
        return False
    return True
