"""Edges, and the regions between them, in pictures whose answer is known."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from tests.infer.classical.test_answers import disc, iou, labels


def test_edges_follow_the_outline() -> None:
    image, true = disc(noise=3)
    outline = cv2.morphologyEx(true.astype(np.uint8), cv2.MORPH_GRADIENT, np.ones((9, 9), np.uint8)) > 0
    found = labels("edges", image) > 0
    assert found.any()
    assert (found & outline).sum() / found.sum() > 0.99


def test_edge_regions_tell_inside_from_outside() -> None:
    image, true = disc(noise=3)
    found = labels("edge-regions", image)
    inside, outside = found[100:120, 140:160], found[:20, :20]
    assert len(set(inside.reshape(-1))) == len(set(outside.reshape(-1))) == 1
    assert inside[0, 0] != outside[0, 0] != 0
    assert iou(found == inside[0, 0], true) > 0.85


@pytest.mark.parametrize("brightness", [4, 60, 230])
def test_edges_are_found_in_the_dark_and_in_the_light_and_noise_is_none(brightness: int) -> None:
    noise = np.random.default_rng(0).normal(0, 6, (240, 320, 3))
    flat = np.clip(brightness + noise, 0, 255).astype(np.uint8)
    assert labels("edges", flat.copy()).mean() < 0.01
    flat[80:160, 100:200] = flat[80:160, 100:200] // 2 + (60 if brightness < 60 else 0)
    found = labels("edges", flat)
    assert found[100:140, 98:103].any(1).mean() > 0.9
    assert found.mean() < 0.03
