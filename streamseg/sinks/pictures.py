"""Pictures of what is shown, and label pictures: one file a frame, whole or not there at all."""

from __future__ import annotations

import os
import re
from pathlib import Path

import cv2
import numpy as np

from streamseg.contracts import Shown
from streamseg.errors import InputError, OutputError
from streamseg.frame import Image

_NUMBER = re.compile(r"%0?\d*d")


class PicturesSink:
    """Writes each shown picture: `NAME-%06d.png` by frame index, or `NAME.png`, then `NAME-1.png` and so on."""

    blocking = True
    needs_picture = True

    def __init__(self, uri: str) -> None:
        self._path = Path(uri)
        self._numbered = len(_NUMBER.findall(self._path.name)) == 1
        if not self._numbered and "%" in self._path.name:
            raise InputError(f"{uri}: one number such as %06d may stand in the name", "frame-%06d.png")
        self._written = 0
        _check_folder(self._path.parent)

    def write(self, shown: Shown) -> None:
        """Writes one picture.

        Raises:
            OutputError: it cannot be written.
        """
        path = self._path
        if self._numbered:
            path = path.with_name(path.name % shown.frame.index)
        elif self._written:
            path = path.with_name(f"{path.stem}-{shown.frame.index}{path.suffix}")
        self._written += 1
        done, data = cv2.imencode(path.suffix, shown.picture)
        if not done:
            raise OutputError(f"{path}: cannot be encoded as {path.suffix}")
        write_whole(path, data.tobytes())

    def close(self) -> None:
        """Nothing is open."""


class MasksSink:
    """Writes each frame's class ids as an indexed PNG with the classes' colours, into `masks:FOLDER`."""

    blocking = True
    needs_picture = False

    def __init__(self, uri: str) -> None:
        self._folder = Path(uri.removeprefix("masks:"))
        if not uri.removeprefix("masks:"):
            raise InputError("masks: needs a folder", "masks:labels")
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"{self._folder}: {error.strerror}") from None
        _check_folder(self._folder)

    def write(self, shown: Shown) -> None:
        """Writes one label picture of the frame's own size, named by the frame's index.

        Raises:
            OutputError: it cannot be written.
        """
        segmentation, frame = shown.segmentation, shown.frame
        labels = cv2.resize(segmentation.labels, (frame.width, frame.height), interpolation=cv2.INTER_NEAREST)
        data = indexed_png(np.asarray(labels, np.uint8), segmentation.classes.colours)
        write_whole(self._folder / f"{frame.index:06d}.png", data)

    def close(self) -> None:
        """Nothing is open."""


def indexed_png(labels: Image, colours: Image) -> bytes:
    """PNG (ISO/IEC 15948) of type 3: the bytes of (H, W) u8 `labels` as they are, coloured by a (C, 3) BGR palette.

    OpenCV writes the picture; the palette and the type that announces it are put in afterwards.
    """
    done, data = cv2.imencode(".png", labels)
    if not done:
        raise OutputError("a label picture cannot be encoded")
    png = data.tobytes()
    header = bytearray(png[16:29])  # of the IHDR chunk: width, height, depth, type and three more
    header[9] = 3
    palette = np.zeros((256, 3), np.uint8)
    palette[: len(colours)] = colours[:, ::-1]
    return png[:8] + _chunk(b"IHDR", bytes(header)) + _chunk(b"PLTE", palette.tobytes()) + png[33:]


def _chunk(kind: bytes, body: bytes) -> bytes:
    import zlib

    return len(body).to_bytes(4, "big") + kind + body + zlib.crc32(kind + body).to_bytes(4, "big")


def write_whole(path: Path, data: bytes) -> None:
    """Writes `data` so that `path` is never half there.

    Raises:
        OutputError: it cannot be written.
    """
    part = path.with_name(f".{path.name}.part")
    try:
        part.unlink(missing_ok=True)  # whatever it is, a link to somewhere else perhaps
        with part.open("xb") as file:
            file.write(data)
        os.replace(part, path)  # noqa: PTH105 - the same call, without building a third path for every frame
    except OSError as error:
        part.unlink(missing_ok=True)
        raise OutputError(f"{path}: {error.strerror}") from None


def _check_folder(folder: Path) -> None:
    if not folder.is_dir():
        raise OutputError(f"{folder}: no such folder")
    if not os.access(folder, os.W_OK):
        raise OutputError(f"{folder}: not writable")
