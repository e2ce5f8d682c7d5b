"""What video is encoded with: for each codec an encoder of the CPU, and NVIDIA's for pictures that are on its GPU."""

from __future__ import annotations

import math
from collections.abc import Mapping
from fractions import Fraction
from typing import NamedTuple

from streamseg.errors import OutputError
from streamseg.machine import available_cores

_LEAST_FPS, _MOST_FPS = 0.01, 1000.0  # what is beyond is a clock's rate, and not that of pictures


class Encoding(NamedTuple):
    """A codec, by FFmpeg's names."""

    title: str
    """For people."""
    bare: str
    """The format of a file of nothing else."""
    cpu: str
    gpu: str
    """The two encoders."""
    recorded: Mapping[str, str]
    """Options of the CPU's. No frame is held back, so that it is in the file as soon as it was shown."""
    recorded_there: Mapping[str, str]
    """Those of the GPU's, to the same end: one quality for all, and a key frame whenever one is asked for."""
    least: int = 2
    """Pixels of a side; what is shorter is padded."""
    tag: str = ""
    """What MP4 and MOV call it, where that is not for FFmpeg to say."""
    rate: Fraction = Fraction(30)
    """Frames a second as Matroska and streams name them; each picture has a time of its own all the same."""


def _there(quality: str) -> dict[str, str]:
    return {
        "preset": "p4", "tune": "ull", "rc": "vbr", "cq": quality, "b": "0", "bf": "0", "delay": "0", "forced-idr": "1",
    }  # fmt: skip


H264 = Encoding(
    title="H.264",
    bare="h264",
    cpu="libx264",
    gpu="h264_nvenc",
    recorded={"preset": "veryfast", "tune": "zerolatency", "crf": "20"},  # visually close to the source
    recorded_there=_there("21"),
)
# x265 at 22 is as near to the source in brightness as x264 at 20. `log-level`: it writes to the terminal by itself;
# `frame-threads`: each would hold a frame back. Players of Apple take no other tag than hvc1.
HEVC = Encoding(
    title="H.265",
    bare="hevc",
    cpu="libx265",
    gpu="hevc_nvenc",
    recorded={
        "preset": "superfast", "tune": "zerolatency", "crf": "22", "forced-idr": "1",
        "x265-params": f"log-level=none:frame-threads=1:pools={available_cores()}",
    },
    recorded_there=_there("23"),
    least=16,
    tag="hvc1",
)  # fmt: skip
ENCODINGS = {"h264": H264, "hevc": HEVC}
"""By the names that the option `codec` takes."""


def encoding(codec: str, fps: float | None = None) -> Encoding:
    """That of the option's name, for a source of so many frames a second as far as is known.

    Raises:
        OutputError: FFmpeg has no encoder for it here.
    """
    import av

    found = ENCODINGS[codec]
    try:
        av.Codec(found.cpu, "w")
    except ValueError:  # which av.codec.UnknownCodecError is
        reason = f"FFmpeg of PyAV {av.__version__} has no encoder {found.cpu}"
        raise OutputError(f"codec {codec}: {reason}", "PyAV as pip installs it has it") from None
    if fps is None or not _LEAST_FPS <= fps <= _MOST_FPS:
        return found
    rate = Fraction(fps).limit_denominator(1001)
    return found._replace(rate=rate, recorded={**found.recorded, "crf": _crf(found.recorded["crf"], 1 / fps)})


def _crf(usual: str, shown_s: float) -> str:
    """What gives pictures that are each shown so long as many bits as `usual` gives those of 30 a second.

    Both encoders divide the quantizer of a picture by the time that it is shown, 0.01 to 1 s, to the power of 0.4; and
    6 more of this double it.
    """
    return f"{float(usual) + 6 * 0.4 * math.log2(30 * min(max(shown_s, 0.01), 1.0)):.2f}"
