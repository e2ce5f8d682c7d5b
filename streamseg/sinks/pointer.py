"""What the mouse does in a window: clicks and boxes, handed to the model as prompts."""

from __future__ import annotations

import cv2
import numpy as np

from streamseg.contracts import Controls, Shown
from streamseg.frame import Image
from streamseg.prompts import Box, Click

_A_BOX = 0.02  # of a picture's side: a mouse that moves further while it is pressed drags a box


class Pointer:
    """Puts what is pointed at into `controls.prompts`, as shares of the frame that is on the screen."""

    def __init__(self, controls: Controls) -> None:
        self._controls = controls
        self._frame_index, self._columns = 0, 1
        self._size = 1, 1
        self._from: tuple[int, int] | None = None
        self._to = 0, 0

    def shows(self, shown: Shown) -> None:
        """What is on the screen from now on: a view may show the frame several times, side by side."""
        self._frame_index = shown.frame.index
        self._columns = max(1, round(shown.pixels.shape[1] / shown.frame.width))

    def drawn(self, image: Image) -> Image:
        """`image`, with the box that is being dragged."""
        self._size = image.shape[1], image.shape[0]
        if self._from is None:
            return image
        copy = image.copy()
        cv2.rectangle(copy, self._from, self._to, (255, 255, 255), max(1, min(self._size) // 240), cv2.LINE_AA)
        return np.asarray(copy, np.uint8)

    def heard(self, event: int, x: int, y: int, flags: int, _: object = None) -> None:
        """As OpenCV tells it: places in pixels of the picture that is shown."""
        self._to = x, y
        if event == cv2.EVENT_LBUTTONDOWN:
            self._from = x, y
        elif event == cv2.EVENT_LBUTTONUP and self._from is not None:
            self._released(subtracts=bool(flags & cv2.EVENT_FLAG_SHIFTKEY))
        elif event == cv2.EVENT_RBUTTONDOWN:
            self._from = None
            self._click(adds=False)

    def _released(self, *, subtracts: bool) -> None:
        assert self._from is not None
        (x, y), (end_x, end_y) = self._share(*self._from), self._share(*self._to)
        self._from = None
        if subtracts or min(abs(end_x - x), abs(end_y - y)) < _A_BOX:
            self._click(adds=not subtracts)
        else:
            box = Box(min(x, end_x), min(y, end_y), max(x, end_x), max(y, end_y), self._frame_index)
            self._controls.prompts.append(box)

    def _click(self, *, adds: bool) -> None:
        self._controls.prompts.append(Click(*self._share(*self._to), adds, self._frame_index))

    def _share(self, x: int, y: int) -> tuple[float, float]:
        """Of the frame; what is out of the picture is at its border."""
        across = min(max(x / self._size[0], 0.0), 1 - 1e-6) * self._columns
        return across % 1, min(max(y / self._size[1], 0.0), 1.0)
