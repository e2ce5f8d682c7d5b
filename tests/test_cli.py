"""The program as a person runs it: in a process of its own."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from streamseg.cli import Signals
from streamseg.contracts import Controls
from tests.parts.toy_models import segmenter

BARE = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), "OMP_NUM_THREADS": "1"}
FRAMES = 12
SCENE = f"test://?frames={FRAMES}&size=160x120"


def streamseg(*words: object, env: dict[str, str] | None = None, **more: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from streamseg.cli import program; program()", *map(str, words)]
    return subprocess.run(  # type: ignore[call-overload,no-any-return]
        command, capture_output=True, text=True, timeout=60, env={**BARE, **(env or {})}, **more
    )


def one_line(done: subprocess.CompletedProcess[str], code: int) -> str:
    """The error of a run that failed as it should: one line, no traceback, the documented exit code."""
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    lines = [line for line in done.stderr.splitlines() if not line.startswith("streamseg: no window")]
    assert len(lines) == 1, done.stderr
    return lines[0]


def test_a_file_is_segmented_into_every_kind_of_output_at_once(tmp_path: Path) -> None:
    video, table, masks = tmp_path / "out.mp4", tmp_path / "out.jsonl", tmp_path / "labels"
    done = streamseg("run", SCENE, video, "--model", "otsu", table, f"masks:{masks}", "null", "--legend", "--hud")
    assert done.returncode == 0, done.stderr
    assert f"{FRAMES} frames captured, {FRAMES} shown in" in done.stderr
    with av.open(str(video)) as container:
        assert sum(1 for _ in container.decode(video=0)) == FRAMES
    rows = [json.loads(line) for line in table.read_text().splitlines()]
    assert [row["index"] for row in rows] == list(range(FRAMES))
    assert len(sorted(masks.iterdir())) == FRAMES
    assert not list(tmp_path.glob("*.part"))


def test_json_lines_on_the_standard_output_are_all_that_stands_there() -> None:
    done = streamseg("run", SCENE, "-", "--model", "kmeans", "--set", "k=2")
    assert done.returncode == 0, done.stderr
    assert len([json.loads(line) for line in done.stdout.splitlines()]) == FRAMES


def test_a_closed_pipe_ends_the_run_quietly() -> None:
    command = f"{sys.executable} -c 'from streamseg.cli import program; program()' run test:// - --model otsu | head -3"
    done = subprocess.run(command, shell=True, capture_output=True, text=True, timeout=60, env=BARE)
    assert len(done.stdout.splitlines()) == 3
    assert "Traceback" not in done.stderr
    assert "defect" not in done.stderr


def test_an_own_model_is_imported_and_run(tmp_path: Path) -> None:
    source = segmenter(tmp_path / "own.onnx")
    env = {"STREAMSEG_MODELS": str(tmp_path / "models")}
    done = streamseg("import", source, "--normalise", "imagenet", env=env)
    assert done.returncode == 0, done.stderr
    assert "--model own" in done.stdout
    run = streamseg("run", SCENE, "null", "--model", "own", env=env)
    assert run.returncode == 0, run.stderr
    listed = json.loads(streamseg("models", "--json", env=env).stdout)
    assert "own" in [model["name"] for model in listed]


def test_a_picture_becomes_a_picture(tmp_path: Path) -> None:
    source, target = tmp_path / "in.png", tmp_path / "out.png"
    cv2.imwrite(str(source), np.full((40, 60, 3), 200, np.uint8))
    assert streamseg("run", source, target, "--model", "threshold").returncode == 0
    made = cv2.imread(str(target))
    assert made is not None
    assert made.shape == (40, 60, 3)


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["run", "nowhere.mp4", "null"], 2, "nowhere.mp4"),
        (["run", "ftp://host/clip", "null"], 2, "ftp"),
        (["run", SCENE, "out.xyz"], 2, "out.xyz"),
        (["run", SCENE, "/nowhere/out.mp4"], 4, "/nowhere"),
        (["run", SCENE, "null", "--model", "otzu"], 2, "otsu"),
        (["run", SCENE, "null", "--model", "none.onnx"], 2, "none.onnx"),
        (["run", SCENE, "null", "--model", "weights.pth"], 2, "ONNX"),
        (["run", SCENE, "null", "--model", "threshold", "--set", "vaule3=3"], 2, "vaule3"),
        (["run", SCENE, "null", "--set", "value"], 2, "KEY=VALUE"),
        (["run", SCENE, "null", "--opacity", "7"], 2, "opacity"),
        (["run", SCENE, "null", "--view", "sideways"], 2, "side-by-side"),
        (["run", "--config", "nowhere.yaml"], 2, "nowhere.yaml"),
        (["run"], 2, "source"),
        (["run", "/dev/video77", "null"], 3, "/dev/video77"),
        (["run", "rtsp://u:hunter2@127.0.0.1:9/cam", "null"], 3, "refused"),
    ],
    ids=lambda value: " ".join(value[1:4]) if isinstance(value, list) else None,
)
def test_a_mistake_is_one_line_and_its_exit_code(words: list[str], code: int, says: str) -> None:
    line = one_line(streamseg(*words), code)
    assert says in line
    assert "hunter2" not in line


def test_a_wrong_configuration_names_its_line(tmp_path: Path) -> None:
    path = tmp_path / "site.yaml"
    path.write_text("source: test://\nmodle: otsu\n")
    assert "site.yaml:2: unknown key 'modle'" in one_line(streamseg("run", "--config", path), 2)


def test_an_unknown_flag_is_refused_like_any_other_program_does() -> None:
    done = streamseg("run", SCENE, "--colour", "red")
    assert done.returncode == 2
    assert "--colour" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("moment", ["at once", "while loading", "while recording"])
def test_a_signal_ends_it_cleanly_at_any_moment(sent: signal.Signals, moment: str, tmp_path: Path) -> None:
    video = tmp_path / "out.mp4"
    command = [sys.executable, "-c", "from streamseg.cli import program; program()"]
    running = subprocess.Popen(
        [*command, "run", "test://", str(video), "--model", "otsu"],
        stderr=subprocess.PIPE,
        text=True,
        env=BARE,
        # A shell starts background jobs with Ctrl-C ignored, and so would this test's child when run as one.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    time.sleep({"at once": 0.02, "while loading": 0.3, "while recording": 0.0}[moment])
    deadline_s = time.monotonic() + 60
    while moment == "while recording" and not list(tmp_path.glob("*.part")):
        assert time.monotonic() < deadline_s
        time.sleep(0.02)
    running.send_signal(sent)
    sent_s = time.monotonic()
    with running:
        try:
            _, said = running.communicate(timeout=20)
        finally:
            running.kill()
    assert time.monotonic() - sent_s < 10  # 0.2 s on a quiet machine
    assert not list(tmp_path.glob("*.part"))
    if moment == "while recording":
        assert running.returncode == 0, said
        assert "Traceback" not in said
        with av.open(str(video)) as container:
            assert sum(1 for _ in container.decode(video=0)) > 0
    else:  # Python itself may not have begun to listen
        assert running.returncode in (0, -sent, 1), said


def test_an_interruption_that_python_swallowed_still_counts() -> None:
    with Signals() as signals:
        with contextlib.suppress(KeyboardInterrupt):  # as the clean-up of a module's import lock does
            signal.raise_signal(signal.SIGTERM)
        with pytest.raises(KeyboardInterrupt):
            signals.watch(Controls())


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys; from streamseg.words import parser; parser().format_help(); "
        "print([m for m in ('numpy', 'cv2', 'av', 'onnx', 'onnxruntime', 'tensorrt', 'pycuda') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "[]", done.stderr


@pytest.mark.parametrize("words", [["--help"], ["run", "--help"], ["models"], ["models", "--help"], ["import", "-h"]])
def test_help_and_lists_print(words: list[str]) -> None:
    done = streamseg(*words)
    assert done.returncode == 0
    assert len(done.stdout.splitlines()) > 5


@pytest.mark.parametrize("shell", ["bash", "zsh", "tcsh"])
def test_completion_knows_the_commands(shell: str) -> None:
    done = streamseg("completion", shell)
    assert done.returncode == 0
    assert "doctor" in done.stdout


def test_the_doctor_runs_the_default_model() -> None:
    done = streamseg("doctor", "--json")
    found = {row["what"]: row for row in json.loads(done.stdout)}
    assert done.returncode == 0, done.stdout
    assert found["model person"]["ok"]
    assert not found["display"]["ok"]
    assert {"cores", "cameras", "codecs", "NVIDIA GPU", "TensorRT", "providers"} <= found.keys()
