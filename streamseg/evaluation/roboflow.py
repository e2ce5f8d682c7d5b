"""Masks as Roboflow exports them: `NAME_mask.png` of class numbers beside each picture, and a table of their names."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

from streamseg.capture.media import visible_images
from streamseg.errors import InputError
from streamseg.evaluation.leftout import tell_left_out

NUMBERED = "_classes.csv"
_MASK = "_mask.png"


def class_numbers(folder: Path) -> dict[int, str]:
    """What each number in the masks is called.

    Raises:
        InputError: the table cannot be read, or holds something else.
    """
    path = folder / NUMBERED
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = [[cell.strip() for cell in row] for row in csv.reader(file) if row]
        found = {int(number): name for number, name in rows[1:]}
    except (OSError, UnicodeDecodeError, ValueError, csv.Error):
        found = {}
    if not found or not all(0 <= number <= 255 and name for number, name in found.items()):
        raise InputError(f"{path}: not a table of Pixel Value and Class")
    return found


def numbered_masks(folder: Path) -> Iterator[tuple[Path, Path]]:
    """Pictures with their masks; how many have none, and are left out, is said."""
    shown = [path for path in visible_images(folder.iterdir()) if not path.name.endswith(_MASK)]
    found = [(path, mask) for path in shown if (mask := path.with_name(path.stem + _MASK)).is_file()]
    tell_left_out(folder, len(found), len(shown))
    yield from found
