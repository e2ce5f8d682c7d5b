"""A contact sheet: a small picture of what is shown every so many seconds, on one."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from streamseg.contracts import Existing, Shown
from streamseg.errors import InputError, printable
from streamseg.files import Folder, numbered, refuse_existing, write_whole
from streamseg.frame import Frame, Image
from streamseg.moment import ROUNDING_S
from streamseg.sinks.images import encoded
from streamseg.sinks.kind import OutputKind, suffix_of
from streamseg.sinks.names import Names, literal
from streamseg.sinks.query import seconds, split_query, without_query

_COLUMNS, _MOST = 6, 60
_WIDTH, _TALLEST, _GAP, _CAPTION = 320, 1280, 8, 26
_GROUND, _WHITE = 24, (245, 245, 245)
_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")


class SheetSink:
    """Writes one picture again with each that is added, so that it is whole whenever the run ends; 60 fill a sheet."""

    blocking = True
    needs_image = True
    unwritten = 0

    def __init__(self, uri: str, *, existing: Existing = "refuse") -> None:
        self._path, self._every_s = _asked(uri)
        self._folder = Folder(self._path.parent)
        self._existing = existing
        self._sheet = self._path
        self._pictures: list[Image] = []
        self._due_s: float | None = None
        self._mine: set[Path] = set()

    def write(self, shown: Shown) -> None:
        """Adds a picture, if it is time for one.

        Raises:
            OutputError: the sheet cannot be written.
        """
        time_s = shown.frame.time_s
        if self._due_s is not None and time_s < self._due_s - ROUNDING_S:
            return
        due_s = time_s if self._due_s is None else self._due_s
        self._due_s = due_s + ((time_s - due_s + ROUNDING_S) // self._every_s + 1) * self._every_s
        if not self._pictures or len(self._pictures) == _MOST:
            self._begin()
        self._pictures.append(_small(shown))
        write_whole(self._sheet, encoded(_joined(self._pictures), self._sheet.suffix, self._sheet))

    def close(self) -> None:
        """All is written."""

    def _begin(self) -> None:
        """Finds a name that is free, or may be replaced."""
        self._folder.make()
        self._pictures = []
        if not self._mine and self._existing != "keep":
            refuse_existing(self._path, overwrite=self._existing == "replace")
            self._sheet = self._path
        else:
            self._sheet = next(each for each in numbered(self._path) if each not in self._mine and not each.exists())
        self._mine.add(self._sheet)


def _small(shown: Shown) -> Image:
    """What is shown, with its name below."""
    image = shown.image
    width, height = _WIDTH, max(1, round(image.shape[0] * _WIDTH / image.shape[1]))
    if height > _TALLEST:  # a strip, as line cameras give
        width, height = max(1, round(_WIDTH * _TALLEST / height)), _TALLEST
    picture = np.full((height + _CAPTION, _WIDTH, 3), _GROUND, np.uint8)
    picture[:height, :width] = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
    cv2.putText(picture, _caption(shown.frame), (4, height + 19), cv2.FONT_HERSHEY_DUPLEX, 0.5, _WHITE, 1, cv2.LINE_AA)
    return picture


def _caption(frame: Frame) -> str:
    """Of a picture its name, of a film the time."""
    if frame.file:
        page = "" if frame.page is None else f" {frame.page}"
        return f"{printable(Path(frame.file).name)[-28:]}{page}"
    minutes, seconds_ = divmod(int(frame.time_s + ROUNDING_S), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{seconds_:02d}"


def _joined(pictures: list[Image]) -> Image:
    columns = min(_COLUMNS, len(pictures))
    rows = [pictures[start : start + columns] for start in range(0, len(pictures), columns)]
    heights = [max(picture.shape[0] for picture in row) for row in rows]
    width = columns * (_WIDTH + _GAP) + _GAP
    sheet: Image = np.full((sum(heights) + _GAP * (len(rows) + 1), width, 3), _GROUND, np.uint8)
    top = _GAP
    for row, height in zip(rows, heights, strict=True):
        for column, picture in enumerate(row):
            left = _GAP + column * (_WIDTH + _GAP)
            sheet[top : top + picture.shape[0], left : left + _WIDTH] = picture
        top += height + _GAP
    return sheet


def _asked(uri: str) -> tuple[Path, float]:
    """The file, and how often.

    Raises:
        InputError: an option is none, or the name is one of several files.
    """
    name, asked = split_query(uri, ("every",))
    if not Names(name).single:
        raise InputError(f"{uri}: a sheet is one file", "sheet.jpg?every=10s")
    return Path(name), seconds(asked, "every", 10.0)


SHEET = OutputKind(
    forms="'sheet.jpg?every=10s'",
    means=lambda uri: suffix_of(uri) in _SUFFIXES and "every=" in uri[len(without_query(uri)) :],
    open=lambda uri, info, controls, existing: SheetSink(uri, existing=existing),
    names=lambda uri, inputs: literal(str(_asked(uri)[0])),
)
