"""The mouse in a window becomes clicks and boxes of the frame that is shown."""

from __future__ import annotations

import dataclasses

import cv2
import numpy as np
import pytest

from streamseg.contracts import Controls
from streamseg.prompts import Box, Click
from streamseg.sinks.pointer import Pointer
from tests.sinks.test_files import shown

PRESS, RELEASE, MOVE = cv2.EVENT_LBUTTONDOWN, cv2.EVENT_LBUTTONUP, cv2.EVENT_MOUSEMOVE


@pytest.fixture
def controls() -> Controls:
    return Controls()


@pytest.fixture
def pointer(controls: Controls) -> Pointer:
    made = Pointer(controls)
    made.shows(shown(7))
    made.drawn(np.zeros((100, 200, 3), np.uint8))  # larger than the frame, as with pixels that are not square
    return made


def test_a_click_is_a_share_of_the_frame_that_was_seen(pointer: Pointer, controls: Controls) -> None:
    pointer.heard(PRESS, 50, 25, 0)
    pointer.heard(RELEASE, 51, 25, 0)
    (click,) = controls.prompts
    assert isinstance(click, Click)
    assert (click.x, click.y) == pytest.approx((0.255, 0.25), abs=1e-4)
    assert click.adds
    assert click.frame_index == 7


def test_shift_and_the_right_button_take_away(pointer: Pointer, controls: Controls) -> None:
    pointer.heard(PRESS, 50, 25, 0)
    pointer.heard(RELEASE, 50, 25, cv2.EVENT_FLAG_SHIFTKEY)
    pointer.heard(cv2.EVENT_RBUTTONDOWN, 100, 50, 0)
    assert [each.adds for each in controls.prompts if isinstance(each, Click)] == [False, False]


def test_a_mouse_that_is_dragged_draws_a_box_either_way(pointer: Pointer, controls: Controls) -> None:
    pointer.heard(PRESS, 150, 75, 0)
    pointer.heard(MOVE, 60, 30, 0)
    drawn = pointer.drawn(np.zeros((100, 200, 3), np.uint8))
    assert drawn.any()
    pointer.heard(RELEASE, 50, 25, 0)
    (box,) = controls.prompts
    assert isinstance(box, Box)
    assert (box.left, box.top, box.right, box.bottom) == pytest.approx((0.25, 0.25, 0.75, 0.75))
    assert not pointer.drawn(np.zeros((100, 200, 3), np.uint8)).any()


def test_in_a_view_side_by_side_both_halves_are_the_frame(pointer: Pointer, controls: Controls) -> None:
    one = shown(7)
    pointer.shows(dataclasses.replace(one, pixels=np.hstack([one.image, one.image])))
    for x in (50, 150):
        pointer.heard(PRESS, x, 50, 0)
        pointer.heard(RELEASE, x, 50, 0)
    assert [each.x for each in controls.prompts if isinstance(each, Click)] == pytest.approx([0.5, 0.5], abs=1e-4)


@pytest.mark.parametrize("place", [(-40, -7), (900, 400)])
def test_a_mouse_that_leaves_the_window_stays_at_its_border(
    place: tuple[int, int], pointer: Pointer, controls: Controls
) -> None:
    pointer.heard(cv2.EVENT_RBUTTONDOWN, *place, 0)
    (click,) = controls.prompts
    assert isinstance(click, Click)
    assert 0 <= click.x <= 1
    assert 0 <= click.y <= 1


def test_a_button_let_go_that_was_pressed_elsewhere_is_nothing(pointer: Pointer, controls: Controls) -> None:
    pointer.heard(RELEASE, 50, 25, 0)
    assert not controls.prompts
