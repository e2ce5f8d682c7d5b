"""What is pointed at is checked where it is made."""

from __future__ import annotations

import numpy as np
import pytest

from streamseg.prompts import Box, Click, Mask


@pytest.mark.parametrize("place", [(-0.1, 0.5), (0.5, 1.1), (float("nan"), 0.5)])
def test_a_click_lies_in_the_picture(place: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match="0 to 1"):
        Click(*place)


@pytest.mark.parametrize("sides", [(0.5, 0.1, 0.4, 0.9), (0.1, 0.5, 0.4, 0.5), (0.1, 0.2, 0.3, 2)])
def test_a_box_has_an_inside(sides: tuple[float, float, float, float]) -> None:
    with pytest.raises(ValueError, match="0 to 1|left < right"):
        Box(*sides)


def test_a_mask_is_a_plane() -> None:
    with pytest.raises(ValueError, match="h, w"):
        Mask(np.zeros((4, 4, 3), np.uint8))
