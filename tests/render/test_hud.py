from __future__ import annotations

import pytest

from streamseg.render.hud import _told


@pytest.mark.parametrize(
    ("share", "count", "text"),
    [
        (0.42, None, "crack 42 %"),
        (0.042, None, "crack 4.2 %"),
        (0.0999, None, "crack 10 %"),
        (0.00423, None, "crack 0.42 %"),
        (0.000423, None, "crack 0.042 %"),
        (0.000001, None, "crack < 0.001 %"),
        (0.19, 62, "62 crack 19 %"),
        (0.0, 1, "1 crack < 0.001 %"),
    ],
)
def test_a_small_share_has_more_decimals_and_objects_are_counted(share: float, count: int | None, text: str) -> None:
    assert _told("crack", share, count) == text
