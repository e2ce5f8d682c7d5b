"""Decoders of GPUs, through FFmpeg: taken where they are asked for and there; else the CPU decodes, and a line says so.

Frames stay on an NVIDIA GPU as NV12 until they are asked for on the CPU. Others come down, as NV12 or P010 for ten
bits, and are given in three planes, as the CPU's decoders give them.
"""

from __future__ import annotations

import ctypes
import functools
import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

from streamseg.errors import SourceError
from streamseg.gpu import MakeSmall, is_on_gpu
from streamseg.options import Decoder
from streamseg.yuv import holds_planes, in_known_colours

if TYPE_CHECKING:
    import av
    from av.codec.hwaccel import HWAccel
    from av.video.stream import VideoStream

_log = logging.getLogger(__name__)
_IN_THREE_PLANES = {"nv12": "yuv420p", "p010le": "yuv420p10le", "p016le": "yuv420p16le"}
_COMMON = "h264"  # what every GPU decodes: whether there is one is found out with it
_MOST_FAILURES_IN_A_ROW = 16
_MOST_THREADS = 3  # each wants one of 32 surfaces of NVIDIA's decoder, of which H.264 may take 23 and more anyway
_COMES_DOWN = "; frames come down at once, as PyAV is older than 18 or CUDA was started here by something else before"
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
        self._name, self._in_a_row, self._seen = name, 0, False
        self._decoder: Decoder = "cpu"
        self.small: MakeSmall | None = None
        """What makes the stream's frames small where they stay on a GPU."""
        if decoder == "cpu" or (decoder, name) in _failed or _missing(decoder, gpu):
            return
        self._context = stream.codec_context
        if not self._context.is_hwaccel:
            _log.warning("%s: %s does not decode %s; the CPU does", name, decoder, self._context.name)
            return
        self._decoder = decoder
        self._more = _COMES_DOWN if decoder == "cuda" and _kept_there(gpu) is None else ""
        if decoder == "cuda" and not self._more:
            self.small = _shrinker(name)

    def decoded(self, frames: Sequence[object] | None) -> None:
        """What came of one packet; None where it failed.

        Raises:
            SourceError: it gives up; opened again, the CPU decodes.
        """
        if self._decoder == "cpu":
            return
        if frames and not self._seen:
            self._look()
        self._in_a_row = self._in_a_row + 1 if frames is None else 0
        if self._in_a_row == _MOST_FAILURES_IN_A_ROW:
            _failed.add((self._decoder, self._name))
            raise SourceError(f"{self._name}: {self._decoder} decodes no more", "--decode cpu")

    def _look(self) -> None:
        """Who made the first frame: a GPU that knows the codec may still not know this video, nor how large it is."""
        codec, self._seen = self._context.name, True
        if self._context.pix_fmt == self._decoder:
            _log.info("%s: %s is decoded by %s%s", self._name, codec, self._decoder, self._more)
            return
        _log.warning("%s: %s does not decode this %s; the CPU does", self._name, self._decoder, codec)
        self._decoder, self.small = "cpu", None


def threads_by_frames(stream: VideoStream, cores: int) -> int:
    """How many threads decode frames at once: as many as there are `cores`, or few where a GPU does it."""
    return min(cores, _MOST_THREADS) if stream.codec_context.is_hwaccel else cores


def _shrinker(name: str) -> MakeSmall | None:
    from streamseg.cuda.driver import has_package
    from streamseg.cuda.shrink import Shrinker

    if has_package():
        return Shrinker(name)
    _log.debug("%s: frames come down for their motion: neither cuda-bindings nor pycuda is installed", name)
    return None


def usable(frame: av.VideoFrame) -> av.VideoFrame:
    """A decoded frame as it is where it `holds_planes`, also on a GPU; else in the layout of the CPU's decoders."""
    frame = in_known_colours(frame)
    return frame if is_on_gpu(frame) and holds_planes(frame) else in_three_planes(frame)


def in_three_planes(frame: av.VideoFrame) -> av.VideoFrame:
    """The same values in the layout of the CPU's decoders."""
    if is_on_gpu(frame) and frame.sw_format is not None:
        name = frame.sw_format.name
        return frame.reformat(format=_IN_THREE_PLANES.get(name, name))
    planes = _IN_THREE_PLANES.get(frame.format.name)
    return frame.reformat(format=planes) if planes else frame


def _missing(decoder: Decoder, gpu: int | None = None) -> str:
    """Why the GPU cannot be had now, as one may come and go; empty where it can."""
    import av

    try:
        _accelerator(decoder, gpu).create(av.Codec(_COMMON, "r"))
    except NotImplementedError:
        return "as PyAV was built without it"
    except (av.error.FFmpegError, OSError):
        return "as its driver or GPU is not there"
    return _without_decoder() if decoder == "cuda" else ""


def _without_decoder() -> str:
    """FFmpeg would find it out at the first frame, and tell nobody."""
    try:
        ctypes.CDLL("libnvcuvid.so.1")
    except OSError:
        return (
            "as its driver's libnvcuvid is not there (a container has it by NVIDIA_DRIVER_CAPABILITIES=compute,video)"
        )
    return ""


@functools.cache
def _kept_there(gpu: int | None) -> HWAccel | None:
    """Keeps CUDA's context for FFmpeg as long as the process lives; None where frames have to come down.

    It has to be the one that all use, or nobody else could read what is decoded. FFmpeg takes that only where it was
    the first, or where the first has had it wait asleep.
    """
    import av

    if not hasattr(av.VideoFrame, "sw_format"):  # since PyAV 18; frames could be left on the GPU since 17
        return None
    try:
        return _staying(gpu).create(av.Codec(_COMMON, "r"))
    except (av.error.FFmpegError, OSError, NotImplementedError):
        return None


def _accelerator(decoder: Decoder, gpu: int | None = None) -> HWAccel:
    """FFmpeg counts GPUs as CUDA does; another decoder's devices have names."""
    from av.codec.hwaccel import HWAccel

    if decoder != "cuda":
        return HWAccel(decoder, allow_software_fallback=True)
    if _kept_there(gpu) is not None:
        return _staying(gpu)
    return HWAccel(decoder, _device(gpu), allow_software_fallback=True)


def _staying(gpu: int | None) -> HWAccel:
    from av.codec.hwaccel import HWAccel

    return HWAccel("cuda", _device(gpu), allow_software_fallback=True, is_hw_owned=True)


def _device(gpu: int | None) -> str | None:
    return None if gpu is None else str(gpu)
