"""Where frames come from: one name each, recognised from the string alone."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Callable
from pathlib import Path

# Read by OpenCV when it is loaded: a picture's header can promise more than the memory holds, and what is wrong with a
# picture is told below in one line, not in five.
os.environ.setdefault("OPENCV_IO_MAX_IMAGE_PIXELS", str(1 << 28))
os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")

from streamseg.capture.camera import CameraSource
from streamseg.capture.pictures import SUFFIXES, PicturesSource
from streamseg.capture.revive import Revive, opened_apart
from streamseg.capture.scene import SceneSource
from streamseg.capture.stream import StreamSource
from streamseg.capture.video import VideoSource
from streamseg.contracts import Source, SourceOptions
from streamseg.errors import InputError

_CAMERA_WAIT_S = 1.0  # looking whether a device is there costs nothing

SOURCES: dict[str, Callable[[str, SourceOptions], Source]] = {
    "camera": lambda uri, options: Revive(lambda: CameraSource(uri, options), options, longest_wait_s=_CAMERA_WAIT_S),
    "stream": lambda uri, options: _endless_if_live(uri, options),
    "video": lambda uri, options: opened_apart(lambda: VideoSource(uri, options)),
    "pictures": PicturesSource,
    "scene": SceneSource,
}

_SCHEME = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://")
_STREAMS = ("rtsp", "rtsps", "http", "https")


def source_kind(uri: str) -> str:
    """The key of `SOURCES` that `uri` asks for.

    Raises:
        InputError: none of them.
    """
    scheme = _SCHEME.match(uri)
    if scheme:
        return _by_scheme(scheme["scheme"].lower(), uri)
    if uri == "-":
        return "stream"
    if uri.isdigit() or uri.startswith(("/dev/video", "/dev/v4l/")):
        return "camera"
    if Path(uri).suffix.lower() in SUFFIXES or Path(uri).is_dir() or (glob.has_magic(uri) and not Path(uri).exists()):
        return "pictures"
    return "video"


def open_source(uri: str, options: SourceOptions | None = None) -> Source:
    """Opens what `uri` names; live sources come back by themselves when they end or fall silent.

    Raises:
        InputError: the name, file or folder is wrong.
        SourceError: the camera or stream cannot be reached.
    """
    return SOURCES[source_kind(uri)](uri, options or SourceOptions())


def _by_scheme(scheme: str, uri: str) -> str:
    if scheme == "test":
        return "scene"
    if scheme in _STREAMS:
        return "stream"
    raise InputError(f"{uri}: {scheme}:// is not known", "0, /dev/video0, rtsp(s)://, http(s)://, a file or folder, -")


def _endless_if_live(uri: str, options: SourceOptions) -> Source:
    if uri.lower().startswith("rtsp"):
        return Revive(lambda: StreamSource(uri, options), options)
    first = opened_apart(lambda: StreamSource(uri, options))
    if not first.info.live:
        return first
    waiting = [first]  # the one already open serves as the first connection
    return Revive(lambda: waiting.pop() if waiting else StreamSource(uri, options), options)
