"""A program that uses streamseg keeps its own settings of the libraries that both use."""

from __future__ import annotations

import logging
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

import streamseg
from streamseg.errors import InputError
from streamseg.hostsettings import Setting
from streamseg.imagefile import read_image
from tests.parts.program import environment

OWN_THREADS = 3
SCENE = "test://?frames=4&size=64x48"
IMPORTS = """
import os, cv2
def state():
    return dict(os.environ), cv2.getNumThreads(), cv2.utils.logging.getLogLevel()
before = state()
import streamseg
from streamseg import Frame, PushSource, Segmenter, frames, load, open
import streamseg.capture, streamseg.sinks, streamseg.imagefile
print(*(is_now == was for is_now, was in zip(state(), before)))
"""

ELSEWHERE = """
import cv2
cv2.getLogLevel, cv2.setLogLevel = cv2.utils.logging.getLogLevel, cv2.utils.logging.setLogLevel
before = cv2.getLogLevel()
del cv2.utils.logging
import streamseg
levels = {cv2.getLogLevel() for shown in streamseg.open("test://?frames=2&size=64x48", model="otsu")}
print(levels, cv2.getLogLevel() == before)
"""


@pytest.fixture(autouse=True)
def own_settings() -> Iterator[None]:
    threads, level = cv2.getNumThreads(), cv2.utils.logging.getLogLevel()
    cv2.setNumThreads(OWN_THREADS)
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_INFO)
    yield
    cv2.setNumThreads(threads)
    cv2.utils.logging.setLogLevel(level)


def settings() -> tuple[int, int, int]:
    return cv2.getNumThreads(), cv2.utils.logging.getLogLevel(), logging.getLogger("PIL").level


def test_opencv_is_silenced_where_it_has_its_levels_elsewhere() -> None:
    """In OpenCV 4.10 they are not in `cv2.utils.logging`."""
    command = [sys.executable, "-c", ELSEWHERE]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("{0} True\n", "")


def test_importing_streamseg_changes_neither_the_environment_nor_opencv() -> None:
    done = subprocess.run([sys.executable, "-c", IMPORTS], env=environment(), stdout=subprocess.PIPE, check=True)
    assert done.stdout.decode().split() == ["True", "True", "True"]


def test_a_model_that_is_called_leaves_the_settings_alone() -> None:
    before = settings()
    with streamseg.load("otsu") as model:
        assert settings() == before
        model(np.zeros((48, 64, 3), np.uint8))
    assert settings() == before


def test_opencv_has_one_thread_while_a_stream_runs_and_its_own_number_before_and_after() -> None:
    before = settings()
    stream = streamseg.open(SCENE, model="otsu")
    assert settings() == before
    assert [cv2.getNumThreads() for _ in stream] == [1] * 4
    assert settings() == before


def test_the_last_of_two_streams_restores_them() -> None:
    before = settings()
    first, second = (iter(streamseg.open(SCENE, model="otsu")) for _ in range(2))
    next(first)
    next(second)
    assert len(list(first)) == 3
    assert cv2.getNumThreads() == 1
    assert len(list(second)) == 3
    assert settings() == before


def test_a_stream_that_is_left_or_fails_restores_them() -> None:
    before = settings()
    with streamseg.open(SCENE, model="otsu") as stream:
        for _ in stream:
            break
    assert settings() == before

    def fail(shown: streamseg.Shown) -> None:
        raise RuntimeError("no disk")

    with pytest.raises(RuntimeError):
        streamseg.open(SCENE, fail, model="otsu").run()
    assert settings() == before


def test_what_the_program_sets_while_a_stream_runs_stays() -> None:
    for shown in streamseg.open(SCENE, model="otsu"):
        if shown.frame.index == 1:
            cv2.setNumThreads(2)
    assert cv2.getNumThreads() == 2


@pytest.mark.parametrize("suffix", [".png", ".webp", ".tiff"])
def test_an_image_that_cannot_be_read_leaves_them_alone(
    suffix: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    before = settings()
    whole = cv2.imencode(suffix, np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8))[1].tobytes()
    path = tmp_path / f"a{suffix}"
    path.write_bytes(whole[: len(whole) // 3])
    with pytest.raises(InputError):
        read_image(path)
    assert settings() == before
    assert capfd.readouterr().err == ""


def test_the_first_changes_a_setting_and_the_last_restores_it() -> None:
    now = [7]
    setting = Setting(lambda: now[0], lambda value: now.__setitem__(0, value), 1)
    with setting:
        with setting:
            assert now == [1]
        assert now == [1]
    assert now == [7]
    with pytest.raises(ValueError, match="x"), setting:
        raise ValueError("x")
    assert now == [7]
