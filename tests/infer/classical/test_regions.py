"""Watershed, components, growing and GrabCut on pictures whose answer is known."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from streamseg.frame import Frame
from streamseg.infer.classical import load
from tests.infer.classical.test_answers import disc, iou, labels


def test_watershed_counts_coins_that_touch() -> None:
    image = np.zeros((240, 400, 3), np.uint8)
    for x in (80, 150, 220, 290):  # centres 70 apart, radius 38: each touches the next
        cv2.circle(image, (x, 120), 38, (220, 220, 220), -1)
    assert len(set(labels("watershed", image).reshape(-1)) - {0}) == 4
    assert len(set(labels("components", image).reshape(-1)) - {0}) == 1


def test_watershed_finds_most_of_a_real_tray_of_coins() -> None:
    skdata = pytest.importorskip("skimage.data", reason="scikit-image brings the picture")
    coins = cv2.GaussianBlur(skdata.coins()[60:], (5, 5), 0)
    found = labels("watershed", np.repeat(coins[:, :, None], 3, 2), core=0.4)
    sizes = np.bincount(found.reshape(-1))[1:]
    assert 18 <= (sizes > 300).sum() <= 24  # twenty coins are whole in the picture, some are cut by its border


def test_components_come_largest_first() -> None:
    image = np.zeros((100, 200, 3), np.uint8)
    image[10:30, 10:30] = image[40:90, 60:160] = 255
    found = labels("components", image)
    assert found[60, 100] == 1
    assert found[20, 20] == 2


def test_grabcut_keeps_hold_of_its_object_from_frame_to_frame() -> None:
    segment = load("grabcut", {"box": (0.2, 0.15, 0.75, 0.8)}).make(1)
    image, true = disc()
    small = cv2.resize(true.astype(np.uint8), (160, 120), interpolation=cv2.INTER_NEAREST) > 0
    scores = [iou(segment([Frame(image.copy(), i, 0.0, 0.0)])[0].labels > 0, small) for i in range(6)]
    assert min(scores) > 0.9


def test_a_box_may_be_in_pixels_of_the_frame() -> None:
    image, _ = disc()
    height, width = image.shape[:2]
    shares = labels("grabcut", image, box=(0.2, 0.15, 0.75, 0.8))
    pixels = labels("grabcut", image, box=(0.2 * width, 0.15 * height, 0.75 * width, 0.8 * height))
    assert (shares == pixels).all()
    assert (labels("grow", image, seeds=(width / 2, height / 2)) == labels("grow", image)).all()
