"""Where a person is: an upright square that may lie askew in the frame."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from streamseg.frame import Image

_ROOM = 1.25
"""The square is so much larger than the circle around hip and reach, as the landmark network was trained."""


@dataclass(frozen=True, slots=True)
class Place:
    """A square around a person, turned so that the person stands upright in it."""

    x: float
    """Of its middle, in pixels of the frame, as `y`."""
    y: float
    side: float
    """Pixels of the frame."""
    turn: float
    """Radians by which the person is turned to the right."""

    def matrix(self, side: int) -> NDArray[np.float32]:
        """(2, 3): pixels of a crop of `side` x `side` -> pixels of the frame."""
        scale = self.side / side
        cos, sin = scale * np.cos(self.turn), scale * np.sin(self.turn)
        half = (side - 1) / 2
        x, y = self.x - 0.5 - half * (cos - sin), self.y - 0.5 - half * (sin + cos)
        return np.array([[cos, -sin, x], [sin, cos, y]], np.float32)

    def cut(self, image: Image, side: int) -> Image:
        """(side, side, 3) u8: what is inside, upright; black beyond the frame."""
        how = cv2.WARP_INVERSE_MAP | cv2.INTER_LINEAR
        return np.asarray(cv2.warpAffine(image, self.matrix(side), (side, side), flags=how), np.uint8)

    def put_back(
        self, plane: NDArray[np.float32], size: tuple[int, int], frame: tuple[int, int]
    ) -> NDArray[np.float32]:
        """(height, width) `size`: a square plane over the inside, laid over a (height, width) `frame`; 0 elsewhere."""
        matrix = self.matrix(plane.shape[0])
        scale = np.array([[size[1] / frame[1]], [size[0] / frame[0]]], np.float32)
        shift = 0.5 * (scale[:, 0] - 1)  # centres of pixels, not corners, lie on each other
        matrix = matrix * scale
        matrix[:, 2] += shift
        return np.asarray(cv2.warpAffine(plane, matrix, size[::-1], flags=cv2.INTER_LINEAR), np.float32)

    def overlaps(self, other: Place) -> bool:
        """Whether both are likely to be one person: their middles are closer than a third of the smaller."""
        return float(np.hypot(self.x - other.x, self.y - other.y)) < min(self.side, other.side) / 3


def place_of(hip: NDArray[np.floating], reach: NDArray[np.floating]) -> Place:
    """From the middle of the hips and a point above the head, each (x, y) in pixels of the frame."""
    across, up = (float(value) for value in reach - hip)
    side = 2 * float(np.hypot(across, up)) * _ROOM
    return Place(float(hip[0]), float(hip[1]), side, float(np.arctan2(across, -up)))
