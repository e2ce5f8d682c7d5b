"""NVDEC through PyAV, against its own decoder on the CPU: the same pictures, how fast, and what it costs a core; and
NVENC behind it."""

from __future__ import annotations

import functools
import io
import time
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import av
import numpy as np

from gpu.row import Row, skipped
from streamseg.gpu import frame_of
from streamseg.sinks.codecs import ENCODINGS, Encoding

FRAMES, SIZE = 120, (1280, 720)


def probe() -> Iterator[Row]:
    """Rows for each codec and way."""
    for encoding in ENCODINGS.values():
        try:
            data = clip(encoding.cpu)
        except Exception as error:  # of FFmpeg's
            yield skipped(encoding.title, error)
            continue
        started_s = time.perf_counter()
        expected = [planes(frame) for frame in frames(data)]
        rate = len(expected) / (time.perf_counter() - started_s)
        yield Row(f"{encoding.title} decoded by the CPU", f"{FRAMES} frames of {called()}", f"{rate:.0f} frames/s")
        for what, measure in (
            (f"{encoding.title} decoded by NVDEC, downloaded", functools.partial(downloaded, data, expected, rate)),
            (f"{encoding.title} decoded by NVDEC, left there", functools.partial(left, data, rate)),
            (f"{encoding.title} from there through {encoding.gpu}", functools.partial(encoded, data, encoding)),
        ):
            try:
                yield from measure(what)
            except Exception as error:  # without CUDA it raises PermissionError, of FFmpeg's
                yield skipped(what, f"{type(error).__name__}: {error}")


def called() -> str:
    return f"{SIZE[0]}x{SIZE[1]}"


def downloaded(data: bytes, expected: list[Any], rate: float, what: str) -> Iterator[Row]:
    found, row = decoded(data, rate, what, owned=False)
    yield row
    away = max(int(np.abs(planes(one).astype(int) - other).max()) for one, other in zip(found, expected, strict=True))
    yield Row(what, "against the CPU's", f"at most {away} steps away, {found[0].format.name}", "0 steps", away == 0)


def left(data: bytes, rate: float, what: str) -> Iterator[Row]:
    found, row = decoded(data, rate, what, owned=True)
    yield row
    first = found[0].planes[0]
    figure = f"{found[0].format.name} on device {first.__dlpack_device__()}, rows of {first.line_size} bytes"
    yield Row(what, "by DLPack", figure, "cuda", found[0].format.name == "cuda")


def decoded(data: bytes, rate: float, what: str, *, owned: bool) -> tuple[list[Any], Row]:
    """Frames, and how fast they came; `rate` is that of the CPU."""
    from av.codec.hwaccel import HWAccel

    way = HWAccel("cuda", 0, allow_software_fallback=False, is_hw_owned=owned)
    wall_s, cpu_s = time.perf_counter(), time.process_time()
    found = list(frames(data, hwaccel=way))
    wall_s, cpu_s = time.perf_counter() - wall_s, time.process_time() - cpu_s
    figure = f"{len(found) / wall_s:.0f} frames/s, {cpu_s / len(found) * 1e3:.2f} ms of a core a frame"
    return found, Row(what, "wall clock", figure, f"the CPU's {rate:.0f} frames/s", len(found) / wall_s > rate)


def encoded(data: bytes, encoding: Encoding, what: str) -> Iterator[Row]:
    """Decoded and encoded on the GPU, as outputs do it."""
    from av.codec.hwaccel import HWAccel

    context: Any = av.CodecContext.create(encoding.gpu, "w")
    context.width, context.height, context.pix_fmt = *SIZE, "cuda"
    context.options, context.time_base = dict(encoding.recorded_there), Fraction(1, 30)
    packets, started_s = [], time.perf_counter()
    for number, frame in enumerate(frames(data, hwaccel=HWAccel("cuda", 0, is_hw_owned=True))):
        own = frame_of(frame.planes, (1, 1), 0)
        own.pts = number
        packets += context.encode(own)
    packets += context.encode(None)
    speed = len(packets) / (time.perf_counter() - started_s)
    figure = f"{len(packets)} packets, {sum(packet.size for packet in packets) / 1e6:.2f} MB, {speed:.0f} frames/s"
    yield Row(what, "wall clock, decoding included", figure, f"{FRAMES} packets", len(packets) == FRAMES)


def clip(codec: str) -> bytes:
    """Stripes that move."""
    out = io.BytesIO()
    rows, columns = np.mgrid[0 : SIZE[1], 0 : SIZE[0]]
    with av.open(out, "w", format="mp4") as container:
        stream: Any = container.add_stream(codec, rate=30)
        stream.width, stream.height, stream.pix_fmt = *SIZE, "yuv420p"
        for i in range(FRAMES):
            picture = np.stack([columns + 3 * i, rows + 2 * i, rows + columns + i], -1) % 256
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture.astype(np.uint8), "rgb24")))
        container.mux(stream.encode())
    return out.getvalue()


def frames(data: bytes, **more: Any) -> Iterator[Any]:
    with av.open(io.BytesIO(data), **more) as container:
        yield from container.decode(video=0)


def planes(frame: Any) -> Any:
    return frame.reformat(format="yuv420p").to_ndarray()
