"""Masks as COCO writes them, held against pycocotools."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from streamseg.coco import encode_all, encode_rle, polygons
from streamseg.masks import Window

coco = pytest.importorskip("pycocotools.mask", reason="needs pycocotools to compare with")
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # of pycocotools


def masks() -> list[NDArray[np.bool_]]:
    """Noise and blots of any size, and the odd ones: empty, full, one pixel, a line, a hole."""
    dice = np.random.default_rng(7)
    found = [dice.random(dice.integers(1, 70, 2)) < dice.random() for _ in range(40)]
    for _ in range(40):
        height, width = (int(side) for side in dice.integers(1, 200, 2))
        small = dice.random((5, 7)).astype(np.float32)
        found.append(np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)) > 0.5)
    ring = np.ones((9, 11), bool)
    ring[3:6, 3:6] = False
    line = np.zeros((9, 11), bool)
    line[4] = True
    return [*found, np.zeros((4, 5), bool), np.ones((4, 5), bool), np.ones((1, 1), bool), ring, line]


@pytest.mark.parametrize("mask", masks(), ids=lambda mask: f"{mask.shape[1]}x{mask.shape[0]}")
def test_run_lengths_are_those_of_pycocotools(mask: NDArray[np.bool_]) -> None:
    expected = coco.encode(np.asfortranarray(mask.astype(np.uint8)))
    assert encode_rle(mask) == {"size": list(expected["size"]), "counts": expected["counts"].decode()}


@pytest.mark.parametrize("mask", masks(), ids=lambda mask: f"{mask.shape[1]}x{mask.shape[0]}")
def test_polygons_cover_the_mask_to_the_pixel_with_its_holes_filled(mask: NDArray[np.bool_]) -> None:
    outlines = polygons(mask)
    if not mask.any():
        assert outlines == []
        return
    drawn = coco.decode(coco.merge(coco.frPyObjects(outlines, *mask.shape))).astype(bool)
    filled = np.zeros(mask.shape, np.uint8)
    found, _ = cv2.findContours(mask.view(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(filled, found, -1, 1, cv2.FILLED)
    assert np.array_equal(drawn, filled.astype(bool))


@pytest.mark.parametrize("mask", masks(), ids=lambda mask: f"{mask.shape[1]}x{mask.shape[0]}")
def test_no_outline_touches_itself(mask: NDArray[np.bool_]) -> None:
    """Shapely takes such for invalid, and so do tools that are made with it."""
    for outline in polygons(mask):
        corners = list(zip(outline[::2], outline[1::2], strict=True))
        assert len(set(corners)) == len(corners)
        assert len(corners) >= 4


def test_parts_that_touch_at_a_corner_have_an_outline_each() -> None:
    assert sorted(polygons(np.eye(2, dtype=bool))) == [[0, 0, 0, 1, 1, 1, 1, 0], [1, 1, 1, 2, 2, 2, 2, 1]]
    bay = np.array([[1, 1, 1], [1, 0, 1], [1, 1, 0]], bool)  # whose two ends meet at a corner
    (outline,) = polygons(bay)
    assert len(outline) == 2 * 6


def test_many_masks_at_once_lie_where_their_windows_are_in_the_frame() -> None:
    dice = np.random.default_rng(5)
    windows = [Window(0, 0, mask) for mask in masks()] + [
        Window(0, 0, np.zeros((0, 0), bool)),
        Window(120, 37, dice.random((80, 50)) < 0.5),
        Window(0, 199, np.ones((200, 1), bool)),
        Window(0, 3, np.ones((200, 2), bool)),
    ]
    for window, rle in zip(windows, encode_all(windows, (200, 200)), strict=True):
        plane = np.zeros((200, 200), np.uint8, order="F")
        window.of(plane)[...] = window.mask
        expected = coco.encode(plane)
        assert rle == {"size": [200, 200], "counts": expected["counts"].decode()}
    assert encode_all(windows) == [encode_rle(window.mask) for window in windows]
    assert encode_all([]) == []


def test_outlines_of_a_part_stand_where_it_is() -> None:
    assert polygons(np.ones((2, 3), bool), 10, 20) == [[10, 20, 10, 22, 13, 22, 13, 20]]
