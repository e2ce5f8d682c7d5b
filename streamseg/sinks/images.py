"""Pictures of what is shown, and label pictures: whole or not there at all."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path

import cv2
import numpy as np

from streamseg.contracts import Existing, Shown
from streamseg.errors import InputError, OutputError
from streamseg.files import Folder, make_folder, numbered, refuse_existing, write_whole
from streamseg.frame import Frame, Image
from streamseg.masks import sampled
from streamseg.sinks.kind import OutputKind, folder_of, suffix_of
from streamseg.sinks.names import STEM, Names
from streamseg.sinks.query import split_query, without_query
from streamseg.sinks.retention import OPTIONS, Limits, Upkeep, limits

_NEWEST_EVERY_S = 0.1


class ImagesSink:
    """Writes what is shown: with a number, time or `{stem}` in the name a picture for each frame, else the newest.

    The newest is replaced ten times a second at most, and last by the last of all; each file in a folder and each
    page of a file has a picture of its own.
    """

    blocking = True
    needs_image = True
    unwritten = 0

    def __init__(self, uri: str, *, existing: Existing = "refuse") -> None:
        self._names, kept = _asked(uri)
        self._uri, self._suffix = uri, Path(without_query(uri)).suffix
        self._series = _Series(self._names, kept, existing)
        self._newest: Shown | None = None
        self._due_s = 0.0

    def write(self, shown: Shown) -> None:
        """Writes one picture, or remembers it as the newest.

        Raises:
            OutputError: it cannot be written.
        """
        if not self._names.single or shown.frame.page is not None:
            self._series.add(shown.frame, encoded(shown.image, self._suffix, self._uri))
            return
        self._newest = shown
        if time.monotonic() >= self._due_s:
            self._write_newest()

    def close(self) -> None:
        """Writes the newest, where that is still to be done.

        Raises:
            OutputError: it cannot be written.
        """
        self._write_newest()
        self._series.close()

    def _write_newest(self) -> None:
        shown, self._newest = self._newest, None
        if shown is not None:
            self._due_s = time.monotonic() + _NEWEST_EVERY_S
            self._series.write_newest(encoded(shown.image, self._suffix, self._uri))


class MasksSink:
    """Writes each frame's class ids as an indexed PNG with the classes' colours, into `masks:FOLDER`.

    Each is named as the picture file that the frame came from, else by the frame's number.
    """

    blocking = True
    needs_image = False
    unwritten = 0

    def __init__(self, uri: str, *, existing: Existing = "refuse") -> None:
        folder, kept = _asked_folder(uri)
        self._by_number = _Series(Names(f"{folder}/%06d.png"), kept, existing)
        self._by_file = _Series(Names(f"{folder}/{{stem}}.png"), Limits(), existing)

    def write(self, shown: Shown) -> None:
        """Writes one label picture of the frame's own size.

        Raises:
            OutputError: it cannot be written.
        """
        segmentation, frame = shown.segmentation, shown.frame
        data = indexed_png(sampled(segmentation.labels, (frame.height, frame.width)), segmentation.classes.colours)
        (self._by_file if frame.file else self._by_number).add(frame, data)

    def close(self) -> None:
        """Deletes what is too much in the end."""
        self._by_number.close()


class _Series:
    """The files of one output, each by its own name; a name that is taken is replaced only if that was asked for."""

    def __init__(self, names: Names, limits: Limits, existing: Existing) -> None:
        self._folder = Folder(names.folder)
        self._names = names
        self._upkeep = Upkeep(names.folder, names.own(), limits)
        self._replace = existing == "replace" and (names.numbered or names.stemmed)
        self._may_be_there = existing != "refuse"
        self._first = _next_number(names) if names.numbered and not self._replace else 0
        self._mine: set[Path] = set()  # of files whose stem is the same
        self._name: Path | None = None
        self._doubles: Iterator[Path] = iter(())

    def add(self, frame: Frame, data: bytes) -> None:
        """Writes `data` for what is shown of `frame`.

        Raises:
            OutputError: it cannot be written.
        """
        self._folder.make()
        self._upkeep.before(len(data))
        path = self._names.path_of(frame, self._first + frame.index, datetime.now())
        if path.parent != self._names.folder:
            make_folder(path.parent)
        if not self._replace:
            path = self._free(path)
        elif self._names.stemmed:
            path = next(each for each in numbered(path) if each not in self._mine)
            self._mine.add(path)
        write_whole(path, data, replace=self._replace)

    def write_newest(self, data: bytes) -> None:
        """Writes `data` in the place of what was written before; OutputError as `add`."""
        self._folder.make()
        refuse_existing(self._names.path(), overwrite=self._may_be_there)
        write_whole(self._names.path(), data)
        self._may_be_there = True

    def _free(self, path: Path) -> Path:
        """`path` or a name beside it; of many for one name the next without a look at all before."""
        if path != self._name:
            self._name, self._doubles = path, numbered(path)
        return next(each for each in self._doubles if not os.path.lexists(each))

    def close(self) -> None:
        """Deletes what is too much in the end."""
        self._upkeep.finish()


def _next_number(names: Names) -> int:
    """Behind the highest in a file of these names."""
    files = names.folder.iterdir() if names.folder.is_dir() else ()
    found = (names.own().fullmatch(path.name) for path in files)
    return 1 + max((int(match["number"]) for match in found if match), default=-1)


def encoded(image: Image, suffix: str, name: object, options: Sequence[int] = ()) -> bytes:
    """`image` as a file that ends in `suffix`; `name` is what it belongs to, for people.

    Raises:
        OutputError: the format has no numbers for sides so long.
    """
    try:
        done, data = cv2.imencode(suffix, image, options)
        if done:
            return data.tobytes()
    except cv2.error:  # so OpenCV 4 says it
        pass
    raise OutputError(f"{name}: {image.shape[1]}x{image.shape[0]} does not go into {suffix}")


def indexed_png(labels: Image, colours: Image) -> bytes:
    """PNG (ISO/IEC 15948) of type 3: the bytes of (H, W) u8 `labels` as they are, coloured by a (C, 3) BGR palette.

    OpenCV writes the picture; the palette and the type that announces it are put in afterwards.
    """
    png = encoded(labels, ".png", "a label picture")
    header = bytearray(png[16:29])  # of the IHDR chunk: width, height, depth, type and three more
    header[9] = 3
    palette = np.zeros((256, 3), np.uint8)
    palette[: len(colours)] = colours[:, ::-1]
    return png[:8] + _chunk(b"IHDR", bytes(header)) + _chunk(b"PLTE", palette.tobytes()) + png[33:]


def _chunk(kind: bytes, body: bytes) -> bytes:
    import zlib

    return len(body).to_bytes(4, "big") + kind + body + zlib.crc32(kind + body).to_bytes(4, "big")


def _asked(uri: str) -> tuple[Names, Limits]:
    """What pictures are called, and how many of them stay.

    Raises:
        InputError: the name or an option is wrong.
    """
    name, asked = split_query(uri, OPTIONS)
    names = Names(name)
    if asked and (names.stemmed or names.single):
        raise InputError(f"{uri}: old files are deleted by a number or time in their name, and by nothing else")
    return names, limits(asked)


def _asked_folder(uri: str) -> tuple[str, Limits]:
    """The same of `masks:FOLDER`."""
    folder, asked = split_query(uri.removeprefix("masks:"), OPTIONS)
    if not folder:
        raise InputError("masks: needs a folder", "masks:labels")
    return folder, limits(asked)


IMAGES = OutputKind(
    forms="FILE.png|jpg, NAME-%06d.png",
    means=lambda uri: suffix_of(uri) in (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tiff"),
    open=lambda uri, info, controls, existing: ImagesSink(uri, existing=existing),
    check=_asked,
    names=lambda uri, inputs: Names(without_query(uri)),
    images=True,
    patterns=True,
)
MASKS = OutputKind(
    forms="masks:FOLDER",
    means=lambda uri: uri.startswith("masks:"),
    open=lambda uri, info, controls, existing: MasksSink(uri, existing=existing),
    check=_asked_folder,
    names=lambda uri, inputs: Names(f"{folder_of(uri)}/{STEM if inputs.names else '%06d'}.png"),
    images=True,
    also_replaced=lambda folder: folder.glob("*.png"),
)
