"""How likely each pixel belongs to an object, by what is around it in another picture of that object."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from streamseg.infer.follow.closeup import Colours, Plane

_REACH, _STEP = 16, 4  # pixels: how far away a voter may be, and how far apart they are
_ALIKE = 16.0  # of 765: the sum of differences at which a vote counts 0.6
_UNDECIDED = 0.15  # of a perfect vote: so much is split evenly, so that few votes say little
_SUM = np.ones((1, 3), np.float32)


def vote(now: Colours, then: Colours, belongs: Plane) -> Plane:
    """Share of the votes for "belongs" at each pixel of `now`, (h, w) f32, 0..1.

    Voters are the pixels around the same place in `then`, already aligned; each says what `belongs` has for it,
    the stronger the more it looks like the pixel that asks. That is a bilateral filter of `belongs` across two pictures
    (joint bilateral filter, Petschnigg et al. 2004).
    """
    h, w = belongs.shape
    wide, voices = (cv2.copyMakeBorder(each, *(_REACH,) * 4, cv2.BORDER_REPLICATE) for each in (then, belongs))
    for_it = np.full((h, w), _UNDECIDED / 2, np.float32)
    all_of_them = np.full((h, w), _UNDECIDED, np.float32)
    for x, y, strength in _voters():
        rows, columns = slice(_REACH + y, _REACH + y + h), slice(_REACH + x, _REACH + x + w)
        unlike = cv2.transform(cv2.absdiff(now, wide[rows, columns]), _SUM)  # u8, saturated
        votes = cv2.LUT(unlike, strength)
        cv2.accumulateProduct(votes, np.ascontiguousarray(voices[rows, columns]), for_it)
        cv2.accumulate(votes, all_of_them)
    return np.asarray(for_it / all_of_them, np.float32)


@lru_cache(1)
def _voters() -> list[tuple[int, int, NDArray[np.float32]]]:
    """Places of the voters, and how strong a vote is by the difference in looks, (256,) f32."""
    unlike = np.exp(-(np.arange(256, dtype=np.float32) ** 2) / (2 * _ALIKE**2))
    places = range(-_REACH, _REACH + 1, _STEP)
    return [
        (x, y, np.asarray(unlike * np.exp(-(x * x + y * y) / (2 * (0.6 * _REACH) ** 2)), np.float32))
        for y in places
        for x in places
        if x * x + y * y <= _REACH * _REACH
    ]
