"""Labelled objects: pictures whose masks number every object, or COCO's JSON."""

from __future__ import annotations

import contextlib
import io
import json
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from streamseg import installing
from streamseg.capture.media import IMAGES
from streamseg.errors import InputError
from streamseg.maskfile import read_mask

if TYPE_CHECKING:
    from pycocotools.coco import COCO

Numbers = NDArray[np.uint16]
"""(H, W) u16: 0 where there is no object, else the number of one."""


class UnknownClassError(InputError):
    """A data set names a class that the model does not have."""


@dataclass(frozen=True, slots=True, eq=False)
class Objects:
    """What is known of one picture."""

    numbers: Numbers
    class_ids: NDArray[np.int32]
    """(N + 1,) i32: the class of each number; 0, the background, for number 0."""


@dataclass(frozen=True, slots=True)
class Labelled:
    """One picture, and where its objects are written."""

    image: Path
    mask: Path | None
    """A PNG of object numbers; None: the objects are in `coco`."""
    coco: COCO | None = None
    image_id: int = 0


def find_labelled(images: Path, truth: Path) -> list[Labelled]:
    """Every labelled picture of a folder, by name; `truth` is a folder of PNGs of the same names, or COCO's JSON.

    Raises:
        InputError: a folder is missing or has no pairs, or the JSON is none of COCO's.
    """
    if not images.is_dir():
        raise InputError(f"{images}: no such folder")
    if truth.suffix == ".json":
        return _find_in_coco(images, truth)
    if not truth.is_dir():
        raise InputError(f"{truth}: no such folder")
    masks = {path.stem: path for path in truth.iterdir() if path.suffix.lower() == ".png"}
    found = sorted(path for path in images.iterdir() if path.suffix.lower() in IMAGES)
    pairs = [Labelled(path, masks[path.stem]) for path in found if path.stem in masks]
    if not pairs:
        raise InputError(f"{images}: no picture has a mask of its name in {truth}")
    return pairs


def read_objects(labelled: Labelled, classes: Sequence[str], shape: tuple[int, ...]) -> Objects:
    """The objects of a picture of (height, width) `shape`; `classes` are the model's, the background first.

    Numbered masks hold objects of class 1. COCO's categories are told apart by their names.

    Raises:
        InputError: the mask cannot be read or is of another size, or a category is none of the classes.
    """
    if labelled.mask is None:
        return _objects_in_coco(labelled, classes, shape)
    try:
        numbers = read_mask(labelled.mask)
    except InputError as error:
        raise InputError(f"{error.message}; objects have a number for each object, in 8 or 16 bits") from None
    if numbers.shape != tuple(shape[:2]):
        told = [f"{each[1]}x{each[0]}" for each in (numbers.shape, shape)]
        raise InputError(f"{labelled.mask}: {told[0]}, but its picture is {told[1]}")
    class_ids = np.ones(int(numbers.max()) + 1, np.int32)
    class_ids[0] = 0
    return Objects(numbers.astype(np.uint16), class_ids)


def category_names(truth: Path) -> list[str]:
    """What COCO's JSON calls its categories, in the order of their ids.

    Raises:
        InputError: it is none of COCO's.
    """
    return [str(each.get("name", number)) for number, each in sorted(_load_coco(truth).cats.items())]


def _find_in_coco(images: Path, truth: Path) -> list[Labelled]:
    coco = _load_coco(truth)
    found = [
        Labelled(images / Path(str(image["file_name"])).name, None, coco, int(image["id"]))
        for image in coco.dataset["images"]
    ]
    if not found:
        raise InputError(f"{truth}: no pictures in it")
    for each in found:
        if not each.image.is_file():
            raise InputError(f"{each.image}: is named in {truth} and missing")
    return sorted(found, key=lambda each: each.image)


def _load_coco(path: Path) -> COCO:
    try:
        from pycocotools.coco import COCO
    except ImportError:
        raise InputError("reading COCO's JSON needs pycocotools", installing.package("pycocotools")) from None
    try:
        dataset = json.loads(path.read_bytes())
        coco = COCO()
        coco.dataset = dataset
        with contextlib.redirect_stdout(io.StringIO()):  # it talks while it works
            coco.createIndex()
        if not {"images", "annotations", "categories"} <= dataset.keys():
            raise KeyError
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise InputError(f"{path}: not COCO's JSON of images, annotations and categories") from None
    return coco


def _objects_in_coco(labelled: Labelled, classes: Sequence[str], shape: tuple[int, ...]) -> Objects:
    coco = labelled.coco
    assert coco is not None
    numbers, class_ids = np.zeros(shape[:2], np.uint16), [0]
    annotations: list[dict[str, Any]] = coco.loadAnns(coco.getAnnIds(imgIds=[labelled.image_id], iscrowd=False))
    for annotation in annotations:
        name = coco.cats.get(annotation["category_id"], {}).get("name", annotation["category_id"])
        if name not in classes:
            raise UnknownClassError(
                f"{labelled.image}: category '{name}' is none of the classes", f"one of {', '.join(classes[1:])}"
            )
        try:
            with warnings.catch_warnings():  # pycocotools warns of its own use of NumPy
                warnings.simplefilter("ignore")
                mask = coco.annToMask(annotation)
        except Exception:  # pycocotools names none
            raise InputError(f"{labelled.image}: annotation {annotation.get('id')} has no valid outline") from None
        if mask.shape != numbers.shape:
            raise InputError(f"{labelled.image}: is not of the size that its annotations are for")
        numbers[mask > 0] = len(class_ids)
        class_ids.append(list(classes).index(name))
    return Objects(numbers, np.array(class_ids, np.int32))
