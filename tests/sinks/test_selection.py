from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from streamseg.errors import InputError
from streamseg.frame import Frame
from streamseg.segmentation import Classes, Instances, Segmentation
from streamseg.sinks.selection import alike, asked, doubt, fingerprint

TWO, THREE = (Classes(tuple("abc"[:n]), np.zeros((n, 3), np.uint8), 0) for n in (2, 3))
DICE = np.random.default_rng(0)
CELLS = DICE.integers(0, 256, (9, 16, 3), np.uint8)
SCENE: NDArray[np.uint8] = np.asarray(cv2.resize(CELLS, (640, 360), interpolation=cv2.INTER_CUBIC), np.uint8)


def found(confidence: int, classes: Classes = TWO, share: float = 0.1) -> Segmentation:
    plane = np.full((10, 10), 255, np.uint8)
    plane.reshape(-1)[: round(100 * share)] = confidence
    return Segmentation(np.zeros((10, 10), np.uint8), classes, 0, 0.0, plane)


@pytest.mark.parametrize(
    ("confidence", "classes", "share"),
    [(130, TWO, 0.1), (190, TWO, 0.1), (191, TWO, 0.0), (130, THREE, 0.0), (127, THREE, 0.1), (0, TWO, 0.0)],
)
def test_doubt_is_the_share_where_the_best_two_classes_are_near(
    confidence: int, classes: Classes, share: float
) -> None:
    assert doubt(found(confidence, classes)) == pytest.approx(share)


def test_doubt_of_objects_is_the_share_of_them_with_a_low_score() -> None:
    def objects(*scores: float) -> Segmentation:
        n = len(scores)
        each = Instances(
            np.ones(n, np.int32), np.array(scores, np.float32), np.zeros((n, 4), np.float32),
            np.ones((n, 2, 2), np.float32), np.full(n, -1, np.int32),
        )  # fmt: skip
        return Segmentation(np.zeros((4, 4), np.uint8), TWO, 0, 0.0, None, each)

    assert doubt(objects(0.9, 0.7, 0.8, 0.8)) == 0.25
    assert doubt(objects()) == 0.0


def test_the_largest_doubt_counts_and_without_any_none_is_known() -> None:
    plain = Segmentation(np.zeros((4, 4), np.uint8), TWO, 0, 0.0)
    assert doubt(plain) is None
    assert doubt(Segmentation(plain.labels, TWO, 0, 0.0, disagreement=0.3)) == 0.3
    both = found(130)
    assert doubt(Segmentation(both.labels, TWO, 0, 0.0, both.confidence, disagreement=0.3)) == 0.3


def print_of(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return fingerprint(Frame(image, 0, 0.0, 0.0))


def test_noise_exposure_and_compression_leave_a_picture_what_it_was() -> None:
    one = print_of(SCENE)
    noisy = np.clip(SCENE.astype(int) + DICE.normal(0, 12, SCENE.shape), 0, 255).astype(np.uint8)
    darker = np.asarray(SCENE * 0.9 + 5, np.uint8)
    packed = cv2.imdecode(cv2.imencode(".jpg", SCENE, [cv2.IMWRITE_JPEG_QUALITY, 40])[1], cv2.IMREAD_COLOR)
    assert packed is not None
    for other in (noisy, darker, np.asarray(packed, np.uint8)):
        assert alike(print_of(other), one[None])


def test_something_small_that_is_new_makes_another_picture() -> None:
    other = SCENE.copy()
    other[150:190, 300:330] = 255 - other[150:190, 300:330] // 2
    assert not alike(print_of(other), print_of(SCENE)[None])
    assert not alike(print_of(np.roll(SCENE, 60, 1)), print_of(SCENE)[None])
    assert not alike(print_of(SCENE), np.zeros((0, 256), np.uint8))


@pytest.mark.parametrize(
    ("uri", "unsure", "rule", "every_s", "most"),
    [
        ("dataset:a", True, None, 1.0, 1000),
        ("dataset:a?when=unsure", True, None, 1.0, 1000),
        ("dataset:a?every=10s", False, None, 10.0, 1000),
        ("dataset:a?rule=big&most=5", False, "big", 1.0, 5),
        ("dataset:a?rule=big&when=unsure&every=1m", True, "big", 60.0, 1000),
        ("dataset:a?unsure=5", True, None, 1.0, 1000),
        ("dataset:a?most=7", True, None, 1.0, 7),
    ],
)
def test_what_a_name_asks_for(uri: str, unsure: bool, rule: str | None, every_s: float, most: int) -> None:
    ask = asked(uri)
    assert (ask.folder, ask.unsure, ask.rule, ask.every_s, ask.most) == (Path("a"), unsure, rule, every_s, most)


@pytest.mark.parametrize(
    "uri",
    ["dataset:", "dataset:a?when=sure", "dataset:a?most=0", "dataset:a?most=ten", "dataset:a?every=x", "dataset:a?no=1",
     "dataset:a?unsure=200"],
)  # fmt: skip
def test_what_a_name_cannot_ask_for(uri: str) -> None:
    with pytest.raises(InputError):
        asked(uri)
