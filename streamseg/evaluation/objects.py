"""Labelled objects: pictures whose masks number every object, or COCO's JSON."""

from __future__ import annotations

import contextlib
import io
import json
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from streamseg import installing
from streamseg.capture.media import visible_images
from streamseg.errors import InputError
from streamseg.labelmap import VOID, is_background, is_void
from streamseg.maskfile import is_of, read_mask

if TYPE_CHECKING:
    from pycocotools.coco import COCO

Numbers = NDArray[np.uint16]
"""(H, W) u16: 0 where there is no object, else the number of one."""

_LEAST_NUMBERS = 6  # of an outline: x and y of three corners
_FAR = 5  # sides of the picture, within which corners lie


class UnknownClassError(InputError):
    """A data set names a class that the model does not have."""


class Crowd(NamedTuple):
    """Where objects are not told apart, or nobody knows: what is found there is neither right nor wrong."""

    class_id: int
    """255: of any class."""
    mask: NDArray[np.bool_]
    """(H, W)."""


@dataclass(frozen=True, slots=True, eq=False)
class Objects:
    """What is known of one picture."""

    numbers: Numbers
    class_ids: NDArray[np.int32]
    """(N + 1,) i32: the class of each number; 0, the background, for number 0."""
    crowds: tuple[Crowd, ...] = ()


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
    masks = {path.stem: path for path in visible_images(truth.iterdir()) if path.suffix.lower() == ".png"}
    shown = [path for path in visible_images(images.iterdir()) if is_of(masks.get(path.stem), path)]
    pairs = [Labelled(path, masks[path.stem]) for path in shown]
    if not pairs:
        raise InputError(f"{images}: no picture has a mask of its name in {truth}")
    return pairs


def read_objects(
    labelled: Labelled, classes: Sequence[str], shape: tuple[int, ...], *, crowds: bool = False
) -> Objects:
    """The objects of a picture of (height, width) `shape`; `classes` are the model's, the background first.

    Numbered masks hold objects of class 1. COCO's categories are told apart by their names; what is of a background is
    no object. With `crowds` what COCO's JSON marks as a crowd is one as well, beneath the others, and what belongs to
    no class is one of class 255; else both are put aside.

    Raises:
        InputError: the mask cannot be read or is of another size, or a category is none of the classes.
    """
    if labelled.mask is None:
        return _objects_in_coco(labelled, classes, shape, crowds=crowds)
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


def is_coco(path: Path) -> bool:
    """Whether a file is COCO's JSON of images, annotations and categories."""
    try:
        _load_coco(path)
    except InputError:
        return False
    return True


def category_names(truth: Path) -> list[str]:
    """What COCO's JSON calls its classes, in the order of their ids; not those that only stand above others.

    Raises:
        InputError: it is none of COCO's.
    """
    coco = _load_coco(truth)
    used = {each.get("category_id") for each in coco.dataset["annotations"]}
    names = [(each.get("name"), each.get("supercategory")) for each in coco.cats.values()]
    above = [higher for name, higher in names if higher != name]
    return [
        str(each.get("name", number))
        for number, each in sorted(coco.cats.items())
        if (number in used or each.get("name") not in above) and not is_void(str(each.get("name")))
    ]


def _find_in_coco(images: Path, truth: Path) -> list[Labelled]:
    coco = _load_coco(truth)
    if all(each.get("iscrowd") for each in coco.dataset["annotations"]):
        for each in coco.dataset["annotations"]:  # CVAT and Datumaro mark so whatever was drawn as a mask
            each["iscrowd"] = 0
    named = {int(image["id"]): str(image["file_name"]) for image in coco.dataset["images"]}
    if not named:
        raise InputError(f"{truth}: no pictures in it")
    places = {number: _place(images, name) for number, name in named.items()}
    below: dict[str, list[Path]] = {}
    if None in places.values():
        for path in sorted(images.rglob("*")):
            below.setdefault(path.name, []).append(path)
    found = []
    for number, place in places.items():
        last = PureWindowsPath(named[number]).name
        if place is None and len(below.get(last, [])) != 1:
            wrong = f"named in {truth} and there more than once" if last in below else f"named in {truth} and missing"
            raise InputError(f"{images / last}: is {wrong}")
        found.append(Labelled(place or below[last][0], None, coco, number))
    return sorted(found, key=lambda each: each.image)


