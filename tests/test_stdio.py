"""Standard streams that are closed, full, read by nobody, or cannot show a name: exit codes as ever, no traceback."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import shlex
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import av
import pytest

from tests.parts import clips, toy_models
from tests.parts.program import PROGRAM, environment, run_program

FRAMES = 5
SCENE = f"test://?frames={FRAMES}&size=64x48"
ENDLESS = "test://?size=64x48&fps=200"
RUN = ["run", SCENE, "-", "--model", "otsu"]
ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
COMMANDS = [["models"], ["models", "--json"], ["run", "--help"], ["completion", "bash"], RUN]
"""Whatever prints by other means than the others."""


def in_a_shell(words: list[str], redirections: str, **more: str) -> subprocess.CompletedProcess[str]:
    command = f"{shlex.join([*PROGRAM, *words])} {redirections}"
    return subprocess.run(
        ["bash", "-o", "pipefail", "-c", command], capture_output=True, text=True, timeout=100, env=environment(**more)
    )


@contextlib.contextmanager
def full_pipe() -> Iterator[int]:
    """The end to write to of a pipe that nobody reads and into which nothing fits any more."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(writing, b"x" * 4096)
    os.set_blocking(writing, True)
    try:
        yield writing
    finally:
        os.close(reading)
        os.close(writing)


@contextlib.contextmanager
def started(*words: object, out: int | None = None, err: int | None = None) -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen([*PROGRAM, *map(str, words)], stdout=out, stderr=err, env=environment()) as run:
        try:
            yield run
        finally:
            run.kill()


def ends(run: subprocess.Popen[bytes], sent: signal.Signals = signal.SIGTERM) -> int:
    """Exit code after `sent`; a minute tells a run that hangs from one that is slow."""
    run.send_signal(sent)
    return run.wait(60)


def lines(table: Path) -> int:
    """Of a file that is being written, whatever it is called until it is whole."""
    return max((part.read_bytes().count(b"\n") for part in table.parent.glob(f"{table.name}*")), default=0)


def until(count: int, table: Path, run: subprocess.Popen[bytes]) -> None:
    """Waits for `count` lines."""
    deadline_s = time.monotonic() + 100
    while lines(table) < count:
        assert run.poll() is None and time.monotonic() < deadline_s, "held up"
        time.sleep(0.05)


@pytest.mark.slow
def test_a_run_goes_on_and_ends_although_nobody_reads_its_rows_and_its_talk(tmp_path: Path) -> None:
    table = tmp_path / "rows.jsonl"
    words = ["run", ENDLESS, "-", table, "--model", "otsu", "--debug"]
    with full_pipe() as out, full_pipe() as err, started(*words, out=out, err=err) as run:
        until(300, table, run)
        assert ends(run) == 0


def test_a_terminal_that_is_stopped_holds_no_run_up(tmp_path: Path) -> None:
    """As by Ctrl-S: what is drawn there waits, and nothing else."""
    table = tmp_path / "rows.jsonl"
    master, slave = pty.openpty()
    with started("run", ENDLESS, table, "--model", "otsu", out=slave, err=slave) as run:
        os.close(slave)
        until(10, table, run)
        os.write(master, b"\x13")
        until(lines(table) + 400, table, run)
        assert ends(run) == 0
    os.close(master)


@pytest.mark.slow
def test_the_rows_of_a_file_wait_for_their_reader_until_the_run_is_asked_to_end() -> None:
    words = ["run", "test://?frames=4&size=64x48", "-", "--model", "otsu"]
    with full_pipe() as out, started(*words, out=out) as run:
        time.sleep(5)
        assert run.poll() is None  # every frame was shown, and is not yet written
        assert ends(run) == 0


def test_a_list_that_nobody_reads_ends_when_interrupted() -> None:
    with full_pipe() as out, started("models", "--json", out=out) as run:
        time.sleep(3)
        assert ends(run) == 128 + signal.SIGTERM


