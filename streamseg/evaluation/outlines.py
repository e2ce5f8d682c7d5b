"""Outlines of things as YOLO and LabelMe write them, a file beside each picture, brought into COCO's JSON.

Read are YOLO's lines `CLASS x y x y …` in shares of the picture, with the names of data.yaml (Ultralytics, Roboflow,
CVAT) or of classes.txt (Label Studio), and LabelMe's polygons, rectangles, circles and masks.
"""

from __future__ import annotations

import base64
import functools
import itertools
import json
import math
import os
from collections.abc import Callable, Sequence
from pathlib import Path, PureWindowsPath
from typing import Any

import cv2
import numpy as np

from streamseg.capture.media import IMAGES as SUFFIXES
from streamseg.coco import Rle, encode_rle
from streamseg.errors import InputError
from streamseg.evaluation.leftout import tell_left_out
from streamseg.imagefile import read_image
from streamseg.yamlfile import read_tree

Thing = tuple[str, list[list[float]] | Rle]
"""What it is called, and where it is, as COCO has it: the corners around it, x and y in pixels by turns, or a mask."""
Size = tuple[int, int]
_ABOUT = ("data.yaml", "data.yml", "dataset.yaml", "dataset.yml", "classes.txt")
_PICTURES, _LABELS = "images", "labels"
LINKED = "linked"
"""The folder of links to pictures."""
_BEYOND = 0.01  # of the picture's side, by which corners may lie outside of it
_CORNERS = 3
_ROUND = 32  # corners of a circle


def outlined(folder: Path, into: Path, *, grouped: bool = False) -> tuple[Path, Path] | None:
    """A folder with links to the pictures of `folder` that have outlines, and COCO's JSON of them, both made in `into`.

    None where there are no files of either kind. Pictures of several folders get names of their own. What LabelMe has
    in one group is one thing if `grouped`.

    Raises:
        InputError: a file says what is no outline.
    """
    about = next((folder / name for name in _ABOUT if (folder / name).is_file()), None)
    names = {} if about is None else _names(about)
    pictures = _pictures(folder)
    read: Callable[[Path, Size], list[Thing]] = functools.partial(_yolo, names=names)
    found = [] if about is None else _with_outlines(pictures, _labels_of)
    if not found:
        read, names = functools.partial(_labelme, grouped=grouped), {}
        found = _with_outlines(pictures, _labelme_of)
    if not found and about is None:
        return None
    if not found:
        raise InputError(f"{folder}: no picture has a file of outlines", "labels/NAME.txt of images/NAME.jpg")
    tell_left_out(folder, len(found), len(pictures), "outlines")
    return _as_coco(folder, found, read, list(names.values()), into)


def _as_coco(
    folder: Path,
    found: Sequence[tuple[Path, Path]],
    read: Callable[[Path, Size], list[Thing]],
    names: list[str],
    into: Path,
) -> tuple[Path, Path]:
    """`names` are those that are known before any file is read."""
    links, truth = into / LINKED, into / "outlines.json"
    flat = len({picture.parent for picture, _ in found}) == 1
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    called: dict[str, Path] = {}
    links.mkdir()
    for picture, path in found:
        name = picture.name if flat else "-".join(picture.relative_to(folder).parts)
        other = called.setdefault(Path(name).stem, picture)
        if other is not picture:
            raise InputError(f"{picture}: would be called {Path(name).stem}, as {other} is, and masks are told by that")
        (links / name).symlink_to(picture.absolute())
        height, width = read_image(picture).shape[:2]
        for label, where in read(path, (height, width)):
            names = names if label in names else [*names, label]
            kind = {"image_id": len(images), "category_id": names.index(label), "iscrowd": 0}
            annotations.append({"id": len(annotations) + 1, **kind, "segmentation": where})
        images.append({"id": len(images), "file_name": name, "height": height, "width": width})
    categories = [{"id": number, "name": name} for number, name in enumerate(names)]
    truth.write_text(json.dumps({"images": images, "annotations": annotations, "categories": categories}))
    return links, truth


def _pictures(folder: Path) -> list[Path]:
    """In linked folders as well, each folder once; what is hidden is none."""
    found, seen = [], set()
    for top, below, files in os.walk(folder, followlinks=True):
        real = Path(top).resolve()
        below[:] = [] if real in seen else sorted(below)
        found += [] if real in seen else [Path(top, name) for name in files if not name.startswith(".")]
        seen.add(real)
    return sorted(path for path in found if path.suffix.lower() in SUFFIXES)


def _with_outlines(pictures: list[Path], mark: Callable[[Path], Path | None]) -> list[tuple[Path, Path]]:
    marked = [(picture, mark(picture)) for picture in pictures]
    return [(picture, path) for picture, path in marked if path is not None]


def _names(about: Path) -> dict[int, str]:
    """YOLO's number of each class -> its name."""
    if about.suffix == ".txt":
        return {number: line.strip() for number, line in enumerate(_text(about).splitlines()) if line.strip()}
    tree = read_tree(about)
    found = tree.value.get("names") if isinstance(tree.value, dict) else None
    if isinstance(found, list):
        found = {str(number): name for number, name in enumerate(found)}
    if isinstance(found, dict) and all(number.isdecimal() for number in found):
        named = {number: tree.written.get(("names", number), str(name)) for number, name in found.items()}
        return {int(number): named[number] for number in sorted(named, key=int)}
    raise InputError(f"{about}: has no `names` of classes", "names: [crack, hole]")


def _yolo(path: Path, size: Size, names: dict[int, str]) -> list[Thing]:
    """Small things above large ones, as Ultralytics has it."""
    lines = [(number, line.split()) for number, line in enumerate(_text(path).splitlines(), 1) if line.strip()]
    things = [_line(f"{path}:{number}", words, names, size) for number, words in lines]
    return sorted(things, key=_area, reverse=True)


