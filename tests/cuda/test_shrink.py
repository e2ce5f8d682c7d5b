"""Small pictures made where frames are: bytes over the bus, who may ask, and what is done where that fails."""

from __future__ import annotations

import gc
import logging
import shutil
import threading
from collections.abc import Iterator
from typing import Any

import av
import numpy as np
import pytest

from streamseg.capture import hardware
from streamseg.cuda import driver, kernels
from streamseg.cuda.shrink import Shrinker
from streamseg.errors import BackendError, SourceError
from streamseg.frame import Frame
from streamseg.motion.flow import Thumbnail, look_at
from streamseg.yuv import Planes
from tests.infer.tensorrt.test_on_gpu import decoded
from tests.parts.decoded_there import DecodedThere
from tests.parts.gpu_machine import Machine

FRAME = 1080 * 1920 * 3 // 2
SMALL = 270 * 480 * 3 // 2


@pytest.fixture(autouse=True)
def nothing_is_left(machine: Machine) -> Iterator[None]:
    if shutil.which("g++") is None:
        pytest.skip("the kernels are compiled by g++ here, which is not installed")
    yield
    gc.collect()
    assert machine.gpu.leaks() == []


class Source:
    """Frames of one, there, and the same here; the memory of the double goes back at the end."""

    def __init__(self, machine: Machine) -> None:
        self._machine, self._kept = machine, list[DecodedThere]()
        self.small: Any = Shrinker("drive.mp4")

    def frame(
        self, index: int, height: int, width: int, *, later: bool = False, number: int = 0
    ) -> tuple[Frame, Frame]:
        picture = decoded(height, width, index)
        there: Any = DecodedThere(self._machine.gpu, picture, later=later, number=number)
        self._kept.append(there)
        return Frame(Planes(there, small=self.small), index, 0.0, 0.0), Frame(Planes(picture), index, 0.0, 0.0)

    def close(self) -> None:
        self.small = None
        while self._kept:
            self._kept.pop().close()


@pytest.fixture
def source(machine: Machine) -> Iterator[Source]:
    made = Source(machine)
    yield made
    made.close()


def same(one: Thumbnail, other: Thumbnail) -> bool:
    pairs = zip((one.grey, *one.colours), (other.grey, *other.colours), strict=True)
    return all(np.abs(ours.astype(int) - theirs).max() <= 2 for ours, theirs in pairs)  # colours are doubled


def test_of_a_1080p_frame_a_small_picture_comes_down(machine: Machine, source: Source) -> None:
    for index in range(3):
        there, here = source.frame(index, 1080, 1920)
        machine.gpu.uploaded_bytes = machine.gpu.downloaded_bytes = 0
        assert same(look_at(there), look_at(here))
        assert (machine.gpu.uploaded_bytes, machine.gpu.downloaded_bytes) == (0, SMALL)


def test_a_picture_is_read_once_the_decoder_is_done_with_it(machine: Machine, source: Source) -> None:
    if machine.package:
        pytest.skip("there FFmpeg itself decodes: over_stand_in.py")
    for index in range(3):
        assert same(*map(look_at, source.frame(index, 240, 424, later=True)))


def test_sizes_may_change_from_frame_to_frame(machine: Machine, source: Source) -> None:
    looks = []
    for index, size in enumerate([(240, 424), (1080, 1920), (480, 852), (720, 1280)]):
        there, here = source.frame(index, *size)
        looks.append((look_at(there), look_at(here)))
    assert all(same(*pair) for pair in looks)  # none is written over by the next


def test_what_came_down_already_is_made_small_here(machine: Machine, source: Source) -> None:
    there, here = source.frame(0, 1080, 1920)
    assert np.array_equal(there.image, here.image)
    machine.gpu.downloaded_bytes = 0
    assert same(look_at(there), look_at(here))
    assert machine.gpu.downloaded_bytes == 0


