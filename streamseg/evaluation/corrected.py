"""A folder of pictures and masks as a labelling tool exports it, brought into the form that is learnt from and scored.

Read are CVAT's "Segmentation mask 1.1" (Pascal VOC, what `dataset:` writes), PNGs of class ids, outlines of YOLO and
LabelMe, COCO's JSON, and Roboflow's masks of class numbers beside their pictures.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterable, Iterator
from pathlib import Path

import cv2
import msgspec
import numpy as np
from numpy.typing import NDArray

from streamseg.capture.media import IMAGES as SUFFIXES
from streamseg.errors import InputError
from streamseg.evaluation.objects import UnknownClassError, category_names, find_labelled, read_objects
from streamseg.evaluation.outlines import outlined
from streamseg.evaluation.roboflow import NUMBERED, class_numbers, numbered_masks
from streamseg.imagefile import read_image
from streamseg.labelmap import BACKGROUND, FILE, IMAGES, LABELS, OBJECTS, VOID, VOID_COLOUR, generated, read_labelmap
from streamseg.maskfile import read_mask
from streamseg.segmentation import Classes

_log = logging.getLogger(__name__)
_PICTURES, _MASKS = "pictures", "masks"
_SPLIT = "_annotations.coco.json"  # as Roboflow calls it, in a folder for each part
_HELD_OUT = 5
Labels = NDArray[np.uint8]
Numbers = NDArray[np.uint16]


def held_out(names: Iterable[str]) -> list[str]:
    """About a fifth of the `names` of pictures, which is not learnt from: told by each name alone.

    So a picture stays held out, whatever is added to the folder later. Of two or more it is one at least.
    """
    order = sorted((hashlib.sha256(name.encode()).digest(), name) for name in names)
    chosen = [name for digest, name in order if digest[0] % _HELD_OUT == 0]
    return sorted(chosen or [name for _, name in order[: len(order) > 1]])


class Corrected(msgspec.Struct, frozen=True):
    """What was made of a folder."""

    pictures: Path
    masks: Path
    """PNGs of class ids of the same names, or for objects of their numbers; or COCO's JSON."""
    count: int
    digest: str
    """Of the masks and names: another one where anything was corrected since."""
    own: Classes | None = None
    """Classes that the folder names, where those are what the masks are of; None: they are what was asked for."""


