"""The encoder of an NVIDIA GPU, for pictures that are there already: none goes up for it."""

from __future__ import annotations

import logging
from fractions import Fraction
from typing import Any

from streamseg.frame import Pixels
from streamseg.sinks.codecs import Encoding
from streamseg.sinks.part import reason
from streamseg.yuv import Planes

_log = logging.getLogger(__name__)


def encodes(pixels: Pixels, name: str, encoding: Encoding) -> bool:
    """Whether pictures like this one are encoded where they are; a line says so of the output `name` if the GPU cannot.

    An encoder is opened for it: some GPUs have none, or not for this codec, and others only so many at once.
    """
    frame = pixels.there() if isinstance(pixels, Planes) else None
    if frame is None:
        return False
    import av

    try:
        context: Any = av.CodecContext.create(encoding.gpu, "w")
        context.width, context.height, context.pix_fmt = frame.width, frame.height, "cuda"
        context.options, context.time_base = dict(encoding.recorded_there), Fraction(1, 30)
        frame.pts = 0
        context.encode(frame)
    except (av.error.FFmpegError, ValueError, OSError) as error:
        _log.warning("%s: the GPU does not encode it (%s); the CPU does", name, reason(error).lower())
        return False
    return True
