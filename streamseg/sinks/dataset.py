"""Frames worth labelling, with their masks to begin from, as a data set that labelling tools read.

The folder is that of CVAT's "Segmentation mask 1.1" (`streamseg.labelmap`): JPEGImages, SegmentationClass, for objects
SegmentationObject, ImageSets/Segmentation/default.txt and labelmap.txt; and kept.jsonl, which says why each was kept.
"""

from __future__ import annotations

import logging
import re
from base64 import b64decode, b64encode
from datetime import datetime, timezone
from io import FileIO
from pathlib import Path, PurePosixPath

import cv2
import msgspec
import numpy as np
from numpy.typing import NDArray

from streamseg.contracts import Shown
from streamseg.errors import InputError, OutputError, legible
from streamseg.files import Folder, write_whole, writing
from streamseg.frame import Frame
from streamseg.labelmap import (
    FILE,
    IMAGES,
    LABELS,
    LISTS,
    OBJECTS,
    generated,
    labelmap,
    palette,
    parse_labelmap,
    read_labelmap,
)
from streamseg.masks import sampled
from streamseg.moment import ROUNDING_S
from streamseg.segmentation import Classes, Segmentation, draw_masks
from streamseg.sinks.images import encoded, indexed_png
from streamseg.sinks.kind import OutputKind
from streamseg.sinks.linefile import write_all
from streamseg.sinks.names import Names, literal, safe
from streamseg.sinks.part import locked, taken
from streamseg.sinks.selection import Fingerprint, alike, asked, doubt, fingerprint

_log = logging.getLogger(__name__)
_KEPT, _ALL = "kept.jsonl", "default.txt"
_JPEG = (cv2.IMWRITE_JPEG_QUALITY, 95, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444)
_MOST_OBJECTS = 255  # that an indexed picture has numbers for


class Kept(msgspec.Struct, omit_defaults=True):
    """What kept.jsonl says of a picture."""

    name: str
    """Of its files, without their suffixes."""
    why: str
    """`unsure`, `rule` or `every`."""
    at: str
    """UTC."""
    stream: str
    frame: int
    time_s: float
    looks: str
    """Its fingerprint, in base64."""
    file: str = ""
    rule: str = ""
    unsure_percent: float | None = None


class DatasetSink:
    """Keeps the picture of a frame as JPEG of quality 95, colours at full size, and its mask.

    Numbers follow those that are there. Each file is whole or not there, masks before their picture, so that whatever a
    killed process leaves is a data set.
    """

    blocking = True
    needs_image = False
    unwritten = 0

    def __init__(self, uri: str, *, moving: bool = True) -> None:
        self._asked, self._moving = asked(uri), moving
        self._folder = self._asked.folder
        self._home = Folder(self._folder)
        self._classes: Classes | None = None
        self._index: FileIO | None = None
        self._number = self._count = 0
        self._seen: NDArray[np.uint8] = np.zeros((0, 256), np.uint8)
        self._due_s: float | None = None
        self._told: set[str] = set()

    def write(self, shown: Shown) -> None:
        """Keeps the frame, if it is worth it.

        Raises:
            OutputError: it cannot be written, another run writes there, or the classes are other ones than before.
        """
        why, rule, unsure = self._why(shown)
        if not why:
            return
        if self._index is None:
            self._begin()
        if self._count >= self._asked.most:
            self._tell(f"{self._folder}: has {self._count} pictures: nothing more is kept (most={self._asked.most})")
            return
        looks = fingerprint(shown.frame)
        if alike(looks, self._seen):
            return
        self._check_classes(shown.segmentation.classes)
        self._keep(shown, looks, why, rule, unsure)

    def close(self) -> None:
        """Every file is whole already."""
        if self._index is not None:
            self._index.close()  # and with it the lock
            self._index = None

    def _why(self, shown: Shown) -> tuple[str, str, float | None]:
        """Why to keep it, if so, by which rule, and how unsure the network is."""
        ask = self._asked
        if ask.rule and any(event.rule == ask.rule and event.kind == "start" for event in shown.events):
            return "rule", ask.rule, doubt(shown.segmentation)
        if not self._due(shown.frame.time_s):
            return "", "", None
        unsure = doubt(shown.segmentation)
        if ask.unsure and unsure is None:
            self._tell(f"{self._folder}: this model does not say how sure it is; only changes of its mind will tell")
        if ask.unsure and unsure is not None and unsure >= ask.least:
            return "unsure", "", unsure
        return ("" if ask.unsure or ask.rule else "every"), "", unsure

    def _due(self, time_s: float) -> bool:
        if self._due_s is None or not self._moving:
            return True
        return time_s >= self._due_s - ROUNDING_S or time_s < self._due_s - self._asked.every_s  # a clock that jumped

    def _begin(self) -> None:
        """Finds out what the folder has, and lets no other process add to it meanwhile."""
        self._home.make()
        path = self._folder / _KEPT
        with writing(path):
            index = path.open("ab", buffering=0)
            if not locked(index):
                index.close()
                raise taken()
            self._read(index)
        self._index = index

    def _read(self, index: FileIO) -> None:
        """The pictures that are there, and those that were kept before, wherever they are now."""
        path = self._folder / _KEPT
        index.truncate(path.read_bytes().rfind(b"\n") + 1)
        known = [each for line in path.read_bytes().splitlines() if (each := _kept(line)) is not None]
        looks = [np.frombuffer(b64decode(each.looks), np.uint8) for each in known]
        self._seen = np.array([each for each in looks if each.shape == (256,)], np.uint8).reshape(-1, 256)
        pictures = {path.stem for path in (self._folder / IMAGES).glob("*")}
        masks = {path.stem for path in (self._folder / LABELS).glob("*")}
        self._count = len(pictures)
        numbers = (re.search(r"-(\d+)$", name) for name in {*pictures, *masks, *(each.name for each in known)})
        self._number = max((int(match[1]) for match in numbers if match), default=0)
        self._list(sorted(pictures & masks - self._listed()))

    def _listed(self) -> set[str]:
        path = self._folder / LISTS / _ALL
        return set(path.read_text("utf-8", "replace").splitlines()) if path.is_file() else set()

    def _list(self, names: list[str]) -> None:
        """Adds them to the list of all pictures, without which tools find none."""
        if not names:
            return
        for folder in (self._folder / LISTS).parent, self._folder / LISTS:
            self._make(folder)
        with (self._folder / LISTS / _ALL).open("ab", buffering=0) as file:
            write_all(file, "".join(f"{name}\n" for name in names).encode())

    @staticmethod
    def _make(folder: Path) -> None:
        """Makes it, but none above it: a disk that was taken away is waited for."""
        with writing(folder):
            folder.mkdir(exist_ok=True)

    def _check_classes(self, classes: Classes) -> None:
        """One data set has one list of classes."""
        if self._classes is not None and classes.names == self._classes.names:
            return
        path, text = self._folder / FILE, labelmap(classes)
        if not path.exists():
            write_whole(path, text.encode(), replace=False)
        elif _colours(path) != parse_labelmap(text, path):
            raise OutputError(f"{path}: has other classes", "name another folder for another model")
        self._classes = classes

    def _keep(self, shown: Shown, looks: Fingerprint, why: str, rule: str, unsure: float | None) -> None:
        frame = shown.frame
        self._number += 1
        name = f"{_stem(frame)}-{self._number:06d}"
        picture = encoded(frame.image, ".jpg", self._folder, _JPEG)
        files = {f"{folder}/{name}.png": mask for folder, mask in masks(shown.segmentation, frame).items()}
        for path, content in {**files, f"{IMAGES}/{name}.jpg": picture}.items():
            self._make((self._folder / path).parent)
            write_whole(self._folder / path, content, replace=False)
        kept = Kept(
            name=name, why=why, at=datetime.now(timezone.utc).isoformat(timespec="milliseconds"),
            stream=str(legible(frame.stream)), file=str(legible(frame.file)), frame=frame.index, rule=rule,
            time_s=round(frame.time_s, 6), unsure_percent=None if unsure is None else round(unsure * 100, 3),
            looks=b64encode(looks.tobytes()).decode(),
        )  # fmt: skip
        self._seen = np.vstack([self._seen, looks])
        self._count += 1
        self._due_s = frame.time_s + self._asked.every_s
        assert self._index is not None
        with writing(self._folder):
            write_all(self._index, msgspec.json.encode(kept) + b"\n")
            self._list([name])

    def _tell(self, line: str) -> None:
        if line not in self._told:
            self._told.add(line)
            _log.warning(line)


