"""Lays the disguise over what is hidden, in the pixels as they came: planes stay planes."""

from __future__ import annotations

import dataclasses
import logging

import cv2
import numpy as np

from streamseg.bufferpool import Pool
from streamseg.frame import Frame, Pixels
from streamseg.masks import sampled
from streamseg.metrics import Meter
from streamseg.privacy.disguise import Disguise, parts
from streamseg.privacy.hidden import Hidden
from streamseg.said import Said
from streamseg.segmentation import Segmentation
from streamseg.yuv import Plane, Planes

_log = logging.getLogger(__name__)


class Covering:
    """Gives the frames of one stream with what must not be seen covered; what it is given stays as it is."""

    def __init__(self, hidden: Hidden, disguise: Disguise, said: Said, meter: Meter) -> None:
        self._hidden, self._disguise, self._said, self._meter = hidden, disguise, said, meter
        self._pool = Pool()

    def __call__(self, frame: Frame, segmentation: Segmentation) -> Frame:
        """The same frame with other pixels, or itself where nothing in it is hidden."""
        mask, why = self._hidden(frame, segmentation)
        if why:
            self._meter.covered_whole()
            self._said.once(_log, logging.WARNING, f"the whole picture is covered while {why}")
        if not mask.any():
            return frame
        return dataclasses.replace(frame, pixels=self._covered(frame.pixels, mask))

    def _covered(self, pixels: Pixels, mask: Plane) -> Pixels:
        if not isinstance(pixels, Planes):
            image = self._pool.take(*pixels.shape)
            np.copyto(image, pixels)
            cv2.copyTo(self._disguise(pixels)[0], sampled(mask, (image.shape[0], image.shape[1])), image)
            return image
        height, width = pixels.y.shape
        buffer = self._pool.take(height * 3 // 2 + 1, width)[:-1]  # vector code may read a little past the end
        covered = Planes.blank(buffer, pixels.colours)
        # Each block of 2x2 pixels has one colour: it is covered as a whole.
        small = sampled(mask, (covered.u.shape[0], covered.u.shape[1]))
        large = sampled(small, (height, width))
        over = zip(parts(covered), parts(pixels), self._disguise(pixels), (large, small, small), strict=True)
        for part, before, disguise, where in over:
            np.copyto(part, before)
            cv2.copyTo(disguise, where, part)
        return covered
