"""How a camera was held: the orientation 1 to 8 of Exif (CIPA DC-008) and TIFF 6.0."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from numpy.typing import NDArray

from streamseg.imagefile.contract import quiet

if TYPE_CHECKING:
    import PIL.Image

_TAG = 0x0112
# What to do with the picture as it is stored: exchange rows and columns, then turn it over as OpenCV counts it.
_ROWS, _COLUMNS, _BOTH = 0, 1, -1
_TURNS: dict[int, tuple[bool, int | None]] = {
    2: (False, _COLUMNS),
    3: (False, _BOTH),
    4: (False, _ROWS),
    5: (True, None),
    6: (True, _COLUMNS),
    7: (True, _BOTH),
    8: (True, _ROWS),
}


ON_ITS_SIDE = tuple(how for how, (exchange, _) in _TURNS.items() if exchange)
"""Those whose pictures have their width for a height."""


def orientation(path: Path) -> int:
    """That of a picture file, 1 where it says none; raises nothing."""
    from PIL import Image

    try:
        with quiet(), Image.open(path) as image:
            return orientation_of(image)
    except Exception:  # whatever the library makes of a damaged file
        return 1


def orientation_of(image: PIL.Image.Image) -> int:
    """That of an open one."""
    try:
        return int(image.getexif().get(_TAG, 1))
    except Exception:  # as above
        return 1


def turned(image: NDArray[Any], how: int) -> NDArray[Any]:
    """(H, W) or (H, W, C) as it is to be seen; unknown numbers turn nothing."""
    exchange, over = _TURNS.get(how, (False, None))
    if exchange:
        image = cv2.transpose(image)
    return image if over is None else np.asarray(cv2.flip(image, over))
