"""What is in zones and what crosses lines, measured on the mask of each frame."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

import cv2
import numpy as np
from numpy.typing import NDArray

from streamseg.frame import Frame
from streamseg.rules.event import DIGITS, ZoneReading
from streamseg.rules.follow import Followed, Gate, Track
from streamseg.rules.grammar import Subject
from streamseg.rules.objects import Objects, find_objects
from streamseg.rules.shapes import Ground, Line, Polygon
from streamseg.rules.zonepixels import ZonePixels
from streamseg.segmentation import Classes, Segmentation, find_class

_FEW = 8  # classes that are quicker counted one by one
_KM_H = 3.6  # a metre a second in kilometres an hour


class Counts:
    """Measures one stream of frames of one size, by a model with the same classes throughout; belongs to one thread.

    Objects are followed where something asks for them; the classes of which are: all, where the model tells objects
    apart, else those that a rule counts, or the only one that is drawn.
    """

    def __init__(
        self,
        zones: Mapping[str, Polygon],
        lines: Mapping[str, Line],
        ground: Ground | None,
        subjects: Iterable[Subject],
        first: Frame,
        segmentation: Segmentation,
    ) -> None:
        classes, self._frame = segmentation.classes, (first.height, first.width)
        self._classes, self._subjects = classes, {each: find_class(classes, each.class_name) for each in subjects}
        whole = [each for each in self._subjects if not each.place]
        self._polygons: dict[str, Polygon | None] = {**({"": None} if whole else {}), **zones}
        self._gates = {
            name: Gate(line.pixels(first.width, first.height), line.directions, self._frame)
            for name, line in lines.items()
        }
        self._homography = None if ground is None else ground.homography(first.width, first.height)
        self._followed = Followed()
        self._counted = self._to_count(segmentation.instances is not None)
        self._labels: tuple[int, ...] = ()
        self._pixels: dict[str, ZonePixels] = {}
        self._known: dict[str, set[int]] = {name: set() for name in self._polygons}
        """Classes that each zone tells of: those that rules name, and every other once it was there."""
        for subject, class_id in self._subjects.items():
            if subject.quantity != "crosses":
                self._known[subject.place].add(class_id)
        self._crossed: dict[tuple[str, int], Counter[str]] = {
            (each.place, class_id): Counter() for each, class_id in self._subjects.items() if each.quantity == "crosses"
        }
        self._areas: dict[str, NDArray[np.float64]] = {}
        self._present: dict[str, Counter[int]] = {}
        self._now: list[Track] = []
        self._objects: Objects | None = None
        self._newest = segmentation
        self._crossing: dict[str, list[int]] = {}
        """Of the newest frame, which of its objects cross each line."""
        self._news: Counter[tuple[str, int, str]] = Counter()
        self._time_s = 0.0

    def fits(self, frame: Frame, segmentation: Segmentation) -> bool:
        """Whether this one can be the next."""
        return self._frame == (frame.height, frame.width) and self._classes.names == segmentation.classes.names

    def see(self, frame: Frame, segmentation: Segmentation) -> None:
        """Takes the next frame and its mask."""
        labels = segmentation.labels
        if labels.shape != self._labels:
            self._labels, shape = labels.shape, (labels.shape[0], labels.shape[1])
            self._pixels = {name: ZonePixels(polygon, shape, self._frame) for name, polygon in self._polygons.items()}
        self._areas, self._newest = self._measured(labels), segmentation
        self._time_s = frame.time_s
        self._news.clear()
        if self._counted:
            self._follow(segmentation)

    def values(self) -> dict[Subject, float]:
        """What each subject measures in the newest frame, as it is told: a limit is reached by what its number says."""
        return {subject: round(self._value(subject, class_id), DIGITS) for subject, class_id in self._subjects.items()}

    def scores(self, subjects: Iterable[Subject]) -> dict[str, float]:
        """How sure the model is, 0..1, of each class of `subjects` that is in the newest frame where they look."""
        found: dict[str, float] = {}
        for subject in subjects:
            score = self._score(subject, self._subjects[subject])
            if score is not None:
                name = self._classes.names[self._subjects[subject]]
                found[name] = max(found.get(name, 0.0), round(score, 4))
        return found

    def readings(self) -> tuple[ZoneReading, ...]:
        """Of each zone and class there, and of each line and class that crossed it or that a rule waits for."""
        found = []
        for zone, areas in self._areas.items():
            known = self._known[zone]
            known.update(
                class_id for class_id in np.flatnonzero(areas).tolist() if class_id != self._classes.background
            )
            for class_id in sorted(known):
                count = self._present[zone][class_id] if class_id in self._counted else None
                found.append(ZoneReading(zone, self._classes.names[class_id], round(float(areas[class_id]), 3), count))
        for (line, class_id), crossed in self._crossed.items():
            directions = self._gates[line].directions
            by_direction = {each: crossed[each] for each in directions}
            found.append(ZoneReading(line, self._classes.names[class_id], crossings=by_direction))
        return tuple(found)

    def _to_count(self, objects: bool) -> frozenset[int]:
        if objects:
            return frozenset(range(len(self._classes)))
        named = {class_id for subject, class_id in self._subjects.items() if subject.quantity != "area"}
        drawn = set(range(len(self._classes))) - {self._classes.background}
        return frozenset(named | (drawn if len(drawn) == 1 and (self._polygons or self._gates) else set()))

    def _measured(self, labels: NDArray[np.uint8]) -> dict[str, NDArray[np.float64]]:
        """By zone: percent of it under each class, (C,); of the background where there are many or a rule asks."""
        there = np.flatnonzero(cv2.calcHist([labels], [0], None, [256], [0, 256])[: len(self._classes)]).tolist()
        asked = [each for each in there if each != self._classes.background or each in self._subjects.values()]
        if len(asked) > _FEW:
            counts = {name: zone.counts(labels, 256)[: len(self._classes)] for name, zone in self._pixels.items()}
        else:
            planes = [(each, (labels == each).view(np.uint8)) for each in asked]
            counts = {name: np.zeros(len(self._classes)) for name in self._pixels}
            for name, zone in self._pixels.items():
                for class_id, plane in planes:
                    counts[name][class_id] = zone.count(plane)
        return {name: found * 100.0 / max(1, self._pixels[name].pixels) for name, found in counts.items()}

    def _follow(self, segmentation: Segmentation) -> None:
        objects = self._objects = find_objects(segmentation, self._counted, self._frame)
        self._now = self._followed.see(objects, self._time_s)
        for zone, pixels in self._pixels.items():
            shares = objects.inside(pixels).tolist() if zone else [1.0] * len(self._now)
            present = self._present[zone] = Counter()
            for track, share in zip(self._now, shares, strict=True):
                track.enter_or_leave(zone, share, self._time_s)
                present[track.class_id] += zone in track.since
        for line, gate in self._gates.items():
            crossing = self._crossing[line] = []
            for number, track in enumerate(self._now):
                direction = gate.crossed(line, track, track.trail[-1].middle)
                if direction is not None:
                    self._crossed.setdefault((line, track.class_id), Counter())[direction] += 1
                    self._news[line, track.class_id, direction] += 1
                    crossing.append(number)

    def _value(self, subject: Subject, class_id: int) -> float:
        zone = subject.place
        if subject.quantity == "area":
            return float(self._areas[zone][class_id])
        if subject.quantity == "count":
            return float(self._present[zone][class_id])
        if subject.quantity == "crosses":
            ways = [subject.direction] if subject.direction else self._gates[zone].directions
            return float(sum(self._news[zone, class_id, way] for way in ways))
        if subject.quantity == "dwell":  # of one that is lost from sight for a moment, as long as it was seen
            tracks = [each for each in self._followed.tracks.values() if each.class_id == class_id]
            return max((each.seen_s - each.since[zone] for each in tracks if zone in each.since), default=0.0)
        homography = None if subject.unit == "px/s" else self._homography
        there = [each for each in self._now if each.class_id == class_id and zone in each.since]
        return max((each.speed(homography) for each in there), default=0.0) * (_KM_H if subject.unit == "km/h" else 1)

    def _score(self, subject: Subject, class_id: int) -> float | None:
        """Of the surest object there, or mean over the pixels; None where there is none, or the model cannot tell."""
        instances, confidence, place = self._newest.instances, self._newest.confidence, subject.place
        if instances is not None and self._objects is not None:
            found = self._objects.found
            there = found.class_ids == class_id
            if subject.quantity == "crosses":
                there &= np.isin(np.arange(len(there)), self._crossing.get(place, []))
            else:
                there &= self._objects.inside(self._pixels[place]) > 0
            return float(found.scores[there].max()) if there.any() else None
        if confidence is None:
            return None
        zone = self._pixels.get(place)  # a line has none: the whole picture
        labels = self._newest.labels if zone is None else zone.cut(self._newest.labels)
        mask = (labels == class_id).view(np.uint8)
        if zone is not None and zone.inside is not None:
            mask = cv2.bitwise_and(mask, zone.inside)
        sure = confidence if zone is None else zone.cut(confidence)
        return cv2.mean(sure, mask)[0] / 255 if mask.any() else None


def outside(shapes: Mapping[str, Polygon | Line], width: int, height: int) -> str:
    """The first zone or line that lies beside every frame of that size; "" where none does."""
    found = (name for name, shape in shapes.items() if (shape.pixels(width, height).min(0) >= (width, height)).any())
    return next(found, "")


def class_names(classes: Classes, subjects: Iterable[Subject]) -> tuple[str, ...]:
    """The model's own names of the classes that are measured, each once."""
    return tuple(dict.fromkeys(classes.names[find_class(classes, each.class_name)] for each in subjects))
