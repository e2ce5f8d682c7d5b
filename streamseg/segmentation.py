"""What was found in a frame: class ids for every pixel, and objects where the model tells them apart."""

from __future__ import annotations

import difflib
import itertools
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from streamseg.errors import InputError
from streamseg.gpu import GpuLabels
from streamseg.masks import PlaneMask, Size, Window, box_window

# Words for one thing, of which a model knows the one and a person says the other.
_ALIKE = (
    ("person", "pedestrian", "people", "human"),
    ("bicyclist", "cyclist", "rider", "bicycle", "bike"),
    ("car", "vehicle", "automobile"),
    ("pavement", "sidewalk", "footpath"),
    ("road", "street"),
    ("sign", "traffic sign"),
    ("tree", "vegetation"),
    ("nucleus", "nuclei"),
)
_MOST_LISTED = 12
_MASK_TYPES = "fdB"  # float32, float64 and uint8, which OpenCV interpolates
T = TypeVar("T")


@dataclass(frozen=True, slots=True, eq=False)
class Classes:
    """The names behind class ids, and their colours."""

    names: tuple[str, ...]
    colours: NDArray[np.uint8]
    """(C, 3) u8 BGR."""
    background: int | None = None
    """The class left undrawn by overlays (the floor under everything), or None: all are drawn."""
    ignore_index: int | None = 255
    """The id of pixels that belong to no class, or None."""

    def __post_init__(self) -> None:
        if not 1 <= len(self.names) <= 256:
            raise ValueError(f"1 to 256 classes fit in a byte, not {len(self.names)}")
        if len(set(self.names)) < len(self.names):
            raise ValueError(f"classes go by their names, which differ: {', '.join(self.names)}")
        if not _is_bytes(self.colours) or self.colours.shape != (len(self.names), 3):
            raise ValueError(f"colours are ({len(self.names)}, 3) uint8, not {_said(self.colours)}")
        if self.background is not None and self.background not in range(len(self.names)):
            raise ValueError(f"the background is a class, 0 to {len(self.names) - 1}, or None, not {self.background}")
        if self.ignore_index is not None and self.ignore_index not in range(256):
            raise ValueError(f"the id of no class is 0 to 255, or None, not {self.ignore_index}")

    def __len__(self) -> int:
        return len(self.names)


def _is_bytes(array: object) -> bool:
    return isinstance(array, np.ndarray) and array.dtype == np.uint8


def _said(array: object) -> str:
    return f"{array.shape} {array.dtype}" if isinstance(array, np.ndarray) else type(array).__name__


def _types(arrays: Sequence[object]) -> str:
    return ", ".join(str(getattr(each, "dtype", type(each).__name__)) for each in arrays)


def _kept(array: T) -> T:
    """A view that cannot be written into, of what is an array."""
    if not isinstance(array, np.ndarray):
        return array
    view: Any = array.view()
    view.setflags(write=False)
    return cast("T", view)


def distinct(names: Sequence[str]) -> tuple[str, ...]:
    """`names`, those that repeat with a number behind them: bar, bar 2."""
    taken: list[str] = []
    for name in names:
        others = (f"{name} {number}" for number in itertools.count(2))
        free = itertools.chain([name], (other for other in others if other not in names))
        taken.append(next(each for each in free if each not in taken))
    return tuple(taken)


def find_class(classes: Classes, name: str) -> int:
    """The id of the class called `name`, or by another word for the same, in whatever letters: `Cars`, `person`.

    Raises:
        InputError: there is none; the message names those that come near.
    """
    if name in classes.names:
        return classes.names.index(name)
    known = [_plain(each) for each in classes.names]
    for word in (_plain(name), _plain(name).removesuffix("s")):
        for same in (word, *_alike(word)):
            if same in known:
                return known.index(same)
    raise InputError(f"this model has no class '{name}'", _near(name, classes.names))


def _plain(name: str) -> str:
    return name.casefold().replace("_", " ").replace("-", " ").strip()


def _alike(word: str) -> tuple[str, ...]:
    return next((group for group in _ALIKE if word in group), ())


def _near(name: str, names: tuple[str, ...]) -> str:
    """The words for these classes that look like `name`, or else the classes."""
    words = {_plain(word): word for each in names for word in (*_alike(_plain(each)), each)}
    close = difflib.get_close_matches(_plain(name), words, n=3)
    if close:
        return f"did you mean {' or '.join(words[word] for word in close)}?"
    more = f" … ({len(names)} in all)" if len(names) > _MOST_LISTED else ""
    return f"it has {', '.join(names[:_MOST_LISTED])}{more}"


