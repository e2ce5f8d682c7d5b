"""What differs between PyAV 14 and 19, so that no other file has to know which one is installed."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from av.codec.hwaccel import HWAccel
    from av.container import InputContainer
    from av.stream import Stream

OF_FFMPEG_ALONE = ("rtmp", "rtmps", "srt", "rist", "udp", "rtp", "tcp")
"""Schemes that FFmpeg's program reads and writes; streamseg does so through a pipe or a server."""
STANDARD_INPUT = "fd:"
"""To `open_input`; a file there may be jumped in."""
_BT601 = 5


class Readable(Protocol):
    """A file to PyAV; one that can jump has `seek`, `tell` and `seekable` as well."""

    def read(self, most: int, /) -> bytes:
        """The next bytes, at most so many; empty at the end."""

    def peek(self, least: int, /) -> bytes:
        """The same without taking them, and perhaps more of them."""


def failures() -> tuple[type[Exception], ...]:
    """What PyAV raises where something cannot be read, encoded or written.

    Most of it is an OSError or ValueError; what an encoder says, that of a GPU for one, is neither.
    """
    import av

    return av.error.FFmpegError, OSError, ValueError


def open_input(
    target: str | Readable,
    options: dict[str, str],
    timeout: tuple[float, float | None] | None = None,
    *,
    form: str | None = None,
    io_open: Callable[[str, int, dict[str, str]], object] | None = None,
    hwaccel: HWAccel | None = None,
) -> InputContainer:
    """A file or stream opened for reading; `timeout` in seconds, for opening and for each read.

    `form` is FFmpeg's name of the format, where it is not to be guessed; `io_open` gives what the format asks for
    besides, by URL. `hwaccel` decodes instead of the CPU.

    Raises:
        av.error.FFmpegError, OSError, ValueError: it cannot be opened.
    """
    import av

    # A title in another encoding must not stop a video. PyAV 19 takes any, and has no such argument any more.
    more: dict[str, Any] = {} if _major() >= 19 else {"metadata_errors": "surrogateescape"}
    more["container_options" if _major() < 18 and _finds_streams_late(target, form) else "options"] = options
    if hwaccel is not None:
        more["hwaccel"] = hwaccel
    container: InputContainer = av.open(target, "r", form, timeout=timeout, io_open=io_open, **more)
    return container


def read_only(container: InputContainer, wanted: Stream) -> None:
    """Has no other stream read: else every quality of a playlist is fetched, and all sound.

    PyAV below 17 cannot be told.
    """
    import av

    if not hasattr(av.stream, "Discard"):
        return
    for stream in container.streams:
        if stream.index != wanted.index:
            stream.discard = av.stream.Discard.all


@functools.cache
def to_bgr_from(matrix: int, span: int) -> dict[str, Any]:
    """Arguments with which `to_ndarray` makes BGR, in one thread, of these colours (in FFmpeg's numbers).

    PyAV 17 and newer ask the frame for its colours, and would start and end a thread a core for each; older ones take
    everything for BT.601 unless told.
    """
    if _major() >= 17:
        return one_thread()
    return {"src_colorspace": matrix, "src_color_range": span, "dst_colorspace": _BT601, "dst_color_range": 2}


@functools.cache
def one_thread() -> dict[str, Any]:
    """Arguments with which `reformat` starts no threads of its own, as it does since PyAV 17."""
    return {"threads": 1} if _major() >= 17 else {}


def _finds_streams_late(target: str | Readable, form: str | None) -> bool:
    """Whether streams turn up while PyAV looks for them: before 18 it then frees options that it never made.

    So the decoder's options are left out there, until the stream is chosen.
    """
    if target == STANDARD_INPUT or form == "hls":
        return True
    begin = b""
    if not isinstance(target, str):
        begin = target.peek(4)
    elif target.startswith("file:") and (path := Path(target.removeprefix("file:"))).is_file():
        with path.open("rb") as file:
            begin = file.read(4)
    return begin.startswith((b"FLV", b"G", b"\0\0\1\xba"))  # Flash, MPEG-TS, MPEG-PS


def _major() -> int:
    import av

    return int(av.__version__.partition(".")[0])
