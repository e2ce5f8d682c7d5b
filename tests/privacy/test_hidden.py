from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from numpy.typing import NDArray

from streamseg.privacy.hidden import HELD_S, OLDEST_S, Hidden, Region
from streamseg.privacy.lost import LOST_S
from streamseg.segmentation import Classes, Instances, Segmentation
from tests.privacy.scenes import CLASSES, FPS, HEIGHT, WIDTH, found, frame, truth

NOBODY = np.zeros((HEIGHT, WIDTH), bool)
EDGE = np.zeros((HEIGHT, WIDTH), bool)
EDGE[30:70, -20:] = True


def hidden_pixels(region: Region) -> NDArray[np.bool_]:
    assert region.mask.shape in ((HEIGHT, WIDTH), (1, 1))
    return np.broadcast_to(region.mask > 0, (HEIGHT, WIDTH))


def whole(region: Region) -> bool:
    assert region.mask.all() == bool(region.why)
    return bool(region.why)


def test_what_the_mask_says_is_hidden_with_a_margin_and_the_rest_is_not() -> None:
    region = Hidden(["person"])(frame(0), found(frame(0)))
    hidden = hidden_pixels(region)
    assert hidden[truth(0)].all()
    assert truth(0).sum() < hidden.sum() < 3 * truth(0).sum()
    assert not whole(region)


def test_nothing_is_hidden_where_nobody_is_found() -> None:
    assert not Hidden(["person"])(frame(0), found(frame(0), NOBODY)).mask.any()


def test_a_place_stays_hidden_behind_frames_that_were_covered_whole() -> None:
    hidden, gone_s = Hidden(["person"]), 1 / FPS
    hidden(frame(0), found(frame(0), truth(0) | EDGE))
    for index in range(1, 40):
        there = EDGE if frame(index).time_s < gone_s + LOST_S else NOBODY  # the one who was inside is lost
        region = hidden(frame(index), found(frame(index), there))
        assert region.mask.all() if there is EDGE else not region.why
        assert hidden_pixels(region)[EDGE].all() or frame(index).time_s > gone_s + LOST_S + HELD_S - 2 / FPS
    assert not region.mask.any()


def test_a_place_stays_hidden_where_masks_get_another_size() -> None:
    hidden = Hidden(["person"])
    hidden(frame(0), found(frame(0), EDGE))
    region = hidden(frame(1), found(frame(1), NOBODY[::2, ::2]))
    assert not region.why  # who was at the edge may have left
    assert region.mask[EDGE[::2, ::2]].all()


def test_all_but_a_class_is_hidden_and_its_edge_too() -> None:
    hidden = hidden_pixels(Hidden(["person"], all_but=True)(frame(0), found(frame(0))))
    assert hidden[~truth(0)].all()
    assert 0 < (~hidden).sum() < truth(0).sum()
    assert hidden_pixels(Hidden(["person"], all_but=True)(frame(0), found(frame(0), NOBODY))).all()


def test_the_older_a_mask_is_the_more_is_hidden_until_all_is() -> None:
    now = frame(20)
    areas = []
    for age in (0, 2, 6, 12):
        then = found(frame(20 - age), truth(20))
        region = Hidden(["person"])(now, then)
        assert not whole(region)
        areas.append(hidden_pixels(region).sum())
    assert areas == sorted(set(areas))
    assert whole(Hidden(["person"])(now, found(frame(20 - round(OLDEST_S * FPS) - 1), truth(20))))
    assert whole(Hidden(["person"])(frame(0), found(frame(20))))  # as from the other side of a gap


@pytest.mark.parametrize("time_s", [math.nan, math.inf, -9.0])
def test_a_clock_that_tells_nothing_covers_everything(time_s: float) -> None:
    assert whole(Hidden(["person"])(frame(3, time_s=time_s), found(frame(3))))


def test_a_clock_that_stands_still_covers_everything_in_the_end() -> None:
    assert whole(Hidden(["person"])(frame(100, time_s=0.0), found(frame(0), truth(100))))


@pytest.mark.parametrize("all_but", [False, True])
def test_what_is_unsure_is_hidden_and_where_most_is_everything(all_but: bool) -> None:
    seen = NOBODY if not all_but else ~NOBODY
    segmentation = found(frame(0), seen, 255)
    assert segmentation.confidence is not None
    segmentation.confidence[:20, :20] = 100
    hidden = hidden_pixels(Hidden(["person"], all_but=all_but)(frame(0), segmentation))
    assert hidden[:20, :20].all()
    assert not hidden[60:, 60:].any()
    assert whole(Hidden(["person"], all_but=all_but)(frame(0), found(frame(0), seen, 0)))


def test_of_two_classes_one_in_four_is_enough_and_of_more_the_likeliest_counts() -> None:
    three = Classes(("background", "person", "car"), np.zeros((3, 3), np.uint8), background=0)
    for classes, least in ((CLASSES, 191), (three, 128)):
        for confidence, hidden in ((least - 1, True), (least, False)):
            segmentation = dataclasses.replace(found(frame(0), NOBODY, confidence), classes=classes)
            assert Hidden(["person"])(frame(0), segmentation).mask.any() == hidden


