"""What every classical method is made of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import msgspec
import numpy as np
from numpy.typing import NDArray

from streamseg.contracts import Segmenter
from streamseg.frame import Frame, Image
from streamseg.infer.model.palette import default_colours
from streamseg.segmentation import Classes, Segmentation

Labels = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Method:
    """A line of the table of methods."""

    summary: str
    settings: type[msgspec.Struct]
    make: Callable[..., Segmenter]
    """Takes settings of the type above; of one that is asked also `prompts`, and what opens encoder and decoder."""
    classes: Callable[[Any], Classes]
    """The classes that a segmenter made with these settings will tell apart."""
    parallel: bool = True
    """False where a frame is looked at in the light of those before it."""
    asked: bool = False
    """Whether it looks for what a person points at while it runs."""
    check: Callable[[Any], None] = lambda settings: None
    """Raises InputError where the files that these settings name are not there, or not what they should be."""


class PerFrame:
    """A segmenter out of a function from picture to labels."""

    scale = 1.0

    def __init__(self, classes: Classes, find: Callable[[Image], Labels]) -> None:
        self.classes = classes
        self._find = find

    def __call__(self, frames: Sequence[Frame]) -> list[Segmentation]:
        """Labels each frame by itself, in order."""
        return [Segmentation(self._find(frame.image), self.classes, frame.index, frame.time_s) for frame in frames]

    def close(self) -> None:
        """Nothing is open."""


def name_classes(*names: str) -> Classes:
    """Classes of which the first is the background."""
    return Classes(names, default_colours(len(names), 0), background=0)


def number_classes(count: int, word: str = "region") -> Classes:
    """A background and `count` regions."""
    return name_classes("background", *(f"{word} {number}" for number in range(1, count + 1)))


def two_classes(settings: object) -> Classes:
    """Background and foreground."""
    return name_classes("background", "foreground")


def grey(image: Image) -> Labels:
    """(H, W) u8 brightness."""
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), np.uint8)


def shrink(image: Image, longest_px: int) -> Image:
    """The picture with sides of at most `longest_px`; as it is where it is no larger."""
    height, width = image.shape[:2]
    scale = longest_px / max(height, width)
    if scale >= 1:
        return image
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)


def by_size(regions: NDArray[np.int32], limit: int) -> Labels:
    """Numbers regions 1 to `limit` by falling size; 0 and below, and what is over the limit, becomes 0."""
    counts = np.bincount(np.maximum(regions, 0).reshape(-1))
    counts[0] = 0
    order = np.argsort(-counts, kind="stable")[:limit]
    ranks = np.zeros(len(counts), np.uint8)
    for rank, region in enumerate(order, 1):
        if counts[region]:
            ranks[region] = rank
    return ranks[np.maximum(regions, 0)]
