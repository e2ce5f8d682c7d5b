"""How far around a mask is hidden as well: further around what is large, and further the older the mask is."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from streamseg.yuv import Plane

EDGE = 0.012
"""Of the picture's longer side: borders of masks are no finer."""
OF_SIZE = 0.08
"""Of an object's size, the root of its area: arms and hair that a mask leaves out are as large as that."""
SIZES_A_SECOND = 0.6
"""How far an object may get beside where motion carried its mask, in its own sizes: a person who runs crosses two of
them in a second, and motion follows most of that."""


def grown(mask: Plane, age_s: float, *, all_but: bool = False) -> Plane:
    """`mask`, (h, w) u8 of 0 and 255, wider by what each of its objects may reach; of a mask that is `age_s` old.

    `all_but`: its objects are what is not in the mask, and they get smaller by so much.
    """
    if not mask.any() or mask.all():
        return mask
    outside = cv2.bitwise_not(mask)
    if all_but:
        distance = cv2.distanceTransform(outside, cv2.DIST_L2, cv2.DIST_MASK_5)
        _, objects, stats, _ = cv2.connectedComponentsWithStats(outside)
        areas = stats[:, cv2.CC_STAT_AREA].astype(np.intp)
    else:
        distance, objects = cv2.distanceTransformWithLabels(
            outside, cv2.DIST_L2, cv2.DIST_MASK_5, labelType=cv2.DIST_LABEL_CCOMP
        )  # each pixel with the number of the object that is nearest
        areas = np.bincount(np.asarray(objects, np.intp)[mask > 0])
    return np.asarray(cv2.compare(distance, _reach(areas, age_s, mask.shape)[objects], cv2.CMP_LE), np.uint8)


def _reach(areas: NDArray[np.intp], age_s: float, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """In pixels of the mask, for objects of so many pixels."""
    edge = 1 + EDGE * max(shape)
    return np.asarray(edge + np.sqrt(areas) * (OF_SIZE + SIZES_A_SECOND * age_s), np.float32)
