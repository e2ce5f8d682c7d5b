"""A network that is asked, in two files, an encoder and a decoder, as SAM, MobileSAM, SAM 2 and EdgeTAM are exported.

Kirillov et al. 2023, Ravi et al. 2024. Which form it is follows from the names and shapes in the two files.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from streamseg.errors import InputError
from streamseg.frame import Image
from streamseg.infer.backends.contract import Backend
from streamseg.infer.follow.closeup import Plane
from streamseg.infer.model.onnxfile import OnnxFile, inspect_onnx
from streamseg.infer.model.spec import IMAGENET_MEAN, IMAGENET_STD
from streamseg.infer.model.tensors import Tensor, TensorInfo
from streamseg.prompts import Box, Click

_SIDE = 1024  # of the picture that an encoder sees, where its file leaves it free
_MEAN, _STD = (np.array(each, np.float32) for each in (IMAGENET_MEAN, IMAGENET_STD))  # as all of them are trained
POINTS, LABELS = ("point_coords", "input_points"), ("point_labels", "input_labels")
_MASK, _HAS_MASK, _SIZE = "mask_input", "has_mask_input", "orig_im_size"
_ASKED = (*POINTS, *LABELS, _MASK, _HAS_MASK, _SIZE)
_MASKS, _SCORES = ("low_res_masks", "pred_masks", "masks"), ("iou_predictions", "iou_scores")
_SURE = 10.0  # natural logarithm of the odds, of what a mask that is given is sure of
_FORM = "taken are two files as samexporter writes them: an encoder, and a decoder with point_coords and point_labels"
NO_POINT, NOT_PART, PART, LEFT_TOP, RIGHT_BOTTOM = -1, 0, 1, 2, 3


Open = Callable[[Path], Backend]
"""Loads a file."""


class Point(NamedTuple):
    """A place in shares of the picture, and what is there."""

    x: float
    y: float
    label: int
    """`PART`, `NOT_PART`, or a corner of a box."""


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """A picture that the encoder has looked at."""

    features: dict[str, Tensor]
    inner: tuple[int, int]
    """Height and width that the picture has in the encoder's input; beyond is padding."""
    outer: tuple[int, int]
    """Height and width of that input."""
    size: tuple[int, int]
    """Of the picture itself."""


def points_of(prompt: Click | Box) -> list[Point]:
    """What the network is asked for a prompt."""
    if isinstance(prompt, Click):
        return [Point(prompt.x, prompt.y, PART if prompt.adds else NOT_PART)]
    return [Point(prompt.left, prompt.top, LEFT_TOP), Point(prompt.right, prompt.bottom, RIGHT_BOTTOM)]


