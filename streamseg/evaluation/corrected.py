"""A folder of pictures and masks as a labelling tool exports it, brought into the form that is learnt from and scored.

Read are CVAT's "Segmentation mask 1.1" (Pascal VOC, what `dataset:` writes), PNGs of class ids, outlines of YOLO and
LabelMe, COCO's JSON, and Roboflow's masks of class numbers beside their pictures.
"""

from __future__ import annotations

import hashlib
import json
import logging
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import cv2
import msgspec
import numpy as np

from streamseg.errors import InputError
from streamseg.evaluation.coloured import Labels, Numbers, beneath, from_voc, not_apart, one_of, paired
from streamseg.evaluation.objects import UnknownClassError, category_names, find_labelled, is_coco, read_objects
from streamseg.evaluation.outlines import LINKED, outlined
from streamseg.evaluation.roboflow import NUMBERED, class_numbers, numbered_masks
from streamseg.imagefile import promised_size, read_image
from streamseg.imagefile.exif import ON_ITS_SIDE, orientation
from streamseg.labelmap import (
    BACKGROUND,
    FILE,
    IMAGES,
    LABELS,
    VOID,
    generated,
    is_background,
    is_void,
    read_labelmap,
)
from streamseg.maskfile import read_mask
from streamseg.segmentation import Classes

_log = logging.getLogger(__name__)
_PICTURES, _MASKS = "pictures", "masks"
_SPLIT = "_annotations.coco.json"  # as Roboflow calls it, in a folder for each part
_INSTANCES = "instances_"  # so COCO calls outlines, beside its captions and key points
_HELD_OUT = 5
_NO_NAME = re.compile("^$|[\0-\x1f\x7f\ud800-\udfff]")


def held_out(names: Iterable[str]) -> list[str]:
    """About a fifth of the `names` of pictures, which is not learnt from: told by each name alone.

    So a picture stays held out, whatever is added to the folder later. Of two or more it is one at least, never all.
    """
    order = sorted((hashlib.sha256(name.encode()).digest(), name) for name in names)
    chosen = [name for digest, name in order if digest[0] % _HELD_OUT == 0]
    chosen = chosen or [name for _, name in order[: len(order) > 1]]
    return sorted(chosen[:-1] if len(chosen) == len(order) else chosen)


def held_out_of(pictures: Path) -> list[str]:
    """The same of a folder that `bring_in` has made, told by what the user's own files are called.

    Those with outlines are called by their folders too where these are several, which a later one may make them.
    """
    own = {link.name: _own_name(link) for link in pictures.iterdir()}
    chosen = held_out(set(own.values()))
    return sorted(name for name, its in own.items() if its in chosen) or held_out(own)


def _own_name(link: Path) -> str:
    first = link.readlink() if link.is_symlink() else link
    return first.readlink().name if first.parent == link.absolute().parents[1] / LINKED else link.name


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
    void: bool = False
    """255 in the masks belongs to no class, even where they hold nothing else but 0."""


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
    told = not instances  # whether its masks are made here, of names
    if (folder / LABELS).is_dir():
        known = classes or _named(read_labelmap(folder / FILE))
        made = from_voc(folder, home, known, instances=instances)
    elif (folder / NUMBERED).is_file():
        known = classes or _named(class_numbers(folder).values())
        made = _from_numbers(folder, known, instances=instances)
    elif (folder / _MASKS).is_dir():
        if classes is None:
            raise InputError(f"{folder}: names no classes", "a plan names them: docs/training.md")
        known, told = classes, False
        made = ((path, read_mask(mask)) for path, mask in paired(home, folder / _MASKS))
    else:
        home, truth = outlined(folder, into, grouped=instances) or (home, _coco(folder))
        known = classes or _named(category_names(truth))
        if instances:
            return _linked(home, truth, into, None if classes else known)
        made = _from_coco(home, truth, known)
    found = _written(made, folder, home, into, known, own=classes is None)
    return msgspec.structs.replace(found, void=told)


def _written(
    made: Iterable[tuple[Path, Labels | Numbers]], folder: Path, home: Path, into: Path, known: Classes, *, own: bool
) -> Corrected:
    digest, count, empty = hashlib.sha256(), 0, True
    for picture, mask in made:
        _check_size(picture, mask)
        link = _link(picture, home, into)
        data = cv2.imencode(".png", mask)[1].tobytes()
        (into / _MASKS / f"{link.stem}.png").write_bytes(data)
        digest.update(link.name.encode() + mask.tobytes())
        count += 1
        empty = empty and bool((mask == beneath(known)).all())
    if not count:
        raise InputError(f"{folder}: no picture in {home.name} has a mask")
    if empty:
        _log.warning("%s: nothing is labelled in any of its pictures", folder)
    return Corrected(into / _PICTURES, into / _MASKS, count, digest.hexdigest(), known if own else None)


