"""The program as a person runs it: in a process of its own."""

from __future__ import annotations

import json
import shlex
import signal
import subprocess
import time
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from streamseg import cli
from streamseg import open as streamseg_open
from tests.parts.clips import clip
from tests.parts.models import needs
from tests.parts.program import PROGRAM, environment, hears_signals
from tests.parts.program import run_program as streamseg
from tests.parts.toy_models import segmenter

FRAMES = 12
SCENE = f"test://?frames={FRAMES}&size=160x120"


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
    command = f"{shlex.join(PROGRAM)} run test:// - --model otsu | head -3"
    done = subprocess.run(command, shell=True, capture_output=True, text=True, timeout=60, env=environment())
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


def test_models_are_listed_with_their_first_classes() -> None:
    listed = streamseg("models", env={"COLUMNS": "200"}).stdout
    assert "background, nucleus" in listed
    assert "sky, building … (11)" in listed


@pytest.mark.parametrize("columns", ["0", "00", ""])
def test_a_terminal_that_says_it_has_no_width_is_given_the_usual_one(columns: str) -> None:
    assert "person-auto" in streamseg("models", env={"COLUMNS": columns}).stdout


def test_a_part_of_a_source_is_taken_on_the_command_line_from_a_file_and_from_python(tmp_path: Path) -> None:
    clip(tmp_path / "a.mp4", frames=50, size=(64, 48))
    (tmp_path / "a.yaml").write_text("source: a.mp4\noutputs: ['-']\nmodel: otsu\nstart: 0:00.4\nend: 1.8\nevery: 10\n")
    rows = [
        [json.loads(line) for line in streamseg(*words, cwd=tmp_path).stdout.splitlines()]
        for words in (
            ("run", "a.mp4", "-", "--model", "otsu", "--start", "10f", "--end", "0:01.8", "--every", "10"),
            ("run", "--config", "a.yaml"),
        )
    ]
    for each in rows:
        assert [(row["index"], row["time_s"], row["dropped"]) for row in each] == [
            (10, 0.4, 0), (20, 0.8, 0), (30, 1.2, 0), (40, 1.6, 0)
        ]  # fmt: skip
    shown = streamseg_open(str(tmp_path / "a.mp4"), model="otsu", start=0.4, end="45f", every=10)
    assert [one.frame.index for one in shown] == [10, 20, 30, 40]


def test_a_camera_stops_when_its_time_is_over() -> None:
    done = streamseg("run", "test://?size=64x48", "null", "--end", "0.5", "--model", "otsu")
    assert done.returncode == 0, done.stderr
    assert "15 frames captured" in done.stderr


def test_a_class_that_the_model_lacks_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    words = ("run", SCENE, "masks:labels", "out.jsonl", "events:clips?class=foregrund", "--model", "otsu")
    assert "did you mean foreground?" in one_line(streamseg(*words, cwd=tmp_path), 2)
    assert not list(tmp_path.iterdir())


@needs("street")
def test_a_class_may_be_called_by_another_word(tmp_path: Path) -> None:
    words = ("run", SCENE, "events:clips?class=person&area=0.01", "--model", "street")
    done = streamseg(*words, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "pedestrian is what this model calls person" in done.stderr


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
        (["run", SCENE, f"{__file__}/out.mp4"], 4, "is no folder"),
        (["run", SCENE, "null", "--model", "otzu"], 2, "otsu"),
        (["run", SCENE, "null", "--model", "none.onnx"], 2, "none.onnx"),
        (["run", SCENE, "null", "--model", "yolo11n-seg"], 2, "streamseg import FILE.onnx"),
        (["run", SCENE, "null", "--model", "weights.pth"], 2, "ONNX"),
        (["run", SCENE, "null", "--model", "yolo11n-seg.pt"], 2, "yolo export model=FILE.pt format=onnx"),
        (["run", SCENE, "null", "--model", "threshold", "--set", "vaule3=3"], 2, "vaule3"),
        (["run", SCENE, "null", "--set", "value"], 2, "KEY=VALUE"),
        (["run", SCENE, "null", "--opacity", "7"], 2, "opacity"),
        (["run", SCENE, "null", "--view", "sideways"], 2, "side-by-side"),
        (["run", "--config", "nowhere.yaml"], 2, "nowhere.yaml"),
        (["run"], 2, "source"),
        (["run", "/dev/video77", "null", "--no-wait"], 3, "/dev/video77"),
        (["run", "rtsp://u:hunter2@127.0.0.1:9/cam", "null", "--no-wait"], 3, "refused"),
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
    running = subprocess.Popen(
        [*PROGRAM, "run", "test://", str(video), "--model", "otsu"],
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
        preexec_fn=hears_signals,
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
        assert running.returncode in (0, 128 + sent, -sent, 1), said


@pytest.mark.parametrize("words", [["--help"], ["run", "--help"], ["models"], ["models", "--help"], ["import", "-h"]])
def test_help_and_lists_print(words: list[str]) -> None:
    done = streamseg(*words)
    assert done.returncode == 0
    assert len(done.stdout.splitlines()) > 5


def test_the_doctor_runs_the_default_model() -> None:
    done = streamseg("doctor", "--json")
    found = {row["what"]: row for row in json.loads(done.stdout)}
    assert done.returncode == 0, done.stdout
    assert found["model person"]["ok"]
    assert not found["display"]["ok"]
    assert {"cores", "cameras", "codecs", "NVIDIA GPU", "TensorRT", "providers"} <= found.keys()


def test_a_library_that_finds_no_room_is_no_library_that_is_missing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def load(_: object) -> int:
        raise ImportError("libx.so.5: failed to map segment from shared object")

    monkeypatch.setattr("streamseg.commands.models.run", load)
    assert cli.main(["models"]) == 5
    assert capsys.readouterr().err == "streamseg: there is not enough memory for that\n"


def test_to_be_asked_to_end_is_how_a_run_ends_and_no_other_command() -> None:
    assert [cli._asked_to_end(words) for words in (["run", "0"], ["test://"], ["serve"])] == [0, 0, 0]
    assert cli._asked_to_end(["models"]) == 128 + signal.SIGINT
