"""Frames into a network's input: fitted, coloured, normalised, batched; and the way back for its output."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from streamseg.frame import Image, Pixels
from streamseg.infer.spec import FitKind, InputSpec
from streamseg.planes import Planes, from_yuv

PAD = 116
"""Grey around a letterboxed picture: near the mean that most networks subtract."""

Batch = NDArray[Any]
_Number = TypeVar("_Number", bound=np.generic)


@dataclass(frozen=True, slots=True)
class Rect:
    """A part of a picture, in pixels."""

    x: int
    y: int
    width: int
    height: int

    def of(self, picture: NDArray[_Number]) -> NDArray[_Number]:
        """That part of `picture` (H, W, ...), a view."""
        part: NDArray[_Number] = picture[self.y : self.y + self.height, self.x : self.x + self.width]
        return part


@dataclass(frozen=True, slots=True)
class Fit:
    """Which part of a frame lies where in the network's input."""

    frame: tuple[int, int]
    """Height, width of the frame."""
    size: tuple[int, int]
    """Height, width of the network's input."""
    source: Rect
    """What the network sees of the frame."""
    target: Rect
    """Where that lies in the input; the rest is padding."""

    def undo(self, plane: NDArray[np.uint8], outside: int) -> NDArray[np.uint8]:
        """`plane` (h, w) over the network's input, at any resolution, as a fresh plane over exactly the frame.

        Padding is cut off; what the network did not see of the frame becomes `outside`.
        """
        scale = plane.shape[0] / self.size[0], plane.shape[1] / self.size[1]
        seen = _scaled(self.target, *scale).of(plane)
        height, width = self.frame
        if (self.source.height, self.source.width) == (height, width):
            return np.array(seen)
        rows, columns = seen.shape[0] / self.source.height, seen.shape[1] / self.source.width
        whole = np.full((round(height * rows), round(width * columns)), outside, np.uint8)
        y = min(round(self.source.y * rows), whole.shape[0] - seen.shape[0])
        x = min(round(self.source.x * columns), whole.shape[1] - seen.shape[1])
        whole[y : y + seen.shape[0], x : x + seen.shape[1]] = seen
        return whole


def make_fit(kind: FitKind, frame: tuple[int, int], size: tuple[int, int]) -> Fit:
    """Fits a frame of (height, width) into an input of (height, width)."""
    (height, width), (rows, columns) = frame, size
    source, target = Rect(0, 0, width, height), Rect(0, 0, columns, rows)
    if kind == "letterbox":
        scale = min(columns / width, rows / height)
        target = _centred(max(1, round(width * scale)), max(1, round(height * scale)), columns, rows)
    elif kind == "crop":
        scale = max(columns / width, rows / height)
        source = _centred(max(1, round(columns / scale)), max(1, round(rows / scale)), width, height)
    return Fit(frame, size, source, target)


def input_size(spec: InputSpec, frame: tuple[int, int], scale: float = 1.0) -> tuple[int, int]:
    """Height, width to bring a frame of (height, width) to: the spec's, and by the frame's aspect where it is free.

    Where both are free they are multiplied by `scale`.
    """
    height, width = spec.height, spec.width
    if height is None and width is None:
        scale *= spec.side / max(frame)
    else:
        scale = height / frame[0] if height is not None else (width or 0) / frame[1]
    return (
        height or _multiple(frame[0] * scale, spec.stride),
        width or _multiple(frame[1] * scale, spec.stride),
    )


