"""What a network that is asked says of an object: by clicks or a box, and of what motion has carried."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np

from streamseg.frame import Frame
from streamseg.infer.follow import track
from streamseg.infer.follow.closeup import Colours, Plane, box_of
from streamseg.infer.follow.network import LEFT_TOP, PART, RIGHT_BOTTOM, Network, Point, Seen, points_of
from streamseg.prompts import Box, Click

_AGREES = 0.5  # IoU of the network's mask and the one that motion carried: with less it means something else


class Asker:
    """Asks `network`; remembers what was pointed at in a frame, so that several clicks count together."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._seen: tuple[int, Seen] | None = None
        self._said: dict[int, tuple[int, list[Point]]] = {}

    def belongs(self, frame: Frame, look: Colours, prompt: Click | Box, number: int, before: Plane | None) -> Plane:
        """How likely each pixel of `look`, which shows `frame`, is object `number`; `before`, as it was taken to be."""
        at, points = self._said.get(number, (frame.index, []))
        if at != frame.index or before is None:
            points = []
        if before is not None and not points:
            points = [_middle(before)]
        points = [*points, *points_of(prompt)]
        self._said[number] = frame.index, points
        return self._network.find(self._look(frame), points, before, (look.shape[0], look.shape[1]))

    def renewed(self, frame: Frame, look: Colours, carried: track.Object) -> track.Object:
        """`carried` as the network sees it now, where it means the same object."""
        box = box_of(carried.belongs)
        if box is None:
            return carried
        height, width = carried.belongs.shape
        corners = [
            Point(box.x / width, box.y / height, LEFT_TOP),
            Point((box.x + box.width) / width, (box.y + box.height) / height, RIGHT_BOTTOM),
        ]
        belongs = self._network.find(self._look(frame), corners, carried.belongs, (height, width))
        new = track.begin(carried.track_id, look, belongs) if _iou(belongs, carried.belongs) >= _AGREES else None
        if new is None:
            return carried
        return replace(new, first=carried.first, usual_area=carried.usual_area, speed=carried.speed)

    def close(self) -> None:
        """Frees the network."""
        self._network.close()

    def _look(self, frame: Frame) -> Seen:
        """Once a frame, however often is asked."""
        if self._seen is None or self._seen[0] != frame.index:
            self._seen = frame.index, self._network.look(frame.image)
        return self._seen[1]


def _middle(belongs: Plane) -> Point:
    """The place deepest in what is taken to be the object."""
    depth = cv2.distanceTransform((belongs > 0.5).view(np.uint8), cv2.DIST_L2, 3)
    row, column = divmod(int(np.argmax(depth)), depth.shape[1])
    return Point((column + 0.5) / depth.shape[1], (row + 0.5) / depth.shape[0], PART)


def _iou(one: Plane, other: Plane) -> float:
    first, second = one > 0.5, other > 0.5
    return int(np.count_nonzero(first & second)) / max(1, int(np.count_nonzero(first | second)))
