"""Which part of a picture is to be hidden: what the mask says, grown by what it may have missed, or everything."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from streamseg.errors import InputError
from streamseg.frame import Frame
from streamseg.privacy.growth import grown
from streamseg.privacy.lost import Vanished, of_size
from streamseg.segmentation import Classes, Segmentation, draw_masks, find_class
from streamseg.yuv import Plane

OLDEST_S = 0.5
"""A mask of a frame further away than that is trusted no more."""
_FARTHEST = 60  # frames: for a stream whose clock stands still
HELD_S = 0.4
"""For so long a place stays hidden where the class was: masks flicker."""
_LONGEST = 192  # pixels of the longer side of the masks that are worked on
_SURE_OF_TWO = 191  # of 255: of two classes the one that is hidden is less likely than one in four
_SURE = 128  # of more classes: no other one is as likely
_MOST_UNSURE = 0.5  # of the picture: above it the mask is of another picture
_WHOLE = np.full((1, 1), 255, np.uint8)


class Region(NamedTuple):
    """What is hidden in a frame."""

    mask: Plane
    """(h, w) u8 over the whole frame, 255 where it is hidden."""
    why: str = ""
    """Why that is the whole picture; empty where the mask is trusted."""


class Hidden:
    """Finds it for the frames of one stream, in their order."""

    def __init__(self, names: Sequence[str], *, all_but: bool = False, moving: bool = True) -> None:
        """Hides the classes `names`, or `all_but` those; `moving`: frames follow one another, as in a video."""
        self._names, self._all_but = names, all_but
        self._recent: deque[tuple[float, Plane]] | None = deque(maxlen=_FARTHEST) if moving else None
        self._vanished = Vanished() if moving and not all_but else None
        self._classes: Classes | None = None
        self._table: NDArray[np.uint8] | None = None

    def __call__(self, frame: Frame, segmentation: Segmentation) -> Region:
        """What to cover in `frame`, in which `segmentation` was found or to which it was carried."""
        age_s = abs(frame.time_s - segmentation.frame_time_s)
        if not (age_s <= OLDEST_S and abs(frame.index - segmentation.frame_index) <= _FARTHEST):
            return Region(_WHOLE, f"its mask is older than {OLDEST_S:g} s")
        table = self._table_for(segmentation.classes)
        if table is None:
            return Region(_WHOLE, f"the model has no class {', '.join(self._names)}")
        found, unsure = self._found(frame, segmentation, table)
        if unsure.mean() > _MOST_UNSURE * 255:
            self._forget()
            return Region(_WHOLE, "little is known of what is in it, as behind a cut")
        held = self._held(found, frame.time_s)
        if self._vanished and self._vanished(found, frame.time_s):
            return Region(_WHOLE, "what is to be hidden was there a moment ago and is not found")
        return Region(grown(held | unsure, age_s, all_but=self._all_but))

    def _table_for(self, classes: Classes) -> NDArray[np.uint8] | None:
        """(256,) u8: 255 for labels that are hidden; None where the model has no such class."""
        if classes is not self._classes:
            self._classes, self._table = classes, None
            try:
                named = [find_class(classes, name) for name in self._names]
            except InputError:
                return None
            ids = np.arange(256)
            hidden = np.isin(ids, named) != self._all_but
            hidden |= ids >= len(classes)  # nobody knows what that is
            self._table = (hidden * 255).astype(np.uint8)
        return self._table

    def _found(self, frame: Frame, segmentation: Segmentation, table: NDArray[np.uint8]) -> tuple[Plane, Plane]:
        """Where labels and objects say so, and where the labels may be wrong; each (h, w) u8, 0 or 255."""
        labels, confidence, objects = segmentation.labels, segmentation.confidence, segmentation.instances
        found = np.asarray(cv2.LUT(labels, table), np.uint8)
        if objects is not None:  # one that lies behind another has a mask all the same
            hidden = objects.take(np.flatnonzero(table[objects.class_ids]))
            draw_masks(found, hidden, (frame.height, frame.width), np.full(len(hidden), 255, np.uint8))
        found = _small(found)
        if confidence is None:
            return found, np.zeros_like(found)
        sure = _SURE_OF_TWO if len(segmentation.classes) == 2 else _SURE
        return found, _small(np.asarray(cv2.threshold(confidence, sure - 1, 255, cv2.THRESH_BINARY_INV)[1], np.uint8))

    def _held(self, found: Plane, time_s: float) -> Plane:
        """`found`, and where it was a moment ago."""
        if self._recent is None:
            return found
        while self._recent and not 0 <= time_s - self._recent[0][0] <= HELD_S:
            self._recent.popleft()
        self._recent.append((time_s, found))
        return np.asarray(np.bitwise_or.reduce([of_size(mask, found.shape) for _, mask in self._recent]), np.uint8)

    def _forget(self) -> None:
        """The picture is another one."""
        if self._recent:
            self._recent.clear()
        if self._vanished:
            self._vanished.forget()


def _small(mask: Plane) -> Plane:
    """`mask` with sides of at most `_LONGEST`."""
    height, width = mask.shape
    scale = _LONGEST / max(height, width)
    if scale >= 1:
        return mask
    return of_size(mask, (max(1, round(height * scale)), max(1, round(width * scale))))
