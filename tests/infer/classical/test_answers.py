"""Pictures whose answer is known."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from streamseg.frame import Frame, Image
from streamseg.infer.classical import load


def labels(name: str, image: Image, **settings: object) -> NDArray[np.uint8]:
    (found,) = load(name, settings).make(1)([Frame(image, 0, 0.0, 0.0)])
    return found.labels


def iou(found: NDArray[np.bool_], true: NDArray[np.bool_]) -> float:
    return float((found & true).sum() / (found | true).sum())


def disc(ground: int = 60, light: int = 180, noise: int = 10) -> tuple[Image, NDArray[np.bool_]]:
    true = np.zeros((240, 320), np.uint8)
    cv2.circle(true, (150, 110), 60, 1, -1)
    image = np.where(true > 0, light, ground)[:, :, None] + np.random.default_rng(0).normal(0, noise, (240, 320, 3))
    return np.clip(image, 0, 255).astype(np.uint8), true > 0


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("threshold", {"value": 120}),
        ("otsu", {}),
        ("components", {}),
        ("grow", {"seeds": (0.47, 0.46), "tolerance": 12}),
        ("grabcut", {"box": (0.2, 0.15, 0.75, 0.8)}),
        ("watershed", {}),
    ],
)
def test_a_bright_disc_is_found(name: str, settings: dict[str, object]) -> None:
    image, true = disc()
    found = labels(name, image, **settings) > 0
    large = cv2.resize(found.astype(np.uint8), (320, 240), interpolation=cv2.INTER_NEAREST) > 0
    assert iou(large, true) > 0.9


def test_a_dark_disc_is_found_when_inverted() -> None:
    image, true = disc(ground=200, light=70)
    for name in ("threshold", "otsu", "components"):
        assert iou(labels(name, image, invert=True) > 0, true) > 0.95


def test_adaptive_finds_what_a_slope_of_light_hides_from_otsu() -> None:
    true = np.zeros((240, 320), np.uint8)
    for x in range(20, 320, 40):
        cv2.circle(true, (x, 120), 8, 1, -1)
    image = np.repeat((np.linspace(10, 200, 320)[None] + 40 * true)[:, :, None], 3, 2).astype(np.uint8)
    assert iou(labels("adaptive", image, block=41, offset=-15) > 0, true > 0) > 0.9
    assert iou(labels("otsu", image) > 0, true > 0) < 0.5


def test_hsv_reaches_round_through_red() -> None:
    image = np.full((60, 90, 3), (0, 200, 0), np.uint8)
    image[20:40, 30:60] = (20, 0, 230)
    found = labels("hsv", image, low=[170, 100, 100], high=[10, 255, 255])
    assert found.sum() == 20 * 30
    assert found[20:40, 30:60].all()
    assert labels("hsv", image).sum() == 60 * 90 - 20 * 30
