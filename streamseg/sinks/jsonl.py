"""One line of JSON a frame: to a file, which has its name once it is whole, a pipe or the standard output."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol

import msgspec
import numpy as np

from streamseg.coco import encode_all, encode_runs
from streamseg.contracts import Controls, Existing, Shown
from streamseg.errors import InputError, ReaderGoneError, legible
from streamseg.files import writing
from streamseg.frame import Frame
from streamseg.masks import Size, box_runs
from streamseg.measure import ClassMeasure, measure_classes
from streamseg.regions import Measured, Region, class_regions, measured, object_regions
from streamseg.rules.event import OpenEvents
from streamseg.segmentation import Instances, Segmentation
from streamseg.sinks.kind import OutputKind, suffix_of
from streamseg.sinks.linefile import Device, LineFile, is_device
from streamseg.sinks.names import Names, literal
from streamseg.sinks.query import split_query, without_query
from streamseg.stdio import Rows

_MASKS = ("rle", "polygon", "none")


class JsonlSink:
    """Writes what was found in each frame; a reader that goes away ends the run as if it had asked to."""

    blocking = True
    needs_image = False
    unwritten = 0

    def __init__(self, uri: str, controls: Controls, *, existing: Existing = "refuse") -> None:
        self._controls = controls
        self._name, asked = _asked(uri)
        self._masks, self._classes = asked.get("masks", "rle"), asked.get("classes", "none")
        self._file = _open(self._name, existing)
        self._closed = False
        self._open, self._stream = OpenEvents(), ""

    def write(self, shown: Shown) -> None:
        """Adds one line.

        Raises:
            OutputError: it cannot be written, for want of space say.
        """
        events = tuple(map(self._controls.clips.named, shown.events))
        self._line(row(replace(shown, events=events), self._masks, self._classes))
        self._stream = shown.frame.stream
        self._open.see(events, shown.frame.time_s)

    def close(self) -> None:
        """Ends the events that are open with a line of their own, and closes the file; the standard output stays open.

        Raises:
            OutputError: its end cannot be written.
        """
        ends = tuple(map(self._controls.clips.named, self._open.end()))
        try:
            if ends:
                self._line({"stream": self._stream, "time_s": ends[0].at_s, "events": ends})
        finally:
            with writing(self._name):
                self._file.close()

    def _line(self, fields: dict[str, object]) -> None:
        if self._closed:
            return
        with writing(self._name):
            try:
                self._file.write(msgspec.json.encode(fields) + b"\n")
            except (BrokenPipeError, ReaderGoneError):
                self._controls.quit = self._closed = True


def row(shown: Shown, masks: str = "rle", classes: str = "none") -> dict[str, object]:
    """What a line holds: shares of the picture in percent, times in milliseconds, boxes and masks in pixels.

    Args:
        shown: what is told of.
        masks: of the objects, as `rle`, `polygon` or `none`.
        classes: the masks of whole classes, in the same forms.
    """
    frame, segmentation = shown.frame, shown.segmentation
    size, names = (frame.height, frame.width), segmentation.classes.names
    areas = segmentation.areas()
    objects, shapes = _objects(segmentation.instances, size, masks)
    found: dict[str, object] = {
        "stream": frame.stream,
        **_file(frame),
        "index": frame.index,
        "time_s": round(frame.time_s, 6),
        "width": frame.width,
        "height": frame.height,
        "dropped": shown.dropped,
        "areas_percent": {name: round(share * 100, 3) for name, share in zip(names, areas.tolist(), strict=True)},
        "classes": _classes(segmentation, measure_classes(segmentation, areas, objects, size), size, classes),
        "timings_ms": {stage: round(value, 3) for stage, value in shown.timings_ms.items()},
    }
    if segmentation.instances is not None:
        found["instances"] = [_instance(*each, names) for each in zip(objects, shapes, strict=True)]
    if shown.readings or shown.events:
        found["readings"], found["events"] = shown.readings, shown.events
    return found


def _file(frame: Frame) -> dict[str, object]:
    """Of a picture the file that it came from, and which of several in it."""
    page = {} if frame.page is None else {"page": frame.page}
    return {"file": str(legible(frame.file)), **page} if frame.file else {}


def _classes(
    segmentation: Segmentation, measured: list[ClassMeasure], size: Size, masks: str
) -> dict[str, dict[str, object]]:
    names = segmentation.classes.names
    found: dict[str, dict[str, object]] = {}
    for each in measured:
        found[names[each.class_id]] = {
            "largest_percent": round(each.largest * 100, 3),
            **({} if each.confidence is None else {"confidence": round(each.confidence, 4)}),
            **({} if each.objects is None else {"objects": each.objects}),
        }
    if masks != "none":
        whole = list(class_regions(segmentation, size))
        for region, shape in zip(whole, _shapes(whole, masks), strict=True):
            found.setdefault(names[region.class_id], {}).update(shape)
    return found


def _objects(found: Instances | None, size: Size, masks: str) -> tuple[Sequence[Measured], Sequence[dict[str, object]]]:
    """Each object, and its mask as it is written."""
    if found is None:
        return [], []
    if masks == "polygon" or not isinstance(found.masks, np.ndarray):
        regions = object_regions(found, size)
        return regions, _shapes(regions, masks)
    runs = box_runs(found.masks, found.boxes, size)
    if masks == "none":
        return measured(found, runs), [{}] * len(found)
    corners = runs.corners.tolist()
    told = zip(corners, encode_runs(runs), strict=True)
    return measured(found, runs), [{"mask": {"left": left, "top": top, **rle}} for (left, top), rle in told]


def _instance(region: Measured, shape: dict[str, object], names: tuple[str, ...]) -> dict[str, object]:
    return {
        "class": names[region.class_id],
        "score": round(region.score, 4),
        "box": [round(side, 1) for side in region.box.tolist()],
        **({"track": region.track_id} if region.track_id >= 0 else {}),
        "area": region.area,
        **shape,
    }


def _shapes(regions: list[Region], masks: str) -> list[dict[str, object]]:
    """Of each its mask: COCO's run lengths over the part of the frame that begins at left, top; or outlines."""
    if masks == "none":
        return [{}] * len(regions)
    if masks == "polygon":
        return [{"polygons": region.outlines()} for region in regions]
    windows = [region.window for region in regions]
    return [
        {"mask": {"left": window.left, "top": window.top, **rle}}
        for window, rle in zip(windows, encode_all(windows), strict=True)
    ]


class _Lines(Protocol):
    def write(self, line: bytes, /) -> object: ...

    def close(self) -> object: ...


def _open(name: str, existing: Existing) -> _Lines:
    if name == "-":
        return Rows()
    path = Path(name)
    if is_device(path):
        with writing(name):
            return Device(path)
    return LineFile(path, replace=existing == "replace")


def _asked(uri: str) -> tuple[str, dict[str, str]]:
    """The file, and what is asked of it.

    Raises:
        InputError: an option or its value is none.
    """
    name, asked = split_query(uri.removeprefix("jsonl:"), ("masks", "classes"))
    for key, value in asked.items():
        if value not in _MASKS:
            raise InputError(f"{uri}: {key}={value}: not one of {', '.join(_MASKS)}")
    return name, asked


def _names(uri: str) -> Names | None:
    name, _ = _asked(uri)
    return None if name == "-" or is_device(Path(name)) else literal(name)


JSONL = OutputKind(
    forms="FILE.jsonl, -",
    means=lambda uri: without_query(uri) == "-" or uri.startswith("jsonl:") or suffix_of(uri) == ".jsonl",
    open=lambda uri, info, controls, existing: JsonlSink(uri, controls, existing=existing),
    names=lambda uri, inputs: _names(uri),
)