class Preprocessor:
    """Fills one batch, which is used again by the next call; belongs to one thread."""

    def __init__(self, spec: InputSpec) -> None:
        self._spec = spec
        self._plain = spec.dtype == "uint8" and spec.layout == "NHWC"
        self._tables = _tables(spec)
        self._batch: Batch = np.empty(0)
        self._picture: Image = np.empty((0, 0, 3), np.uint8)

    def __call__(self, images: Sequence[Pixels], size: tuple[int, int], batch: int) -> tuple[Batch, list[Fit]]:
        """The input tensor for `images`, of any sizes, at (height, width) `size`.

        Where there are fewer images than `batch` the rest keeps what was there before.
        """
        fits = [make_fit(self._spec.fit, image.shape[:2], size) for image in images]
        self._prepare(size, batch)
        for i, (image, fit) in enumerate(zip(images, fits, strict=True)):
            if self._plain and self._spec.colour == "bgr":
                _place(image, fit, self._batch[i])
                continue
            _place(image, fit, self._picture)
            self._write(self._picture, self._batch[i])
        return self._batch, fits

    def _prepare(self, size: tuple[int, int], batch: int) -> None:
        channels = self._spec.channels
        shape = (batch, channels, *size) if self._spec.layout == "NCHW" else (batch, *size, channels)
        if self._batch.shape != shape:
            self._batch = np.zeros(shape, self._spec.dtype)
            self._picture = np.empty((*size, 3), np.uint8)

    def _write(self, picture: Image, out: Batch) -> None:
        """One picture of the network's size into its place in the batch."""
        if self._plain and self._spec.colour == "rgb":
            _filled(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB, dst=out), out)  # channel by channel: ten times as long
            return
        for channel, plane in enumerate(_planes(picture, self._spec)):
            into = out[channel] if self._spec.layout == "NCHW" else out[..., channel]
            if self._plain:
                into[...] = plane
            else:
                into[...] = cv2.LUT(plane, self._tables[channel])


def _tables(spec: InputSpec) -> list[NDArray[Any]]:
    """For each channel the normalised value of every byte: exact, and quicker than arithmetic on a float picture."""
    mean = np.broadcast_to(np.asarray(spec.mean, np.float32), spec.channels)
    std = np.broadcast_to(np.asarray(spec.std, np.float32), spec.channels)
    values = np.arange(256, dtype=np.float32)
    kind = np.uint8 if spec.dtype == "uint8" else np.float32
    return [((values - m) / s).astype(kind) for m, s in zip(mean, std, strict=True)]


def _place(image: Pixels, fit: Fit, out: Image) -> None:
    target = fit.target
    if (target.height, target.width) != fit.size:
        out.fill(PAD)
    inner = target.of(out)
    if not isinstance(image, Planes):
        # Linear, never area: area takes 6 to 15 times as long for a difference that networks do not notice.
        size = inner.shape[1::-1]
        _filled(cv2.resize(fit.source.of(image), size, dst=inner, interpolation=cv2.INTER_LINEAR), inner)
        return
    half = Rect(*(side // 2 for side in (fit.source.x, fit.source.y, fit.source.width, fit.source.height)))
    parts = fit.source.of(image.y), half.of(image.u), half.of(image.v)
    small = cv2.merge([cv2.resize(part, inner.shape[1::-1], interpolation=cv2.INTER_LINEAR) for part in parts])
    _filled(cv2.transform(small, from_yuv(image.colours), dst=inner), inner)


def _filled(result: NDArray[Any], inner: Image) -> None:
    """OpenCV fills what it was given where it can, and else returns an array of its own."""
    if result is not inner and not np.may_share_memory(result, inner):
        inner[...] = result


def _planes(picture: Image, spec: InputSpec) -> Sequence[NDArray[Any]]:
    """The picture's channels, each (h, w), in the order that the network takes."""
    if spec.colour == "grey":
        return (cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY),)
    planes = cv2.split(picture)
    return planes if spec.colour == "bgr" else planes[::-1]


def _centred(width: int, height: int, columns: int, rows: int) -> Rect:
    return Rect((columns - width) // 2, (rows - height) // 2, width, height)


def _scaled(rect: Rect, rows: float, columns: float) -> Rect:
    top, left = round(rect.y * rows), round(rect.x * columns)
    bottom, right = round((rect.y + rect.height) * rows), round((rect.x + rect.width) * columns)
    return Rect(left, top, max(1, right - left), max(1, bottom - top))


def _multiple(length: float, stride: int) -> int:
    return max(1, round(length / stride)) * stride
