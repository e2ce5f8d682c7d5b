"""A user without a home or without a place to write: everything that needs none runs, the rest is one line."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.parts import toy_models
from tests.parts.program import PROGRAM, environment

NOBODY = 54_321
SCENE = "test://?frames=3&size=64x48"
RUNS = [
    ["run", SCENE, "-", "--model", "person"],
    ["run", SCENE, "null", "--model", "otsu"],
    ["models"],
    ["doctor"],
    ["compare", "person", "--pictures", SCENE],
    ["train", "--list"],
]
UNREACHABLE = ("can't open file", "Permission denied: '/", "No module named", "while loading shared libraries")
"""What a Python says that lies in a folder of root's alone."""
HOMES = {"none": None, "not there": "/nonexistent", "read-only": "/", "another's": "/root"}


def as_nobody(*words: str, home: str | None, cwd: str = "/") -> subprocess.CompletedProcess[str]:
    """As a user whom no list of users knows."""
    if os.geteuid() != 0 or shutil.which("setpriv") is None:
        pytest.skip("only root can become another user")
    env = environment()
    env.pop("XDG_CACHE_HOME", None)
    env.pop("HOME", None)
    if home is not None:
        env["HOME"] = home
    command = ["setpriv", "--reuid", str(NOBODY), "--clear-groups", *PROGRAM, *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, env=env, cwd=cwd, check=False)
    if any(words in done.stderr for words in UNREACHABLE):
        pytest.skip("this Python is not another user's to run")
    assert "Traceback" not in done.stderr and "defect" not in done.stderr, done.stderr
    return done


@pytest.mark.parametrize("home", HOMES.values(), ids=HOMES)
@pytest.mark.parametrize("words", RUNS, ids=" ".join)
def test_what_needs_no_home_runs_without_a_word_of_it(words: list[str], home: str | None) -> None:
    if words[0] == "train":
        pytest.importorskip("torch")
    done = as_nobody(*words, home=home)
    assert done.returncode == 0, done.stderr
    said = [line for line in done.stderr.splitlines() if not line.startswith("streamseg: ")]
    assert said == [], done.stderr


@pytest.mark.parametrize("home", HOMES.values(), ids=HOMES)
def test_what_is_to_be_kept_there_is_one_line(home: str | None, tmp_path: Path) -> None:
    model = toy_models.segmenter(tmp_path / "own.onnx")
    for folder in (tmp_path, *tmp_path.parents):
        if folder.stat().st_uid == os.getuid() and folder != Path("/"):
            folder.chmod(folder.stat().st_mode | 0o055)
    done = as_nobody("import", str(model), "--normalise", "imagenet", home=home)
    assert (done.returncode, len(done.stderr.splitlines())) == (4, 1), done.stderr
    done = as_nobody("run", SCENE, "out.mp4", "--model", "otsu", home=home)
    assert (done.returncode, len(done.stderr.splitlines())) == (4, 1), done.stderr
    done = as_nobody("run", SCENE, "null", "--model", "no-such-model", home=home)
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1), done.stderr


def test_tuning_says_before_it_measures_that_nothing_can_be_kept() -> None:
    done = as_nobody("tune", "person", home=None)
    assert (done.returncode, len(done.stderr.splitlines())) == (4, 1), done.stderr
    assert "XDG_CACHE_HOME" in done.stderr


OUTPUTS = ["{}/o.mp4", "{}/a/o.mp4", "{}/o.png", "{}/o.jsonl", "{}/a/o.csv", "{}/sheet.jpg", "{}/labels.tif"]
OUTPUTS += ["masks:{}/m", "hls:{}/h", "coco:{}/a/o.json", "yolo:{}/y", "cvat:{}/o.xml", "dataset:{}/d"]


@pytest.mark.parametrize("output", OUTPUTS)
def test_a_folder_that_is_closed_to_us_is_no_place_for_an_output(output: str, tmp_path: Path) -> None:
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o700)
    for folder in (tmp_path, *tmp_path.parents):
        if folder.stat().st_uid == os.getuid() and folder != Path("/"):
            folder.chmod(folder.stat().st_mode | 0o055)
    done = as_nobody("run", SCENE, output.format(locked), "--model", "otsu", home=None)
    assert done.returncode == 4, done.stderr
    (line,) = done.stderr.splitlines()
    refused = line.startswith(f"streamseg: {output.format(locked).rpartition(':')[2]}") and line.endswith(
        ": Permission denied"
    )
    assert refused or line == f"streamseg: {locked}: not writable"
