from __future__ import annotations

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from streamseg.training.augment import augment
from streamseg.training.data import VOID
from streamseg.training.plan import Augment

CROP = (96, 80)
PLAIN = Augment(crop=CROP, flip="none")
WILD = Augment(
    crop=CROP, scale=(0.6, 1.8), rotate_deg=30, flip="both", elastic_px=3, colour=0.5, noise=10, blur=0.5, jpeg=0.5
)


def painted() -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """A picture whose colour is its mask: 0, 100 or 200."""
    y, x = np.mgrid[:120, :100]
    labels = ((np.hypot(y - 60, x - 50) < 35).astype(np.uint8) + (np.hypot(y - 50, x - 60) < 15)).astype(np.uint8)
    return np.repeat(labels[..., None] * np.uint8(100), 3, 2), labels


def run(how: Augment, seed: int = 0) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    return augment(*painted(), how, np.random.default_rng(seed))


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize(
    "change",
    [{"scale": (0.5, 2.0)}, {"rotate_deg": 45.0}, {"flip": "both"}, {"elastic_px": 4.0}, {"scale": (2.0, 2.0)}],
    ids=lambda change: next(iter(change)),
)
def test_picture_and_mask_stay_aligned(change: dict[str, object], seed: int) -> None:
    picture, labels = run(msgspec.structs.replace(PLAIN, **change), seed)
    known = labels != VOID
    wrong = np.abs(picture[..., 0].astype(int) - labels.astype(int) * 100)[known] > 50
    assert known.mean() > 0.2
    assert wrong.mean() < 0.02  # pixels that a border runs through


@pytest.mark.parametrize("seed", range(3))
def test_colour_noise_blur_and_compression_leave_the_mask_alone(seed: int) -> None:
    how = msgspec.structs.replace(PLAIN, colour=1.0, noise=20, blur=1.0, jpeg=1.0)
    picture, labels = run(how, seed)
    plain_picture, plain_labels = run(PLAIN, seed)
    assert np.array_equal(labels, plain_labels)
    assert not np.array_equal(picture, plain_picture)


def test_the_view_is_as_large_as_the_crop_and_beyond_the_picture_void() -> None:
    picture, labels = run(Augment(crop=(300, 200), flip="none"))
    assert picture.shape == (300, 200, 3)
    assert labels.shape == (300, 200)
    assert (labels == VOID).mean() == pytest.approx(1 - 120 * 100 / (300 * 200), abs=0.02)


def test_without_changes_a_crop_is_cut_out_of_the_picture() -> None:
    whole, mask = painted()
    picture, labels = augment(whole, mask, Augment(crop=mask.shape, flip="none"), np.random.default_rng(0))
    assert np.array_equal(picture, whole)
    assert np.array_equal(labels, mask)


def test_a_picture_is_seen_as_large_as_when_the_network_runs() -> None:
    whole = Augment(crop=(300, 300), flip="none")
    sizes = [np.mean(augment(*painted(), whole, np.random.default_rng(1), zoom=zoom)[1] == 2) for zoom in (1, 1.5)]
    assert sizes[1] / sizes[0] == pytest.approx(1.5**2, rel=0.1)


def test_every_part_of_the_picture_is_seen() -> None:
    y, x = np.mgrid[:60, :60] // 10
    parts = (y * 6 + x).astype(np.uint8)
    picture = np.zeros((60, 60, 3), np.uint8)
    views = (augment(picture, parts, Augment(crop=(20, 20)), np.random.default_rng(seed))[1] for seed in range(100))
    assert {int(part) for view in views for part in np.unique(view)} == set(range(36))


def test_the_same_seed_gives_the_same_view_and_another_gives_another() -> None:
    first, again, other = run(WILD, 1), run(WILD, 1), run(WILD, 2)
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not np.array_equal(first[0], other[0])


def test_the_originals_are_not_written_to() -> None:
    picture, labels = painted()
    kept = picture.copy(), labels.copy()
    augment(picture, labels, WILD, np.random.default_rng(3))
    assert np.array_equal(picture, kept[0])
    assert np.array_equal(labels, kept[1])


def test_colours_are_taken_away_and_dark_becomes_bright() -> None:
    picture, labels = painted()
    picture[..., 1] //= 2
    for how, expected in (
        ({"negative": 1.0}, ~picture),
        ({"grey": 1.0}, None),
        ({"grey": 0.0, "negative": 0.0}, picture),
    ):
        plain = msgspec.structs.replace(PLAIN, crop=labels.shape, **how)
        seen, truth = augment(picture, labels, plain, np.random.default_rng(0))
        assert np.array_equal(truth, labels)
        assert np.array_equal(seen, expected) if expected is not None else (seen[..., 0] == seen[..., 1]).all()
