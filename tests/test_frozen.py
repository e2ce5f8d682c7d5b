"""Programs that hold their Python: what PyInstaller's hooks give it, and what is said where a data file is missing."""

from __future__ import annotations

import os
import runpy
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from streamseg import __pyinstaller
from streamseg.commands import COMMANDS

ROOT = Path(__file__).parents[1]


def data_files(package: str) -> list[tuple[str, str]]:
    """As PyInstaller's `collect_data_files` gives them: each file's path, and its folder in the program."""
    folder = Path(__import__(package).__file__ or "").parent
    files = (file for file in folder.rglob("*") if file.is_file() and file.suffix not in (".py", ".pyc"))
    return [(str(file), str(file.parent.relative_to(folder.parent))) for file in files]


@pytest.fixture
def hooks(monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the hooks; without PyInstaller, what they import of it is a stand-in."""
    utilities = ModuleType("PyInstaller.utils.hooks")
    utilities.collect_data_files = data_files  # type: ignore[attr-defined]
    utilities.collect_entry_point = lambda name: ([(name, "metadata")], [])  # type: ignore[attr-defined]
    utilities.collect_submodules = lambda name: [  # type: ignore[attr-defined]
        f"{name}.{file.stem}" for file in (ROOT.joinpath(*name.split("."))).glob("*.py")
    ]
    for name, module in (("PyInstaller", ModuleType("PyInstaller")), ("PyInstaller.utils", ModuleType("utils"))):
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setitem(sys.modules, "PyInstaller.utils.hooks", utilities)
    (folder,) = __pyinstaller.hook_dirs()
    return Path(folder)


def test_the_entry_point_names_the_hooks() -> None:
    words = (ROOT / "pyproject.toml").read_text()
    assert '[project.entry-points.pyinstaller40]\nhook-dirs = "streamseg.__pyinstaller:hook_dirs"\n' in words


def test_a_frozen_program_gets_every_file_beside_the_modules_and_what_is_imported_by_name(hooks: Path) -> None:
    given = runpy.run_path(str(hooks / "hook-streamseg.py"))
    names = {f"{folder}/{Path(file).name}" for file, folder in given["datas"]}
    assert {
        "streamseg/infer/models/person.onnx",
        "streamseg/infer/models/person.yaml",
        "streamseg/motion/refit.onnx",
        "streamseg/serve/page/page.html",
        "streamseg/cuda/kernels.ptx",
        "metadata/streamseg.models",
        "metadata/streamseg.sources",
    } <= names
    assert {"onnxruntime", "streamseg.stream", "streamseg.model"} <= set(given["hiddenimports"])


def test_a_frozen_command_line_gets_every_command(hooks: Path) -> None:
    given = runpy.run_path(str(hooks / "hook-streamseg.commands.py"))
    assert {f"streamseg.commands.{command.module}" for command in COMMANDS.values()} <= set(given["hiddenimports"])


def test_inside_a_zip_what_needs_no_file_runs_and_what_needs_one_says_so(tmp_path: Path) -> None:
    archive = shutil.make_archive(str(tmp_path / "app"), "zip", ROOT, "streamseg")

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "streamseg", "run", "test://?frames=3", "null", *words]
        env = {**os.environ, "PYTHONPATH": archive}
        return subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=env, timeout=300, check=False)

    done = run("--model", "otsu")
    assert done.returncode == 0, done.stderr
    done = run("--model", "person")
    assert done.returncode == 2, done.stderr
    assert done.stderr == (
        f"streamseg: no model 'person': streamseg's own models are not in {archive}/streamseg/infer/models "
        "(a program that is packed needs streamseg's data files beside its modules, and neither in a zip)\n"
    )