@dataclass(frozen=True, slots=True, eq=False)
class Instances:
    """Objects of one frame in aligned arrays."""

    class_ids: NDArray[np.int32]
    """(N,) i32."""
    scores: NDArray[np.float32]
    """(N,) f32, 0..1."""
    boxes: NDArray[np.float32]
    """(N, 4) f32: left, top, right, bottom in pixels of the frame."""
    masks: NDArray[np.float32] | Sequence[PlaneMask]
    """(N, m, m) f32, 0..1, over the inside of each box; or N that say themselves where they are. See `mask`."""
    track_ids: NDArray[np.int32]
    """(N,) i32; -1 where an object is not tracked."""

    def __post_init__(self) -> None:
        n, masks = len(self.class_ids), self.masks
        arrays = self.class_ids, self.scores, self.boxes, self.track_ids
        try:
            shapes = (*(each.shape for each in arrays), (len(masks),))
            ids, scores, boxes, tracks = (each.dtype.kind for each in arrays)
        except AttributeError:
            raise ValueError(f"instances are NumPy's arrays, not {_types(arrays)}") from None
        if shapes != ((n,), (n,), (n, 4), (n,), (n,)) or (isinstance(masks, np.ndarray) and masks.ndim != 3):
            found = getattr(masks, "shape", len(masks))
            raise ValueError(f"{n} instances need aligned arrays, not {shapes[:4]} and masks {found}")
        if ids not in "iu" or tracks not in "iu" or scores not in "iuf" or boxes not in "iuf":
            raise ValueError(f"ids are int32, scores and boxes float32, not {_types(arrays)}")
        if isinstance(masks, np.ndarray) and masks.dtype.char not in _MASK_TYPES:
            raise ValueError(f"masks are ({n}, m, m) float32 of 0 to 1 over the inside of each box, not {_said(masks)}")

    def __len__(self) -> int:
        return len(self.class_ids)

    def __repr__(self) -> str:
        return f"Instances({len(self)}, class_ids={sorted(set(self.class_ids.tolist()))})"

    def mask(self, index: int, frame: Size, size: Size | None = None) -> NDArray[np.bool_]:
        """(h, w) bool: where the object is in a frame of (height, width) `frame`; at `size`, None: at the frame's."""
        plane = np.zeros(size or frame, bool)
        window = self.window(index, frame, size or frame)
        window.of(plane)[...] = window.mask
        return plane

    def window(self, index: int, frame: Size, size: Size) -> Window:
        """The same, without what is around the object."""
        mask, box = self.masks[index], self.boxes[index]
        if isinstance(mask, PlaneMask):
            return mask.window(box, frame, size)
        return box_window(mask, box, frame, size)

    def over_box(self, index: int) -> NDArray[np.float32]:
        """(m, m) f32, 0..1: the object's mask over the inside of its box, coarse."""
        mask = self.masks[index]
        return mask.over_box if isinstance(mask, PlaneMask) else mask

    def take(self, indices: NDArray[np.intp]) -> Instances:
        """Those objects, in that order."""
        masks = self.masks
        taken = masks[indices] if isinstance(masks, np.ndarray) else tuple(masks[i] for i in indices)
        return Instances(
            self.class_ids[indices], self.scores[indices], self.boxes[indices], taken, self.track_ids[indices]
        )


def draw_masks(plane: NDArray[Any], instances: Instances, frame: Size, values: NDArray[Any]) -> None:
    """Fills each object's mask in `plane` (h, w) over the frame with its value, the surest last."""
    height, width = plane.shape
    for index in np.argsort(instances.scores, kind="stable"):
        window = instances.window(int(index), frame, (height, width))
        np.copyto(window.of(plane), values[index], where=window.mask, casting="unsafe")


@dataclass(frozen=True, slots=True, eq=False)
class Segmentation:
    """Class ids that cover exactly the whole frame, at whatever resolution they were computed."""

    labels: NDArray[np.uint8]
    """(h, w) u8 class ids; pixel (x, y) of the frame is labels[(2 * y + 1) * h // (2 * H), (2 * x + 1) * w // (2 * W)]:
    the label under its middle."""
    classes: Classes
    frame_index: int
    """Index of the frame that was looked at."""
    frame_time_s: float
    confidence: NDArray[np.uint8] | None = None
    """(h, w) u8, 0..255 for 0..1: how sure the label is; None where the method cannot tell."""
    instances: Instances | None = None
    disagreement: float | None = None
    """Share of the frame, 0..1, where the network saw another class than the mask that motion brought there from what
    it had seen before; None where nobody asked, or nothing was seen before."""
    on_gpu: GpuLabels | None = None
    """What was found, on the GPU that found it, which may draw it there."""

    def __post_init__(self) -> None:
        labels, confidence = self.labels, self.confidence
        if not _is_bytes(labels) or labels.ndim != 2 or not labels.size:  # OpenCV ends the process over an empty one
            raise ValueError(f"labels are (h, w) uint8, not {_said(labels)}")
        if confidence is not None and (not _is_bytes(confidence) or confidence.shape != labels.shape):
            raise ValueError(f"confidence is {labels.shape} uint8 like the labels, not {_said(confidence)}")

    def areas(self) -> NDArray[np.float64]:
        """Share of the frame under each class, (C,) f64, 0..1; ignored pixels count for none."""
        counts = np.bincount(self.labels.reshape(-1), minlength=256)[: len(self.classes)]
        return counts / self.labels.size

    def read_only(self) -> Segmentation:
        """The same, uncopied, for those who must not write into it: later frames are made of it."""
        found = self.instances
        if found is not None:
            found = Instances(*(_kept(getattr(found, each.name)) for each in fields(found)))
        return replace(self, labels=_kept(self.labels), confidence=_kept(self.confidence), instances=found)

    def __repr__(self) -> str:
        h, w = self.labels.shape
        return f"Segmentation({w}x{h} labels of {len(self.classes)} classes, frame_index={self.frame_index})"
