"""The search for motion, compiled by g++: against OpenCV's, and what its threads do to each other."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from streamseg.cuda.kernels import make_task
from streamseg.cuda.motion_tasks import GREY, SEARCH
from streamseg.frame import Frame
from streamseg.motion import blocks
from streamseg.motion.flow import AROUND, CLOSER, CUT, LOST, NOISE, Flow, Grey, Search, look_at
from tests.parts import host_kernels

AREA = {"quick": 96 * 72, "usual": 128 * 96, "fine": 264 * 198}
HOW: dict[str, dict[str, bool]] = {
    "quick": {},
    "usual": {"again": True},
    "fine": {"again": True, "blocks": True},
}


def picture(index: int, height: int = 360, width: int = 640, *, bright: int = 0) -> Frame:
    """A thing that moves fast before ground that moves slowly."""
    random = np.random.default_rng(3)
    ground = cv2.resize(random.integers(30, 200, (30, 50), dtype=np.uint8), (width + 60, height))
    image = ground[:, 4 * index : 4 * index + width].copy()
    thing = cv2.resize(random.integers(0, 256, (6, 6), dtype=np.uint8), (width // 6, height // 3))
    at = width // 8 + index * width // 20
    image[height // 3 : height // 3 + thing.shape[0], at : at + thing.shape[1]] = thing
    image = cv2.convertScaleAbs(image, beta=bright)
    return Frame(np.ascontiguousarray(np.dstack([image] * 3)), index, index / 25, 0.0)


def searched(here: Grey, there: Grey, like: Flow | None = None, way: Flow | None = None, **how: int) -> Flow | None:
    """By the kernel."""
    height, width = here.shape
    flow, room = np.full(2 * here.size + 1, 9, np.float32), np.full(56 * here.size, 0xCD, np.uint8)
    held: dict[str, Any] = {"here": here, "there": there, "flow": flow, "room": room}
    held |= {name: np.append(one, np.float32(1)) for name, one in (("start", like), ("way", way)) if one is not None}
    values: dict[str, Any] = {name: one.ctypes.data for name, one in held.items()}
    values |= {"lost": LOST * AROUND, "closer": CLOSER * AROUND, "noise": NOISE, "cut": CUT, "lost_block": blocks.LOST}
    host_kernels.run("search", make_task(SEARCH, {**values, "columns": width, "rows": height, **how}), (32, 8, 1))
    return flow[:-1].reshape(height, width, 2) if flow[-1] else None


@pytest.mark.parametrize("size", [(360, 640), (480, 640), (640, 360), (300, 1000)])
@pytest.mark.parametrize("effort", AREA)
def test_it_finds_what_opencv_finds(effort: str, size: tuple[int, int]) -> None:
    search = Search(AREA[effort], **HOW[effort])
    looks = [look_at(picture(index, *size, bright=3 * index)) for index in range(4)]
    like: Flow | None = None
    for now, then in zip(looks[1:], looks, strict=False):
        expected = search(now, then, like)
        ours = searched(search._shrunk(now), search._shrunk(then), like, None, **HOW[effort])
        assert expected is not None
        assert ours is not None
        unlike = np.abs(ours - expected).max(2)
        assert np.mean(unlike > 0.1) < 0.02  # where two flows are nearly as good, either may be taken
        assert np.median(unlike) < 0.01
        like = expected


def test_one_that_stops_at_every_second_pixel_finds_what_opencv_finds() -> None:
    search = Search(AREA["quick"], coarse=True)
    now, then = look_at(picture(1)), look_at(picture(0))
    expected = search(now, then)
    ours = searched(search._shrunk(now), search._shrunk(then), finest=1)
    assert expected is not None
    assert ours is not None
    assert np.mean(np.abs(ours - expected).max(2) > 0.1) < 0.01


def test_a_way_of_several_steps_is_mended_as_on_the_cpu() -> None:
    search = Search(AREA["usual"], again=True)
    now, then = look_at(picture(3)), look_at(picture(0))
    here, there = search._shrunk(now), search._shrunk(then)
    way = np.zeros((*here.shape, 2), np.float32)
    expected = search.mended(now, then, way)
    ours = searched(here, there, way=way, again=1)
    assert ours is not None
    assert np.abs(expected).max() > 1
    assert np.mean(np.abs(ours - expected).max(2) > 0.1) < 0.01


def test_another_scene_leads_nowhere() -> None:
    search = Search(AREA["usual"], again=True)
    random = np.random.default_rng(0)
    other = cv2.resize(random.integers(0, 256, (9, 16, 3), dtype=np.uint8), (640, 360))
    now, then = look_at(Frame(np.asarray(other, np.uint8), 1, 0.04, 0.0)), look_at(picture(0))
    assert search(now, then) is None
    assert searched(search._shrunk(now), search._shrunk(then), again=1) is None


@pytest.mark.parametrize(
    ("size", "out", "halved"), [((270, 480), (98, 176), 1), ((270, 480), (200, 266), 0), ((360, 480), (98, 128), 1)]
)
def test_brightness_is_made_small_as_opencv_does(size: tuple[int, int], out: tuple[int, int], halved: int) -> None:
    plane = cv2.GaussianBlur(np.random.default_rng(0).integers(0, 256, size, dtype=np.uint8), (5, 5), 0)
    made = np.zeros(out, np.uint8)
    task = make_task(GREY, {"picture": plane.ctypes.data, "out": made.ctypes.data, "halved": halved})
    task["height"], task["width"] = size
    task["rows"], task["columns"] = out
    host_kernels.run("grey", task, (out[1], out[0], 1))
    if halved:
        plane = cv2.resize(plane, (size[1] // 2, size[0] // 2), interpolation=cv2.INTER_AREA)
    expected = cv2.resize(plane, out[::-1], interpolation=cv2.INTER_AREA)
    unlike = np.abs(expected.astype(int) - made)
    assert unlike.max() <= 1
    assert np.mean(unlike > 0) < 0.01


@pytest.mark.slow
def test_no_thread_reads_what_another_writes_at_the_same_time(tmp_path: Path) -> None:
    if shutil.which("g++") is None:
        pytest.skip("the kernels are compiled by g++ here, which is not installed")
    told = []
    for threads in (1, 5):
        program = host_kernels.compile_watched(tmp_path, f"-DTHREADS={threads}", "-fsanitize=thread")
        done = subprocess.run([program], capture_output=True, text=True, timeout=300, check=False)
        if "unexpected memory mapping" in done.stderr:
            pytest.skip("g++'s thread sanitizer does not run on this kernel of Linux")
        assert "data race" not in done.stderr
        told.append(done.stdout)
    assert told[0] == told[1]
    assert [line.split()[1] for line in told[0].splitlines()] == ["1", "1"]


@pytest.mark.slow
def test_it_reads_and_writes_nothing_but_its_own(tmp_path: Path) -> None:
    if shutil.which("g++") is None:
        pytest.skip("the kernels are compiled by g++ here, which is not installed")
    watched = host_kernels.compile_watched(tmp_path, "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
    done = subprocess.run([watched], capture_output=True, text=True, timeout=300, check=False)
    assert (done.returncode, done.stderr) == (0, "")
