"""A data set for YOLO's segmentation: pictures, polygons and data.yaml (https://docs.ultralytics.com/datasets/segment/)."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

import cv2
import numpy as np

from streamseg.contracts import Existing, Shown
from streamseg.errors import InputError, OutputError, printable
from streamseg.files import Folder, make_folder, numbered, write_whole
from streamseg.frame import Frame
from streamseg.regions import Region, regions
from streamseg.segmentation import Classes
from streamseg.sinks.images import encoded
from streamseg.sinks.kind import OutputKind
from streamseg.sinks.names import Names, image_name, literal
from streamseg.sinks.query import split_query

_QUALITY = 95
_PICTURES, _LABELS, _ABOUT = "images/train", "labels/train", "data.yaml"


class YoloSink:
    """Writes `images/train/NAME.jpg` and `labels/train/NAME.txt` of each frame, and `data.yaml` with the first."""

    blocking = True
    needs_image = False
    unwritten = 0

    def __init__(self, uri: str, *, existing: Existing = "refuse") -> None:
        self._folder = _folder(uri)
        self._home = Folder(self._folder)
        self._replace = existing == "replace"
        self._classes: Classes | None = None
        self._mine: set[Path] = set()

    def write(self, shown: Shown) -> None:
        """Writes the frame as it came, and a line for each outline in it.

        Raises:
            OutputError: it cannot be written, or the classes are other ones than before.
        """
        frame, classes = shown.frame, shown.segmentation.classes
        self._home.make()
        self._begin(classes)
        found = regions(shown.segmentation, (frame.height, frame.width))
        lines = "".join(line for region in found for line in _lines(region, frame))
        picture, labels = self._paths(frame)
        for path in (picture, labels):
            if not path.parent.is_dir():
                make_folder(path.parent)
        data = encoded(frame.image, ".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
        write_whole(labels, lines.encode(), replace=self._replace)
        write_whole(picture, data, replace=self._replace)

    def close(self) -> None:
        """Every file is whole already."""

    def _begin(self, classes: Classes) -> None:
        if self._classes is None:
            about, text = self._folder / _ABOUT, _about(classes)
            if not self._replace and about.exists() and about.read_bytes() != text:
                raise OutputError(f"{about}: has other classes", "name another folder")
            write_whole(about, text)
            self._classes = classes
        if classes.names != self._classes.names:
            raise OutputError(f"yolo:{self._folder}: another model has other classes; a data set has one list of them")

    def _paths(self, frame: Frame) -> tuple[Path, Path]:
        """Names of picture and labels that no other frame has, and where nothing is to be replaced, no file."""
        path = PurePosixPath(image_name(frame)).with_suffix(".jpg")
        # Readers put `labels` in the place of the last folder called `images` to find a picture's labels.
        name = Path(*(f"{part}_" if part == "images" else part for part in path.parent.parts), path.name)
        for picture in numbered(self._folder / _PICTURES / name):
            labels = self._folder / _LABELS / picture.relative_to(self._folder / _PICTURES).with_suffix(".txt")
            taken = not self._replace and (os.path.lexists(picture) or os.path.lexists(labels))
            if picture not in self._mine and not taken:
                break
        if frame.file:  # frames of a film are told apart by their numbers
            self._mine.add(picture)
        return picture, labels


def _lines(region: Region, frame: Frame) -> Iterable[str]:
    """`CLASS x y x y …` in shares of the picture; an outline each."""
    size = np.array([frame.width, frame.height], np.float64)
    for outline in region.outlines():
        corners = np.array(outline).reshape(-1, 2) / size
        yield f"{region.class_id} {' '.join(f'{value:.6g}' for value in corners.reshape(-1))}\n"


def _about(classes: Classes) -> bytes:
    """YAML; its strings are JSON's, but for escapes of two halves, which YAML takes for two letters."""
    strings = (json.dumps(printable(name), ensure_ascii=False) for name in classes.names)
    names = "".join(f"  {number}: {string}\n" for number, string in enumerate(strings))
    return f"train: {_PICTURES}\nval: {_PICTURES}  # name pictures of their own here\nnames:\n{names}".encode()


def _folder(uri: str) -> Path:
    folder = split_query(uri, ())[0].partition(":")[2]
    if not folder:
        raise InputError("yolo: needs a folder", "yolo:dataset")
    return Path(folder)


def _names(uri: str) -> Names:
    return literal(str(_folder(uri) / _ABOUT))


def _lost(folder: Path, live: bool) -> Path | None:
    return next((path for path in (folder / _ABOUT, folder / "images", folder / "labels") if path.exists()), None)


YOLO = OutputKind(
    forms="yolo:FOLDER",
    means=lambda uri: uri.startswith("yolo:"),
    open=lambda uri, info, controls, existing: YoloSink(uri, existing=existing),
    names=lambda uri, inputs: _names(uri),
    images=True,
    lost=_lost,
)
