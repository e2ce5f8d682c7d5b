"""What a broker keeps of a stream for those who come later: areas, counts, rules, a picture."""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Callable, Iterator
from typing import Literal, NamedTuple

import cv2
import numpy as np

from streamseg.contracts import Shown
from streamseg.measure import object_counts
from streamseg.segmentation import Segmentation

_EVERY_S = 1.0
_PICTURE_PX = 1280  # of the longer side
_QUALITY = 80
ON, OFF = b"ON", b"OFF"


class State(NamedTuple):
    """A value that is kept under a topic, and what it is."""

    topic: str
    """Below the topic of the stream."""
    value: bytes
    name: str
    """For people."""
    kind: Literal["sensor", "binary_sensor", "camera"] = "sensor"
    unit: str = ""
    total: bool = False
    """Whether the value only grows."""


class States:
    """The newest values of a stream. `look` and `take` are each called by one thread, which may be two."""

    def __init__(self, *, now: Callable[[], float] = time.monotonic) -> None:
        self._now, self._due_s = now, 0.0
        self._newest: dict[str, State] = {}
        self._taken: dict[str, bytes] = {}
        self._picture: State | None = None

    def look(self, shown: Shown) -> None:
        """Takes the values of a frame, at most once a second, and its picture where an event starts in it."""
        first = not self._newest
        if first or any(event.kind == "start" for event in shown.events):
            self._picture = State("snapshot", jpeg(shown), "Snapshot", "camera")
        if first or self._now() >= self._due_s:
            self._due_s = self._now() + _EVERY_S
            self._newest = {state.topic: state for state in measured(shown)}

    def take(self) -> list[State]:
        """What has changed since it was taken last."""
        changed = [state for topic, state in self._newest.items() if self._taken.get(topic) != state.value]
        self._taken.update({state.topic: state.value for state in changed})
        return changed

    def take_picture(self) -> State | None:
        """The newest picture, once."""
        picture, self._picture = self._picture, None
        return picture

    def forget(self) -> None:
        """Lets `take` give everything again."""
        self._taken.clear()


def measured(shown: Shown) -> Iterator[State]:
    """Every value of a frame: of its readings, and of the whole picture where they say nothing of that."""
    if not any(reading.zone == "" for reading in shown.readings):
        yield from _whole_picture(shown.segmentation)
    for reading in shown.readings:
        place = f"zones/{level(reading.zone)}" if reading.zone else "picture"
        name = " ".join(filter(None, (reading.zone, reading.class_name)))
        below = f"{place}/{level(reading.class_name)}"
        if reading.area_percent is not None:
            yield _area(below, name, reading.area_percent)
        if reading.count is not None:
            yield _count(below, name, reading.count)
        for direction, crossed in (reading.crossings or {}).items():
            topic = f"lines/{level(reading.zone)}/{level(reading.class_name)}/{level(direction)}"
            yield State(topic, str(crossed).encode(), f"{name} {direction}", total=True)


def rule(name: str, *, holds: bool) -> State:
    """Whether a rule holds."""
    return State(f"rules/{level(name)}", ON if holds else OFF, name, "binary_sensor")


def level(name: str) -> str:
    """`name` as a level of a topic: letters, digits, `-` and `_`, with a mark where others would look the same."""
    plain = re.sub(r"[^A-Za-z0-9_-]+", "_", name).strip("_")
    return plain if plain == name else f"{plain or 'x'}_{hashlib.sha256(name.encode()).hexdigest()[:4]}"


def jpeg(shown: Shown) -> bytes:
    """The picture of a frame, made smaller where it is large."""
    image = shown.image
    height, width = image.shape[:2]
    if (scale := _PICTURE_PX / max(height, width)) < 1:
        size = max(1, round(width * scale)), max(1, round(height * scale))
        image = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
    return cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])[1].tobytes()


def _whole_picture(found: Segmentation) -> Iterator[State]:
    counts = object_counts(found)
    for class_id, (name, share) in enumerate(zip(found.classes.names, found.areas(), strict=True)):
        if class_id != found.classes.background:
            yield _area(f"picture/{level(name)}", name, float(share) * 100)
            if counts is not None:
                yield _count(f"picture/{level(name)}", name, counts[class_id])


def _area(below: str, name: str, percent: float) -> State:
    return State(f"{below}/area", f"{percent:.1f}".encode(), f"{name} area", unit="%")


def _count(below: str, name: str, count: int) -> State:
    return State(f"{below}/count", str(count).encode(), f"{name} count")
