from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from numpy.typing import NDArray

from streamseg.masks import PlaneMask, plane_mask
from streamseg.motion.flow import Flow
from streamseg.motion.instances import carry_instances, no_instances
from streamseg.segmentation import Instances

SIZE = (120, 160)


def objects(*boxed: tuple[float, float, float, float], mask: NDArray[np.float32] | None = None) -> Instances:
    n = len(boxed)
    return Instances(
        np.arange(1, n + 1, dtype=np.int32),
        np.linspace(0.9, 0.6, n, dtype=np.float32),
        np.array(boxed, np.float32).reshape(n, 4),
        np.ones((n, 8, 8), np.float32) if mask is None else np.repeat(mask[None], n, 0),
        np.arange(10, 10 + n, dtype=np.int32),
    )


def constant(x: float, y: float, height: int = 60, width: int = 80) -> Flow:
    """From now to then, in pixels of a picture at half of the frame's sides."""
    return np.full((height, width, 2), (x, y), np.float32)


def test_a_box_goes_the_way_of_what_is_in_it() -> None:
    way = constant(-5.0, 3.0)  # what is here now was 5 to the left then, and 3 lower
    carried = carry_instances(objects((40, 40, 80, 80)), way, SIZE, SIZE)
    assert carried.boxes[0] == pytest.approx([50, 34, 90, 74], abs=0.01)


def test_each_object_moves_by_itself() -> None:
    way = constant(0.0, 0.0)
    way[:, 40:] = (-3.0, 0.0)
    carried = carry_instances(objects((10, 40, 50, 80), (100, 40, 140, 80)), way, SIZE, SIZE)
    assert carried.boxes[0] == pytest.approx([10, 40, 50, 80], abs=0.01)
    assert carried.boxes[1] == pytest.approx([106, 40, 146, 80], abs=0.01)


def test_the_ground_around_an_object_in_its_box_does_not_count() -> None:
    mask = np.zeros((8, 8), np.float32)
    mask[:, :4] = 1  # the object stands in the left of its box, and the ground in the right of it moves on
    way = constant(4.0, 0.0)
    way[:, :36] = 0.0
    carried = carry_instances(objects((40, 40, 104, 80), mask=mask), way, SIZE, SIZE)
    assert carried.boxes[0] == pytest.approx([40, 40, 104, 80], abs=0.01)


def test_what_comes_nearer_grows_in_its_place() -> None:
    rows, columns = np.mgrid[:60, :80].astype(np.float32) + 0.5
    then = np.stack([40 + (columns - 40) / 1.25, 30 + (rows - 30) / 1.25], 2)
    way = (then - np.stack([columns, rows], 2)).astype(np.float32)
    carried = carry_instances(objects((60, 40, 100, 80)), way, SIZE, SIZE)
    left, top, right, bottom = carried.boxes[0]
    assert right - left == pytest.approx(50, abs=1)
    assert bottom - top == pytest.approx(50, abs=1)
    assert (left + right) / 2 == pytest.approx(80, abs=1)


def test_a_box_does_not_burst_where_the_motion_is_nonsense() -> None:
    rows, columns = np.mgrid[:60, :80].astype(np.float32) + 0.5
    way = np.stack([(40 - columns) * 0.95, (30 - rows) * 0.95], 2).astype(np.float32)
    (box,) = carry_instances(objects((60, 40, 100, 80)), way, SIZE, SIZE).boxes
    assert box[2] - box[0] <= 2 * 40 + 0.1


def test_an_object_that_is_seen_no_more_stays_where_it_was() -> None:
    way = constant(500.0, 0.0)
    carried = carry_instances(objects((40, 40, 80, 80)), way, SIZE, SIZE)
    assert carried.boxes[0] == pytest.approx([40, 40, 80, 80], abs=0.01)


def test_boxes_are_in_pixels_of_the_new_frame_where_sizes_change() -> None:
    carried = carry_instances(objects((40, 40, 80, 80)), constant(0.0, 0.0), SIZE, (240, 320))
    assert carried.boxes[0] == pytest.approx([80, 80, 160, 160], abs=0.01)


def test_masks_scores_classes_and_identities_stay() -> None:
    before = objects((40, 40, 80, 80), (10, 10, 30, 30))
    boxes = before.boxes.copy()
    carried = carry_instances(before, constant(-5.0, 0.0), SIZE, SIZE)
    assert carried.masks is before.masks
    assert carried.scores is before.scores
    assert carried.class_ids.tolist() == [1, 2]
    assert carried.track_ids.tolist() == [10, 11]
    assert carried.boxes.dtype == np.float32
    assert (before.boxes == boxes).all()


def bending(height: int = 60, width: int = 80) -> Flow:
    """What is in the lower half of the picture was three pixels to the left, the upper half stood."""
    way = np.zeros((height, width, 2), np.float32)
    way[height // 2 :] = (-3.0, 0.0)
    return way


def test_a_mask_bends_in_its_box_where_that_is_asked_for() -> None:
    mask = np.zeros((24, 24), np.float32)
    mask[:, 8:16] = 1  # an upright bar in the middle of its box
    before = objects((50, 30, 110, 90), mask=mask)
    kept = carry_instances(before, bending(), SIZE, SIZE).mask(0, SIZE)
    bent = carry_instances(before, bending(), SIZE, SIZE, bent=True).mask(0, SIZE)
    truth = np.zeros(SIZE, bool)
    truth[30:60, 70:90] = truth[60:90, 76:96] = True

    def overlap(found: NDArray[np.bool_]) -> float:
        return float((found & truth).sum() / (found | truth).sum())

    assert overlap(kept) < 0.8 < 0.95 < overlap(bent)


def test_a_mask_in_a_plane_bends_as_one_in_a_box_does() -> None:
    plane = np.zeros((60, 80), np.float32)
    plane[15:45, 35:45] = 1  # the same bar, over the whole frame
    box = np.array([50, 30, 110, 90], np.float32)
    mask = plane_mask(box, np.array([0, 0, 160, 120], np.float32), plane, 0.5, cropped=True)
    before = dataclasses.replace(objects((50, 30, 110, 90)), masks=(mask,))
    carried = carry_instances(before, bending(), SIZE, SIZE, bent=True)
    assert isinstance(carried.masks[0], PlaneMask)
    found = carried.mask(0, SIZE)
    assert found[45, 70:90].all() and found[75, 77:95].all()
    assert not found[75, 70:74].any()


@pytest.mark.parametrize("box", [(40, 40, 40, 40), (40, 40, 41, 90), (-500, -500, -400, -400), (0, 0, 160, 120)])
@pytest.mark.parametrize("side", [1, 8])
def test_no_box_is_too_odd_for_a_mask_to_bend_in(box: tuple[float, float, float, float], side: int) -> None:
    carried = carry_instances(objects(box, mask=np.ones((side, side), np.float32)), bending(), SIZE, SIZE, bent=True)
    assert np.isfinite(np.asarray(carried.masks)).all()
    carried.mask(0, SIZE)


def test_no_objects_are_carried_to_no_objects() -> None:
    assert len(carry_instances(objects(), constant(1.0, 0.0), SIZE, SIZE)) == 0
    assert len(carry_instances(objects(), constant(1.0, 0.0), SIZE, SIZE, bent=True)) == 0


def test_none_of_them_keeps_the_kinds_of_arrays() -> None:
    none = no_instances(objects((40, 40, 80, 80)))
    assert len(none) == 0
    assert np.asarray(none.masks).shape == (0, 8, 8)
    assert none.class_ids.dtype == np.int32
    assert none.boxes.dtype == np.float32
