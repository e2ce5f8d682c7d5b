from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from streamseg.contracts import Segmenter
from streamseg.frame import Frame, Image
from streamseg.infer.classical.threshold import Adaptive, Hsv, Otsu, Threshold, adaptive, fixed, hsv, otsu


def found(segmenter: Segmenter, image: Image) -> Any:
    (one,) = segmenter([Frame(image, 0, 0.0, 0.0)])
    return one.labels.tolist()


def row(*values: int) -> Image:
    return np.repeat(np.array([values], np.uint8)[:, :, None], 3, 2)


def colours(*bgr: tuple[int, int, int]) -> Image:
    return np.array([bgr], np.uint8)


def test_a_fixed_threshold_is_the_last_value_that_is_dark() -> None:
    assert found(fixed(Threshold(value=100)), row(0, 99, 100, 101, 255)) == [[0, 0, 0, 1, 1]]
    assert found(fixed(Threshold(value=100, invert=True)), row(0, 99, 100, 101, 255)) == [[1, 1, 1, 0, 0]]
    assert found(fixed(Threshold()), row(127, 128)) == [[0, 1]]
    assert found(fixed(Threshold(value=255)), row(0, 255)) == [[0, 0]]


def test_otsus_threshold_lies_between_the_two_brightnesses_wherever_they_are() -> None:
    for dark, light in ((10, 30), (100, 240), (200, 210)):
        assert found(otsu(Otsu()), row(dark, dark, light)) == [[0, 0, 1]]
        assert found(otsu(Otsu(invert=True)), row(dark, dark, light)) == [[1, 1, 0]]


def slope(spot: int = 40) -> tuple[Image, NDArray[np.bool_]]:
    """A ground that grows brighter to the right, and a brighter spot on its dark side."""
    true = np.zeros((40, 200), np.bool_)
    true[18:22, 20:24] = True
    ground = np.linspace(10, 200, 200)[None] + np.where(true, spot, 0)
    return np.repeat(ground.astype(np.uint8)[:, :, None], 3, 2), true


@pytest.mark.parametrize("method", ["mean", "gaussian"])
def test_an_adaptive_threshold_compares_with_the_surroundings(method: Any) -> None:
    image, true = slope()
    (one,) = adaptive(Adaptive(block=21, offset=-15, method=method))([Frame(image, 0, 0.0, 0.0)])
    assert ((one.labels > 0) == true).all()


def test_a_dark_spot_is_found_when_inverted() -> None:
    image, true = slope(-25)
    image[:, :, :] = np.maximum(image, 3)
    (one,) = adaptive(Adaptive(block=21, offset=8, invert=True))([Frame(image, 0, 0.0, 0.0)])
    assert ((one.labels > 0) & true).sum() == true.sum()


def test_the_two_ways_of_averaging_differ() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)
    one, other = (found(adaptive(Adaptive(method=method)), noise.copy()) for method in ("mean", "gaussian"))
    assert one != other


def test_a_block_has_a_middle() -> None:
    with pytest.raises(ValueError, match="`block` must be odd"):
        Adaptive(block=10)


def test_a_range_of_hues_is_green_by_default() -> None:
    assert found(hsv(Hsv()), colours((0, 200, 0), (200, 0, 0), (0, 0, 200), (90, 90, 90))) == [[1, 0, 0, 0]]


def test_a_lower_hue_above_the_upper_one_reaches_round_through_red() -> None:
    through_red = Hsv(low=(170, 100, 100), high=(10, 255, 255))
    reds = colours((0, 0, 230), (30, 0, 230), (0, 30, 230), (0, 230, 0), (230, 0, 0), (190, 195, 230))
    assert found(hsv(through_red), reds) == [[1, 1, 1, 0, 0, 0]]


def test_saturation_and_value_have_bounds_on_both_sides() -> None:
    green = Hsv(low=(50, 100, 100), high=(70, 200, 200))
    pale, full, dark, bright = (180, 200, 180), (0, 150, 0), (40, 80, 40), (100, 250, 100)
    right = (75, 150, 75)
    assert found(hsv(green), colours(right, pale, full, dark, bright)) == [[1, 0, 0, 0, 0]]


@pytest.mark.parametrize("make", [lambda: fixed(Threshold()), lambda: otsu(Otsu()), lambda: hsv(Hsv())])
def test_a_picture_is_labelled_pixel_by_pixel_at_its_own_size(make: Any) -> None:
    (one,) = make()([Frame(np.zeros((7, 9, 3), np.uint8), 0, 0.0, 0.0)])
    assert one.labels.shape == (7, 9)
    assert one.classes.names == ("background", "foreground")
