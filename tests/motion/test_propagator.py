"""Masks carried along a scene whose every label is known."""

from __future__ import annotations

import dataclasses

import cv2
import numpy as np
import pytest

from streamseg.contracts import MaskPropagator
from streamseg.motion import Effort, make_propagator
from streamseg.segmentation import Classes, Instances, Segmentation
from tests.motion.clips import CLASSES, SCENE, frame, miou, panned, segmentation, texture


def carrier(steady: bool = False) -> MaskPropagator:
    return make_propagator(steady=steady)


def test_a_mask_that_comes_late_fits_the_newest_frame() -> None:
    propagator, held, carried = carrier(), [], []
    for index in range(20):
        propagator.observe(frame(index))
        if index >= 5:
            held.append(miou(index, SCENE.labels(index - 5)))
            carried.append(miou(index, propagator.carry(segmentation(index - 5)).labels))
    assert np.mean(held) < 0.8
    assert np.mean(carried) > 0.95


def test_a_mask_is_carried_on_and_on() -> None:
    propagator = carrier()
    for index in range(16):
        propagator.observe(frame(index))
        carried = propagator.carry(segmentation(0))
        assert (carried.frame_index, carried.frame_time_s) == (0, 0.0)
    assert miou(15, carried.labels) > miou(15, SCENE.labels(0)) + 0.3


def test_frames_that_were_dropped_are_bridged() -> None:
    propagator = carrier()
    for index in (0, 3, 4, 9):
        propagator.observe(frame(index))
    assert miou(9, propagator.carry(segmentation(3)).labels) > miou(9, SCENE.labels(3)) + 0.15


def test_the_newest_frame_keeps_its_own_mask() -> None:
    propagator, own = carrier(), segmentation(1)
    propagator.observe(frame(0))
    propagator.observe(frame(1))
    assert propagator.carry(own) is own


def test_nothing_is_known_across_a_cut() -> None:
    propagator = carrier()
    for index in range(3):
        propagator.observe(frame(index))
    assert propagator.carry(segmentation(1)).confidence is not None
    propagator.observe(frame(3, texture(5, 320, 240)))
    for index in (4, 5):
        blank = propagator.carry(with_box(segmentation(1)))
        assert blank.confidence is not None
        assert not blank.confidence.any()
        assert not blank.labels.any()
        assert blank.instances is not None and len(blank.instances) == 0
        propagator.observe(frame(index, texture(5, 320, 240)))
    no_background = Classes(CLASSES.names, CLASSES.colours)
    void = propagator.carry(Segmentation(SCENE.labels(1), no_background, 1, 0.0))
    assert (void.labels == 255).all()
    assert propagator.carry(segmentation(3)).labels.any()  # on this side of the cut masks are carried as before


def with_box(found: Segmentation) -> Segmentation:
    masks = np.ones((1, 4, 4), np.float32)
    ids = np.array([7], np.int32)
    box = np.array([[20, 20, 60, 60]], np.float32)
    objects = Instances(ids, np.ones(1, np.float32), box, masks, ids)
    return Segmentation(found.labels, found.classes, found.frame_index, found.frame_time_s, None, objects)


def test_motion_that_is_followed_is_trusted() -> None:
    propagator = carrier()
    for index in range(3):
        propagator.observe(frame(index, panned(index)))
    confidence = propagator.carry(segmentation(0)).confidence
    assert confidence is not None
    assert (confidence[8:-8, 8:-24] > 200).mean() > 0.9


def test_of_two_classes_the_probability_is_carried() -> None:
    propagator, two = carrier(), Classes(("background", "thing"), CLASSES.colours[:2], background=0)
    for index in range(4):
        propagator.observe(frame(index))
    labels = (SCENE.labels(1) > 0).astype(np.uint8)
    carried = propagator.carry(Segmentation(labels, two, 1, 0.0, np.full(labels.shape, 200, np.uint8)))
    assert carried.confidence is not None
    assert abs(int(np.median(carried.confidence)) - 200) <= 2
    assert ((carried.labels > 0) == (SCENE.labels(3) > 0)).mean() > 0.985


def test_what_came_into_the_picture_is_not_trusted() -> None:
    propagator = carrier()
    for index in range(6):
        propagator.observe(frame(index, panned(index)))  # 20 px came in from the right
    confidence = propagator.carry(segmentation(0)).confidence
    assert confidence is not None
    assert confidence[:, -14:].mean() < 40
    assert confidence[:, :-30].mean() > 200