def _check_size(picture: Path, mask: Labels | Numbers) -> None:
    on_its_side = orientation(picture) in ON_ITS_SIDE
    if not on_its_side and promised_size(picture)[::-1] == mask.shape:  # of what is turned not every header tells
        return
    if (shape := read_image(picture).shape)[:2] != mask.shape:
        said = f"{picture}: is {shape[1]}x{shape[0]}, and its mask {mask.shape[1]}x{mask.shape[0]}"
        hint = "the picture counts as its camera was held (Exif), and the mask has to" if on_its_side else ""
        raise InputError(said, hint)


def _named(names: Iterable[str]) -> Classes:
    """Classes of these names behind a background, which they may name as well."""
    found = [name for name in dict.fromkeys(names) if not is_background(name) and not is_void(name)]
    wrong = next((name for name in found if _NO_NAME.search(name)), None)
    if wrong is not None:
        raise InputError(f"{wrong!a} is no name of a class")
    if len(found) >= VOID:
        raise InputError(f"{len(found)} classes: {VOID - 1} fit beside the background")
    return Classes((BACKGROUND, *found), generated(len(found) + 1), 0)


def _coco(folder: Path) -> Path:
    """The JSON in a folder that holds nothing else; other files of JSON may lie beside it."""
    every = sorted([*folder.glob("annotations/*.json"), *folder.glob("*.json")])
    known = every if len(every) == 1 else [path for path in every if is_coco(path)]
    found = [path for path in known if path.name.startswith(_INSTANCES)] or known or every[:1]
    if len(found) > 1:
        raise InputError(f"{folder}: {found[0].name} and {found[1].name} are both COCO's JSON", "leave one of them")
    if not found:
        below = next(
            iter(sorted(path.parent for name in (NUMBERED, _SPLIT) for path in folder.glob(f"*/{name}"))), None
        )
        formats = f"{LABELS} with {FILE}, masks, data.yaml with YOLO's labels, LabelMe's or COCO's JSON"
        raise InputError(f"{folder}: no masks in it", formats if below is None else f"they are in {below}")
    return found[0]


def _from_coco(pictures: Path, truth: Path, classes: Classes) -> Iterator[tuple[Path, Labels]]:
    for each in find_labelled(pictures, truth):
        objects = read_objects(each, classes.names, read_image(each.image).shape, crowds=True)
        ids = objects.class_ids.copy()
        ids[0] = beneath(classes)
        yield each.image, ids.astype(np.uint8)[objects.numbers]


def _from_numbers(folder: Path, classes: Classes, *, instances: bool) -> Iterator[tuple[Path, Labels]]:
    """Masks beside their pictures, whose numbers a table names."""
    if instances:
        raise not_apart(folder)
    table = np.full(1 << 16, VOID, np.uint8)
    named = class_numbers(folder)
    for number, name in named.items():
        if name not in classes.names and not is_background(name) and not is_void(name):
            raise UnknownClassError(f"{folder / NUMBERED}: '{name}' is none of the classes", one_of(classes))
        under = VOID if is_void(name) else beneath(classes)
        table[number] = classes.names.index(name) if name in classes.names else under
    for picture, mask in numbered_masks(folder):
        numbers = read_mask(mask)
        strange = sorted(set(np.unique(numbers).tolist()) - {VOID, *named})
        if strange:
            raise InputError(f"{mask}: the number {strange[0]} is not in {NUMBERED}", "is it from another export?")
        yield picture, table[numbers]


def _linked(pictures: Path, truth: Path, into: Path, own: Classes | None) -> Corrected:
    """COCO's JSON as it is: it says which object is of which class."""
    found = find_labelled(pictures, truth)
    links = {each.image_id: _link(each.image, pictures, into).name for each in found}
    tree = json.loads(truth.read_bytes())
    for image in tree["images"]:
        image["file_name"] = links[image["id"]]
    crowds = sum(bool(each.get("iscrowd")) for each in tree["annotations"])
    if 0 < crowds < len(tree["annotations"]):
        _log.warning("%s: %d of its areas are marked as crowds, and are no objects", truth, crowds)
    masks = into / "masks.json"
    masks.write_text(json.dumps(tree))
    return Corrected(into / _PICTURES, masks, len(found), hashlib.sha256(truth.read_bytes()).hexdigest(), own)


def _link(picture: Path, home: Path, into: Path) -> Path:
    """A link to a picture in `home` or below, of a name that no other has, whatever comes behind its dot."""
    below = picture.is_relative_to(home)
    link = into / _PICTURES / ("-".join(picture.relative_to(home).parts) if below else picture.name)
    if link.is_symlink() or (into / _MASKS / f"{link.stem}.png").is_file():
        raise InputError(f"{picture}: another picture is called {link.stem} as well, and masks are told by that")
    link.symlink_to(picture.absolute())
    return link