class Network:
    """Finds what is pointed at; called by one thread at a time."""

    def __init__(self, files: Sequence[str], open_encoder: Open, open_decoder: Open) -> None:
        """Opens `files`, an encoder and a decoder.

        Raises:
            InputError: they are no such pair.
            BackendError: they cannot be run here.
        """
        encoder, decoder = inspect_pair(files)
        self._image, self._asks = encoder.inputs[0], {each.name: each for each in decoder.inputs}
        self._features = [name for name in self._asks if name not in _ASKED]
        self._stretches = len(_sizes(encoder, self._features)) > 1
        self._masks = _first(_MASKS, decoder.outputs)
        self._scores = _first(_SCORES, decoder.outputs)
        self._file = decoder.path
        self._encoder, self._decoder = open_encoder(encoder.path), open_decoder(decoder.path)

    def look(self, image: Image) -> Seen:
        """Shows the encoder a picture, (H, W, 3) u8 BGR of any size: the whole of it stretched to the input (SAM 2), or
        as it is with padding at the right and below (SAM)."""
        shape = self._image.shape or ()
        sides = (None, None) if len(shape) == 3 else shape[2:]
        outer = sides[0] or _SIDE, sides[1] or _SIDE
        height, width = image.shape[:2]
        scale = min(outer[0] / height, outer[1] / width)
        inner = outer if self._stretches else (max(1, int(height * scale + 0.5)), max(1, int(width * scale + 0.5)))
        rgb = cv2.cvtColor(cv2.resize(image, inner[::-1], interpolation=cv2.INTER_LINEAR), cv2.COLOR_BGR2RGB)
        if len(shape) == 3:
            fed = rgb.astype(self._image.dtype)  # the file does the rest itself
        else:
            fed = np.zeros((1, 3, *outer), self._image.dtype)
            fed[0, :, : inner[0], : inner[1]] = ((rgb - _MEAN) / _STD).transpose(2, 0, 1)
        found = self._encoder.run({self._image.name: fed})
        return Seen({name: found[name] for name in self._features}, inner, outer, (height, width))

    def find(self, seen: Seen, points: Sequence[Point], before: Plane | None, size: tuple[int, int]) -> Plane:
        """How likely each pixel is of what is pointed at, (h, w) f32 of `size`: the mask that it expects to fit best.

        `before` is how likely it was taken to be so far.

        Raises:
            InputError: the decoder gives something else than masks.
        """
        feeds = {**seen.features, **self._fed_points(seen, points), **self._fed_mask(seen, before)}
        if _SIZE in self._asks:
            feeds[_SIZE] = np.array(seen.size, self._asks[_SIZE].dtype)
        found = self._decoder.run(feeds)
        masks, scores = found[self._masks], found[self._scores].reshape(-1)
        if masks.ndim < 3 or math.prod(masks.shape[:-2]) != len(scores) or not masks.size:
            raise InputError(f"{self._file}: {self._masks} of {masks.shape} with {len(scores)} scores", _FORM)
        best = masks.reshape(len(scores), *masks.shape[-2:])[int(np.argmax(scores))].astype(np.float32)
        return _likely(self._cropped(best, seen), size)

    def close(self) -> None:
        """Frees both."""
        self._encoder.close()
        self._decoder.close()

    def _cropped(self, logits: Plane, seen: Seen) -> Plane:
        """Without the padding that the picture had."""
        if seen.inner == seen.outer or (self._masks == "masks" and _SIZE in self._asks):
            return logits
        whole = cv2.resize(logits, seen.outer[::-1], interpolation=cv2.INTER_LINEAR)
        return np.asarray(whole[: seen.inner[0], : seen.inner[1]], np.float32)

    def _fed_points(self, seen: Seen, points: Sequence[Point]) -> dict[str, Tensor]:
        places, labels = (next(self._asks[name] for name in names if name in self._asks) for names in (POINTS, LABELS))
        boxed = any(point.label == LEFT_TOP for point in points)
        pads = _SIZE in self._asks and not boxed  # other decoders do so themselves
        most = (places.shape or ())[-2] if places.shape else None
        taken = list(points[-most:] if most else points) + ([Point(0, 0, NO_POINT)] if pads and not most else [])
        taken += [Point(0, 0, NO_POINT)] * ((most or 0) - len(taken))
        height, width = seen.inner
        half = [0.0 if point.label == NO_POINT else 0.5 for point in taken]  # which decoders add
        at = [(point.x * width - less, point.y * height - less) for point, less in zip(taken, half, strict=True)]
        ones = (1,) * (len(places.shape or (1, 1, 1)) - 2)
        return {
            places.name: np.array(at, places.dtype).reshape(*ones, len(taken), 2),
            labels.name: np.array([point.label for point in taken], labels.dtype).reshape(*ones, len(taken)),
        }

    def _fed_mask(self, seen: Seen, before: Plane | None) -> dict[str, Tensor]:
        """What is known so far, as the odds that the decoder itself gives, at a quarter of the input's size."""
        if _MASK not in self._asks:
            return {}
        asked = self._asks[_MASK]
        sides = (asked.shape or (None, None))[-2:]
        mask = np.zeros((sides[0] or seen.outer[0] // 4, sides[1] or seen.outer[1] // 4), np.float32)
        if before is not None:
            rows, columns = (
                max(1, round(a * b / c)) for a, b, c in zip(mask.shape, seen.inner, seen.outer, strict=True)
            )
            share = np.clip(cv2.resize(before, (columns, rows), interpolation=cv2.INTER_AREA), 1e-6, 1 - 1e-6)
            mask[:rows, :columns] = np.clip(np.log(share / (1 - share)), -_SURE, _SURE)
            mask[rows:] = mask[:, columns:] = -_SURE
        there = np.array([before is not None], self._asks[_HAS_MASK].dtype)
        return {_MASK: mask[None, None].astype(asked.dtype), _HAS_MASK: there}


def _likely(logits: Plane, size: tuple[int, int]) -> Plane:
    sized = cv2.resize(logits, size[::-1], interpolation=cv2.INTER_LINEAR)
    return np.asarray(1 / (1 + np.exp(-np.clip(sized, -30, 30))), np.float32)


def _first(names: Sequence[str], there: Sequence[TensorInfo]) -> str:
    known = {each.name for each in there}
    return next((name for name in names if name in known), "")


def _sizes(encoder: OnnxFile, features: Sequence[str]) -> set[object]:
    """Of the planes of features: those of SAM 2 have several."""
    named = (each for each in encoder.outputs if each.name in features)
    return {
        each.name if each.name.startswith("high_res") else each.shape[2:]
        for each in named
        if each.shape and len(each.shape) == 4
    }


def inspect_pair(files: Sequence[str]) -> tuple[OnnxFile, OnnxFile]:
    """Reads and checks an encoder and the decoder to it without running them.

    Raises:
        InputError: they are no such pair.
    """
    encoder, decoder = (inspect_onnx(Path(file)) for file in files)
    _check_pair(encoder, decoder)
    return encoder, decoder


def _check_pair(encoder: OnnxFile, decoder: OnnxFile) -> None:
    """Raises InputError where the files are not an encoder and the decoder to it."""
    asks, gives = {each.name for each in decoder.inputs}, {each.name for each in encoder.outputs}
    if any(_first(names, encoder.inputs) for names in (POINTS, LABELS)):
        raise InputError(f"{encoder.path}: is asked for points itself", f"the encoder comes first; {_FORM}")
    if len(encoder.inputs) != 1:
        raise InputError(f"{encoder.path}: takes {len(encoder.inputs)} inputs, and an encoder one picture", _FORM)
    image = encoder.inputs[0]
    shape = image.shape or ()
    planes = shape[1:2] if len(shape) == 4 else shape[2:] if len(shape) == 3 else ()
    if planes not in ((3,), (None,)) or image.dtype.kind != "f" or shape[: len(shape) - 3] not in ((), (1,), (None,)):
        raise InputError(f"{encoder.path}: {image.name} of {image.shape} {image.dtype} is not one picture", _FORM)
    if not all(_first(names, decoder.inputs) for names in (POINTS, LABELS)):
        raise InputError(f"{decoder.path}: has no input for points and their labels, so it is no decoder", _FORM)
    if "image_positional_embeddings" in asks:
        raise InputError(f"{decoder.path}: its export takes no boxes", "export it with samexporter")
    if (_MASK in asks) != (_HAS_MASK in asks):
        raise InputError(f"{decoder.path}: {_MASK} and {_HAS_MASK} go together", _FORM)
    if missing := sorted(asks - gives - set(_ASKED)):
        what = f"{decoder.path}: asks for {', '.join(missing)[:200]}, which {encoder.path} does not give"
        raise InputError(what, f"memory of earlier frames is not taken; {_FORM}")
    if not asks & gives:
        raise InputError(f"{decoder.path}: takes nothing that {encoder.path} gives", _FORM)
    if not _first(_MASKS, decoder.outputs) or not _first(_SCORES, decoder.outputs):
        raise InputError(f"{decoder.path}: gives no masks with the IoU that it expects of each", _FORM)
