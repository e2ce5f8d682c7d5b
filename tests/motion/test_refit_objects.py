"""Carried masks of objects, fitted to the new picture."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from streamseg.frame import Frame
from streamseg.masks import plane_mask
from streamseg.motion import make_propagator
from streamseg.motion.refit_network import Network
from streamseg.options import Effort
from streamseg.segmentation import Classes, Instances, Segmentation
from tests.motion.test_refit import drawn, seen

SIZE = 240, 320
CLASSES = Classes(("background", "one", "other"), np.zeros((3, 3), np.uint8), background=0)
LAST = 5
Mask = NDArray[np.bool_]


def found(*masks: Mask, planes: bool = False, cropped: bool = True) -> Segmentation:
    """Objects of frame 0."""
    n, m = len(masks), 28
    boxes, parts = np.zeros((n, 4), np.float32), list[NDArray[np.float32]]()
    for i, mask in enumerate(masks):
        left, top, wide, high = cv2.boundingRect(mask.view(np.uint8))
        boxes[i] = left, top, left + wide, top + high
        part = mask[top : top + high, left : left + wide].astype(np.float32)
        parts.append(np.asarray(cv2.resize(part, (m, m), interpolation=cv2.INTER_AREA), np.float32))
    own = tuple(plane_mask(box, box, part, 0.5, cropped=cropped) for box, part in zip(boxes, parts, strict=True))
    objects = Instances(
        np.ones(n, np.int32),
        np.ones(n, np.float32),
        boxes,
        own if planes else np.array(parts, np.float32).reshape(n, m, m),
        np.full(n, -1, np.int32),
    )
    labels = np.logical_or.reduce([np.zeros(SIZE, bool), *masks]).astype(np.uint8)
    return Segmentation(labels, CLASSES, 0, 0.0, None, objects)


def carried(key: Segmentation, effort: Effort = "usual", frames: Sequence[Frame] | None = None) -> Instances:
    """In the last of the frames."""
    propagator = make_propagator(effort=effort)
    for each in frames or [seen(index) for index in range(LAST + 1)]:
        propagator.observe(each)
        result = propagator.carry(key).instances
    assert result is not None
    return result


def runner(index: int) -> Mask:
    return drawn(index)[1] > 0


def iou(one: Mask, other: Mask) -> float:
    return float((one & other).sum() / (one | other).sum())


@pytest.fixture
def unfitted(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Once it is undone, masks are fitted."""
    monkeypatch.setattr(Network, "there", False)
    return monkeypatch


@pytest.mark.parametrize("planes", [False, True])
def test_what_bends_and_runs_is_fitted_better_and_its_box_follows(planes: bool, unfitted: pytest.MonkeyPatch) -> None:
    key, true = found(runner(0), planes=planes), runner(LAST)
    plain = carried(key)
    unfitted.undo()
    fitted = carried(key)
    assert iou(fitted.mask(0, SIZE), true) > iou(plain.mask(0, SIZE), true) + 0.05
    left, top, wide, high = cv2.boundingRect(true.view(np.uint8))
    box = np.array([left, top, left + wide, top + high])
    assert np.abs(fitted.boxes[0] - box).max() < np.abs(plain.boxes[0] - box).max()
    assert isinstance(fitted.masks, np.ndarray) != planes


def test_two_runs_give_the_same_and_what_was_found_stays() -> None:
    key = found(runner(0))
    assert key.instances is not None and isinstance(key.instances.masks, np.ndarray)
    for plane in (key.instances.masks, key.instances.boxes):
        plane.setflags(write=False)
    one, other = carried(key), carried(key)
    np.testing.assert_array_equal(one.boxes, other.boxes)
    np.testing.assert_array_equal(one.mask(0, SIZE), other.mask(0, SIZE))
    assert (one.scores[0], one.class_ids[0]) == (1, 1)


def small(left: int, side: int = 20) -> Mask:
    disc = np.zeros(SIZE, np.uint8)
    cv2.circle(disc, (left + side // 2, 200 + side // 2), side // 2, 1, -1)
    return disc > 0


def same(one: Instances, other: Instances, index: int) -> bool:
    return bool((one.mask(index, SIZE) == other.mask(index, SIZE)).all() and (one.boxes == other.boxes)[index].all())


def test_the_largest_are_fitted_and_with_the_least_effort_none(unfitted: pytest.MonkeyPatch) -> None:
    key = found(*(small(10 + 30 * i) for i in range(4)), runner(0))
    plain, quick = carried(key), carried(key, "quick")
    unfitted.undo()
    asked, ask = list[int](), Network._asked

    def counted(self: Network, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        asked.append(1)
        return ask(self, pixels)

    unfitted.setattr(Network, "_asked", counted)
    fitted = carried(key)
    assert not same(fitted, plain, 4)
    assert len(asked) == 2 * 2 * (1 + LAST)  # of two objects: each twice where they were found, and in each new frame
    asked.clear()
    assert all(same(carried(key, "quick"), quick, i) for i in range(5))
    assert not asked


def boxed() -> Segmentation:
    """As networks find things that give no masks."""
    key = found(runner(0))
    assert key.instances is not None
    return dataclasses.replace(key, instances=dataclasses.replace(key.instances, masks=np.ones((1, 1, 1), np.float32)))


def test_what_is_tiny_or_has_no_mask_of_its_own_in_its_box_stays_as_it_is_carried(
    unfitted: pytest.MonkeyPatch,
) -> None:
    for key in (found(small(10, side=8)), found(runner(0), planes=True, cropped=False), boxed()):
        plain = carried(key)
        unfitted.undo()
        assert same(carried(key), plain, 0)
        unfitted.setattr(Network, "there", False)


def test_no_objects_and_those_outside_the_frame_are_carried() -> None:
    assert len(carried(found())) == 0
    key = found(runner(0))
    assert key.instances is not None
    key.instances.boxes[:] += 1000
    assert carried(key).boxes[0, 0] > 900
    key.instances.boxes[:] = np.array([-500, -500, 900, 900])
    assert np.isfinite(carried(key).boxes).all()
    key.instances.boxes[:] = np.array([50, 50, 50, 50])
    assert np.isfinite(carried(key).boxes).all()