def test_a_frame_from_too_long_ago_is_held_but_not_trusted() -> None:
    propagator = carrier()
    for index in range(0, 90, 3):
        propagator.observe(frame(index))
    old = propagator.carry(segmentation(3))
    assert np.array_equal(old.labels, SCENE.labels(3))
    assert old.confidence is not None and not old.confidence.any()
    assert propagator.carry(segmentation(60)).confidence is not None


def test_a_stream_that_changes_its_size_is_followed_through() -> None:
    propagator = carrier()
    propagator.observe(frame(0))
    propagator.observe(frame(1))
    larger = cv2.resize(SCENE.image(2), (640, 480), interpolation=cv2.INTER_CUBIC)
    propagator.observe(frame(2, np.asarray(larger, np.uint8)))
    carried = propagator.carry(with_box(segmentation(0)))
    assert carried.labels.shape == (240, 320)
    assert miou(2, carried.labels) > miou(2, SCENE.labels(0)) + 0.05
    assert carried.instances is not None
    assert np.abs(carried.instances.boxes - [[40, 40, 120, 120]]).max() < 20  # pixels of the frame, which has more now


def test_a_stream_that_changes_its_proportions_begins_anew() -> None:
    propagator = carrier()
    propagator.observe(frame(0))
    propagator.observe(frame(1, panned(1)[:, :120]))
    blank = propagator.carry(with_box(segmentation(0)))
    assert blank.confidence is not None and not blank.confidence.any()
    assert not blank.labels.any()
    assert blank.instances is not None and len(blank.instances) == 0  # its boxes are in pixels of the other frame
    propagator.observe(frame(2, panned(2)[:, :120]))
    assert propagator.carry(segmentation(1)).labels.any()


@pytest.mark.parametrize("height,width", [(1, 1), (2, 300), (300, 2), (7, 9), (720, 1280)])
def test_frames_of_any_size_are_taken(height: int, width: int) -> None:
    propagator = carrier()
    for index in range(3):
        propagator.observe(frame(index, texture(0, 1280, 720)[:height, :width].copy()))
    for labels in (np.ones((height, width), np.uint8), np.ones((5, 4), np.uint8)):
        found = Segmentation(labels, CLASSES, 0, 0.0)
        assert np.array_equal(propagator.carry(found).labels, labels)


def test_labels_finer_or_coarser_than_the_frame_keep_their_size() -> None:
    propagator = carrier()
    for index in range(3):
        propagator.observe(frame(index))
    for factor in (0.5, 2.0):
        labels = cv2.resize(SCENE.labels(0), None, fx=factor, fy=factor, interpolation=cv2.INTER_NEAREST)
        carried = propagator.carry(segmentation(0, np.asarray(labels, np.uint8))).labels
        assert carried.shape == labels.shape
        same = cv2.resize(carried, (320, 240), interpolation=cv2.INTER_NEAREST)
        assert miou(2, np.asarray(same, np.uint8)) > miou(2, SCENE.labels(0)) + 0.05


def test_objects_move_and_grow_with_what_they_are_on() -> None:
    propagator, sprite = carrier(), texture(3, 80, 80)
    places = []
    for index in range(6):
        image = texture(1, 320, 240) // 4
        left, top, side = 60 + 7 * index, 90 - 4 * index, 56 + 2 * index
        image[top : top + side, left : left + side] = cv2.resize(sprite, (side, side), interpolation=cv2.INTER_AREA)
        places.append((left, top, left + side, top + side))
        propagator.observe(frame(index, image))
    boxes = np.array([places[0], (0, 200, 30, 230)], np.float32)
    ids = np.array([4, 9], np.int32)
    found = Instances(ids, np.ones(2, np.float32), boxes, np.ones((2, 8, 8), np.float32), ids)
    objects = propagator.carry(Segmentation(SCENE.labels(0), CLASSES, 0, 0.0, None, found)).instances
    assert objects is not None
    assert np.abs(objects.boxes[0] - places[5]).max() < 4
    assert np.abs(objects.boxes[1] - boxes[1]).max() < 2  # this one lies on what does not move
    assert objects.track_ids.tolist() == [4, 9]


