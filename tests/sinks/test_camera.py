from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import cv2
import numpy as np
import pytest

from streamseg.contracts import Controls, Shown
from streamseg.errors import InputError, OutputError
from streamseg.frame import Frame, Image
from streamseg.sinks import camera, open_sink, sink_kind
from streamseg.sinks.camera import CameraSink, as_i420
from streamseg.sinks.paced import Paced
from streamseg.yuv import BT601, Planes
from tests.parts.fakes import FILE, LIVE, segmentation
from tests.parts.patience import until


class Loopback:
    """The class of pyvirtualcam: keeps what it is sent, and fails where it is told to."""

    error: Exception | None = None
    opened: list[Loopback] = []

    def __init__(self, width: int, height: int, fps: float, *, fmt: str, device: str | None) -> None:
        if self.error:
            raise self.error
        self.width, self.height, self.fps, self.fmt, self.device = width, height, fps, fmt, device or "/dev/video10"
        self.sent: list[Image] = []
        self.closed = False
        self.opened.append(self)

    def send(self, picture: Image) -> None:
        if self.error:
            raise self.error
        self.sent.append(picture)

    def close(self) -> None:
        self.closed = True


@pytest.fixture(autouse=True)
def loopback(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Loopback]]:
    module: Any = ModuleType("pyvirtualcam")
    module.Camera, module.PixelFormat = Loopback, type("PixelFormat", (), {"I420": "I420"})
    monkeypatch.setitem(sys.modules, "pyvirtualcam", module)
    yield Loopback
    Loopback.error, Loopback.opened = None, []


def shown(image: Image | Planes) -> Shown:
    frame = Frame(np.zeros((*image.shape[:2], 3), np.uint8), 0, 0.0, 0.0)
    return Shown(frame, segmentation(frame), image, 0, {})


def filled(height: int, width: int, colour: tuple[int, int, int]) -> Image:
    return np.full((height, width, 3), colour, np.uint8)


def as_bgr(picture: Image) -> Image:
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_YUV2BGR_I420), np.uint8)


def test_each_picture_is_sent_at_the_size_of_the_first(loopback: type[Loopback]) -> None:
    sink = CameraSink("camera:", LIVE)
    sink.write(shown(filled(48, 64, (0, 0, 200))))
    sink.write(shown(filled(48, 32, (0, 200, 0))))
    sink.close()
    (device,) = loopback.opened
    assert (device.width, device.height, device.fps, device.closed) == (64, 48, 25.0, True)
    first, second = (as_bgr(picture) for picture in device.sent)
    assert np.abs(first.astype(int) - (0, 0, 200)).max() <= 3
    assert np.abs(second[:, 18:46].astype(int) - (0, 200, 0)).max() <= 3
    assert second[:, :14].max() <= 3 and second[:, 50:].max() <= 3


def test_odd_sides_lose_their_last_pixels(loopback: type[Loopback]) -> None:
    image = np.random.default_rng(0).integers(0, 256, (49, 65, 3), dtype=np.uint8)
    sink = CameraSink("camera:", LIVE)
    sink.write(shown(image))
    (device,) = loopback.opened
    assert (device.width, device.height) == (64, 48)
    expected = cv2.cvtColor(np.ascontiguousarray(image[:48, :64]), cv2.COLOR_BGR2YUV_I420)
    np.testing.assert_array_equal(device.sent[0], expected)


@pytest.mark.parametrize("colours", [BT601, (1, 1), (1, 2)])
def test_planes_keep_their_colours_whatever_the_matrix(colours: tuple[int, int]) -> None:
    planes = Planes.blank(np.empty((72, 64), np.uint8), colours)
    planes.y[:], planes.u[:], planes.v[:] = 120, 90, 170
    sent = as_bgr(as_i420(planes, 64, 48))
    assert np.abs(sent.astype(int) - planes.image).max() <= 4
    if colours == BT601:
        np.testing.assert_array_equal(as_i420(planes, 64, 48)[:48], planes.y)


def test_a_device_that_fails_is_an_error_and_is_opened_again(loopback: type[Loopback]) -> None:
    sink = CameraSink("camera:", LIVE)
    sink.write(shown(filled(48, 64, (1, 2, 3))))
    loopback.error = OSError("device is gone\nand more")
    with pytest.raises(OutputError, match="virtual camera: device is gone$"):
        sink.write(shown(filled(48, 64, (1, 2, 3))))
    loopback.error = None
    sink.write(shown(filled(48, 64, (1, 2, 3))))
    assert [len(each.sent) for each in loopback.opened] == [1, 1]
    assert loopback.opened[0].closed


def test_a_device_that_is_none_is_told_with_the_way_to_one(loopback: type[Loopback]) -> None:
    loopback.error = RuntimeError("'v4l2loopback' backend: Device /dev/video0 is not a video output device.")
    with pytest.raises(OutputError, match="no virtual camera: .*Device /dev/video0 is not a video output") as raised:
        CameraSink("camera:", LIVE).write(shown(filled(48, 64, (1, 2, 3))))
    assert raised.value.hint
    if sys.platform == "linux":
        with pytest.raises(OutputError, match="no virtual camera /dev/video83") as raised:
            open_sink("camera:83", LIVE, Controls())
        assert raised.value.hint and "modprobe v4l2loopback" in raised.value.hint


def test_without_the_package_its_command_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyvirtualcam", None)
    with pytest.raises(OutputError, match="pyvirtualcam") as raised:
        open_sink("camera:", LIVE, Controls())
    assert raised.value.hint and "[camera]" in raised.value.hint


def test_a_file_is_shown_at_its_own_speed_and_names_that_are_none_are_refused() -> None:
    assert isinstance(open_sink("camera:", FILE, Controls()), Paced)
    if sys.platform == "linux":
        with pytest.raises(InputError, match="is no device"):
            sink_kind("camera:obs").check("camera:obs")


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells who has a device open")
def test_it_is_wanted_while_another_process_has_the_device_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, loopback: type[Loopback]
) -> None:
    device = tmp_path / "video10"
    device.touch()
    monkeypatch.setattr(camera, "_LOOK_S", 0.0)
    sink = CameraSink(f"camera:{device}" if str(device).startswith("/dev/") else "camera:", LIVE)
    assert sink.wanted  # until it is known
    sink.write(shown(filled(48, 64, (1, 2, 3))))
    loopback.opened[0].device = str(device)
    with device.open():  # this process itself does not count
        assert not sink.wanted
    look = "import sys; file = open(sys.argv[1]); print('open', flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", look, str(device)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as viewer:
        assert viewer.stdout is not None and viewer.stdout.readline() == b"open\n"
        assert sink.wanted
        viewer.communicate()
    until(lambda: not sink.wanted)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells who has a device open")
def test_a_device_that_fails_while_nobody_looks_is_wanted_so_that_it_is_opened_again(
    monkeypatch: pytest.MonkeyPatch, loopback: type[Loopback]
) -> None:
    sink = CameraSink("camera:", LIVE)
    sink.write(shown(filled(48, 64, (1, 2, 3))))
    loopback.error = OSError("device is gone")

    def nobody(device: str) -> bool:
        with pytest.raises(OutputError):  # in the thread that writes
            sink.write(shown(filled(48, 64, (1, 2, 3))))
        return False

    monkeypatch.setattr(camera, "_open_elsewhere", nobody)
    assert not sink.wanted
    assert sink.wanted
