"""What a network found in frames, kept in a file, and a model that looks there before it asks its network.

A file is a row of records, one for each frame: 16 bytes, little-endian (its index, a checksum, the length of what
follows), then labels and confidence as MessagePack, compressed. A last one that was cut off counts for nothing.
"""

from __future__ import annotations

import contextlib
import functools
import os
import struct
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from streamseg.contracts import Segmenter, SegmenterFactory, Shown
from streamseg.files import writing
from streamseg.frame import Frame
from streamseg.segmentation import Classes, Segmentation

_HEAD = struct.Struct("<QII")
_LEVEL = 1  # zlib's quickest
_MOST_BYTES = 64_000_000  # of a record's contents


class _Found(msgspec.Struct, array_like=True, frozen=True):
    """A segmentation without what its frame and model tell."""

    height: int
    width: int
    labels: bytes
    confidence: bytes | None


class MaskWriter:
    """An output that keeps the network's own masks; those with objects are left out."""

    blocking = True
    needs_image = False
    unwritten = 0

    def __init__(self, path: Path) -> None:
        self._file = path.open("wb")

    def write(self, shown: Shown) -> None:
        """Appends a frame's.

        Raises:
            OutputError: it cannot be written.
        """
        found = shown.segmentation
        if found.instances is not None:
            return
        confidence = None if found.confidence is None else found.confidence.tobytes()
        height, width = found.labels.shape
        kept = _Found(height, width, found.labels.tobytes(), confidence)
        data = zlib.compress(msgspec.msgpack.encode(kept), _LEVEL)
        with writing(self._file.name):
            self._file.write(_HEAD.pack(shown.frame.index, checksum(shown.frame, found.classes), len(data)) + data)

    def close(self) -> None:
        """What was kept is on the disk."""
        self._file.close()


def checksum(frame: Frame, classes: Classes) -> int:
    """Of what the network saw (the brightness of a video's planes, or the image) and of the classes it could find."""
    names = zlib.crc32("\n".join(classes.names).encode())
    return zlib.crc32(np.ascontiguousarray(frame.planes.y if frame.planes else frame.image).data, names)


class StoredMasks:
    """What is in such files; any number of threads may ask."""

    def __init__(self, paths: Iterable[Path]) -> None:
        self._files: list[int] = []
        self._places: dict[int, tuple[int, int, int, int]] = {}
        for path in paths:
            with contextlib.suppress(OSError):
                self._files.append(os.open(path, os.O_RDONLY))
                self._places.update(_places(self._files[-1]))

    def close(self) -> None:
        """They are asked no more."""
        while self._files:
            os.close(self._files.pop())

    def of(self, frame: Frame, classes: Classes) -> Segmentation | None:
        """What was found in `frame`; None where nothing is kept of it, or that is of other pixels."""
        file, at, length, expected = self._places.get(frame.index, (-1, 0, 0, 0))
        if file < 0 or checksum(frame, classes) != expected:
            return None
        try:
            data = zlib.decompressobj().decompress(os.pread(file, length, at), _MOST_BYTES)
            found = msgspec.msgpack.decode(data, type=_Found)
            shape = found.height, found.width
            labels = _plane(found.labels, shape)
            confidence = None if found.confidence is None else _plane(found.confidence, shape)
        except (OSError, ValueError, zlib.error, msgspec.MsgspecError):
            return None
        return Segmentation(labels, classes, frame.index, frame.time_s, confidence)


def remembering(recipe: SegmenterFactory, stored: StoredMasks) -> SegmenterFactory:
    """`recipe`, whose network is asked for what is not in `stored` alone; it is not even loaded where all is."""

    def remember(make: Callable[[int], Segmenter]) -> Callable[[int], Segmenter]:
        return lambda threads: _Remembering(stored, recipe.classes, functools.partial(make, threads))

    tuned = {goal: replace(each, make=remember(each.make)) for goal, each in recipe.tuned.items()}
    return replace(recipe, make=remember(recipe.make), tuned=tuned)


class _Remembering:
    """Gives what is stored, and asks a network for the others."""

    scale = 1.0

    def __init__(self, stored: StoredMasks, classes: Classes, make: Callable[[], Segmenter]) -> None:
        self.classes = classes
        self._stored, self._make = stored, make
        self._network: Segmenter | None = None

    def __call__(self, frames: Sequence[Frame]) -> list[Segmentation]:
        known = [self._stored.of(frame, self.classes) for frame in frames]
        missing = [frame for frame, found in zip(frames, known, strict=True) if found is None]
        if not missing:
            return [found for found in known if found is not None]
        self._network = self._network or self._make()
        asked = iter(self._network(missing))
        return [next(asked) if found is None else found for found in known]

    def close(self) -> None:
        if self._network is not None:
            self._network.close()


def _places(file: int) -> Iterator[tuple[int, tuple[int, int, int, int]]]:
    """Of each frame by its index: the file, where its record's contents begin, how long they are, and the checksum."""
    at, size = 0, os.fstat(file).st_size
    while len(head := os.pread(file, _HEAD.size, at)) == _HEAD.size:
        index, expected, length = _HEAD.unpack(head)
        at += _HEAD.size
        if at + length > size:
            return
        yield index, (file, at, length, expected)
        at += length


def _plane(data: bytes, shape: tuple[int, int]) -> NDArray[np.uint8]:
    return np.frombuffer(data, np.uint8).reshape(shape)
