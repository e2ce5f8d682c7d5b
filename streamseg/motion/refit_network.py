"""The network that fits carried masks to the picture, and what it is told (tools/train_refit.py)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from streamseg import runtimes
from streamseg.motion.flow import Flow
from streamseg.motion.refit_colours import Colours, likely
from streamseg.motion.voting import Plane

FILE = Path(__file__).with_name("refit.onnx")
STRIDE = 16
"""Sides of what it sees are multiples of this."""
LANES = 8
"""Bytes of a pixel, of which the last two say nothing: quicker to compute with than six."""
MASK = 3
"""Of what it sees."""
FAULTS = 0.6
"""How much of what it says too much in the mask's own frame is taken off in the others."""
PER_LOGIT = 10
"""Levels of its output, which is added to the mask; at 128 nothing is."""
_OF_MASK = 6  # logits between a pixel in the mask and one outside
_FINER = 16  # levels of a logit in the sum of both, in which 128 is undecided
_NOTHING = 128 - _FINER * (128 / PER_LOGIT + _OF_MASK / 2)
_LIKELY = np.rint(255 / (1 + np.exp((128 - np.arange(256)) / _FINER))).astype(np.uint8)


class Network:
    """Opened when it is first asked for; belongs to one thread."""

    def __init__(self, file: Path = FILE) -> None:
        self._file = file
        self._session: Any = None

    @property
    def there(self) -> bool:
        """Whether it can be asked; where it cannot be had, it is not looked for again."""
        if self._session is None:
            try:
                self._session = _session(self._file)
            except Exception:  # whatever a runtime says of a file that it does not like: masks are carried without it
                self._session = False
        return self._session is not False

    def __call__(self, seen: NDArray[np.uint8], passes: int = 1) -> Plane:
        """(h, w): of what `inputs` gives how likely each pixel is the object's, in 255th.

        From the second pass on, what was found is the mask: what was far off is reached step by step.
        """
        pixels = _side_by_side(seen)
        found = self._asked(pixels)
        for _ in range(passes - 1):
            pixels[..., MASK] = found
            found = self._asked(pixels)
        return found

    def _asked(self, pixels: NDArray[np.uint8]) -> Plane:
        """Of (h, w, lanes) of bytes."""
        change = _unfolded(self._session.run(None, {"seen": pixels[None]})[0][0])
        mask = cv2.extractChannel(pixels, MASK)
        level = cv2.addWeighted(change, _FINER / PER_LOGIT, mask, _FINER * _OF_MASK / 255, _NOTHING)
        return np.asarray(cv2.LUT(level, _LIKELY), np.uint8)


def _side_by_side(seen: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(h, w, lanes): the planes (n, h, w), pixel by pixel; four bytes are joined as one number, which is quicker."""
    nothing = np.zeros_like(seen[0])
    halves = [cv2.merge([*seen[:4]]), cv2.merge([*seen[4:], nothing, nothing])]
    pixels = cv2.merge([half.view(np.int32)[..., 0] for half in halves])
    return np.asarray(pixels.view(np.uint8))


def _unfolded(quarters: NDArray[np.uint8]) -> Plane:
    """(2 h, 2 w) of (h, w, lanes), the first four of which are the pixels above left, above right and below."""
    height, width, _ = quarters.shape
    rows = quarters.view(np.uint16)[..., :2].transpose(0, 2, 1)
    return np.ascontiguousarray(rows).view(np.uint8).reshape(2 * height, 2 * width)


def _session(file: Path) -> Any:
    ort = runtimes.onnxruntime()
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return ort.InferenceSession(file.read_bytes(), options, providers=["CPUExecutionProvider"])


def inputs(
    picture: NDArray[np.uint8], carried: Plane, colours: Colours, places: Flow | None = None
) -> NDArray[np.uint8]:
    """(6, h, w): the picture, the carried mask, and how likely each pixel is the object's by its colour."""
    return np.concatenate([picture, carried[None], likely(picture, colours, places)])
