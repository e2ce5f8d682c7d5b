"""Which frames are worth labelling: those of which the network is unsure, and that look like no other one kept."""

from __future__ import annotations

import re
from pathlib import Path

import cv2
import msgspec
import numpy as np
from numpy.typing import NDArray

from streamseg.errors import InputError
from streamseg.frame import Frame, Image
from streamseg.segmentation import Segmentation
from streamseg.sinks.query import percent, seconds, split_query

_OPTIONS = ("when", "rule", "every", "unsure", "most")
_MOST = 1000  # pictures: about a gigabyte of 1080p
_EVERY_S, _UNSURE_PERCENT = 1.0, 2.0

_SURE_OF_TWO = 191  # of 255: of two classes the other one is less likely than one in four
_SURE = 128  # of more classes: no other one is as likely
_SURE_OBJECT = 0.75
_SIDE = 16  # cells along each side of a fingerprint
_ALIKE = 8  # grey levels: in no cell two pictures that are alike differ by more
_LEVEL, _CONTRAST = 128, 50  # mean and deviation of all cells
_MOST_GAIN = 5  # the noise of a grey wall is no picture

Fingerprint = NDArray[np.uint8]
"""(256,) u8: how bright each of 16x16 cells of a picture is against the whole of it, whatever the exposure."""


class DatasetOptions(msgspec.Struct, frozen=True):
    """What the name of the output says."""

    folder: Path
    unsure: bool
    rule: str | None
    every_s: float
    least: float
    """Of doubt, 0..1."""
    most: int
    """Pictures in the folder."""


def asked(uri: str) -> DatasetOptions:
    """What `uri` asks for.

    Raises:
        InputError: there is no folder, or an option that means nothing.
    """
    folder, options = split_query(uri.removeprefix("dataset:"), _OPTIONS)
    if not folder:
        raise InputError("dataset: needs a folder", "dataset:pictures?when=unsure")
    when, most = options.get("when"), options.get("most", str(_MOST))
    if when not in (None, "unsure"):
        raise InputError(f"when={when}: not known", "when=unsure, rule=NAME or every=10s")
    if not re.fullmatch("[1-9][0-9]{0,8}", most):
        raise InputError(f"most={most}: not a number of pictures above 0")
    alone = not options.keys() & {"when", "rule", "every"}
    return DatasetOptions(
        Path(folder),
        when is not None or alone or "unsure" in options,
        options.get("rule") or None,
        seconds(options, "every", _EVERY_S),
        percent(options, "unsure", _UNSURE_PERCENT) / 100,
        int(most),
    )


def doubt(segmentation: Segmentation) -> float | None:
    """How unsure the network is, 0..1; None where nothing tells it.

    The largest of: the share of the frame where its best two classes are near one another (by less than a half of
    probability); the share of the objects with such a score; the share of the frame where it sees another class than
    the mask that was carried there. A confidence of 0 says that nothing is known, and is no doubt of the network's.
    """
    found = [] if segmentation.disagreement is None else [segmentation.disagreement]
    if (confidence := segmentation.confidence) is not None:
        sure = _SURE_OF_TWO if len(segmentation.classes) == 2 else _SURE
        near = cv2.inRange(confidence, (1,), (sure - 1,))
        found.append(cv2.countNonZero(near) / confidence.size)
    if (objects := segmentation.instances) is not None:
        found.append(float(np.mean(objects.scores < _SURE_OBJECT)) if len(objects) else 0.0)
    return max(found, default=None)


def fingerprint(frame: Frame) -> Fingerprint:
    """What is compared of a frame's picture; from planes without a conversion."""
    planes = frame.planes
    grey = planes.y if planes is not None else _grey(frame.image)
    cells = cv2.resize(grey, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA).astype(np.float32)
    gain = _CONTRAST / max(float(cells.std()), _CONTRAST / _MOST_GAIN)
    return np.asarray(((cells - cells.mean()) * gain + _LEVEL).round().clip(0, 255), np.uint8).reshape(-1)


def alike(one: Fingerprint, others: NDArray[np.uint8]) -> bool:
    """Whether the picture of `one` is nearly that of any of `others`, (N, 256) u8; noise does not count."""
    if not len(others):
        return False
    return bool((np.maximum(others, one) - np.minimum(others, one)).max(axis=1).min() <= _ALIKE)


def _grey(image: Image) -> NDArray[np.uint8]:
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), np.uint8)
