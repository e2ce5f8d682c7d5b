"""How a program ends that still has a stream: quietly, with all that it recorded."""

from __future__ import annotations

import gc
import sys
import threading
import weakref
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import streamseg
from streamseg import ending
from streamseg.frame import Image
from tests.parts.clips import count_frames
from tests.parts.patience import finished
from tests.parts.program import environment

OPENED = """
import streamseg, sys
stream = streamseg.open("test://", "held.mp4", model="otsu")
"""
LEFT = {
    "an iterator that is kept": "frames = iter(stream)\nfor _ in range(20): next(frames)",
    "a loop in a thread": """
import threading, time
seen = []
def read():
    for shown in stream:
        seen.append(shown.frame.index)
threading.Thread(target=read, daemon=True).start()
while len(seen) < 20: time.sleep(0.01)
""",
    "a loop in a thread that is slow": """
import threading, time
seen = []
def read():
    for shown in stream:
        seen.append(shown.frame.index)
        if len(seen) == 20: time.sleep(1e6)
threading.Thread(target=read, daemon=True).start()
while len(seen) < 20: time.sleep(0.01)
""",
    "an error": "frames = iter(stream)\nfor _ in range(20): next(frames)\nsys.exit(3)",
}


def ended(code: str, folder: Path) -> int:
    """The exit code of a program that says nothing."""
    run = finished([sys.executable, "-c", code], env=environment(), cwd=folder)
    assert (run.stdout, run.stderr) == ("", "")
    return run.returncode


@pytest.mark.parametrize("left", LEFT.values(), ids=LEFT)
def test_a_recording_is_whole_where_the_program_ends_before_the_stream(left: str, tmp_path: Path) -> None:
    assert ended(OPENED + left, tmp_path) == (3 if "exit(3)" in left else 0)
    assert [path.name for path in tmp_path.iterdir()] == ["held.mp4"]
    assert count_frames(tmp_path / "held.mp4") >= 20


def test_a_process_that_was_forked_leaves_its_parents_recording_alone(tmp_path: Path) -> None:
    code = """
import os
frames = iter(stream)
for _ in range(20): next(frames)
child = os.fork()
if not child: sys.exit(7)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
for _ in range(20): next(frames)
"""
    assert ended("import warnings\nwarnings.simplefilter('ignore')" + OPENED + code, tmp_path) == 0
    assert count_frames(tmp_path / "held.mp4") >= 40


@pytest.mark.parametrize("fails", ["in a thread", "in the loop"])
def test_a_stream_that_failed_is_let_go_of(fails: str) -> None:
    """Else a program that opens it again and again keeps the last frames of each in memory."""

    class LostError(Exception):
        """One that can be watched."""

    def images() -> Iterator[Image]:
        yield np.zeros((48, 64, 3), np.uint8)
        if fails == "in a thread":
            raise LostError

    with pytest.raises(LostError) as raised:
        for _ in streamseg.open(streamseg.frames(images(), fps=25), model="otsu"):
            if fails == "in the loop":
                raise LostError
    watched = weakref.ref(raised.value)
    del raised
    gc.collect()
    assert watched() is None


def test_a_network_at_work_is_waited_for(tmp_path: Path) -> None:
    """Were it to come back while Python is taken down, the process would end with SIGABRT."""
    code = """
import threading, time
import numpy as np, streamseg
begun = threading.Event()

class Slow:
    classes = streamseg.Classes(("nothing", "something"), np.zeros((2, 3), np.uint8))
    calls = 0
    def __call__(self, frames):
        self.calls += 1
        if self.calls == 2:
            begun.set()
            time.sleep(4)
            print("came back", flush=True)
        nothing = np.zeros((4, 4), np.uint8)
        return [streamseg.Segmentation(nothing, self.classes, f.index, f.time_s, None) for f in frames]
    def close(self): pass

for shown in streamseg.open("test://", model=Slow()):
    begun.wait()
    break
"""
    run = finished([sys.executable, "-c", code], env=environment(), cwd=tmp_path)
    assert (run.returncode, run.stdout) == (0, "came back\n")
    assert run.stderr == "streamseg-infer-0 did not end in time and is left behind\n"


def test_what_never_comes_back_does_not_hold_the_program_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ending, "PATIENCE_S", 0.05)
    never, called = threading.Event(), list[str]()
    monkeypatch.setattr(ending, "_threads", [threading.Thread(target=never.wait, daemon=True) for _ in range(3)])
    monkeypatch.setattr(ending, "_streams", {})
    monkeypatch.setattr(ending, "_last", [lambda: called.append("first said"), lambda: called.append("last said")])
    for thread in ending._threads:
        thread.start()
    ending._end()
    assert called == ["last said", "first said"]
    never.set()