def masks(segmentation: Segmentation, frame: Frame) -> dict[str, bytes]:
    """Folder -> PNG of the size of `frame`: class ids, and of a model that finds objects their numbers from 1."""
    size = (frame.height, frame.width)
    labels = sampled(segmentation.labels, size)
    colours = palette(segmentation.classes)
    objects = segmentation.instances
    if objects is None:
        return {LABELS: indexed_png(labels, colours)}
    if len(objects) > np.iinfo(np.uint16).max:
        raise OutputError(f"{len(objects)} objects in a frame: their numbers do not fit in 16 bits")
    order = np.arange(1, len(objects) + 1)
    numbers = np.zeros(size, np.uint8 if len(objects) <= _MOST_OBJECTS else np.uint16)
    draw_masks(numbers, objects, size, order)
    ids = np.concatenate([[segmentation.classes.background or 0], objects.class_ids]).astype(np.uint8)
    return {LABELS: indexed_png(ids[numbers], colours), OBJECTS: _numbers(numbers)}


def _numbers(numbers: NDArray[np.uint8] | NDArray[np.uint16]) -> bytes:
    """An indexed PNG in VOC's colours; of more objects than it has numbers for one of 16 bits."""
    if numbers.dtype == np.uint8:
        return indexed_png(numbers.astype(np.uint8), generated(256))
    return cv2.imencode(".png", numbers)[1].tobytes()


def _stem(frame: Frame) -> str:
    """What a frame's files are called before their number: the stream, or the picture file."""
    return safe(PurePosixPath(frame.file or frame.stream).stem) or "frame"


def _colours(path: Path) -> dict[str, tuple[int, int, int]]:
    try:
        return read_labelmap(path)
    except InputError as error:
        raise OutputError(error.message, error.hint) from None


def _kept(line: bytes) -> Kept | None:
    try:
        return msgspec.json.decode(line, type=Kept)
    except (UnicodeDecodeError, msgspec.MsgspecError):  # another program's
        return None


def _names(uri: str) -> Names:
    return literal(str(asked(uri).folder / _KEPT))


DATASET = OutputKind(
    forms="dataset:FOLDER",
    means=lambda uri: uri.startswith("dataset:"),
    open=lambda uri, info, controls, existing: DatasetSink(uri, moving=info.moving),
    check=asked,
    asked_rule=lambda uri: asked(uri).rule,
    names=lambda uri, inputs: _names(uri),
    many_sources=True,
    lost=lambda folder, live: None,
    compares=lambda uri: asked(uri).unsure,
)
