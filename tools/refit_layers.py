"""Pictures that move, one over another: for tools/refit_scenes.py."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray
from refit_limbs import Limb

Image = NDArray[np.uint8]
Field = NDArray[np.float32]

FRAMES, WIDTH, HEIGHT = 9, 320, 184
_X, _Y = np.meshgrid(np.arange(WIDTH, dtype=np.float32), np.arange(HEIGHT, dtype=np.float32))


class Layer:
    """A picture that moves, perhaps with its transparency: turned, grown and bent a little more in each frame."""

    def __init__(
        self,
        random: np.random.Generator,
        picture: Image,
        middle: NDArray[np.float64],
        place: NDArray[np.float64],
        scale: float,
        pace: float,
        bend: float,
        turned: bool,
        limbs: Sequence[Limb] = (),
    ) -> None:
        self._limbs = limbs
        self._picture, self._middle, self._place, self._scale = picture, middle, place, scale
        angle, quick, bumps = random.uniform(0, 2 * np.pi), 1 + pace / 6, int(random.integers(3, 9))
        self.speed = np.array([np.cos(angle), 0.6 * np.sin(angle)]) * pace
        self._quicker = random.standard_normal(2) * pace * 0.15
        self._jitter = random.standard_normal((FRAMES, 2)) * pace * 0.08
        self._angle = random.normal(0, 0.1) * turned
        self._turn, self._growth = random.normal(0, 0.02) * quick, random.normal(0, 0.015) * quick
        self._mirrored = turned and random.random() < 0.5
        self._bends = [_bumpy(random, 3, 4), _bumpy(random, bumps, bend), _bumpy(random, bumps, bend * 0.7)]
        self._phase, self._beat = random.uniform(0, 6.28), random.uniform(0.2, 1.0)

    def drawn(self, at: int) -> Image:
        """The layer in a frame."""
        place = self._place + self.speed * at + self._quicker * at * at / 2 + self._jitter[at]
        turn, size = self._angle + self._turn * at, 1 / (self._scale * np.exp(self._growth * at))
        beat = self._phase + self._beat * at
        bent = self._bends[0] + self._bends[1] * np.float32(np.sin(beat)) + self._bends[2] * np.float32(np.cos(beat))
        x, y = _X - np.float32(place[0]) + bent[..., 0], _Y - np.float32(place[1]) + bent[..., 1]
        across, down = (np.cos(turn) * x + np.sin(turn) * y) * size, (np.cos(turn) * y - np.sin(turn) * x) * size
        across = self._middle[0] + (-across if self._mirrored else across)
        border = cv2.BORDER_REFLECT if self._picture.shape[2] == 3 else cv2.BORDER_CONSTANT
        there = across.astype(np.float32), (down + self._middle[1]).astype(np.float32)
        image = np.asarray(cv2.remap(self._picture, *there, cv2.INTER_LINEAR, borderMode=border), np.uint8)
        for limb in self._limbs:
            image = limb.over(image, *there, at)
        return image


def _bumpy(random: np.random.Generator, n: int, size: float) -> Field:
    bumps = random.standard_normal((n, n, 2)).astype(np.float32)
    return np.asarray(cv2.resize(bumps, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC) * np.float32(size), np.float32)


def over(image: Field, layer: Image, tone: NDArray[np.float64] | float = 1.0) -> tuple[Field, Field]:
    share = layer[..., 3:].astype(np.float32) / 255
    return np.asarray(image * (1 - share) + layer[..., :3] * tone * share, np.float32), np.asarray(share[..., 0])


def smeared(layer: Image, speed: NDArray[np.float64]) -> Image:
    """As it is while a shutter is open for a third of the time."""
    side = int(min(13, np.hypot(*speed) / 3)) | 1
    line, half = np.zeros((side, side), np.float32), side // 2
    x, y = (int(each / 6) for each in speed)
    cv2.line(line, (half - x, half - y), (half + x, half + y), 1)
    return np.asarray(cv2.filter2D(layer, -1, line / line.sum()), np.uint8) if side > 1 and line.any() else layer


def shadow(layer: Image, aside: NDArray[np.float64], dark: float, blur: int) -> Field:
    """(h, w, 1): what is left of the light on the ground: the layer's shape, pressed flat and moved aside."""
    height, width = layer.shape[:2]
    rows = np.flatnonzero(layer[..., 3].max(axis=1))
    foot = float(rows[-1]) if len(rows) else 0.0
    way = np.array([[1, aside[0], -aside[0] * foot], [0, aside[1], (1 - aside[1]) * foot]], np.float32)
    shape = cv2.warpAffine(layer[..., 3], way, (width, height))
    return np.asarray(1 - dark * cv2.blur(shape, (blur, blur)).astype(np.float32)[..., None] / 255, np.float32)


def alike(picture: Image, other: Image, share: float) -> Image:
    """`picture` in the tones of the pixels of `other`, (n, 3)."""
    mean, spread = picture.reshape(-1, 3).mean(0), picture.reshape(-1, 3).std(0) + 1
    wanted = (picture - mean) * (0.3 + 0.7 * other.std(0) / spread) + other.mean(0)
    return np.asarray(np.clip(picture + share * (wanted - picture), 0, 255), np.uint8)
