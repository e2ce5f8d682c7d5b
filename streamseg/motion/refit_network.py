"""The network that fits carried masks to the picture, and what it is told (tools/train_refit.py)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamseg import runtimes
from streamseg.motion.flow import Flow
from streamseg.motion.refit_colours import Colours, likely
from streamseg.motion.voting import Plane

FILE = Path(__file__).with_name("refit.onnx")
_MASK = 3  # of what it sees
FAULTS = 0.6
"""How much of what it says too much in the mask's own frame is taken off in the others."""


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

    def __call__(self, seen: NDArray[np.uint8], passes: int = 1) -> NDArray[np.float32]:
        """(h, w) of `SIZE`: of what `inputs` gives how likely each pixel is the object's, in 255th.

        From the second pass on, what was found is the mask, in place: what was far off is reached step by step.
        """
        found = self._asked(seen)
        for _ in range(passes - 1):
            seen[_MASK] = np.rint(found)
            found = self._asked(seen)
        return found

    def _asked(self, seen: NDArray[np.uint8]) -> NDArray[np.float32]:
        return np.asarray(self._session.run(None, {"seen": seen[None]})[0][0, 0] * 255, np.float32)


def _session(file: Path) -> Any:
    ort = runtimes.onnxruntime()
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return ort.InferenceSession(file.read_bytes(), options, providers=["CPUExecutionProvider"])


def inputs(
    picture: NDArray[np.uint8], carried: Plane, colours: Colours, places: Flow | None = None
) -> NDArray[np.uint8]:
    """(6, h, w) of `SIZE`: the picture, the carried mask, and how likely each pixel is the object's by its colour."""
    return np.concatenate([picture, carried[None], likely(picture, colours, places)])
