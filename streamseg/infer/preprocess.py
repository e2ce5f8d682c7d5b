"""Frames into a network's input: fitted, coloured, normalised, batched; and the way back for its output."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from streamseg.frame import Image, Pixels
from streamseg.infer.model.geometry import Fit, Rect, make_fit
from streamseg.infer.model.spec import InputSpec
from streamseg.yuv import Planes, from_yuv

Batch = NDArray[Any]


class Preprocessor:
    """Fills one batch, which is used again by the next call; belongs to one thread."""

    def __init__(self, spec: InputSpec) -> None:
        self._spec = spec
        self._plain = spec.dtype == "uint8" and spec.layout == "NHWC"
        self._tables = _tables(spec)
        self.cell = 1
        """Pixels of the input that one of the output covers, for the borders of padding."""
        self._batch: Batch = np.empty(0)
        self._image: Image = np.empty((0, 0, 3), np.uint8)

    def __call__(self, images: Sequence[Pixels], size: tuple[int, int], batch: int) -> tuple[Batch, list[Fit]]:
        """The input tensor for `images`, of any sizes, at (height, width) `size`.

        Where there are fewer images than `batch` the rest keeps what was there before.
        """
        fits = [make_fit(self._spec.fit, image.shape[:2], size, self.cell) for image in images]
        self._prepare(size, batch)
        for i, (image, fit) in enumerate(zip(images, fits, strict=True)):
            if self._plain and self._spec.colour == "bgr":
                _place(image, fit, self._spec.pad, self._batch[i])
                continue
            _place(image, fit, self._spec.pad, self._image)
            self._write(self._image, self._batch[i])
        return self._batch, fits

    def _prepare(self, size: tuple[int, int], batch: int) -> None:
        shape = self._spec.shape(batch, size)
        if self._batch.shape != shape:
            self._batch = np.zeros(shape, self._spec.dtype)
            self._image = np.empty((*size, 3), np.uint8)

    def _write(self, image: Image, out: Batch) -> None:
        """One picture of the network's size into its place in the batch."""
        if self._plain and self._spec.colour == "rgb":
            _filled(cv2.cvtColor(image, cv2.COLOR_BGR2RGB, dst=out), out)  # channel by channel: ten times as long
            return
        for channel, plane in enumerate(_planes(image, self._spec)):
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


def _place(image: Pixels, fit: Fit, pad: int, out: Image) -> None:
    target = fit.target
    if (target.height, target.width) != fit.size:
        out.fill(pad)
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


def _planes(image: Image, spec: InputSpec) -> Sequence[NDArray[Any]]:
    """The picture's channels, each (h, w), in the order that the network takes."""
    if spec.colour == "grey":
        return (cv2.cvtColor(image, cv2.COLOR_BGR2GRAY),)
    planes = cv2.split(image)
    return planes if spec.colour == "bgr" else planes[::-1]
