"""Pictures whose answer is known."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from streamseg.capture.scene import SceneSource
from streamseg.contracts import SourceOptions
from streamseg.frame import Frame, Image
from streamseg.infer.classical import load

skdata = pytest.importorskip("skimage.data", reason="scikit-image brings the pictures")


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


def test_watershed_counts_coins_that_touch() -> None:
    image = np.zeros((240, 400, 3), np.uint8)
    for x in (80, 150, 220, 290):  # centres 70 apart, radius 38: each touches the next
        cv2.circle(image, (x, 120), 38, (220, 220, 220), -1)
    assert len(set(labels("watershed", image).reshape(-1)) - {0}) == 4
    assert len(set(labels("components", image).reshape(-1)) - {0}) == 1


def test_watershed_finds_most_of_a_real_tray_of_coins() -> None:
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


def test_motion_finds_what_moves_and_nothing_else() -> None:
    scene = SceneSource("test://?frames=80&size=320x240", SourceOptions())
    segment = load("motion", {"history": 40}).make(1)
    found = [segment([frame])[0].labels > 0 for frame in scene]
    moving = [scene.labels(i) > 0 for i in range(80)]
    late = range(60, 80)
    assert np.mean([(found[i] & moving[i]).sum() / max(1, found[i].sum()) for i in late]) > 0.8
    still = load("motion", {}).make(1)
    empty = Frame(scene.image(0), 0, 0.0, 0.0)
    assert [still([empty])[0].labels.sum() for _ in range(10)][-1] == 0


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


@pytest.mark.parametrize("brightness", [4, 60, 230])
def test_edges_are_found_in_the_dark_and_in_the_light_and_noise_is_none(brightness: int) -> None:
    noise = np.random.default_rng(0).normal(0, 6, (240, 320, 3))
    flat = np.clip(brightness + noise, 0, 255).astype(np.uint8)
    assert labels("edges", flat.copy()).mean() < 0.01
    flat[80:160, 100:200] = flat[80:160, 100:200] // 2 + (60 if brightness < 60 else 0)
    found = labels("edges", flat)
    assert found[100:140, 98:103].any(1).mean() > 0.9
    assert found.mean() < 0.03