def bring_in(folder: Path, classes: Classes | None, into: Path, *, instances: bool = False) -> Corrected:
    """Links to the pictures of `folder` that have masks, and the masks of `classes`, in the empty folder `into`.

    Args:
        folder: as a labelling tool exports it.
        classes: None: those that the folder names, behind a background.
        into: exists.
        instances: each object by itself.

    Raises:
        InputError: there are no pictures with masks, or a mask says what is none of the classes.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder")
    home = next((folder / name for name in (IMAGES, "images") if (folder / name).is_dir()), folder)
    for name in (_PICTURES, _MASKS):
        (into / name).mkdir()
    if (folder / LABELS).is_dir():
        known = classes or _named(read_labelmap(folder / FILE))
        made = _from_voc(folder, home, known, instances=instances)
    elif (folder / NUMBERED).is_file():
        known = classes or _named(class_numbers(folder).values())
        made = _from_numbers(folder, known)
    elif (folder / _MASKS).is_dir():
        if classes is None:
            raise InputError(f"{folder}: names no classes", "a plan names them: docs/training.md")
        known = classes
        made = ((path, read_mask(mask)) for path, mask in _pairs(home, folder / _MASKS))
    else:
        home, truth = outlined(folder, into) or (home, _coco(folder))
        known = classes or _named(category_names(truth))
        if instances:
            return _linked(home, truth, into, None if classes else known)
        made = _from_coco(home, truth, known)
    digest, count = hashlib.sha256(), 0
    for picture, mask in made:
        (into / _PICTURES / picture.name).symlink_to(picture.absolute())
        data = cv2.imencode(".png", mask)[1].tobytes()
        (into / _MASKS / f"{picture.stem}.png").write_bytes(data)
        digest.update(picture.name.encode() + mask.tobytes())
        count += 1
    if not count:
        raise InputError(f"{folder}: no picture in {home.name} has a mask")
    return Corrected(into / _PICTURES, into / _MASKS, count, digest.hexdigest(), None if classes else known)


def _named(names: Iterable[str]) -> Classes:
    """Classes of these names behind a background, which they may name as well."""
    found = [name for name in dict.fromkeys(names) if name.casefold() != BACKGROUND]
    return Classes((BACKGROUND, *found), generated(len(found) + 1), 0)


def _coco(folder: Path) -> Path:
    """The JSON in a folder that holds nothing else."""
    found = next(iter(sorted([*folder.glob("annotations/*.json"), *folder.glob("*.json")])), None)
    if found is None:
        below = next(
            iter(sorted(path.parent for name in (NUMBERED, _SPLIT) for path in folder.glob(f"*/{name}"))), None
        )
        known = f"{LABELS} with {FILE}, masks, data.yaml with YOLO's labels, LabelMe's or COCO's JSON"
        raise InputError(f"{folder}: no masks in it", known if below is None else f"they are in {below}")
    return found


def _pairs(pictures: Path, masks: Path) -> list[tuple[Path, Path]]:
    """Pictures with the mask of the same name; how many have none is said."""
    by_stem = {path.stem: path for path in masks.iterdir() if path.suffix.lower() == ".png"}
    shown = sorted(path for path in pictures.iterdir() if path.suffix.lower() in SUFFIXES)
    found = [(path, by_stem[path.stem]) for path in shown if path.stem in by_stem]
    if found and len(found) < len(shown):
        _log.warning(
            "%s: %d of %d pictures have no mask, and are left out", pictures, len(shown) - len(found), len(shown)
        )
    return found


def _from_voc(
    folder: Path, pictures: Path, classes: Classes, *, instances: bool
) -> Iterator[tuple[Path, Labels | Numbers]]:
    """Masks by their colours, which the tool may have chosen."""
    ids = _ids(folder / FILE, classes)
    if instances and (len(classes) != 2 or not (folder / OBJECTS).is_dir()):
        raise InputError(f"{folder}: says of objects not which is which", "export it as COCO's JSON")
    for picture, mask in _pairs(pictures, folder / LABELS):
        labels = _labels(mask, ids)
        if not instances:
            yield picture, labels
            continue
        numbers = _objects(folder / OBJECTS / mask.name)
        if numbers.shape != labels.shape:
            raise InputError(f"{folder / OBJECTS / mask.name}: is not of the size of {mask}")
        yield picture, np.where((labels == classes.background) | (labels == VOID), 0, numbers).astype(np.uint16)


def _ids(path: Path, classes: Classes) -> dict[int, int]:
    """Colour as one number -> class id; black is the background where there is one, else void."""
    table = {0: _beneath(classes)}
    for name, colour in read_labelmap(path).items():
        known = name in classes.names
        if not known and name != BACKGROUND:
            raise UnknownClassError(f"{path}: '{name}' is none of the classes", _one_of(classes))
        table[_number(colour)] = classes.names.index(name) if known else table[0]
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


def _from_coco(pictures: Path, truth: Path, classes: Classes) -> Iterator[tuple[Path, Labels]]:
    for each in find_labelled(pictures, truth):
        objects = read_objects(each, classes.names, read_image(each.image).shape)
        ids = objects.class_ids.copy()
        ids[0] = _beneath(classes)
        yield each.image, ids.astype(np.uint8)[objects.numbers]


def _from_numbers(folder: Path, classes: Classes) -> Iterator[tuple[Path, Labels]]:
    """Masks beside their pictures, whose numbers a table names."""
    table = np.full(256, VOID, np.uint8)
    for number, name in class_numbers(folder).items():
        if name not in classes.names and name.casefold() != BACKGROUND:
            raise UnknownClassError(f"{folder / NUMBERED}: '{name}' is none of the classes", _one_of(classes))
        table[number] = classes.names.index(name) if name in classes.names else _beneath(classes)
    for picture, mask in numbered_masks(folder):
        yield picture, table[read_mask(mask)]


def _linked(pictures: Path, truth: Path, into: Path, own: Classes | None) -> Corrected:
    """COCO's JSON as it is: it says which object is of which class."""
    found = find_labelled(pictures, truth)
    for each in found:
        (into / _PICTURES / each.image.name).symlink_to(each.image.absolute())
    masks = into / "masks.json"
    masks.symlink_to(truth.absolute())
    return Corrected(into / _PICTURES, masks, len(found), hashlib.sha256(truth.read_bytes()).hexdigest(), own)


def _beneath(classes: Classes) -> int:
    """What is where nothing is labelled."""
    return VOID if classes.background is None else classes.background


def _one_of(classes: Classes) -> str:
    return f"one of {', '.join(classes.names)}"
