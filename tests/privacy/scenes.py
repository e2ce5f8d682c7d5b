"""A scene in which what must not be seen has a colour that nothing else has, in whatever picture it ends up."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from streamseg.frame import Frame, Image, StreamInfo
from streamseg.segmentation import Classes, Segmentation
from streamseg.yuv import BT601, Planes, to_i420

SECRET = (250, 30, 250)
"""BGR of the person: no other colour of scene, views or classes is near to it."""
CLASSES = Classes(("background", "person"), np.array([[0, 0, 0], [0, 200, 0]], np.uint8), background=0)
HEIGHT, WIDTH, FPS = 96, 160, 25.0
FLAGS = ("--hide", "person", "--hide-with", "black")


def place(index: int) -> tuple[slice, slice]:
    """Where the person is, who walks to the right."""
    left = 10 + 2 * index % 100
    return slice(30, 70), slice(left, left + 24)


def truth(index: int) -> NDArray[np.bool_]:
    mask = np.zeros((HEIGHT, WIDTH), bool)
    mask[place(index)] = True
    return mask


def image(index: int) -> Image:
    ground = np.random.default_rng(7).integers(60, 120, (HEIGHT // 8, WIDTH // 8), np.uint8)
    picture = np.repeat(np.repeat(ground, 8, 0), 8, 1)[..., None].repeat(3, 2)
    picture[place(index)] = SECRET
    return np.ascontiguousarray(picture)


def as_planes(picture: Image) -> Planes:
    return Planes.blank(to_i420(picture, BT601), BT601)


def frame(index: int, *, planes: bool = False, time_s: float | None = None) -> Frame:
    picture = image(index)
    return Frame(
        as_planes(picture) if planes else picture, index, index / FPS if time_s is None else time_s, 0.0, "scene"
    )


def found(of: Frame, mask: NDArray[np.bool_] | None = None, confidence: int | None = None) -> Segmentation:
    labels = (truth(of.index) if mask is None else mask).astype(np.uint8)
    sure = None if confidence is None else np.full_like(labels, confidence)
    return Segmentation(labels, CLASSES, of.index, of.time_s, sure)


def secret(picture: NDArray[np.uint8]) -> int:
    """How many pixels of a picture show the person, also after compression and blending."""
    blue, green, red = (picture[..., i].astype(int) for i in range(3))
    return int((np.minimum(blue, red) - green > 40).sum())


class Scene:
    """The scene as a source."""

    counters: Mapping[str, int] = {}

    def __init__(self, count: int = 12, *, live: bool = False, planes: bool = False) -> None:
        self.info = StreamInfo("scene", WIDTH, HEIGHT, FPS, live, None if live else count)
        self._count, self._planes = count, planes

    def __iter__(self) -> Iterator[Frame]:
        return (frame(index, planes=self._planes) for index in range(self._count))

    def close(self) -> None:
        pass


class Knows:
    """A model that is always right."""

    classes = CLASSES

    def __call__(self, frames: Sequence[Frame]) -> list[Segmentation]:
        return [found(each) for each in frames]

    def close(self) -> None:
        pass
