"""Videos that are not what FFmpeg takes them for at first: turned, mirrored, stretched, bare, interlaced, bright."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from av.bitstream import BitStreamFilterContext

from streamseg.frame import Image
from tests.parts import clips

ONE = 1 << 16
MATRICES: dict[str, tuple[int, int, int, int]] = {
    "as it is": (1, 0, 0, 1),
    "mirrored left and right": (-1, 0, 0, 1),
    "mirrored top and bottom": (1, 0, 0, -1),
    "turned right": (0, 1, -1, 0),
    "turned left": (0, -1, 1, 0),
    "half a turn": (-1, 0, 0, -1),
    "along the diagonal": (0, 1, 1, 0),
    "along the other diagonal": (0, -1, -1, 0),
}
"""The upper left of the display matrix: where a step to the right, and a step down, goes."""


def quarters(width: int = 160, height: int = 120) -> Image:
    """A picture whose corners are all different: white, red, green and blue, clockwise from the top left."""
    image = np.zeros((height, width, 3), np.uint8)
    y, x = height // 2, width // 2
    image[:y, :x], image[:y, x:], image[y:, x:], image[y:, :x] = 255, (0, 0, 255), (0, 255, 0), (255, 0, 0)
    return image


def shown(image: Image, matrix: tuple[int, int, int, int]) -> Image:
    """`image` with each pixel where ISO/IEC 14496-12, 8.3.2 puts it: (x, y) at (ax + cy, bx + dy), moved into sight."""
    a, b, c, d = matrix
    height, width = image.shape[:2]
    y, x = np.mgrid[:height, :width]
    right, down = a * x + c * y, b * x + d * y
    right, down = right - right.min(), down - down.min()
    out = np.zeros((down.max() + 1, right.max() + 1, 3), np.uint8)
    out[down, right] = image
    return out


def write(
    path: Path,
    images: Iterable[Image],
    *,
    codec: str = "libx264",
    pix_fmt: str = "yuv420p",
    rate: Fraction | int = 25,
    format: str | None = None,
    aspect: Fraction | None = None,
    options: dict[str, str] | None = None,
) -> Path:
    """A video of these pictures, nearly without loss."""
    quality = {"crf": "4", "preset": "ultrafast"} if codec == "libx264" else {}
    with av.open(str(path), "w", format=format) as container:
        stream = container.add_stream(codec, rate=rate, options={**quality, **(options or {})})
        for number, image in enumerate(images):
            if not number:
                stream.height, stream.width, stream.pix_fmt = *image.shape[:2], pix_fmt
                if aspect is not None:
                    stream.codec_context.sample_aspect_ratio = aspect
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="bgr24").reformat(format=pix_fmt)))
        container.mux(stream.encode(None))
    return path


def with_matrix(path: Path, matrix: tuple[float, float, float, float], image: Image | None = None) -> Path:
    """Five pictures with this display matrix in the track's header."""
    a, b, c, d = (round(value * ONE) for value in matrix)
    plain = write(path.with_suffix(".plain.mp4"), [quarters() if image is None else image] * 5)
    raw = bytearray(plain.read_bytes())
    at = raw.index(b"tkhd") + 4 + 40  # the head of the box, then the fields before the matrix in version 0
    raw[at : at + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    path.write_bytes(raw)
    return path


def with_message(path: Path, said: str) -> Path:
    """Bare H.264 whose first of twenty pictures says how they are to be turned; `said` as FFmpeg's filter has it."""
    plain = write(path.with_suffix(".plain"), [quarters()] * 20, format="h264")
    with av.open(str(plain)) as source:
        stream = source.streams.video[0]
        insert = BitStreamFilterContext(f"h264_metadata=display_orientation=insert:{said}", stream)
        packets = [each for packet in source.demux(stream) for each in insert.filter(packet if packet.size else None)]
        path.write_bytes(b"".join(bytes(packet) for packet in packets))
    return path


def without_timing(path: Path) -> Path:
    """Bare H.264 that says nothing about its rate: the field is cut out of the sequence parameter sets."""
    units = clips.annexb(path.with_suffix(".timed"), frames=50, fps=50).read_bytes().split(b"\0\0\0\1")[1:]
    path.write_bytes(b"".join(b"\0\0\0\1" + (_untimed(unit) if unit[0] & 31 == 7 else unit) for unit in units))
    return path


def _untimed(unit: bytes) -> bytes:
    bits = "".join(f"{byte:08b}" for byte in unit.replace(b"\0\0\3", b"\0\0"))
    timing = f"1{1:032b}{100:032b}1"  # there it is, one tick of a hundred a second, at a constant rate
    assert bits.count(timing) == 1
    bits = bits.rstrip("0")[:-1].replace(timing, "0") + "1"
    bits += "0" * (-len(bits) % 8)
    body = bytes(int(bits[at : at + 8], 2) for at in range(0, len(bits), 8))
    return b"".join(body[i : i + 1] if body[max(0, i - 2) : i] != b"\0\0" or body[i] > 3 else b"\3" + body[i : i + 1]
                    for i in range(len(body)))  # fmt: skip


def comb(number: int, width: int = 320, height: int = 240) -> Image:
    """One frame of two fields: a white bar on grey that moves by 24 pixels from the upper field to the lower."""
    upper, lower = bar(2 * number, width, height), bar(2 * number + 1, width, height)
    woven = np.array(upper)
    woven[1::2] = lower[1::2]
    return np.asarray(woven, np.uint8)


def bar(moment: int, width: int = 320, height: int = 240) -> Image:
    """What stood before the camera at the moment of a field."""
    image = np.full((height, width, 3), 100, np.uint8)
    left = 20 + 24 * moment % (width - 60)
    cv2.rectangle(image, (left, 40), (left + 30, height - 40), (235, 235, 235), -1)
    return image


def teeth(image: Image) -> float:
    """How far lines differ from what lies above and below them: large where two moments are woven together."""
    rows = image.astype(np.float32).mean(2)
    return float(np.abs(rows[1:-1] - (rows[:-2] + rows[2:]) / 2).max(0).mean())


def streams(path: Path, *tracks: dict[str, object]) -> Path:
    """A file of several video streams: `size`, `frames`, and whether it is `on` (a default track) of each."""
    with av.open(str(path), "w") as container:
        made = []
        for track in tracks:
            side: Any = track.get("size", (320, 240))
            stream = container.add_stream("libx264", rate=25, options={"preset": "ultrafast", "tune": "zerolatency"})
            stream.width, stream.height, stream.pix_fmt = side[0], side[1], "yuv420p"
            if track.get("on", True):
                stream.disposition = av.stream.Disposition.default.value
            made.append((stream, int(track.get("frames", 20))))  # type: ignore[call-overload]
        for number in range(max(count for _, count in made)):
            for stream, count in made:
                if number < count:
                    picture = clips.numbered(number, stream.width, stream.height)
                    container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="bgr24")))
        for stream, _ in made:
            container.mux(stream.encode(None))
    return path


