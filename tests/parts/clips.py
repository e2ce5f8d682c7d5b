"""Clips made by real encoders, whose every picture carries its number; and files with every usual defect."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

from streamseg.frame import Image

_BITS = 8


def numbered(number: int, width: int = 320, height: int = 240) -> Image:
    """A grey picture with `number` as eight black or white blocks along its upper third."""
    image = np.full((height, width, 3), 110, np.uint8)
    image[height // 2 :] = (60, 140, 190)
    side = width // (_BITS + 2)
    for bit in range(_BITS):
        left = side * (1 + bit)
        image[side : 2 * side, left : left + side] = 235 if number >> bit & 1 else 20
    return image


def read_number(image: Image) -> int:
    """The number in a picture, also after compression, scaling and loss of colour."""
    height, width = image.shape[:2]
    side_x, side_y = width / (_BITS + 2), width / (_BITS + 2) * (height / width) * (320 / 240)
    row = int(side_y * 1.5)
    values = [int(image[row, int(side_x * (1.5 + bit))].mean()) for bit in range(_BITS)]
    return sum((value > 128) << bit for bit, value in enumerate(values))


def clip(
    path: Path,
    *,
    frames: int = 50,
    size: tuple[int, int] = (320, 240),
    codec: str = "libx264",
    pix_fmt: str = "yuv420p",
    fps: int = 25,
    times_ms: Sequence[int] | None = None,
    format: str | None = None,
    options: dict[str, str] | None = None,
    container_options: dict[str, str] | None = None,
) -> Path:
    """A video file of `frames` numbered pictures; `times_ms` gives each its own time."""
    with av.open(str(path), "w", format=format, options=container_options or {}) as container:
        stream = container.add_stream(codec, rate=fps, options=options or {})
        stream.width, stream.height, stream.pix_fmt = *size, pix_fmt
        if times_ms is not None:
            stream.codec_context.time_base = Fraction(1, 1000)
        for number in range(frames):
            frame = av.VideoFrame.from_ndarray(numbered(number, *size), format="bgr24").reformat(format=pix_fmt)
            if times_ms is not None:
                frame.pts, frame.time_base = times_ms[number], Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def annexb(
    path: Path, *, frames: int = 50, size: tuple[int, int] = (320, 240), fps: int = 25, codec: str = "libx264"
) -> Path:
    """Raw H.264 (or H.265, with libx265) for a camera: a key frame a second, no frame held back, one slice."""
    if codec == "libx265":
        quiet = f"log-level=none:repeat-headers=1:bframes=0:keyint={fps}"
        options = {"preset": "ultrafast", "tune": "zerolatency", "x265-params": quiet}
        return clip(path, frames=frames, size=size, fps=fps, codec=codec, format="hevc", options=options)
    parameters = "repeat-headers=1:bframes=0:sliced-threads=0:slices=1"
    options = {"preset": "veryfast", "tune": "zerolatency", "g": str(fps), "x264-params": parameters}
    return clip(path, frames=frames, size=size, fps=fps, format="h264", options=options)


def audio_only(path: Path) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=44100)
        for index in range(20):
            silence = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
            silence.sample_rate, silence.pts = 44100, index * 1024
            container.mux(stream.encode(silence))
        container.mux(stream.encode(None))
    return path


def with_sound(path: Path, *, frames: int, sound_s: float) -> Path:
    """A clip of 25 frames a second with silence of another length; sound and pictures lie side by side in the file."""
    codecs = {
        ".webm": ("libvpx", "libopus"),
        ".avi": ("mpeg4", "mp2"),
        ".flv": ("flv1", "aac"),
        ".wmv": ("wmv2", "mp2"),
        ".wtv": ("mpeg2video", "mp2"),
    }
    video, audio = codecs.get(path.suffix, ("libx264", "aac"))
    with av.open(str(path), "w") as container:
        stream = container.add_stream(video, rate=25)
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
        sound = container.add_stream(audio, rate=48000)
        sound.layout = "mono"
        container.start_encoding()
        length, sent_s, number = sound.codec_context.frame_size or 1024, 0.0, 0
        kind = sound.codec_context.format.name
        while sent_s < sound_s or number < frames:
            if number < frames and number / 25 <= sent_s:
                container.mux(stream.encode(av.VideoFrame.from_ndarray(numbered(number), format="bgr24")))
                number += 1
                continue
            dtype = np.int16 if kind.startswith("s16") else np.float32
            silence = av.AudioFrame.from_ndarray(np.zeros((1, length), dtype), format=kind, layout="mono")
            silence.sample_rate, silence.pts = 48000, round(sent_s * 48000)
            container.mux(sound.encode(silence))
            sent_s += length / 48000
        container.mux(stream.encode(None))
        container.mux(sound.encode(None))
    return path


def two_sizes(path: Path) -> Path:
    """MPEG-TS that changes from 320x240 to 640x480 half way."""
    small = clip(path.with_suffix(".a.ts"), frames=25, format="mpegts")
    large = clip(path.with_suffix(".b.ts"), frames=25, size=(640, 480), format="mpegts")
    path.write_bytes(small.read_bytes() + large.read_bytes())
    return path


def renumbered(path: Path) -> Path:
    """MPEG-TS of 50 pictures that goes on under another number half way, as where an encoder was started again."""
    parts = []
    for part, number in enumerate(("0x100", "0x200")):
        named = {"mpegts_start_pid": number, "tables_version": str(part)}
        parts.append(clip(path.with_suffix(f".{part}.ts"), frames=25, format="mpegts", container_options=named))
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    return path


def rotated(path: Path, degrees: int) -> Path:
    """The clip with a display matrix that asks to be turned, as telephones write it."""
    plain = clip(path.with_suffix(".plain.mp4"), frames=5)
    raw = bytearray(plain.read_bytes())
    at = raw.index(b"tkhd") + 4 + 40  # full box header, then the fields before the matrix in version 0
    cos, sin = {90: (0, 1), 180: (-1, 0), 270: (0, -1)}[degrees]
    one = 1 << 16
    raw[at : at + 36] = struct.pack(">9i", cos * one, sin * one, 0, -sin * one, cos * one, 0, 0, 0, 1 << 30)
    path.write_bytes(raw)
    return path


def bits_flipped(path: Path, source: Path, *, flips: int = 60, seed: int = 0) -> Path:
    """`source` with single bits flipped in the middle of its data."""
    raw = bytearray(source.read_bytes())
    dice = np.random.default_rng(seed)
    for at in dice.integers(len(raw) // 3, len(raw) // 2, flips):
        raw[at] ^= 1 << int(dice.integers(8))
    path.write_bytes(raw)
    return path


def picture_bomb(path: Path, side: int = 30_000) -> Path:
    """A PNG of some kilobytes that promises `side` x `side` pixels."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    squeeze = zlib.compressobj(9)
    row = bytes(1 + side // 8)
    data = b"".join(squeeze.compress(row) for _ in range(side)) + squeeze.flush()
    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b""))
    return path


