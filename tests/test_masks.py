from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from streamseg.coco import encode_all, encode_runs
from streamseg.masks import PlaneMask, box_runs, box_window
from streamseg.segmentation import Instances, draw_masks

RANDOM = np.random.default_rng(3)
FRAME = (90, 120)
WHOLE = np.array([0, 0, 120, 90], np.float32)
BOX = np.array([20, 10, 80, 70], np.float32)


def smooth(height: int, width: int) -> NDArray[np.float32]:
    small = RANDOM.normal(size=(4, 5)).astype(np.float32)
    return np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC), np.float32)


def one(mask: PlaneMask, box: NDArray[np.float32] = BOX) -> Instances:
    return Instances(np.ones(1, np.int32), np.ones(1, np.float32), box[None], (mask,), np.full(1, -1, np.int32))


def enlarged(plane: NDArray[np.float32]) -> NDArray[np.bool_]:
    return np.asarray(cv2.resize(plane, (120, 90), interpolation=cv2.INTER_LINEAR) > 0)


def test_a_plane_is_enlarged_linearly_and_cut_at_its_threshold() -> None:
    plane = smooth(30, 40)
    found = one(PlaneMask(BOX, WHOLE, plane, cropped=False)).mask(0, FRAME)
    assert (found == enlarged(plane)).mean() > 0.9999
    assert found.any() and not found.all()


def test_nothing_counts_outside_the_box_of_a_mask_that_is_cropped() -> None:
    plane = smooth(30, 40)
    found = one(PlaneMask(BOX, WHOLE, plane)).mask(0, FRAME)
    expected = np.zeros(FRAME, bool)
    expected[10:70, 20:80] = enlarged(plane)[10:70, 20:80]
    assert (found == expected).mean() > 0.9999


def test_prototypes_are_summed_by_their_coefficients() -> None:
    prototypes = np.stack([smooth(30, 40) for _ in range(4)])
    weights = np.array([0.5, -1, 2, 0.25], np.float32)
    found = one(PlaneMask(BOX, WHOLE, prototypes, weights)).mask(0, FRAME)
    plane = np.tensordot(weights, prototypes, 1).astype(np.float32)
    assert (found == one(PlaneMask(BOX, WHOLE, plane)).mask(0, FRAME)).all()


def test_a_mask_has_any_size() -> None:
    objects = one(PlaneMask(BOX, WHOLE, smooth(30, 40)))
    large, small = objects.mask(0, FRAME), objects.mask(0, FRAME, (45, 60))
    assert small.shape == (45, 60)
    assert (small == large[1::2, 1::2]).mean() > 0.97


def test_a_mask_goes_with_its_box() -> None:
    mask = PlaneMask(BOX, WHOLE, smooth(30, 40))
    here = one(mask).mask(0, FRAME)
    there = one(mask, BOX + np.array([7, 4, 7, 4], np.float32)).mask(0, FRAME)
    assert (there[14:74, 27:87] == here[10:70, 20:80]).mean() > 0.999
    half = one(mask, np.array([0, 0, 30, 30], np.float32)).mask(0, FRAME)
    assert (half[:30, :30] == here[10:70, 20:80][1::2, 1::2]).mean() > 0.95
    assert not half[30:].any() and not half[:, 30:].any()


def test_what_lies_beyond_the_frame_is_cut_off() -> None:
    box = np.array([-30, -30, 500, 500], np.float32)
    assert one(PlaneMask(box, box, np.ones((4, 4), np.float32)), box).mask(0, FRAME).all()
    gone = np.array([300, 300, 400, 400], np.float32)
    assert not one(PlaneMask(gone, gone, np.ones((4, 4), np.float32)), gone).mask(0, FRAME).any()


def test_a_plane_without_anything_in_it_is_an_empty_mask() -> None:
    assert not one(PlaneMask(BOX, WHOLE, np.full((9, 9), -1, np.float32), cropped=False)).mask(0, FRAME).any()
    flat = np.array([5, 5, 5, 5], np.float32)
    assert not one(PlaneMask(flat, WHOLE, np.ones((9, 9), np.float32)), flat).mask(0, FRAME).any()


