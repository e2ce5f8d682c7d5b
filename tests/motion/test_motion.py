"""Masks carried along the generated scene, whose every label is known."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from streamseg.capture.scene import SCENE_CLASSES, SceneSource
from streamseg.contracts import SourceOptions
from streamseg.evaluation.scores import confusion, scores
from streamseg.frame import Frame, Image
from streamseg.motion import make_mover
from streamseg.segmentation import Classes, Segmentation

CLASSES = Classes(SCENE_CLASSES, np.zeros((4, 3), np.uint8), background=0)
SCENE = SceneSource("test://?frames=40&size=320x240", SourceOptions())


def frame(index: int, image: Image | None = None) -> Frame:
    return Frame(SCENE.image(index) if image is None else image, index, index / 30, index / 30)


def truth(index: int) -> Segmentation:
    return Segmentation(SCENE.labels(index), CLASSES, index, index / 30)


def miou(index: int, labels: NDArray[np.uint8]) -> float:
    return scores(confusion(SCENE.labels(index), labels, 4)).miou


def test_an_old_mask_is_carried_to_the_newest_frame() -> None:
    mover, held, carried = make_mover(steady=False), [], []
    for index in range(24):
        mover.observe(frame(index))
        if index >= 5:
            held.append(miou(index, SCENE.labels(index - 5)))
            carried.append(miou(index, mover.carry(truth(index - 5)).labels))
    assert np.mean(held) < 0.75
    assert np.mean(carried) > 0.93