_TO_BT2020 = np.array([[0.6274, 0.3293, 0.0433], [0.0691, 0.9195, 0.0114], [0.0164, 0.0880, 0.8956]])
"""ITU-R BT.2087, table 1: linear light of BT.709's colours as BT.2020's."""


def hdr(path: Path, image: Image, transfer: str, *, white: float = 203.0, codec: str = "libx265") -> Path:
    """Five frames of `image` in ten bits, as a camera of `transfer` "pq" or "hlg" would see a screen that shows it.

    The screen's white is so many cd/m2.
    """
    light = (image[..., ::-1] / 255.0) ** 2.4 * white @ _TO_BT2020.T
    signal = {"pq": _pq, "hlg": _hlg}[transfer](light)
    ten_bits = np.round(np.clip(signal, 0, 1) * 1023).astype("<u2")
    with av.open(str(path), "w") as container:
        stream = container.add_stream(
            codec, rate=25, options={"preset": "ultrafast", "crf": "2", "x265-params": "log-level=none"}
        )
        stream.height, stream.width, stream.pix_fmt = *image.shape[:2], "yuv420p10le"
        context = stream.codec_context
        context.color_primaries, context.colorspace, context.color_range = 9, 9, 1
        context.color_trc = {"pq": 16, "hlg": 18}[transfer]
        frame = av.VideoFrame(image.shape[1], image.shape[0], "gbrp10le")
        for plane, channel in zip(frame.planes, (1, 2, 0), strict=True):
            padded = np.zeros((plane.height, plane.line_size // 2), "<u2")
            padded[:, : plane.width] = ten_bits[..., channel]
            plane.update(padded.tobytes())
        for number in range(5):
            coded = _in_bt2020(frame)
            coded.pts, coded.time_base, coded.colorspace, coded.color_range = number, Fraction(1, 25), 9, 1
            container.mux(stream.encode(coded))
        container.mux(stream.encode(None))
    return path


def _in_bt2020(frame: av.VideoFrame) -> av.VideoFrame:
    """By FFmpeg's filter and not by `reformat`, which in PyAV 17 takes BT.2020 for BT.601."""
    graph = av.filter.Graph()
    source = graph.add_buffer(width=frame.width, height=frame.height, format=frame.format, time_base=Fraction(1, 25))
    chain = [("scale", "out_color_matrix=bt2020:out_range=limited"), ("format", "yuv420p10le"), ("buffersink", "")]
    last = source
    for name, words in chain:
        step = graph.add(name, words) if words else graph.add(name)
        last.link_to(step)
        last = step
    graph.configure()
    source.push(frame)
    made = last.pull()
    assert isinstance(made, av.VideoFrame)
    return made


def _pq(light: np.ndarray) -> np.ndarray:
    """SMPTE ST 2084, equation 5.2."""
    power = (light / 10_000) ** 0.1593017578125
    return ((0.8359375 + 18.8515625 * power) / (1 + 18.6875 * power)) ** 78.84375


def _hlg(light: np.ndarray) -> np.ndarray:
    """ITU-R BT.2100, table 5, for a screen of 1,000 cd/m2."""
    luminance = light @ (0.2627, 0.6780, 0.0593)
    scene = light / 1000 * np.maximum(luminance / 1000, 1e-9)[..., None] ** (1 / 1.2 - 1)
    return np.where(
        scene <= 1 / 12, np.sqrt(3 * scene), 0.17883277 * np.log(np.maximum(12 * scene - 0.28466892, 1e-9)) + 0.55991073
    )
