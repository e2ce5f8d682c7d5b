from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from streamseg.frame import Frame
from streamseg.options import RenderOptions
from streamseg.render import VIEWS
from streamseg.render.alpha import enlarge
from streamseg.render.matte import refine
from streamseg.segmentation import Classes, Segmentation

CLASSES = Classes(("background", "person"), np.array([[0, 0, 0], [0, 200, 0]], np.uint8), 0)
DICE = np.random.default_rng(2)


def star(height: int = 360, width: int = 480) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """A light star on a dark, noisy ground; and where it is, 0 or 255."""
    turns = np.linspace(0, 2 * np.pi, 400)
    reach = height * (0.3 + 0.03 * np.sin(9 * turns))
    points = np.stack([width / 2 + reach * np.cos(turns), height / 2 + reach * np.sin(turns)], 1).astype(np.int32)
    truth = np.zeros((height, width), np.uint8)
    cv2.fillPoly(truth, [points], 255)
    image = np.where(truth[..., None] > 0, np.array([120, 180, 220]), np.array([70, 60, 50]))
    return np.clip(image + DICE.normal(0, 8, image.shape), 0, 255).astype(np.uint8), truth


def coarse(truth: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The truth as a network gives it: at an eighth, smooth, and two pixels off."""
    small = cv2.resize(np.roll(truth, (2, 2), (0, 1)), None, fx=1 / 8, fy=1 / 8, interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.uint8)


def wrong(alpha: NDArray[np.uint8], truth: NDArray[np.uint8]) -> float:
    return float(np.mean((alpha > 127) != (truth > 127)))


@pytest.mark.parametrize("size", [(360, 480), (719, 1281), (240, 200)])
def test_the_edge_goes_to_where_the_colours_change(size: tuple[int, int]) -> None:
    image, truth = star(*size)
    plain = enlarge(coarse(truth), *size)
    found = refine(coarse(truth), image)
    assert found.shape == truth.shape and found.dtype == np.uint8
    assert wrong(found, truth) < 0.6 * wrong(plain, truth)


def test_far_from_the_edge_the_mask_is_believed_whatever_the_picture_shows() -> None:
    image, truth = star()
    image[150:210, 200:280] = (70, 60, 50)  # inside, of the ground's colour
    image[10:40, 10:60] = (120, 180, 220)
    found = refine(coarse(truth), image)
    assert found[155:205, 205:275].min() == 255
    assert found[:45, :65].max() == 0


@pytest.mark.parametrize("value", [0, 255])
def test_where_there_is_no_edge_nothing_changes(value: int) -> None:
    image, _ = star()
    assert (refine(np.full((45, 60), value, np.uint8), image) == value).all()


def test_the_view_matte_is_grey_and_soft_edges_are_neither_black_nor_white() -> None:
    image, truth = star()
    labels = (coarse(truth) > 127).astype(np.uint8)
    segmentation = Segmentation(labels, CLASSES, 0, 0.0)
    picture = np.zeros_like(image)
    VIEWS["matte"](RenderOptions()).draw(picture, Frame(image, 0, 0.0, 0.0), segmentation, 0.5)
    assert (picture == picture[..., :1]).all()
    assert wrong(picture[..., 0], truth) < 0.02
    assert ((picture > 20) & (picture < 235)).any()


def test_without_a_background_everything_is_foreground() -> None:
    image, _ = star()
    everything = Classes(("a", "b"), CLASSES.colours)
    picture = np.zeros_like(image)
    segmentation = Segmentation(np.zeros((45, 60), np.uint8), everything, 0, 0.0)
    VIEWS["matte"](RenderOptions()).draw(picture, Frame(image, 0, 0.0, 0.0), segmentation, 0.5)
    assert (picture == 255).all()
