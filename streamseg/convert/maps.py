"""Outputs that have the picture's proportions, and why others that nearly have them are none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from streamseg.convert.class_names import expanded
from streamseg.convert.hints import Hints
from streamseg.convert.inputs import Probe
from streamseg.errors import InputError
from streamseg.infer.model.geometry import covers, misfit
from streamseg.infer.model.spec import InputSpec
from streamseg.infer.model.tensors import TensorInfo

MOST_CLASSES = 256
_DIVIDED = (1, 2, 4)
"""What a picture's sides are divided by in planes of scores."""
_NO_CLASSES = {
    "depth": "a depth",
    "disparit": "a disparity",
    "flow": "a motion",
    "normals": "a direction",
    "embedding": "a list of features",
    "heatmap": "how likely a point is",
}
"""Words in the names of outputs that look like scores."""


@dataclass(frozen=True, slots=True)
class PictureMap:
    """An output with the picture's proportions."""

    info: TensorInfo
    shape: tuple[int, ...]
    """As it came."""
    axis: int | None
    """Of the classes, in `shape`."""
    size: tuple[int, int]


def as_map(info: TensorInfo, taken: InputSpec, seen: Probe, hints: Hints) -> PictureMap | None:
    """The output as a map of the picture; None where it is none. How many classes there are says nothing: 150 of them
    come at 128x128 as well, so they lie along the axis without which both sides are the picture's by one scale.
    """
    if info.dtype.kind not in "iufb":
        return None
    shape = np.shape(seen.outputs[info.name])
    rank = len(shape)
    if rank == 2:
        axes: Sequence[int | None] = (None,)
    elif rank == 4:
        axes = (1, 3)
    elif rank == 3:
        axes = (None,) if shape[0] == (seen.batch or 1) else (0, 2)
        axes = (None, 0, 2) if seen.batch is None else axes
    else:
        return None
    if rank == 4 and shape[0] != (seen.batch or 1):
        return None
    names = len(expanded(hints.classes)) if hints.classes else None
    usual = (1 if rank == 4 else 0) if taken.layout == "NCHW" else rank - 1
    fitting = []
    for axis in axes:
        *leading, rows, columns = [side for i, side in enumerate(shape) if i != axis]
        apart = misfit((rows, columns), seen.size)
        if apart is not None and (leading or [1]) == [seen.batch or 1]:
            named = axis is not None and shape[axis] == names
            whole = _whole((rows, columns), seen.size)  # of two such the usual one is right: small sides fit by chance
            key = (not named, not whole, 0 if whole else round(apart), axis != usual)
            fitting.append((key, PictureMap(info, shape, axis, (rows, columns))))
    return min(fitting, key=lambda each: each[0])[1] if fitting else None


def _whole(sides: tuple[int, int], size: tuple[int, int]) -> bool:
    """Whether `size` is a whole number of times `sides`, rounded up or down; both (height, width)."""
    times = round(size[0] / sides[0])
    return times > 0 and all(have in (full // times, -(-full // times)) for have, full in zip(sides, size, strict=True))


def check_name(source: Path, name: str) -> None:
    """Raises InputError where the output's name says that its planes are no scores of classes."""
    for word, held in _NO_CLASSES.items():
        if word in name.casefold():
            raise InputError(
                f"{source}: output '{name}' is {held} for each pixel, not a class", "where it is, give it another name"
            )


def check_covers(source: Path, name: str, sides: tuple[int, int], size: tuple[int, int]) -> None:
    """Raises InputError where an output of these `sides` leaves out a border of the picture."""
    if all(covers(side, full) for side, full in zip(sides, size, strict=True)):
        return
    told = f"{source}: output '{name}' is {sides[1]}x{sides[0]} of {size[1]}x{size[0]}"
    if sides < size:
        raise InputError(
            f"{told}: it covers only the middle of the picture, as convolutions without padding do",
            "pad them, or the picture inside the model, before the export",
        )
    raise InputError(f"{told}: that is no whole multiple", "export it at another size")


def check_unpadded(source: Path, name: str, shape: tuple[int, ...], size: tuple[int, int]) -> None:
    """A border of one width is no longer in the proportions of a picture that is no square."""
    for sides in (shape[-2:], shape[-3:-1]):
        if len(shape) >= 3 and size[0] - sides[0] == size[1] - sides[1] and 2 * min(sides) > min(size):
            check_covers(source, name, (sides[0], sides[1]), size)


def check_flattened(source: Path, name: str, shape: tuple[int, ...], size: tuple[int, int]) -> None:
    """Planes of which each is one row of numbers."""
    if len(shape) != 3 or shape[1] == shape[2]:
        return
    for times in _DIVIDED:
        height, width = (-(-side // times) for side in size)
        if max(shape[1:]) == height * width and min(shape[1:]) <= MOST_CLASSES:
            order = f"(N, C, {height}, {width})" if shape[2] == height * width else f"(N, {height}, {width}, C)"
            raise InputError(
                f"{source}: output '{name}' {shape} has the rows of a picture of {width}x{height} one behind the other",
                f"reshape it to {order} before the export",
            )
