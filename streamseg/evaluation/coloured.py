"""Masks of class ids by their colours, as CVAT's "Segmentation mask 1.1" has them, and pictures with masks by name."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from streamseg.capture.media import visible_images
from streamseg.errors import InputError
from streamseg.evaluation.leftout import tell_left_out
from streamseg.evaluation.objects import UnknownClassError
from streamseg.imagefile import read_image
from streamseg.labelmap import FILE, LABELS, OBJECTS, VOID, VOID_COLOUR, is_background, is_void, read_labelmap
from streamseg.segmentation import Classes

Labels = NDArray[np.uint8]
Numbers = NDArray[np.uint16]


def paired(pictures: Path, masks: Path) -> list[tuple[Path, Path]]:
    """Pictures with the mask of the same name, in the same folder below; how many have none is said."""
    every = visible_images(masks.rglob("*"))
    by_name = {path.relative_to(masks).with_suffix(""): path for path in every if path.suffix.lower() == ".png"}
    shown = [path for path in visible_images(pictures.rglob("*")) if not path.is_relative_to(masks)]
    names = [path.relative_to(pictures).with_suffix("") for path in shown]
    found = [(path, by_name[name]) for path, name in zip(shown, names, strict=True) if name in by_name]
    if found:
        tell_left_out(pictures, len(found), len(shown))
    return found


def from_voc(
    folder: Path, pictures: Path, classes: Classes, *, instances: bool
) -> Iterator[tuple[Path, Labels | Numbers]]:
    """Masks by their colours, which the tool may have chosen."""
    ids = _ids(folder / FILE, classes)
    if instances and (len(classes) != 2 or not (folder / OBJECTS).is_dir()):
        raise not_apart(folder)
    for picture, mask in paired(pictures, folder / LABELS):
        labels = _labels(mask, ids)
        if not instances:
            yield picture, labels
            continue
        objects = folder / OBJECTS / mask.relative_to(folder / LABELS)
        numbers = _objects(objects)
        if numbers.shape != labels.shape:
            raise InputError(f"{objects}: is not of the size of {mask}")
        yield picture, np.where((labels == classes.background) | (labels == VOID), 0, numbers).astype(np.uint16)


def _ids(path: Path, classes: Classes) -> dict[int, int]:
    """Colour as one number -> class id; black is the background where there is one, else void."""
    table, owner = {0: beneath(classes)}, dict[int, str]()
    for name, colour in read_labelmap(path).items():
        known = name in classes.names
        if not known and not is_background(name) and not is_void(name):
            raise UnknownClassError(f"{path}: '{name}' is none of the classes", one_of(classes))
        class_id = classes.names.index(name) if known else VOID if is_void(name) else beneath(classes)
        other = owner.setdefault(number := _number(colour), name)
        if other != name and table[number] != class_id:
            raise InputError(f"{path}: '{other}' and '{name}' have one colour", "give each its own, and export again")
        table[number] = class_id
    return table


def _labels(path: Path, ids: dict[int, int]) -> Labels:
    found, where = _colours(path)
    void = _number(VOID_COLOUR)
    strange = next((colour for colour in found.tolist() if colour not in ids and colour != void), None)
    if strange is not None:
        red, green, blue = strange & 255, strange >> 8 & 255, strange >> 16
        raise InputError(f"{path}: the colour {red},{green},{blue} is not in {FILE}", "is it from another export?")
    return np.array([ids.get(colour, VOID) for colour in found.tolist()], np.uint8)[where]


def _objects(path: Path) -> Numbers:
    """Numbers from 1 for the colours of a picture, 0 for black; of 16 bits they are numbers already."""
    image = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if image is not None and image.dtype == np.uint16 and image.ndim == 2:
        return np.asarray(image, np.uint16)
    found, where = _colours(path)
    numbers = np.where(found == 0, 0, np.cumsum(found != 0))
    return np.asarray(numbers.astype(np.uint16)[where], np.uint16)


def _colours(path: Path) -> tuple[NDArray[np.int64], NDArray[np.intp]]:
    """The colours in a picture, each as one number, and which of them each pixel has, (H, W)."""
    image = read_image(path).astype(np.int32)
    numbers = image[..., 0] << 16 | image[..., 1] << 8 | image[..., 2]
    found, where = np.unique(numbers, return_inverse=True)
    return found.astype(np.int64), where.reshape(numbers.shape)


def _number(colour: tuple[int, int, int]) -> int:
    blue, green, red = colour
    return blue << 16 | green << 8 | red


def beneath(classes: Classes) -> int:
    """What is where nothing is labelled."""
    return VOID if classes.background is None else classes.background


def not_apart(folder: Path) -> InputError:
    """For masks of classes where objects are wanted."""
    return InputError(f"{folder}: says of objects not which is which", "export it as COCO's JSON")


def one_of(classes: Classes) -> str:
    """What a name may be, for people."""
    return f"one of {', '.join(classes.names)}"
