"""Pictures and masks from folders, checked before any time is spent on them."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from streamseg.capture.media import visible_images
from streamseg.errors import InputError
from streamseg.frame import Image
from streamseg.imagefile import read_image as read_as_a_run_does
from streamseg.labelmap import VOID as VOID
from streamseg.maskfile import black_and_white, is_of, read_mask
from streamseg.training.plan import Data, Folder

Labels = NDArray[np.uint8]
_log = logging.getLogger(__name__)
_MOST_MEGAPIXELS = 256.0
_IN_MEMORY_BYTES = 2 << 30


@dataclass(frozen=True, slots=True)
class Pair:
    """The files of a picture and of its mask."""

    image: Path
    mask: Path
    white: bool = False
    """The mask is of black and white: 255 says class 1."""


@dataclass(frozen=True, slots=True, eq=False)
class Key:
    """What the numbers in a set's masks stand for."""

    table: Labels
    """(256,): number -> id; from 0 a class, behind the classes a group of several."""
    n_ids: int
    thin: Mapping[int, int] = field(default_factory=dict)
    """Class -> pixels: labels that are wider are void."""


class Pairs:
    """Pictures (H, W, 3) u8 BGR with labels (H, W) u8, `VOID` where there is none; in memory as far as they fit."""

    def __init__(self, pairs: Sequence[Pair], data: Data, n_classes: int, key: Key | None = None) -> None:
        """Reads every file once; `key` stands in for what `data` says of the masks.

        Raises:
            InputError: a file cannot be read, sizes differ, or a mask holds an id that is no class.
        """
        self._pairs = pairs
        self._key = key or plain_key(data, n_classes)
        self._white_table = self._key.table.copy()
        self._white_table[VOID] = 1
        self._n_classes = n_classes
        self._kept: dict[int, tuple[Image, Labels]] = {}
        self.pixels = np.zeros(n_classes, np.int64)
        """Pixels of each class over all masks, (C,)."""
        self.present = np.zeros((len(pairs), n_classes), bool)
        """Whether a class is in a picture."""
        room = _IN_MEMORY_BYTES
        for index in range(len(pairs)):
            image, labels = loaded = self._load(index)
            pixels = np.bincount(labels.reshape(-1), minlength=256)[:n_classes]
            self.pixels += pixels
            self.present[index] = pixels > 0
            room -= image.nbytes + labels.nbytes
            if room > 0:
                self._kept[index] = loaded

    def __len__(self) -> int:
        return len(self._pairs)

    def __getitem__(self, index: int) -> tuple[Image, Labels]:
        return self._kept.get(index) or self._load(index)

    def _load(self, index: int) -> tuple[Image, Labels]:
        pair = self._pairs[index]
        image = read_image(pair.image)
        mask = read_mask(pair.mask)
        if mask.dtype != np.uint8:
            raise InputError(f"{pair.mask}: a mask of class ids is one channel of 8 bits, not of 16")
        if mask.shape != image.shape[:2]:
            raise InputError(f"{pair.mask}: {_size(mask)}, but its picture is {_size(image)}")
        labels = (self._white_table if pair.white else self._key.table)[mask]
        wrong = np.unique(mask[(labels >= self._key.n_ids) & (labels != VOID)])
        if len(wrong):
            raise InputError(
                f"{pair.mask}: value {wrong[0]} is none of the {self._n_classes} classes",
                "map it under data.ids, to 255 if it is to be ignored",
            )
        for class_id, width_px in self._key.thin.items():
            labels[_wider(labels == class_id, width_px)] = VOID
        return image, labels


def find_pairs(root: str, folder: Folder, ids: Mapping[str, int] | None = None) -> list[Pair]:
    """Every picture of `folder` with its mask, by name; `ids` are the plan's.

    Raises:
        InputError: the folder is missing or empty, or a picture has no mask.
    """
    images, masks = Path(root) / folder.pictures, Path(root) / folder.masks
    found = find_images(images)
    if not masks.is_dir():
        raise InputError(f"{masks}: no such folder")
    named = {path.stem: path for path in visible_images(masks.iterdir()) if path.suffix.lower() == ".png"}
    missing = next((path for path in found if path.stem not in named), None)
    if missing is not None:
        raise InputError(f"{missing}: its mask {masks / f'{missing.stem}.png'} is missing")
    pairs = [Pair(path, named[path.stem]) for path in found if is_of(named[path.stem], path)]
    if not pairs:
        raise InputError(f"{images}: holds masks alone, no pictures")
    if str(VOID) in (ids or {}) or not black_and_white(pair.mask for pair in pairs):
        return pairs
    _log.warning("%s: nothing but 0 and 255 in it: 255 is taken for class 1 (`ids: {255: 255}` keeps it void)", masks)
    return [replace(pair, white=True) for pair in pairs]


def find_images(folder: Path) -> list[Path]:
    """The picture files of `folder` by name; raises InputError where it is missing or has none."""
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder")
    found = visible_images(folder.iterdir())
    if not found:
        raise InputError(f"{folder}: no pictures in it")
    return found


def some_images(folder: Path, most: int) -> list[Image]:
    """At most so many pictures of a folder, evenly spread, (H, W, 3) u8 BGR.

    Raises:
        InputError: there is no such folder, or one cannot be read.
    """
    found = find_images(folder)
    step = max(1, len(found) // most)
    return [read_image(path) for path in found[::step][:most]]


def read_image(path: Path) -> Image:
    """The picture, (H, W, 3) u8 BGR; raises InputError where it cannot be read."""
    return read_as_a_run_does(path, _MOST_MEGAPIXELS)


def plain_key(data: Data, n_classes: int, thin: Mapping[int, int] | None = None) -> Key:
    """What the plan's `ids` say of masks; raises InputError where they map to no class."""
    table = np.arange(256, dtype=np.uint8)
    for text, class_id in data.ids.items():
        value = mask_value(text)
        if value is None or not (0 <= class_id < n_classes or class_id == VOID):
            raise InputError(f"data.ids: {text}: {class_id} maps no mask value to a class or to 255")
        table[value] = class_id
    return Key(table, n_classes, thin or {})


def mask_value(text: str) -> int | None:
    """The value of a mask that a plan's key names; None where that is none."""
    value = int(text) if text.isdecimal() and len(text) <= 3 else -1
    return value if 0 <= value <= 255 else None


def _wider(mask: NDArray[np.bool_], width_px: int) -> NDArray[np.bool_]:
    """What of a mask belongs to parts that are wider than `width_px`: opened by a disc, and grown back."""
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (width_px + 1, width_px + 1))
    core = cv2.erode(mask.view(np.uint8), disc, borderValue=(0,))
    grown = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (width_px + 5, width_px + 5))
    return np.asarray(cv2.dilate(core, grown) & mask.view(np.uint8)) > 0


def _size(image: NDArray[Any]) -> str:
    return f"{image.shape[1]}x{image.shape[0]}"