def _area(thing: Thing) -> float:
    return sum(cv2.contourArea(np.array(part, np.float32).reshape(-1, 2)) for part in thing[1])


def _labels_of(picture: Path) -> Path | None:
    """In the last folder called `labels` instead of `images`, as YOLO has it, or beside it."""
    parts, name = list(picture.parts), picture.with_suffix(".txt").name
    places = [picture.with_name(name)]
    if _PICTURES in parts[:-1]:
        at = len(parts) - 2 - parts[-2::-1].index(_PICTURES)
        places.insert(0, Path(*parts[:at], _LABELS, *parts[at + 1 : -1], name))
    return next((path for path in places if path.is_file() and path.name not in _ABOUT), None)


def _line(where: str, words: list[str], names: dict[int, str], size: Size) -> Thing:
    try:
        number, shares = float(words[0]), [float(word) for word in words[1:]]
    except ValueError:
        raise InputError(f"{where}: not a line such as 0 0.1 0.2 0.3 0.2 0.3 0.4") from None
    if len(shares) == 4:
        raise InputError(f"{where}: a box, not an outline", "labels of YOLO's segmentation, not of its detection")
    if len(shares) % 2 or len(shares) < 2 * _CORNERS:
        raise InputError(f"{where}: {len(shares)} numbers are no outline: two for each corner, of three or more")
    if number not in names:
        raise InputError(f"{where}: class {number:g} has no name", f"{', '.join(names.values())} are named")
    if not all(-_BEYOND <= share <= 1 + _BEYOND for share in shares):  # not a number is neither
        raise InputError(f"{where}: corners are shares of the picture, 0 to 1")
    height, width = size
    return names[int(number)], [[share * (width, height)[place % 2] for place, share in enumerate(shares)]]


def _labelme_of(picture: Path) -> Path | None:
    path = picture.with_suffix(".json")
    try:
        found = json.loads(path.read_bytes())
    except OSError:
        return None
    except (ValueError, RecursionError):
        raise InputError(f"{path}: is not JSON, and lies where LabelMe writes its own") from None
    if not isinstance(found, dict) or not isinstance(found.get("shapes"), list):
        return None
    own = PureWindowsPath(str(found.get("imagePath") or picture.name)).name
    return path if own == picture.name or not (picture.parent / own).is_file() else None


def _labelme(path: Path, size: Size, *, grouped: bool) -> list[Thing]:
    tree = json.loads(path.read_bytes())
    of = tuple(told or own for told, own in zip((tree.get("imageHeight"), tree.get("imageWidth")), size, strict=True))
    if of != size:
        raise InputError(f"{path}: was drawn on {of[1]}x{of[0]} pixels, and its picture has {size[1]}x{size[0]}")
    things = [_shape(path, shape, size) for shape in tree["shapes"]]
    return _joined(things, [shape.get("group_id") for shape in tree["shapes"]]) if grouped else things


def _joined(things: list[Thing], groups: list[object]) -> list[Thing]:
    """Of outlines of one name and group one thing; masks stay as they are."""
    found: dict[object, Thing] = {}
    for at, ((name, where), group) in enumerate(zip(things, groups, strict=True)):
        key = at if group is None or isinstance(where, dict) else (name, str(group))
        before = found.get(key, (name, []))[1]
        found[key] = name, where if isinstance(where, dict) or isinstance(before, dict) else [*before, *where]
    return list(found.values())


def _shape(path: Path, shape: Any, size: Size) -> Thing:
    try:
        name, kind = str(shape["label"]), shape.get("shape_type") or "polygon"
        points = [(float(x), float(y)) for x, y in shape["points"]]
        if not shape["label"]:
            raise KeyError
    except (KeyError, TypeError, ValueError, AttributeError):
        raise InputError(f"{path}: a shape has no label, or no points") from None
    if not all(map(math.isfinite, itertools.chain.from_iterable(points))):
        raise InputError(f"{path}: '{name}' has a point that is no number")
    if kind == "mask" and len(points) == 2:
        return name, _mask(path, shape.get("mask"), points[0], size)
    if kind == "rectangle" and len(points) == 2:
        (x0, y0), (x1, y1) = points
        points = [(x0, y0), (x1, y0), (x1, y1), (x0, y1)]
    elif kind == "circle" and len(points) == 2:
        (x, y), far = points[0], math.dist(*points)
        angles = (2 * math.pi * corner / _ROUND for corner in range(_ROUND))
        points = [(x + far * math.cos(angle), y + far * math.sin(angle)) for angle in angles]
    elif kind not in ("polygon", "rectangle", "oriented_rectangle", "rotation") or len(points) < _CORNERS:
        raise InputError(f"{path}: '{name}' is a {kind} of {len(points)} points, no area", "draw it as a polygon")
    return name, [[value for point in points for value in point]]


def _mask(path: Path, data: object, corner: tuple[float, float], size: Size) -> Rle:
    """A picture in base64, whose upper left pixel is at `corner`."""
    try:
        raw = np.frombuffer(base64.b64decode(str(data), validate=True), np.uint8)
        part = cv2.imdecode(raw, cv2.IMREAD_GRAYSCALE)
    except (ValueError, cv2.error):
        part = None
    left, top = map(int, corner)
    plane = np.zeros(size, bool)
    if part is None or left < 0 or top < 0 or plane[top:, left:][: part.shape[0], : part.shape[1]].shape != part.shape:
        raise InputError(f"{path}: a mask is no picture, or does not lie in its picture")
    plane[top : top + part.shape[0], left : left + part.shape[1]] = part > 0
    return encode_rle(plane)


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: {getattr(error, 'strerror', None) or 'is no text'}") from None
