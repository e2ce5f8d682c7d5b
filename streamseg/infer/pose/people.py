"""A segmenter that finds people wherever they are and follows each of them from frame to frame."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from streamseg.contracts import Segmenter
from streamseg.frame import Frame, Image
from streamseg.infer.backends.contract import Backend
from streamseg.infer.pose.detector import find_people
from streamseg.infer.pose.place import Place, place_of
from streamseg.segmentation import Classes, Segmentation

_SIDE = 256
_HIP, _REACH = 33, 34
"""Landmarks behind the 33 of the body, for the search in the next frame."""
_THERE = 0.5
_MOST_PEOPLE = 6
_LOOK_EVERY = 8
"""Frames: newcomers are looked for so often while others are followed."""
_LONGER_SIDE_PX = 512


class People:
    """Looks for people, then at each of them closely; asks `otherwise` where it finds nobody."""

    scale = 1.0

    def __init__(self, detector: Backend, landmarks: Backend, otherwise: Segmenter) -> None:
        self.classes: Classes = otherwise.classes
        self._detector, self._landmarks, self._otherwise = detector, landmarks, otherwise
        self._places: list[Place] = []
        self._size = 0, 0
        self._looked = 0

    def __call__(self, frames: Sequence[Frame]) -> list[Segmentation]:
        """One segmentation a frame, in order."""
        return [self._find(frame) for frame in frames]

    def close(self) -> None:
        """Lets the networks go; may be called twice."""
        for part in (self._detector, self._landmarks, self._otherwise):
            part.close()

    def _find(self, frame: Frame) -> Segmentation:
        image, size = frame.image, (frame.height, frame.width)
        if size != self._size:
            self._places, self._size = [], size
        shrunk = min(1.0, _LONGER_SIDE_PX / max(size))
        whole = np.zeros((max(1, round(size[0] * shrunk)), max(1, round(size[1] * shrunk))), np.float32)
        followed = self._look(image, self._places, whole)
        self._looked += 1
        if not followed or self._looked >= _LOOK_EVERY:
            self._looked = 0
            seen = find_people(self._detector, image, _MOST_PEOPLE)
            strangers = [each for each in seen if not any(each.overlaps(known) for known in followed)]
            followed += self._look(image, strangers[: _MOST_PEOPLE - len(followed)], whole)
        self._places = followed
        if not followed:
            return self._otherwise([frame])[0]
        labels = (whole > 0.5).astype(np.uint8)
        sure = (np.maximum(whole, 1 - whole) * 255 + 0.5).astype(np.uint8)
        return Segmentation(labels, self.classes, frame.index, frame.time_s, sure)

    def _look(self, image: Image, places: Sequence[Place], whole: NDArray[np.float32]) -> list[Place]:
        """Adds the masks of those who are there to `whole`; gives where each will be looked for in the next frame."""
        followed: list[Place] = []
        for place in places:
            mask, there, points = self._look_closely(place.cut(image, _SIDE))
            if there < _THERE:
                continue
            hip, reach = (place.matrix(_SIDE) @ np.array([*points[i] - 0.5, 1.0]) + 0.5 for i in (_HIP, _REACH))
            followed.append(place_of(hip, reach))
            np.maximum(whole, place.put_back(mask, whole.shape, image.shape[:2]), out=whole)
        return [each for i, each in enumerate(followed) if not any(each.overlaps(other) for other in followed[:i])]

    def _look_closely(self, crop: Image) -> tuple[NDArray[np.float32], float, NDArray[np.float32]]:
        """Mask (256, 256) of 0..1, how likely a person is there, and (39, 2) landmarks in pixels of the crop."""
        values = crop[..., ::-1].astype(np.float32).transpose(2, 0, 1)[None] / 255
        outputs = self._landmarks.run({self._landmarks.inputs[0].name: values})
        by_size = {output.size: output for output in outputs.values()}
        logits = np.clip(by_size[_SIDE * _SIDE].reshape(_SIDE, _SIDE), -50, 50)
        return 1 / (1 + np.exp(-logits)), float(by_size[1].reshape(())), by_size[39 * 5].reshape(39, 5)[:, :2]
