from __future__ import annotations

import errno
import importlib.util
from pathlib import Path

import pytest

from streamseg.commands.failure import say, told
from streamseg.errors import BackendError, InputError, OutputError, ReaderGoneError, SourceError
from tests.parts.program import run_program


@pytest.mark.parametrize(
    ("error", "code", "says"),
    [
        (InputError("no model 'x'", "see `streamseg models`"), 2, "no model 'x' (see `streamseg models`)"),
        (SourceError("no camera /dev/video0"), 3, "no camera /dev/video0"),
        (OutputError("out.mp4: exists"), 4, "out.mp4: exists"),
        (BackendError("out of memory"), 5, "out of memory"),
        (OSError(errno.ENAMETOOLONG, "File name too long", "aaa"), 2, "aaa: File name too long"),
        (OSError(errno.ENOSPC, "No space left on device"), 4, "No space left on device"),
        (MemoryError(), 5, "there is not enough memory for that"),
        (ImportError("libGL.so.1: cannot open"), 5, "a library cannot be loaded: libGL.so.1: cannot open (on Debian"),
        (
            ImportError("cannot import name 'a'", name="streamseg.frame"),
            5,
            "a library cannot be loaded: cannot import name 'a' (its files are of several versions: start it again",
        ),
        (ImportError("liba.so: failed to map segment from shared object"), 5, "there is not enough memory for that"),
        (
            ZeroDivisionError("division by zero"),
            1,
            "this is a defect in streamseg: ZeroDivisionError: div",
        ),
    ],
)
def test_each_kind_of_error_is_one_line_and_its_exit_code(
    error: Exception, code: int, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert told(error, debug=False) == code
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"streamseg: {says}")


def test_a_package_that_is_not_there_is_named_with_all_others_and_the_command_that_installs_them(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name in ("yaml", "av") else found(name))
    monkeypatch.setattr("streamseg.installing.pip", lambda: "pip")
    assert told(ModuleNotFoundError("No module named 'yaml'", name="yaml"), debug=False) == 5
    line = capsys.readouterr().err
    assert line == (
        "streamseg: a library cannot be loaded: No module named 'yaml' (pip install 'av<20,>=14.1' 'pyyaml>=6')\n"
    )


def test_a_working_folder_that_was_removed_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    env = {"PYTHONPATH": str(Path(__file__).parents[2])}
    done = run_program("run", "test://?frames=1", "out.mp4", "--model", "otsu", env=env, cwd=Path())
    assert (done.returncode, done.stderr) == (2, "streamseg: the working folder is gone\n")


@pytest.mark.parametrize(("error", "code"), [(ReaderGoneError(), 0), (SystemExit(2), 2), (SystemExit(0), 0)])
def test_what_has_been_said_or_is_nothing_is_not_said_again(
    error: BaseException, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert told(error, debug=True) == code
    assert capsys.readouterr().err == ""


def test_where_an_error_comes_from_is_shown_on_request_without_passwords(
    capsys: pytest.CaptureFixture[str],
) -> None:
    try:
        raise ValueError("rtsp://me:hunter2@camera/1")
    except ValueError as error:
        assert told(error, debug=True) == 1
    said = capsys.readouterr().err
    assert "Traceback" in said and "test_failure.py" in said
    assert "hunter2" not in said


def test_a_line_has_nothing_that_a_terminal_obeys(capsys: pytest.CaptureFixture[str]) -> None:
    say("a\x1b[31m\nb   c")
    assert capsys.readouterr().err == "streamseg: a\\x1b[31m b c\n"
