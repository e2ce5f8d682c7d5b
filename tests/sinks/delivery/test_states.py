from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from streamseg.sinks.delivery.states import jpeg
from tests.parts.events import frame_with


@pytest.mark.parametrize(
    ("size", "told"),
    [((40_000, 10), (1280, 1)), ((1, 5000), (1, 1280)), ((960, 2560), (480, 1280)), ((30, 40), (30, 40))],
)
def test_a_picture_of_any_shape_is_made_small_enough(size: tuple[int, int], told: tuple[int, int]) -> None:
    """A long strip too, as line cameras give."""
    shown = replace(frame_with(), pixels=np.zeros((*size, 3), np.uint8))
    picture = cv2.imdecode(np.frombuffer(jpeg(shown), np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    assert picture.shape[:2] == told
