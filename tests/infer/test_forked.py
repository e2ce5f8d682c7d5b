"""Models and streams in a process that was forked from the one that opened them."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import cv2
import pytest

from tests.parts.program import environment

SCENE = "test://?size=64x48&frames=8"
FORKS = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")


def program(text: str, *words: str, seconds: float = 60) -> subprocess.CompletedProcess[bytes]:
    """What became of a program; it does not get `seconds` to hang."""
    command = [sys.executable, "-W", "ignore", "-c", textwrap.dedent(text), *words]
    return subprocess.run(command, env=environment(), capture_output=True, timeout=seconds, check=False)


def count_frames(film: Path) -> int:
    video, count = cv2.VideoCapture(str(film)), 0
    while video.grab():
        count += 1
    return count


@FORKS
def test_a_fork_calls_the_model_of_its_parent_opens_streams_and_ends() -> None:
    done = program(
        """
        import os, sys, cv2, numpy as np, streamseg
        image = np.zeros((1080, 1920, 3), np.uint8)
        model = streamseg.load("person")
        model(image)
        cv2.setNumThreads(4)
        cv2.GaussianBlur(image, (0, 0), 3)
        child = os.fork()
        if not child:
            model(image)
            print(streamseg.open(sys.argv[1], model="person").run().shown)
            model.close()
            sys.exit(7)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
        """,
        SCENE,
    )
    assert done.stdout.split() == [b"8", b"7"], done.stderr.decode()


@FORKS
def test_a_stream_goes_on_in_the_process_that_opened_it_and_nowhere_else(tmp_path: Path) -> None:
    film = tmp_path / "film.mp4"
    done = program(
        """
        import os, sys, streamseg
        frames = iter(streamseg.open("test://?size=64x48&frames=80", sys.argv[1], model="person"))
        next(frames)
        child = os.fork()
        if not child:
            try:
                list(frames)
            except streamseg.InputError as error:
                print(error.message, flush=True)
            os._exit(0)
        os.waitpid(child, 0)
        print(len(list(frames)))
        """,
        str(film),
    )
    assert done.stdout.decode().splitlines() == ["the stream runs in another process", "79"], done.stderr.decode()
    assert count_frames(film) == 80
