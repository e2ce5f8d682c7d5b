"""A generated scene whose every pixel's class is known: for a first look, for tests and for measuring."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import NamedTuple
from urllib.parse import parse_qsl, urlsplit

import cv2
import numpy as np
from numpy.typing import NDArray

from streamseg.capture.kind import SourceKind, scheme_of
from streamseg.errors import InputError
from streamseg.frame import Frame, Image, StreamInfo
from streamseg.imagefile import check_size
from streamseg.options import Size, SourceOptions

SCENE_CLASSES = ("background", "disc", "box", "triangle")
_COLOURS = ((60, 120, 235), (200, 140, 40), (90, 190, 90))  # BGR of the three kinds of thing
_KNOWN = {"frames", "seed", "size", "fps", "lanes"}
_MOST_LANES = 50


class _Thing(NamedTuple):
    class_id: int
    sprite: Image
    mask: NDArray[np.uint8]
    start: NDArray[np.float64]
    """Where it begins, px."""
    speed: NDArray[np.float64]
    """px a frame."""


class SceneSource:
    """Things that drift over a textured ground and turn back at its edges; the same for the same seed.

    `test://` is live and endless, `test://?frames=300` a file of 300 frames; also `size=640x480`, `fps`, `seed`. With
    `lanes=5` there are five, each of which runs from side to side in a lane of its own, so that none hides another.
    """

    def __init__(self, uri: str, options: SourceOptions) -> None:
        asked = _query(uri)
        width, height = _size(asked.get("size"), uri) or options.size or (640, 480)
        check_size(width, height, uri, options.max_megapixels)
        fps = _number(asked, "fps", options.fps or 30.0, uri)
        frames = max(1, int(_number(asked, "frames", 0, uri))) if "frames" in asked else None
        seed = int(_number(asked, "seed", 0, uri))
        self.counters: dict[str, int] = {}
        self.info = StreamInfo("test scene", width, height, fps, live=frames is None, frames=frames)
        self._closed = False
        lanes = min(_MOST_LANES, int(_number(asked, "lanes", 1, uri))) if "lanes" in asked else 0
        dice = np.random.default_rng(seed)
        self._ground = _ground(width, height, dice)
        self._things = _in_lanes(width, height, lanes, dice) if lanes else _anywhere(width, height, dice)

    def __iter__(self) -> Iterator[Frame]:
        info, index = self.info, 0
        step_s = 1 / (info.fps or 30.0)
        started_s = time.monotonic()
        while not self._closed and (info.frames is None or index < info.frames):
            if info.live:
                time.sleep(max(0.0, started_s + index * step_s - time.monotonic()))
            yield Frame(self.image(index), index, index * step_s, time.monotonic(), info.name)
            index += 1

    def close(self) -> None:
        """Ends the iteration before its next frame."""
        self._closed = True

    def image(self, index: int) -> Image:
        """(H, W, 3) u8 BGR of frame `index`."""
        image: Image = self._ground.copy()
        for thing in self._things:
            left, top = self._place(thing, index)
            part = image[top : top + thing.mask.shape[0], left : left + thing.mask.shape[1]]
            cv2.copyTo(thing.sprite, thing.mask, part)
        return image

    def labels(self, index: int) -> NDArray[np.uint8]:
        """(H, W) u8 class ids of frame `index`, exact."""
        labels = np.zeros(self._ground.shape[:2], np.uint8)
        for thing in self._things:
            left, top = self._place(thing, index)
            labels[top : top + thing.mask.shape[0], left : left + thing.mask.shape[1]][thing.mask > 0] = thing.class_id
        return labels

    def masks(self, index: int) -> list[tuple[int, NDArray[np.bool_]]]:
        """Class id and mask, (H, W) bool, of each thing in frame `index`; the same thing at the same place."""
        found = []
        for thing in self._things:
            left, top = self._place(thing, index)
            mask = np.zeros(self._ground.shape[:2], bool)
            mask[top : top + thing.mask.shape[0], left : left + thing.mask.shape[1]] = thing.mask > 0
            found.append((thing.class_id, mask))
        return found

    def _place(self, thing: _Thing, index: int) -> tuple[int, int]:
        """Left and top of a thing that runs back and forth in the room it has."""
        height, width = thing.mask.shape
        room = np.maximum(1, np.array([self.info.width - width, self.info.height - height]))
        walked = (thing.start + thing.speed * index) % (2 * room)
        left, top = np.where(walked > room, 2 * room - walked, walked).astype(int)
        return min(int(left), self.info.width - width), min(int(top), self.info.height - height)


def _ground(width: int, height: int, dice: np.random.Generator) -> Image:
    coarse = dice.integers(40, 75, (max(2, height // 24), max(2, width // 24)), dtype=np.uint8)
    shade = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    slope = np.linspace(1.3, 0.8, height)[:, None, None] * np.array([1.25, 1.1, 1.0])  # a cool light from above
    return np.asarray(np.clip(np.asarray(shade)[:, :, None] * slope, 0, 255), np.uint8)


def _anywhere(width: int, height: int, dice: np.random.Generator) -> list[_Thing]:
    things = []
    for number in range(6):
        mask, sprite = _look(number, int(min(width, height) * dice.uniform(0.15, 0.3)), dice)
        start = dice.uniform(0, 2 * max(width, height), 2)
        speed = dice.uniform(0.002, 0.008, 2) * min(width, height)
        things.append(_Thing(1 + number % 3, sprite, mask, start, speed))
    return things


def _in_lanes(width: int, height: int, lanes: int, dice: np.random.Generator) -> list[_Thing]:
    things = []
    for number in range(lanes):
        mask, sprite = _look(number, int(min(height / lanes, width / 4) * dice.uniform(0.6, 0.8)), dice)
        start = np.array([dice.uniform(0, 2 * width), (number + 0.5) * height / lanes - mask.shape[0] / 2])
        speed = np.array([dice.uniform(0.004, 0.01) * width, 0])
        things.append(_Thing(1 + number % 3, sprite, mask, start, speed))
    return things


def _look(number: int, side: int, dice: np.random.Generator) -> tuple[NDArray[np.uint8], Image]:
    """Mask and picture of a thing of so many pixels a side."""
    side = max(1, side)
    shade = cv2.resize(dice.integers(0, 50, (4, 4, 3), dtype=np.uint8), (side, side))
    sprite = cv2.add(np.full((side, side, 3), _COLOURS[number % 3], np.uint8), np.asarray(shade, np.uint8))
    return _shape(1 + number % 3, side), np.asarray(sprite, np.uint8)


def _shape(class_id: int, side: int) -> NDArray[np.uint8]:
    mask = np.zeros((side, side), np.uint8)
    if class_id == 1:
        cv2.circle(mask, (side // 2, side // 2), max(0, side // 2 - 1), 255, cv2.FILLED)
    elif class_id == 2:
        mask[:] = 255
    else:
        corners = np.array([[side // 2, 0], [side - 1, side - 1], [0, side - 1]], np.int32)
        cv2.fillConvexPoly(mask, corners, 255)
    return mask


def _query(uri: str) -> dict[str, str]:
    parts = urlsplit(uri)
    asked = dict(parse_qsl(parts.query, keep_blank_values=True))
    unknown = asked.keys() - _KNOWN
    if unknown or parts.netloc or parts.path.strip("/"):
        raise InputError(f"{uri}: not understood", f"test://?{'&'.join(f'{key}=…' for key in sorted(_KNOWN))}")
    return asked


def _number(asked: dict[str, str], key: str, default: float, uri: str) -> float:
    try:
        value = float(asked.get(key, default))
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1e9 or (key != "seed" and value == 0):
        raise InputError(f"{uri}: {key} must be a number above 0")
    return value


def _size(text: str | None, uri: str) -> Size | None:
    try:
        return None if text is None else Size(text)
    except ValueError:
        raise InputError(f"{uri}: size must be WIDTHxHEIGHT") from None


SCENE = SourceKind(
    forms="test://",
    means=lambda uri: scheme_of(uri).lower() == "test",
    open=lambda uri, options: SceneSource(str(uri), options),
)
