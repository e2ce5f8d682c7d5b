"""Parts of an object that swing on joints of their own: for tools/refit_scenes.py."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
Plane = NDArray[np.uint8]
Field = NDArray[np.float32]


class Limb:
    """A part of a picture with its transparency, which swings around a joint."""

    def __init__(self, random: np.random.Generator, picture: Image, joint: NDArray[np.float64]) -> None:
        self._picture, self._joint = picture, joint
        self._swing, self._still = 0.1 + abs(random.normal(0, 0.35)), random.normal(0, 0.15)
        self._phase, self._beat = random.uniform(0, 6.28), random.uniform(0.15, 1.2)

    def over(self, image: Image, across: Field, down: Field, at: int) -> Image:
        """The limb in a frame over `image`, whose pixels are of these places in the picture."""
        turn = self._still + self._swing * np.sin(self._phase + self._beat * at)
        x, y = across - np.float32(self._joint[0]), down - np.float32(self._joint[1])
        there = (
            np.asarray(np.cos(turn) * x + np.sin(turn) * y + self._joint[0], np.float32),
            np.asarray(np.cos(turn) * y - np.sin(turn) * x + self._joint[1], np.float32),
        )
        limb = cv2.remap(self._picture, *there, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
        share = limb[..., 3:].astype(np.float32) / 255
        mixed = image * (1 - share) + limb * share
        mixed[..., 3] = np.maximum(image[..., 3], limb[..., 3])
        return np.asarray(mixed, np.uint8)


def parted(random: np.random.Generator, layer: Image) -> tuple[Image, list[Limb]]:
    """What is left of a picture with its transparency without its limbs, and those."""
    rest, limbs = layer.copy(), []
    for _ in range(random.integers(1, 6)):
        cut = _cut(random, (rest[..., 3] > 127).astype(np.uint8))
        if cut is None:
            continue
        part, joint = cut
        rest[part > 0, 3] = 0
        overlap = np.zeros_like(part)  # so that nothing gapes at the joint
        cv2.circle(overlap, (int(joint[0]), int(joint[1])), int(0.2 * np.sqrt(part.sum())) + 1, 1, -1)
        limb = layer.copy()
        limb[(part == 0) & (overlap == 0), 3] = 0
        limbs.append(Limb(random, limb, joint))
    return rest, limbs


def _cut(random: np.random.Generator, mask: Plane) -> tuple[Plane, NDArray[np.float64]] | None:
    """What lies beyond a line through a place of the mask, best a narrow one; and that place."""
    rows, columns = np.nonzero(mask)
    if not len(rows):
        return None
    wide = cv2.distanceTransform(mask, cv2.DIST_L2, 3)[rows, columns]
    x, y = np.mgrid[: mask.shape[0], : mask.shape[1]][::-1]
    for _ in range(4):
        some = random.integers(len(rows), size=12)
        at = some[np.argmin(wide[some] + 0.3 * wide.max() * random.random(12))]
        turn = random.uniform(0, 2 * np.pi)
        beyond = (mask > 0) & ((x - columns[at]) * np.cos(turn) + (y - rows[at]) * np.sin(turn) >= 0)
        _, numbers = cv2.connectedComponents(beyond.view(np.uint8))
        part = (numbers == numbers[rows[at], columns[at]]).astype(np.uint8)
        if 0.02 < part.sum() / len(rows) < 0.45:
            return part, np.array([columns[at], rows[at]], np.float64)
    return None
