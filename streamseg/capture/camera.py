"""Cameras of this machine, by number, device or stable name."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from streamseg.capture.kind import SourceKind
from streamseg.capture.reconnect import ReconnectingSource
from streamseg.errors import SourceError
from streamseg.frame import Frame, StreamInfo
from streamseg.hostsettings import opencv_silent
from streamseg.options import SourceOptions

_log = logging.getLogger(__name__)
_DEVICES = ("/dev/video", "/dev/v4l/")
_LONGEST_WAIT_S = 1.0  # looking whether a device is there costs nothing


class CameraSource:
    """A camera through OpenCV; ends when it gives no more frames, so that it can be opened again."""

    def __init__(self, uri: str, options: SourceOptions) -> None:
        device = f"/dev/video{uri}" if uri.isdecimal() else uri
        self.counters: dict[str, int] = {}
        self._closed = False
        if sys.platform == "linux" and not Path(device).exists():
            have = ", ".join(cameras()) or "none; test:// is a generated scene"
            raise SourceError(f"no camera {device}", f"cameras here: {have}", away=True)
        on_linux = sys.platform == "linux"
        with opencv_silent:  # it warns of what is told below in one line
            self._camera = cv2.VideoCapture(device if on_linux else int(uri), cv2.CAP_V4L2 if on_linux else cv2.CAP_ANY)
        if not self._camera.isOpened():
            raise SourceError(f"camera {device} cannot be opened", "another program may be using it", away=True)
        self._ask(options)
        self.info = self._describe(device)
        _log.info("%s: %dx%d at %s fps", device, self.info.width, self.info.height, self.info.fps or "unknown")

    def __iter__(self) -> Iterator[Frame]:
        first_s: float | None = None
        index = 0
        try:
            while not self._closed:
                taken, image = self._camera.read()
                if not taken:
                    return
                now_s = time.monotonic()
                first_s = now_s if first_s is None else first_s
                yield Frame(np.asarray(image, np.uint8), index, now_s - first_s, now_s, self.info.name)
                index += 1
        finally:
            self._camera.release()

    def close(self) -> None:
        """Ends the iteration before its next frame; the iterating thread releases the camera."""
        self._closed = True

    def _ask(self, options: SourceOptions) -> None:
        """Format first: it decides which sizes and rates there are."""
        camera = self._camera
        if options.pixel_format:
            camera.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*options.pixel_format))
        if options.size:
            camera.set(cv2.CAP_PROP_FRAME_WIDTH, options.size[0])
            camera.set(cv2.CAP_PROP_FRAME_HEIGHT, options.size[1])
        if options.fps:
            camera.set(cv2.CAP_PROP_FPS, options.fps)
        camera.set(cv2.CAP_PROP_BUFFERSIZE, 1)  # the driver's queue of four would be four frames of delay

    def _describe(self, device: str) -> StreamInfo:
        camera = self._camera
        width, height = camera.get(cv2.CAP_PROP_FRAME_WIDTH), camera.get(cv2.CAP_PROP_FRAME_HEIGHT)
        return StreamInfo(device, int(width), int(height), camera.get(cv2.CAP_PROP_FPS) or None, live=True)


def cameras() -> list[str]:
    """Devices and their names, such as `/dev/video0 Integrated Camera`; those that the kernel lists."""
    listed = sorted(Path("/sys/class/video4linux").glob("video*"))
    return [
        f"/dev/{entry.name} {(entry / 'name').read_text().strip()}" for entry in listed if (entry / "name").exists()
    ]


CAMERA = SourceKind(
    forms="0, /dev/video0",
    means=lambda uri: isinstance(uri, str) and (uri.isdecimal() or uri.startswith(_DEVICES)),
    open=lambda uri, options: ReconnectingSource(
        lambda: CameraSource(str(uri), options), options, longest_wait_s=_LONGEST_WAIT_S
    ),
)
