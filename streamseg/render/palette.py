"""Class ids to colours, as tables that OpenCV applies in one pass."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from streamseg.segmentation import Classes


def colour_table(classes: Classes) -> NDArray[np.uint8]:
    """(256, 1, 3) u8 BGR for `cv2.applyColorMap`; black for ids that are no class."""
    table = np.zeros((256, 1, 3), np.uint8)
    table[: len(classes), 0] = classes.colours
    return table


def drawn_table(classes: Classes) -> NDArray[np.uint8]:
    """(256,) u8 for `cv2.LUT`: 255 for ids that overlays draw, 0 for the background, ignored ids and no class."""
    table = np.zeros(256, np.uint8)
    table[: len(classes)] = 255
    for undrawn in (classes.background, classes.ignore_index):
        if undrawn is not None:
            table[undrawn] = 0
    return table
