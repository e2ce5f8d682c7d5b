"""Pictures and masks from folders, checked before any time is spent on them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from streamseg.errors import InputError
from streamseg.frame import Image
from streamseg.training.plan import Data, Folder

Labels = NDArray[np.uint8]
VOID = 255
_PICTURES = {".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"}
_IN_MEMORY_BYTES = 2 << 30
_Item = TypeVar("_Item")


@dataclass(frozen=True, slots=True)
class Pair:
    """The files of a picture and of its mask."""

    picture: Path
    mask: Path


class Pairs:
    """Pictures (H, W, 3) u8 BGR with labels (H, W) u8, `VOID` where there is none; in memory as far as they fit."""

    def __init__(self, pairs: Sequence[Pair], data: Data, n_classes: int) -> None:
        """Reads every file once.

        Raises:
            InputError: a file cannot be read, sizes differ, or a mask holds an id that is no class.
        """
        self._pairs = pairs
        self._table = _table(data, n_classes)
        self._n_classes = n_classes
        self._kept: dict[int, tuple[Image, Labels]] = {}
        self.pixels = np.zeros(n_classes, np.int64)
        """Pixels of each class over all masks, (C,)."""
        room = _IN_MEMORY_BYTES
        for index in range(len(pairs)):
            picture, labels = loaded = self._load(index)
            self.pixels += np.bincount(labels.reshape(-1), minlength=256)[:n_classes]
            room -= picture.nbytes + labels.nbytes
            if room > 0:
                self._kept[index] = loaded

    def __len__(self) -> int:
        return len(self._pairs)

    def __getitem__(self, index: int) -> tuple[Image, Labels]:
        return self._kept.get(index) or self._load(index)

    def _load(self, index: int) -> tuple[Image, Labels]:
        pair = self._pairs[index]
        picture = read_picture(pair.picture)
        mask = _read(pair.mask, cv2.IMREAD_UNCHANGED)
        if mask.ndim != 2 or mask.dtype != np.uint8:
            raise InputError(f"{pair.mask}: a mask is one channel of 8 bits, not {_form(mask)}")
        if mask.shape != picture.shape[:2]:
            raise InputError(f"{pair.mask}: {_size(mask)}, but its picture is {_size(picture)}")
        labels = self._table[mask]
        wrong = np.unique(mask[(labels >= self._n_classes) & (labels != VOID)])
        if len(wrong):
            raise InputError(
                f"{pair.mask}: value {wrong[0]} is none of the {self._n_classes} classes",
                "map it under data.ids, to 255 if it is to be ignored",
            )
        return picture, labels


def find_pairs(root: str, folder: Folder) -> list[Pair]:
    """Every picture of `folder` with its mask, by name.

    Raises:
        InputError: the folder is missing or empty, or a picture has no mask.
    """
    pictures, masks = Path(root) / folder.pictures, Path(root) / folder.masks
    found = find_pictures(pictures)
    if not masks.is_dir():
        raise InputError(f"{masks}: no such folder")
    pairs = [Pair(path, masks / f"{path.stem}.png") for path in found]
    for pair in pairs:
        if not pair.mask.is_file():
            raise InputError(f"{pair.picture}: its mask {pair.mask} is missing")
    return pairs


def find_pictures(folder: Path) -> list[Path]:
    """The picture files of `folder` by name; raises InputError where it is missing or has none."""
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder")
    found = sorted(path for path in folder.iterdir() if path.suffix.lower() in _PICTURES)
    if not found:
        raise InputError(f"{folder}: no pictures in it")
    return found


def split(
    items: Sequence[_Item], patterns: Sequence[str], picture: Callable[[_Item], Path]
) -> tuple[list[_Item], list[_Item]]:
    """Those to learn from, and those whose pictures' names match a pattern, held out.

    Raises:
        InputError: there are patterns, and one of the two is empty.
    """
    held = [any(fnmatch(picture(item).name, pattern) for pattern in patterns) for item in items]
    if patterns and (all(held) or not any(held)):
        raise InputError(f"data.hold_out: {sum(held)} of {len(items)} pictures match", "mend the patterns")
    return [a for a, out in zip(items, held, strict=True) if not out], [
        a for a, out in zip(items, held, strict=True) if out
    ]


def read_picture(path: Path) -> Image:
    """The picture, (H, W, 3) u8 BGR; raises InputError where it cannot be read."""
    image: Image = _read(path, cv2.IMREAD_COLOR)
    return image


def _read(path: Path, mode: int) -> NDArray[np.uint8]:
    image = cv2.imread(str(path), mode)
    if image is None:
        raise InputError(f"{path}: cannot be read as a picture")
    return np.asarray(image)


def _table(data: Data, n_classes: int) -> Labels:
    table = np.arange(256, dtype=np.uint8)
    for text, class_id in data.ids.items():
        value = int(text) if text.isdecimal() else -1
        if not 0 <= value <= 255 or not (0 <= class_id < n_classes or class_id == VOID):
            raise InputError(f"data.ids: {text}: {class_id} maps no mask value to a class or to 255")
        table[value] = class_id
    return table


def _size(image: NDArray[np.uint8]) -> str:
    return f"{image.shape[1]}x{image.shape[0]}"


def _form(image: NDArray[np.uint8]) -> str:
    return f"{1 if image.ndim == 2 else image.shape[2]} channels of {image.dtype.itemsize * 8} bits"