def _place(images: Path, name: str) -> Path | None:
    """The picture that the tool calls `name`, which may begin with folders of another machine, Windows' as well."""
    parts = [part for part in PureWindowsPath(name).parts if part != ".." and not part.endswith(("\\", "/"))]
    places = (images.joinpath(*parts[start:]) for start in range(len(parts)))
    with contextlib.suppress(OSError):  # a name that no file can have
        return next((path for path in places if path.is_file()), None)
    return None


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
        if not all(isinstance(each["id"], int) for part in ("images", "categories") for each in dataset[part]):
            raise TypeError
        if not all(isinstance(each["file_name"], str) for each in dataset["images"]):
            raise TypeError
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise InputError(f"{path}: not COCO's JSON of images, annotations and categories") from None
    return coco


def _objects_in_coco(labelled: Labelled, classes: Sequence[str], shape: tuple[int, ...], *, crowds: bool) -> Objects:
    coco = labelled.coco
    assert coco is not None
    numbers, class_ids = np.zeros(shape[:2], np.uint16), [0]
    aside: list[Crowd] = []
    annotations: list[dict[str, Any]] = coco.imgToAnns.get(labelled.image_id, [])
    for annotation in sorted(annotations, key=lambda each: not each.get("iscrowd")):
        name = str(coco.cats.get(annotation["category_id"], {}).get("name", annotation["category_id"]))
        beneath = name not in classes and is_background(name)
        void = name not in classes and is_void(name)
        if not crowds and (void or annotation.get("iscrowd")):
            if void or name in classes:
                class_id = VOID if void else list(classes).index(name)
                aside.append(Crowd(class_id, _drawn(labelled, annotation, name, numbers.shape) > 0))
            continue
        if name not in classes and not beneath and not void:
            raise UnknownClassError(
                f"{_told(labelled)}: category '{name}' is none of the classes", f"one of {', '.join(classes[1:])}"
            )
        mask = _drawn(labelled, annotation, name, numbers.shape)
        numbers[mask > 0] = 0 if beneath else len(class_ids)
        if not beneath:
            class_ids.append(VOID if void else list(classes).index(name))
    return Objects(numbers, np.array(class_ids, np.int32), tuple(aside))


def _drawn(labelled: Labelled, annotation: Mapping[str, Any], name: str, shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """(H, W) u8 of that `shape`: 1 where the object is."""
    coco = labelled.coco
    assert coco is not None
    try:
        image, where = coco.imgs[labelled.image_id], annotation["segmentation"]
        for side, own in zip(("height", "width"), shape, strict=True):
            image[side] = image.get(side) or own  # 0 is Datumaro's for what it does not know
        size = image["height"], image["width"]
        if isinstance(where, list):  # a line of two corners has no area, and pycocotools takes it for a box
            where = [part for part in where if len(part) >= _LEAST_NUMBERS]
        same = size == shape and (not isinstance(where, dict) or tuple(where["size"]) == shape)
        far = max(shape)
        near = isinstance(where, dict) or all(-_FAR * far <= value <= _FAR * far for part in where for value in part)
        if (
            isinstance(where, dict)
            and isinstance(where["counts"], list)
            and sum(where["counts"]) != np.prod(where["size"])
        ):
            raise ValueError
        if same and near:  # else pycocotools follows the edge there, pixel by pixel
            with warnings.catch_warnings():  # pycocotools warns of its own use of NumPy
                warnings.simplefilter("ignore")
                return np.asarray(coco.annToMask({**annotation, "segmentation": where}), np.uint8)
    except Exception:  # pycocotools names none
        raise InputError(f"{_told(labelled)}: annotation {annotation.get('id')} has no valid outline") from None
    if not same:
        raise InputError(f"{_told(labelled)}: is not of the size that its annotations are for")
    raise InputError(f"{_told(labelled)}: the outline of a '{name}' has corners far outside of the picture")


def _told(labelled: Labelled) -> Path:
    """The picture itself, instead of a link to it."""
    return labelled.image.resolve() if labelled.image.is_symlink() else labelled.image