@pytest.mark.parametrize("file", [False, True])
def test_an_object_that_is_found_again_keeps_its_track_id(file: bool) -> None:
    propagator, sprite = carrier(), texture(3, 80, 80)
    frames, boxes = [], []
    for index in range(11):
        image = texture(1, 320, 240) // 4
        left, top = 40 + 12 * index, 90
        image[top : top + 80, left : left + 80] = sprite
        boxes.append((left, top, left + 80, top + 80))
        frames.append(frame(index, image))

    def found(index: int) -> Segmentation:
        others = (
            [(0, 200, 30, 230)] if index % 2 else [(250, 5, 280, 35), (0, 200, 30, 230)]
        )  # so that the order changes
        places = np.array([*others, boxes[index]], np.float32)
        n = len(places)
        ones, untracked = np.ones(n, np.float32), np.full(n, -1, np.int32)
        objects = Instances(ones.astype(np.int32), ones, places, np.ones((n, 8, 8), np.float32), untracked)
        return Segmentation(SCENE.labels(0), CLASSES, index, index / 25, None, objects)

    def track_at(shown: Segmentation, index: int) -> int:
        assert shown.instances is not None
        return int(shown.instances.track_ids[np.abs(shown.instances.boxes - boxes[index]).max(1).argmin()])

    seen, before = set(), None
    for index, each in enumerate(frames):
        propagator.observe(each)
        if index % 5 == 0:
            now = found(index)
            if file:
                (*_, last) = propagator.between(frames[max(0, index - 4) : index + 1], before, now)
                seen.add(track_at(last, index))
            before = now
        if not file and before is not None:
            seen.add(track_at(propagator.carry(before), index))
    assert len(seen) == 1


def numbers(times_s: list[float]) -> list[int]:
    """The track ids of something that stands still, in frames of these times with a mask of their own."""
    propagator, found = carrier(), []
    for index, time_s in enumerate(times_s):
        propagator.observe(dataclasses.replace(frame(index, panned(0)), time_s=time_s))
        own = dataclasses.replace(with_box(segmentation(index)), frame_time_s=time_s)
        assert own.instances is not None
        untracked = dataclasses.replace(own.instances, track_ids=np.array([-1], np.int32))
        objects = propagator.carry(dataclasses.replace(own, instances=untracked)).instances
        assert objects is not None
        found += objects.track_ids.tolist()
    return found


@pytest.mark.parametrize("apart_s", [0.04, 1.9, 5.0])
def test_an_object_keeps_its_track_id_however_far_apart_frames_are(apart_s: float) -> None:
    assert len(set(numbers([apart_s * index for index in range(4)]))) == 1


def test_an_object_behind_an_interruption_is_another_one() -> None:
    one, same, other, too = numbers([0.0, 0.04, 5.0, 5.04])
    assert one == same != other == too


def test_effort_may_change_on_the_way_without_losing_it() -> None:
    efforts: tuple[tuple[Effort | None, ...], ...] = (("quick",), ("fine", "quick", "usual", None))
    wrong = []
    for each in efforts:
        propagator = carrier()
        for index in range(12):
            propagator.effort = each[index % len(each)]
            propagator.observe(frame(index))
            shown = propagator.carry(segmentation(0))
            assert index == 0 or shown.confidence is not None
        wrong.append(1 - miou(11, shown.labels))
    held = 1 - miou(11, SCENE.labels(0))
    assert wrong[1] < 0.4 * held
    assert wrong[1] < 1.1 * wrong[0]


def test_with_no_effort_nothing_is_steadied() -> None:
    propagator = carrier(steady=True)
    efforts: tuple[Effort | None, ...] = ("usual", None, None, "usual")
    for index, effort in enumerate(efforts):
        propagator.effort = effort
        propagator.observe(frame(index))
        found = segmentation(index)
        assert (propagator.carry(found) is found) == (index == 0 or effort is None)


@pytest.mark.parametrize("steady", [False, True])
def test_nothing_is_written_into(steady: bool) -> None:
    propagator, frames = carrier(steady), [frame(index) for index in range(6)]
    pictures = [each.image.copy() for each in frames]
    confidence = np.full((240, 320), 200, np.uint8)
    found = [with_box(segmentation(index)) for index in range(6)]
    found = [Segmentation(f.labels, CLASSES, f.frame_index, 0.0, confidence, f.instances) for f in found]
    for each in found:
        objects = each.instances
        assert objects is not None
        for array in (each.labels, confidence, objects.boxes, np.asarray(objects.masks)):
            array.setflags(write=False)
    for index in range(6):
        propagator.observe(frames[index])
        propagator.carry(found[index])
        propagator.carry(found[max(0, index - 2)])
    list(propagator.between(frames[1:], found[0], found[5]))
    assert all(np.array_equal(one.image, picture) for one, picture in zip(frames, pictures, strict=True))
