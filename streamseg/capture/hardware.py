"""Decoders of GPUs, through FFmpeg: taken where they are asked for and there; else the CPU decodes, and a line says so.

Frames come down as NV12, or P010 for ten bits, and are given in three planes, as the CPU's decoders give them.
"""

from __future__ import annotations

import functools
import logging
from typing import TYPE_CHECKING

from streamseg.errors import SourceError
from streamseg.options import Decoder

if TYPE_CHECKING:
    import av
    from av.codec.hwaccel import HWAccel
    from av.video.stream import VideoStream

_log = logging.getLogger(__name__)
_IN_THREE_PLANES = {"nv12": "yuv420p", "p010le": "yuv420p10le", "p016le": "yuv420p16le"}
_COMMON = "h264"  # what every GPU decodes: whether there is one is found out with it
_MOST_FAILURES_IN_A_ROW = 16
_failed: set[tuple[Decoder, str]] = set()
"""Those that gave up while they decoded a source of that name: not tried again there by this process."""


def accelerator(decoder: Decoder, name: str, gpu: int | None = None) -> HWAccel | None:
    """What PyAV is to open the source `name` with, for CUDA on that GPU; None where the CPU decodes."""
    if decoder == "cpu":
        return None
    why = "it failed before" if (decoder, name) in _failed else _missing(decoder, gpu)
    if why:
        _log.warning("%s: %s decodes nothing here, %s; the CPU does", name, decoder, why)
        return None
    return _accelerator(decoder, gpu)


class Watch:
    """Says who decodes a stream, where that may be a GPU, and gives up a GPU that makes nothing but errors."""

    def __init__(self, decoder: Decoder, stream: VideoStream, name: str, gpu: int | None = None) -> None:
        """`stream` is of the source `name`, opened with what `accelerator` gave for them."""
        self._name, self._in_a_row = name, 0
        self._decoder: Decoder = "cpu"
        if decoder == "cpu" or (decoder, name) in _failed or _missing(decoder, gpu):
            return
        codec = stream.codec_context.name
        if stream.codec_context.is_hwaccel:
            self._decoder = decoder
            _log.info("%s: %s is decoded by %s", name, codec, decoder)
        else:
            _log.warning("%s: %s does not decode %s; the CPU does", name, decoder, codec)

    def decoded(self, failed: bool) -> None:
        """Of one packet.

        Raises:
            SourceError: it gives up; opened again, the CPU decodes.
        """
        self._in_a_row = self._in_a_row + 1 if failed and self._decoder != "cpu" else 0
        if self._in_a_row == _MOST_FAILURES_IN_A_ROW:
            _failed.add((self._decoder, self._name))
            raise SourceError(f"{self._name}: {self._decoder} decodes no more", "--decode cpu")


def in_three_planes(frame: av.VideoFrame) -> av.VideoFrame:
    """The same values in the layout of the CPU's decoders."""
    planes = _IN_THREE_PLANES.get(frame.format.name)
    return frame.reformat(format=planes) if planes else frame


@functools.cache
def _missing(decoder: Decoder, gpu: int | None = None) -> str:
    """Why the GPU cannot be had; empty where it can."""
    import av

    try:
        _accelerator(decoder, gpu).create(av.Codec(_COMMON, "r"))
    except NotImplementedError:
        return "as PyAV was built without it"
    except (av.error.FFmpegError, OSError):
        return "as its driver or GPU is not there"
    return ""


def _accelerator(decoder: Decoder, gpu: int | None = None) -> HWAccel:
    """FFmpeg counts GPUs as CUDA does; another decoder's devices have names."""
    from av.codec.hwaccel import HWAccel

    device = str(gpu) if decoder == "cuda" and gpu is not None else None
    return HWAccel(decoder, device, allow_software_fallback=True)