def _written(make: Callable[[Path], object]) -> Callable[[Path], Path]:
    def do(path: Path) -> Path:
        make(path)
        return path

    return do


def _cut_jpeg(path: Path) -> None:
    _, data = cv2.imencode(".jpg", numbered(3))
    path.write_bytes(data.tobytes()[:300])


def _no_index(path: Path) -> None:
    raw = clip(path, frames=10).read_bytes()
    path.write_bytes(raw[: raw.index(b"moov") - 4])


BROKEN: dict[str, Callable[[Path], Path]] = {
    "empty.mp4": _written(lambda path: path.write_bytes(b"")),
    "random.mp4": _written(lambda path: path.write_bytes(np.random.default_rng(0).bytes(100_000))),
    "text.avi": _written(lambda path: path.write_text("not a video\n" * 100)),
    "no_index.mp4": _written(_no_index),
    "audio_only.mp4": audio_only,
    "empty.png": _written(lambda path: path.write_bytes(b"")),
    "random.jpg": _written(lambda path: path.write_bytes(np.random.default_rng(0).bytes(10_000))),
    "bomb.png": picture_bomb,
}
"""Name to a function that writes a file out of which nothing can be had."""


def count_frames(path: Path) -> int:
    """How many can be decoded of a video."""
    with av.open(path) as container:
        return sum(1 for _ in container.decode(video=0))
