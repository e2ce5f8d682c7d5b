"""Zones and lines, with what is measured there."""

from __future__ import annotations

from collections.abc import Mapping

import cv2
import numpy as np

from streamseg.frame import Image
from streamseg.render.text import Colour, blend_panel, make_panel, text_scale
from streamseg.rules.event import Findings, ZoneReading
from streamseg.rules.shapes import Line, Polygon
from streamseg.segmentation import Classes

_QUIET: Colour = (235, 235, 235)
_ACTIVE: Colour = (60, 60, 255)
_MOST_ROWS = 4
_SMALL = 0.8  # of the usual text


class Zones:
    """Draws each zone's border and each line, red while a rule there holds, and beside them what was measured."""

    def __init__(self, zones: Mapping[str, Polygon], lines: Mapping[str, Line]) -> None:
        self._zones, self._lines = zones, lines

    def __bool__(self) -> bool:
        return bool(self._zones or self._lines)

    def __call__(self, image: Image, found: Findings, classes: Classes) -> None:
        """Draws into `image`, (H, W, 3) like the frame."""
        height, width = image.shape[:2]
        weight, scale = max(1, round(min(height, width) / 240)), text_scale(image) * _SMALL
        for name, shape in {**self._zones, **self._lines}.items():
            points = np.rint(shape.pixels(width, height)).astype(np.int32)
            colour = _ACTIVE if name in found.active else _QUIET
            for thickness, ink in ((weight + 2, (0, 0, 0)), (weight, colour)):
                cv2.polylines(image, [points.reshape(-1, 1, 2)], name in self._zones, ink, thickness, cv2.LINE_AA)
            panel = make_panel(_rows(name, found.readings, classes), scale)
            x, y = points[np.lexsort((points[:, 0], points[:, 1]))[0]].tolist()
            x, y = min(x + weight, width - panel.shape[1]), min(y + weight, height - panel.shape[0])
            blend_panel(image, panel, x, y)


def _rows(name: str, readings: tuple[ZoneReading, ...], classes: Classes) -> list[tuple[str, Colour | None]]:
    """The name, and what was measured there of each class, the largest first."""
    here = [each for each in readings if each.zone == name and (each.count or each.area_percent or each.crossings)]
    here.sort(key=lambda each: -(each.area_percent or 0))
    return [(name, None), *((_text(each), _colour(each, classes)) for each in here[:_MOST_ROWS])]


def _text(reading: ZoneReading) -> str:
    if reading.crossings is not None:
        ways = ", ".join(f"{count} {way}" for way, count in reading.crossings.items())
        return f"{reading.class_name}: {ways}"
    area, count = f"{reading.area_percent:.3g} %", "" if reading.count is None else f"{reading.count}, "
    return f"{reading.class_name}: {count}{area}"


def _colour(reading: ZoneReading, classes: Classes) -> Colour:
    blue, green, red = classes.colours[classes.names.index(reading.class_name)].tolist()
    return int(blue), int(green), int(red)