def test_a_plane_of_one_value_covers_its_area() -> None:
    found = one(PlaneMask(BOX, BOX, np.ones((1, 1), np.float32))).mask(0, FRAME)
    assert found[10:70, 20:80].all() and found.sum() == 3600


def test_over_its_box_a_mask_is_a_coarse_plane() -> None:
    plane = np.full((90, 120), -1, np.float32)
    plane[:, 50:] = 1
    objects = one(PlaneMask(BOX, WHOLE, plane))
    coarse = objects.over_box(0)
    assert coarse.shape == (28, 28)
    assert coarse.mean() == pytest.approx(0.5, abs=0.02)
    assert objects.over_box(0) is coarse


def test_some_of_the_objects_are_taken_whatever_their_masks_are() -> None:
    masks = tuple(PlaneMask(BOX, WHOLE, smooth(9, 9)) for _ in range(3))
    three = Instances(
        np.arange(3, dtype=np.int32), np.ones(3, np.float32), np.tile(BOX, (3, 1)), masks, np.full(3, -1, np.int32)
    )
    taken = three.take(np.array([2, 0]))
    assert taken.class_ids.tolist() == [2, 0]
    assert taken.masks[0] is masks[2]
    plane = np.zeros(FRAME, np.uint8)
    draw_masks(plane, taken, FRAME, np.array([1, 1]))
    assert (plane > 0).any()


def test_instances_need_a_mask_each() -> None:
    with pytest.raises(ValueError, match="1 instances need aligned arrays"):
        Instances(np.ones(1, np.int32), np.ones(1, np.float32), BOX[None], (), np.full(1, -1, np.int32))


BOXES = [
    (10.3, 5.2, 60.9, 88.1), (-20.5, -3.0, 30.2, 40.7), (70.0, 50.0, 140.0, 130.5), (20.0, 20.0, 21.0, 20.4),
    (150.0, 10.0, 190.0, 40.0), (5.0, 5.0, 5.0, 50.0), (0.0, 0.0, 120.0, 100.0), (90.2, 99.0, 119.9, 99.9),
]  # fmt: skip
PLACE = (100, 120)


@pytest.mark.parametrize("shape", [(28, 28), (7, 14), (1, 1), (1, 5), (2, 1)])
def test_runs_are_those_of_the_windows(shape: tuple[int, int]) -> None:
    boxes = np.array(BOXES, np.float32)
    dice = np.random.default_rng(1)
    noise = dice.random((len(boxes), *shape)).astype(np.float32)
    soft = np.stack([cv2.GaussianBlur(each, (0, 0), 2.0) if min(shape) > 1 else each for each in noise])
    for masks in (noise, soft, np.ones_like(noise), np.zeros_like(noise)):
        runs = box_runs(masks, boxes, PLACE)
        for number, (mask, box) in enumerate(zip(masks, boxes, strict=True)):
            window = box_window(mask, box, PLACE, PLACE)
            found = np.zeros_like(window.mask)
            for at in np.flatnonzero(runs.owner == number):
                found[runs.start[at] : runs.end[at], runs.column[at]] = True
            np.testing.assert_array_equal(found, window.mask)
            assert runs.corners[number].tolist() == [window.left, window.top]
            assert runs.sizes[number].tolist() == list(window.mask.shape)
            assert runs.areas[number] == window.mask.sum()
        windows = [box_window(mask, box, PLACE, PLACE) for mask, box in zip(masks, boxes, strict=True)]
        assert encode_runs(runs) == encode_all(windows)


def test_no_objects_have_no_runs() -> None:
    runs = box_runs(np.zeros((0, 28, 28), np.float32), np.zeros((0, 4), np.float32), PLACE)
    assert encode_runs(runs) == [] and runs.areas.tolist() == []