def test_ids_that_are_no_class_are_hidden() -> None:
    labels = np.zeros((HEIGHT, WIDTH), np.uint8)
    labels[40:60, 40:60] = 255
    for all_but in (False, True):
        hidden = hidden_pixels(Hidden(["person"], all_but=all_but)(frame(0), Segmentation(labels, CLASSES, 0, 0.0)))
        assert hidden[40:60, 40:60].all()


def test_an_object_behind_another_is_hidden_by_its_own_mask() -> None:
    classes = Classes(("background", "person", "car"), np.zeros((3, 3), np.uint8), background=0)
    objects = Instances(
        np.array([2, 1], np.int32),
        np.array([0.9, 0.5], np.float32),
        np.array([[20, 20, 100, 80], [30, 30, 60, 70]], np.float32),
        np.ones((2, 8, 8), np.float32),
        np.full(2, -1, np.int32),
    )
    labels = np.zeros((HEIGHT, WIDTH), np.uint8)
    labels[20:80, 20:100] = 2  # the car is surer and lies on top
    hidden = hidden_pixels(Hidden(["person"])(frame(0), Segmentation(labels, classes, 0, 0.0, None, objects)))
    assert hidden[30:70, 30:60].all()
    assert not hidden[:, 80:].any()


def test_a_model_that_has_no_such_class_any_more_covers_everything() -> None:
    other = dataclasses.replace(found(frame(1)), classes=Classes(("road",), np.zeros((1, 3), np.uint8)))
    hidden = Hidden(["person"])
    assert not whole(hidden(frame(0), found(frame(0))))
    assert whole(hidden(frame(1), other))
    assert not whole(hidden(frame(2), found(frame(2))))


def test_a_person_who_vanishes_inside_the_picture_covers_everything_until_found_again() -> None:
    hidden = Hidden(["person"])
    assert not whole(hidden(frame(0), found(frame(0))))
    assert whole(hidden(frame(1), found(frame(1), NOBODY)))
    assert whole(hidden(frame(2), found(frame(2), NOBODY)))
    assert not whole(hidden(frame(3), found(frame(3))))
    gone = [whole(hidden(frame(index), found(frame(index), NOBODY))) for index in range(4, 40)]
    assert gone == sorted(gone, reverse=True)  # for a while, not for ever
    assert 10 <= sum(gone) <= 15


def test_who_leaves_over_the_edge_covers_only_where_they_were_for_a_moment() -> None:
    hidden, edge = Hidden(["person"]), NOBODY.copy()
    edge[30:70, -10:] = True
    hidden(frame(0), found(frame(0), edge))
    held = [hidden(frame(index), found(frame(index), NOBODY)) for index in range(1, 25)]
    assert not any(map(whole, held))
    still = [hidden_pixels(region)[edge].all() for region in held]
    assert still == sorted(still, reverse=True)
    assert sum(still) == round(HELD_S * FPS)


def test_a_mask_that_flickers_in_part_stays_closed() -> None:
    hidden, half = Hidden(["person"]), truth(1)
    half[50:] = False
    hidden(frame(0), found(frame(0)))
    assert hidden_pixels(hidden(frame(1), found(frame(1), half)))[truth(1)].all()


def test_pictures_that_do_not_follow_one_another_are_looked_at_one_by_one() -> None:
    hidden = Hidden(["person"], moving=False)
    hidden(frame(0), found(frame(0)))
    assert not hidden(frame(1), found(frame(1), NOBODY)).mask.any()


def test_a_clock_that_stands_still_makes_no_history_without_end() -> None:
    hidden = Hidden(["person"])
    for index in range(200):
        seen = frame(index % 2, time_s=1.0)
        hidden(dataclasses.replace(seen, index=index), dataclasses.replace(found(seen), frame_index=index))
    assert hidden._recent is not None
    assert 10 < len(hidden._recent) < 100


def test_behind_a_cut_what_was_before_it_counts_no_more() -> None:
    hidden = Hidden(["person"])
    hidden(frame(0), found(frame(0)))
    assert whole(hidden(frame(1), found(frame(1), NOBODY, 0)))
    assert not hidden(frame(2), found(frame(2), NOBODY)).mask.any()


def test_large_masks_are_worked_on_small_and_lose_no_pixel() -> None:
    labels = np.zeros((1080, 1920), np.uint8)
    labels[500, 700] = labels[0, 0] = labels[1079, 1919] = 1
    mask = Hidden(["person"])(frame(0), Segmentation(labels, CLASSES, 0, 0.0)).mask
    assert max(mask.shape) == 192
    rows, columns = (np.array(place) for place in zip((500, 700), (0, 0), (1079, 1919), strict=True))
    assert mask[rows * mask.shape[0] // 1080, columns * mask.shape[1] // 1920].all()
