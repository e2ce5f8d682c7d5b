"""A virtual camera, which other programs open like any other: v4l2loopback on Linux, OBS's camera elsewhere."""

from __future__ import annotations

import logging
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from numpy.typing import NDArray

from streamseg import installing
from streamseg.contracts import Shown
from streamseg.errors import InputError, OutputError
from streamseg.frame import Pixels, StreamInfo
from streamseg.sinks.kind import OutputKind
from streamseg.sinks.paced import Paced
from streamseg.yuv import BT601, Planes

if TYPE_CHECKING:
    import pyvirtualcam

_log = logging.getLogger(__name__)
_USUAL_FPS = 30.0
_LOOK_S = 0.25  # how often it is looked whether a program has the camera open
_DRIVER = "sudo modprobe v4l2loopback video_nr=10 card_label=streamseg exclusive_caps=1"


class CameraSink:
    """Shows each picture in a virtual camera, at the size of the first; another size is fitted into that.

    On Linux `wanted` tells whether another program has the device open, as far as this user may see; elsewhere
    nothing tells, and it always is.
    """

    blocking = True
    needs_image = True
    unwritten = 0

    def __init__(self, uri: str, info: StreamInfo) -> None:
        self._device = _found(uri)
        self._fps = info.fps or _USUAL_FPS
        self._camera: pyvirtualcam.Camera | None = None
        self._looked_s, self._wanted = float("-inf"), True

    @property
    def wanted(self) -> bool:
        """Whether a program looks: until one does, the network may rest, except where the device is to be opened."""
        camera, now_s = self._camera, time.monotonic()  # which another thread may close
        if camera is None:
            return True
        if sys.platform == "linux" and now_s - self._looked_s >= _LOOK_S:
            self._looked_s, before = now_s, self._wanted
            self._wanted = _open_elsewhere(camera.device)
            if self._wanted != before:
                _log.info("%s: %s", camera.device, "is looked at" if self._wanted else "nobody looks, resting")
        return self._wanted

    def write(self, shown: Shown) -> None:
        """Shows one picture.

        Raises:
            OutputError: the device cannot be opened, is no virtual camera, or is gone.
        """
        if self._camera is None:
            self._camera = self._open(shown.pixels)
        camera = self._camera
        try:
            camera.send(as_i420(shown.pixels, camera.width, camera.height))
        except (OSError, RuntimeError) as error:
            self.close()
            raise OutputError(f"virtual camera: {_first_line(error)}") from None

    def close(self) -> None:
        """Takes the picture away; the device stays."""
        if self._camera is not None:
            self._camera.close()
            self._camera = None

    def _open(self, pixels: Pixels) -> pyvirtualcam.Camera:
        import pyvirtualcam

        height, width = (max(2, side // 2 * 2) for side in pixels.shape[:2])
        try:
            camera = pyvirtualcam.Camera(
                width, height, self._fps, fmt=pyvirtualcam.PixelFormat.I420, device=self._device
            )
        except (OSError, RuntimeError) as error:
            hint = _DRIVER if sys.platform == "linux" else "OBS Studio brings a virtual camera: https://obsproject.com"
            raise OutputError(f"no virtual camera: {_first_line(error)}", hint) from None
        _log.info("virtual camera %s: %dx%d at %g fps", camera.device, width, height, self._fps)
        return camera


def as_i420(pixels: Pixels, width: int, height: int) -> NDArray[np.uint8]:
    """(H * 3 / 2, W) u8: brightness and colours by BT.601, which is what programs take a camera's for.

    A picture of another shape is fitted into the middle of a black one.
    """
    if isinstance(pixels, Planes) and pixels.shape[:2] == (height, width) and pixels.colours == BT601:
        return np.asarray(pixels.wrapped().to_ndarray(), np.uint8)
    image: Any = pixels.image if isinstance(pixels, Planes) else pixels
    if image.shape[:2] != (height, width):
        image = _fitted(image, width, height)
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2YUV_I420), np.uint8)


def _fitted(image: NDArray[np.uint8], width: int, height: int) -> NDArray[np.uint8]:
    scale = min(width / image.shape[1], height / image.shape[0])
    inner_w, inner_h = (max(1, round(side * scale)) for side in image.shape[1::-1])
    if (image.shape[1] // 2 * 2, image.shape[0] // 2 * 2) == (width, height):  # an odd side loses its last pixels
        return image[:height, :width]
    x, y = (width - inner_w) // 2, (height - inner_h) // 2
    whole = np.zeros((height, width, 3), np.uint8)
    cv2.resize(image, (inner_w, inner_h), whole[y : y + inner_h, x : x + inner_w], interpolation=cv2.INTER_AREA)
    return whole


def _open_elsewhere(device: str) -> bool:
    """Whether another process has `device` open; True where that cannot be seen for any."""
    own, seen = str(os.getpid()), False
    for process in Path("/proc").iterdir():
        if not process.name.isdecimal() or process.name == own:
            continue
        try:
            links = list((process / "fd").iterdir())
        except OSError:  # ended, or of another user
            continue
        seen = True
        if any(_target(link) == device for link in links):
            return True
    return not seen


def _target(link: Path) -> str:
    try:
        return str(link.readlink())
    except OSError:  # closed by now
        return ""


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def _device(uri: str) -> str | None:
    """The device that `camera:` names: a path, a number, a name as programs show it, or None for the first."""
    name = uri.removeprefix("camera:")
    if name.isdecimal() and sys.platform == "linux":
        return f"/dev/video{name}"
    if sys.platform == "linux" and name and not name.startswith("/dev/"):
        raise InputError(f"{uri}: is no device", "camera:/dev/video10, or camera: for the first virtual camera")
    return str(Path(name).resolve()) if name.startswith("/dev/") else name or None


def _found(uri: str) -> str | None:
    """The device, which is there as far as that can be seen without opening it.

    Raises:
        OutputError: it is not, or pyvirtualcam is missing.
    """
    try:
        import pyvirtualcam  # noqa: F401
    except ImportError:
        raise OutputError("a virtual camera needs pyvirtualcam", installing.extra("camera")) from None
    device = _device(uri)
    if sys.platform == "linux" and device and not Path(device).exists():
        raise OutputError(f"no virtual camera {device}", _DRIVER)
    return device


CAMERA = OutputKind(
    forms="camera:/dev/video10",
    means=lambda uri: uri.startswith("camera:"),
    open=lambda uri, info, controls, existing: CameraSink(uri, info) if info.live else Paced(CameraSink(uri, info)),
    check=_device,
    reach=_found,
)
