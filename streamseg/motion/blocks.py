"""Where a search for motion lost something: blocks of the picture, looked for all around where they are."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

_SIDE = 8  # pixels of a block's side
_AROUND = 2  # more on each side of it, by which it is recognised
_REACH = 16  # pixels that something may have moved in each direction
LOST = 28.0  # grey levels left over in a block: fewer may be noise, or what is hidden in the other picture
_MOST = 8  # blocks that are looked for, those with the most left over


def matched(
    here: NDArray[np.uint8], there: NDArray[np.uint8], flow: NDArray[np.float32], rest: NDArray[np.float32]
) -> NDArray[np.float32] | None:
    """`flow`, (h, w, 2) f32 from `here` to `there`, (h, w) u8, but for blocks of which it left too much over: `rest`,
    (h, w) f32 grey levels. Those move as a whole to where they look most alike (exhaustive block matching, by the sum
    of squared differences). None where there are none."""
    rows, columns = (side // _SIDE for side in here.shape)
    left_over = cv2.resize(rest, (columns, rows), interpolation=cv2.INTER_AREA).ravel()
    worst = np.argsort(-left_over, kind="stable")[:_MOST]
    lost = worst[left_over[worst] > LOST]
    if not len(lost):
        return None
    moved: NDArray[np.float32] = flow.copy()
    width, reach = _SIDE + 2 * _AROUND, _REACH
    asked = cv2.copyMakeBorder(here, *(_AROUND,) * 4, cv2.BORDER_REPLICATE)
    searched = cv2.copyMakeBorder(there, *(_AROUND + reach,) * 4, cv2.BORDER_REPLICATE)
    for block in lost.tolist():
        y, x = (place * _SIDE for place in divmod(block, columns))
        window = searched[y : y + width + 2 * reach, x : x + width + 2 * reach]
        unlike = cv2.matchTemplate(window, asked[y : y + width, x : x + width], cv2.TM_SQDIFF)
        _, _, (right, down), _ = cv2.minMaxLoc(unlike)
        moved[y : y + _SIDE, x : x + _SIDE] = right - reach, down - reach
    return moved
