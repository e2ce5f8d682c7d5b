"""Classes and their colours in data sets of labelling tools: `labelmap.txt` of CVAT's "Segmentation mask 1.1".

The folders around it are those of Everingham et al., "The Pascal Visual Object Classes (VOC) Challenge", IJCV 2010.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from streamseg.errors import InputError, printable
from streamseg.segmentation import Classes

FILE = "labelmap.txt"
IMAGES, LABELS, OBJECTS, LISTS = "JPEGImages", "SegmentationClass", "SegmentationObject", "ImageSets/Segmentation"
BACKGROUND = "background"
"""What the tools call the class under everything, whatever a model calls it; it is black."""
VOID = 255
VOID_COLOUR = (192, 224, 224)  # blue, green, red: VOC's for what belongs to no class
_IGNORED = "__ignore__"
_LINE = re.compile(r"(?P<name>.+?):(?P<red>\d{1,3}),(?P<green>\d{1,3}),(?P<blue>\d{1,3})(:.*)?")


def is_background(name: str) -> bool:
    """Whether a tool means what is under everything: `Background` as well, and `_background_` of LabelMe."""
    return name.casefold().strip("_") == BACKGROUND


def is_void(name: str) -> bool:
    """Whether a tool means what belongs to no class: `__ignore__` of LabelMe."""
    return name.casefold() == _IGNORED


def generated(count: int) -> NDArray[np.uint8]:
    """(count, 3) u8 BGR: VOC's colours of the numbers from 0 on; the first 256 and no two of them are the same."""
    numbers = np.arange(count)
    colours = np.zeros((count, 3), np.uint8)
    for bit in range(8):
        for channel, of in ((2, 0), (1, 1), (0, 2)):
            colours[:, channel] |= (((numbers >> (3 * bit + of)) & 1) << (7 - bit)).astype(np.uint8)
    return colours


def palette(classes: Classes) -> NDArray[np.uint8]:
    """(256, 3) u8 BGR: a colour for each class id that no other class has, the model's own where that can be.

    The background is black and nothing else is; 255 is VOC's colour for what belongs to no class.
    """
    table = np.zeros((256, 3), np.uint8)
    table[VOID] = VOID_COLOUR
    taken = {(0, 0, 0), VOID_COLOUR}
    free = [(int(b), int(g), int(r)) for b, g, r in generated(256)[1:]]
    for class_id, own in enumerate(classes.colours.tolist()):
        if class_id == classes.background:
            continue
        blue, green, red = own
        colour = (blue, green, red)
        if colour in taken:
            colour = next(each for each in free if each not in taken)
        taken.add(colour)
        table[class_id] = colour
    return table


def labelmap(classes: Classes) -> str:
    """The file: a line `NAME:RED,GREEN,BLUE::` for each class."""
    colours = palette(classes)
    names = (BACKGROUND if at == classes.background else printable(name) for at, name in enumerate(classes.names))
    lines = (f"{name}:{r},{g},{b}::" for name, (b, g, r) in zip(names, colours.tolist(), strict=False))
    return "# label:color_rgb:parts:actions\n" + "\n".join(lines) + "\n"


def read_labelmap(path: Path) -> dict[str, tuple[int, int, int]]:
    """Name -> blue, green, red, each 0..255.

    Raises:
        InputError: it cannot be read, or is no such file; the message names the line.
    """
    try:
        return parse_labelmap(path.read_text("utf-8-sig"), path)
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: {getattr(error, 'strerror', None) or 'is no text'}") from None


def parse_labelmap(text: str, path: Path) -> dict[str, tuple[int, int, int]]:
    """The same of the `text` of the file `path`."""
    found: dict[str, tuple[int, int, int]] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        match = _LINE.fullmatch(line.strip())
        colour = tuple(int(match[each]) for each in ("blue", "green", "red")) if match else (256,)
        if match is None or max(colour) > 255:
            raise InputError(f"{path}:{number}: not a line such as NAME:255,0,0::")
        found[match["name"]] = colour[0], colour[1], colour[2]
    return found