def test_a_stream_that_another_program_made_impatient_loses_nothing() -> None:
    """A shared pipe or terminal may have been told not to block: Node.js does so."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    with started("run", "test://?frames=800&size=64x48", "-", "--model", "otsu", "--quiet", out=writing) as run:
        os.close(writing)
        time.sleep(3)
        with os.fdopen(reading) as file:
            rows = [json.loads(line) for line in file]
        assert run.wait(60) == 0
    assert [row["index"] for row in rows] == list(range(800))


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&-", "<&- >&- 2>&-"])
@pytest.mark.parametrize("words", [["models"], RUN, ["run", "nowhere.mp4", "null"]], ids=" ".join)
def test_with_closed_streams_a_command_ends_as_ever(words: list[str], closed: str) -> None:
    usual = in_a_shell(words, "")
    done = in_a_shell(words, closed)
    assert done.returncode == usual.returncode, done.stderr
    assert "Traceback" not in done.stderr and "Exception" not in done.stderr and "Error" not in done.stderr
    if closed in ("2>&-", "<&-"):
        assert len(done.stdout.splitlines()) == len(usual.stdout.splitlines())
    if "2>&-" not in closed:
        assert len(done.stderr.splitlines()) == len(usual.stderr.splitlines())


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&- >&- 2>&-"])
def test_what_was_meant_for_a_closed_stream_gets_into_no_file(closed: str, tmp_path: Path) -> None:
    """A file that is opened next would have the closed stream's number."""
    clip, video, table = clips.clip(tmp_path / "in.mp4", frames=FRAMES), tmp_path / "out.mp4", tmp_path / "out.jsonl"
    words = ["run", str(clip), str(video), str(table), "-", "--model", "otsu", "--debug", "--explain"]
    done = in_a_shell(words, closed)
    assert done.returncode == 0, done.stderr
    with av.open(str(video)) as container:
        assert sum(1 for _ in container.decode(video=0)) == FRAMES
    assert [json.loads(line)["index"] for line in table.read_text().splitlines()] == list(range(FRAMES))


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_a_full_standard_output_is_one_line_and_exit_code_4(words: list[str]) -> None:
    done = in_a_shell(words, "> /dev/full")
    assert done.returncode == 4, done.stderr
    lines = [line for line in done.stderr.splitlines() if "frames captured" not in line]
    assert lines == ["streamseg: standard output: No space left on device"]


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_a_full_standard_error_changes_nothing(words: list[str]) -> None:
    done = in_a_shell(words, "2> /dev/full")
    assert done.returncode == 0
    assert done.stdout


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
@pytest.mark.parametrize("reader", ["head -c 1", "true"])
def test_a_reader_that_leaves_ends_a_command_in_peace(words: list[str], reader: str) -> None:
    done = in_a_shell(words, f"| {reader}")
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr and "Broken" not in done.stderr and "defect" not in done.stderr


def test_a_listener_that_leaves_ends_nothing(tmp_path: Path) -> None:
    done = in_a_shell(["run", SCENE, "-", "--model", "otsu", "--debug"], "2> >(head -c 1)")
    assert done.returncode == 0
    assert len([line for line in done.stdout.splitlines() if line.startswith("{")]) == FRAMES


@pytest.mark.parametrize("words", [*COMMANDS, ["doctor"]], ids=" ".join)
def test_an_ascii_terminal_shows_everything_in_ascii(words: list[str]) -> None:
    done = in_a_shell(words, "", **ASCII, COLUMNS="60")
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr and "UnicodeEncodeError" not in done.stderr
    if "--json" not in words and words != RUN:
        assert done.stdout.isascii()
        assert "\\u" not in done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("raw", ["Straße…漢字🙂".encode(), b"\xff\xfe"])
def test_any_file_name_can_be_told_on_an_ascii_terminal(raw: bytes, tmp_path: Path) -> None:
    name = os.fsdecode(raw)
    (tmp_path / "masks").mkdir()
    clips.clip(tmp_path / "in.mp4", frames=FRAMES).rename(tmp_path / f"{name}.mp4")
    toy_models.segmenter(tmp_path / f"{name}.onnx")
    tries: list[tuple[int, list[str]]] = [
        (0, ["run", f"{name}.mp4", "-", "--model", "otsu", "--debug"]),
        (2, ["run", f"no{name}.mp4", "null"]),
        (2, ["run", SCENE, f"{name}.xyz"]),
        (2, ["run", SCENE, "null", "--model", name]),
        (2, ["run", SCENE, "null", f"--{name}"]),
        (2, ["run", SCENE, "null", "--set", name]),
        (2, ["run", "--config", f"{name}.mp4"]),
        (0, ["run", SCENE, f"{name}.jsonl", "--model", "otsu"]),
        (2, ["eval", "person", name, name]),
        (0, ["import", f"{name}.onnx", f"own{name}.onnx", "--normalise", "imagenet"]),
        (0, ["run", SCENE, "null", "--model", f"own{name}.onnx"]),
        (2, ["tune", f"{name}.xyz"]),
        (2, ["compare", f"{name}.onnx", "--backends", name]),
        (2, [name]),
    ]
    for code, words in tries:
        done = run_program(*words, cwd=tmp_path, env=ASCII, errors="replace")
        assert done.returncode == code, (words, done.stderr)
        assert "Traceback" not in done.stderr and "defect" not in done.stderr, (words, done.stderr)


def test_json_is_utf_8_whatever_the_terminal(tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    model = toy_models.segmenter(tmp_path / "models" / "toy.onnx")
    model.with_suffix(".yaml").write_text("classes: [Straße, b, c, d, e]\noutputs: {logits: scores}\n")
    done = run_program("models", "--json", env={**ASCII, "STREAMSEG_MODELS": str(tmp_path / "models")}, text=False)
    named = {row["name"]: row["classes"] for row in json.loads(done.stdout)}
    assert named["toy"][0] == "Straße"