def test_threads_may_ask_at_once(machine: Machine, source: Source) -> None:
    pairs = [source.frame(index, 240, 424) for index in range(4)]
    right: list[bool] = []

    def ask(there: Frame, here: Frame) -> None:
        right.extend(same(look_at(there), look_at(here)) for _ in range(5))

    threads = [threading.Thread(target=ask, args=pair) for pair in pairs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert right == [True] * 20


def test_it_goes_with_the_last_frame_whatever_thread_forgets_that(machine: Machine, source: Source) -> None:
    there, here = source.frame(0, 240, 424)
    source.small = None
    assert same(look_at(there), look_at(here))
    kept = [there]
    del there
    thread = threading.Thread(target=kept.clear)
    thread.start()
    thread.join()
    source.close()
    gc.collect()
    assert machine.gpu.leaks() == []


def fails(*_: object) -> None:
    raise BackendError("the GPU failed: out of memory")


@pytest.mark.parametrize("what", ["streamseg.cuda.shrink.Parts", "streamseg.cuda.kernels.Kernels.shrink"])
def test_where_the_gpu_does_not_do_it_frames_come_down_and_a_line_says_so_once(
    machine: Machine, source: Source, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, what: str
) -> None:
    monkeypatch.setattr(what, fails)
    for index in range(3):
        there, here = source.frame(index, 1080, 1920)
        machine.gpu.downloaded_bytes = 0
        assert same(look_at(there), look_at(here))
        assert machine.gpu.downloaded_bytes == FRAME
    assert caplog.messages == ["drive.mp4: frames come down for their motion: the GPU failed: out of memory"]


def test_kernels_that_cannot_be_had_are_not_looked_for_again(
    machine: Machine, source: Source, caplog: pytest.LogCaptureFixture
) -> None:
    asked: list[str] = []

    def no_compiler(source: str, **_: object) -> bytes:
        asked.append(source)
        raise FileNotFoundError("nvcc")

    machine.refuse(kernels.compiled("kernels").read_bytes())
    machine.compiler(no_compiler)
    caplog.set_level(logging.WARNING, "streamseg")
    for index in range(2):
        assert same(*map(look_at, source.frame(index, 240, 424)))
    assert len(asked) == 1
    assert [line.partition(": nvcc")[0] for line in caplog.messages] == ["drive.mp4: frames come down for their motion"]


def test_a_frame_on_another_gpu_than_those_before_comes_down(machine: Machine, source: Source) -> None:
    assert same(*map(look_at, source.frame(0, 240, 424)))
    machine.gpu.downloaded_bytes = 0
    assert same(*map(look_at, source.frame(1, 240, 424, number=1)))
    assert machine.gpu.downloaded_bytes == 240 * 424 * 3 // 2


def test_each_source_is_made_small_on_its_own_gpu(machine: Machine) -> None:
    machine.show(2)
    for number in (1, 0):
        source = Source(machine)
        assert same(*map(look_at, source.frame(0, 240, 424, number=number)))
        source.close()
    assert machine.gpu.downloaded_bytes == 2 * 240 * 424 * 3 // 2


def test_a_frame_on_a_gpu_that_is_lost_ends_with_an_error(
    machine: Machine, source: Source, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    there, here = source.frame(0, 240, 424)
    assert same(look_at(there), look_at(here))
    lost, _ = source.frame(1, 240, 424)

    def refused(self: object, format: str) -> av.VideoFrame:
        raise av.error.ExternalError(1, "failed")

    monkeypatch.setattr(DecodedThere, "reformat", refused)
    machine.gpu.lost = True
    with pytest.raises(SourceError, match="cannot be read from there"):
        look_at(lost)
    machine.gpu.lost = False
    (line,) = caplog.messages
    assert line.startswith("drive.mp4: frames come down for their motion: the GPU failed: ")


def test_without_a_package_for_cuda_nobody_makes_them_small(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    assert isinstance(hardware._shrinker("drive.mp4"), Shrinker)
    monkeypatch.setattr(driver, "has_package", lambda: False)
    caplog.set_level(logging.DEBUG, "streamseg")
    assert hardware._shrinker("drive.mp4") is None
    assert caplog.messages == [
        "drive.mp4: frames come down for their motion: neither cuda-bindings nor pycuda is installed"
    ]
