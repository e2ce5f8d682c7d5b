"""An imported graph against a plain NumPy reference on the original: the same labels, pixel by pixel."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from streamseg.convert.chain import PICTURE
from streamseg.convert.inputs import Probe
from streamseg.convert.surgery import LABELS, OutputPlan
from streamseg.errors import InputError
from streamseg.infer.backends import open_backend
from streamseg.infer.backends.contract import Backend
from streamseg.infer.memory import RememberingBackend
from streamseg.infer.model.spec import InputSpec
from streamseg.infer.model.tensors import Tensor
from streamseg.infer.postprocess import VOID

_IMAGES, _IMAGES_IN_ORDER = 3, 5  # what is remembered must have had time to go astray
_TIES = {False: 1e-4, True: 4e-3}  # scores nearer than this, as a share of their range, may fall to either side
"""By whether halves, whose own step is 1e-3, take part: a runtime may leave out what rounds to them."""
_ROUNDED = 4e-3  # of probabilities in halves, at 0 and at 1
_RESEMBLES = 0.9  # correlation of a plane with a channel
_MOST_TIES = 0.01  # of the pixels


@dataclass(frozen=True, slots=True)
class Agreement:
    """How an imported model compares with the model itself, on random pictures."""

    share: float
    """Of the pixels, 0..1, that get the reference's label; below 1 only by ties within rounding."""
    highest: int
    """Highest label that was seen, void left out."""
    void: float
    """Of the pixels, 0..1, that get no class."""


def agreement(
    original: Backend,
    file: Path,
    taken: InputSpec,
    plan: OutputPlan,
    seen: Probe,
    *,
    states: Mapping[str, str] | None = None,
    halves: bool = False,
) -> Agreement:
    """Compares the imported `file` with a plain NumPy reference on `original`, on pictures of the shape `seen`.

    Where there are `states` the pictures are frames of a video, and each of both is fed back its own.

    Raises:
        InputError: a label differs where the scores were no tie; `halves` widens what is one. Or the model's own
            scores are no numbers.
    """
    imported = from_the_start(original, file, states or {})
    random = np.random.default_rng(0)
    (height, width), batch = seen.size, seen.batch or 1
    same = total = highest = void = 0
    try:
        for _ in range(_IMAGES_IN_ORDER if states else _IMAGES):
            images = np.stack([random_image(random, height, width, taken.channels) for _ in range(batch)])
            labels = imported.run({PICTURE: images})[LABELS]
            expected, margin = reference_labels(original, images, taken, plan, batched=seen.batch is not None)
            differs = labels != expected
            wrong = differs & (margin > _TIES[halves])
            if wrong.any() or (halves and differs.mean() > _MOST_TIES):
                share = f"{differs.mean():.2%} of the pixels" if wrong.mean() >= 5e-5 else f"{wrong.sum()} pixels"
                raise InputError(f"the import gives other labels than the model itself on {share}")
            same += int(differs.size - differs.sum())
            total += differs.size
            highest = max(highest, int(expected[expected < VOID].max(initial=0)))
            void += int((expected >= VOID).sum())
    finally:
        imported.close()
    return Agreement(same / total, highest, void / total)


def looks_like_its_picture(original: Backend, taken: InputSpec, plan: OutputPlan, seen: Probe) -> bool:
    """Whether three planes are the picture's own channels, more or less: what denoises or enlarges gives such ones."""
    image = random_image(np.random.default_rng(1), *seen.size, taken.channels)
    images = np.repeat(image[None], seen.batch or 1, 0)
    scores = original.run({taken.name or "": as_fed(images, taken, batched=seen.batch is not None)})[plan.info.name]
    planes = np.moveaxis(scores[0] if plan.batched else scores, (plan.channel_axis or 0) - plan.batched, 0)
    if planes.shape[0] != taken.channels or not np.isfinite(planes).all():
        return False
    small = cv2.resize(image, planes.shape[:0:-1], interpolation=cv2.INTER_AREA).transpose(2, 0, 1)
    shades = small[::-1] if taken.colour == "rgb" else small
    pairs = [(plane.ravel().astype(np.float64), shade.ravel()) for plane, shade in zip(planes, shades, strict=True)]
    return all(np.ptp(plane) > 0 and np.corrcoef(plane, shade)[0, 1] > _RESEMBLES for plane, shade in pairs)


def from_the_start(original: Backend, file: Path, states: Mapping[str, str]) -> Backend:
    """The imported `file`, opened; what it and the `original` remember is nothing yet."""
    if isinstance(original, RememberingBackend):
        original.forget()
    imported = open_backend(file, 1, "ort-cpu")
    return RememberingBackend(imported, states, {}) if states else imported


def reference_labels(
    original: Backend, images: NDArray[np.uint8], taken: InputSpec, plan: OutputPlan, *, batched: bool = True
) -> tuple[NDArray[np.uint8], NDArray[Any]]:
    """Labels (N, h, w) u8 by the textbook, and how far each was from a tie, as a share of the scores' range.

    `images` are (N, H, W, C) u8, BGR or grey; one alone where the graph's input is not `batched`.

    Raises:
        InputError: scores are NaN or plus infinity.
    """
    scores = original.run({taken.name or "": as_fed(images, taken, batched=batched)})[plan.info.name]
    axis = plan.channel_axis
    if not plan.batched:
        scores, axis = scores[None], axis if axis is None else axis + 1
    planes = scores[:, None] if axis is None else np.moveaxis(scores, axis, 1)  # (N, C, h, w)
    if plan.role == "labels":
        return _bytes(planes[:, 0]), np.ones(planes[:, 0].shape)
    if np.isnan(planes).any() or np.isposinf(planes).any():  # minus infinity is the logarithm of a class's zero
        raise InputError(
            f"the model gives no numbers (NaN or infinity) in its output '{plan.info.name}'",
            "its weights are damaged, or --normalise is not what it was trained with",
        )
    if plan.upsampled:
        planes = _enlarged(planes.astype(np.float32), images.shape[1:3])
    if plan.role == "logits":
        if plan.threshold is not None:
            planes = (1 + np.tanh(planes.astype(np.float32) / 2)) / 2 if plan.sigmoid else planes
            planes = np.concatenate([np.full_like(planes[:, :1], plan.threshold), planes], axis=1)
        spread = float(np.ptp(planes[np.isfinite(planes)]))
        top = np.sort(planes.astype(np.float64), axis=1)[:, -2:]
        return planes.argmax(axis=1).astype(np.uint8), (top[:, -1] - top[:, 0]) / max(spread, 1e-12)
    plane: NDArray[Any] = planes[:, 0].astype(np.float32)
    if not plan.sigmoid:
        _check_shares(plan.info.name, plane)
    plane = (1 + np.tanh(plane / 2)) / 2 if plan.sigmoid else plane
    threshold = np.float32(0.5 if plan.threshold is None else plan.threshold)
    return (plane > threshold).astype(np.uint8), np.abs(plane - threshold)


def _check_shares(name: str, plane: NDArray[Any]) -> None:
    least, most = float(plane.min()), float(plane.max())
    if least >= -_ROUNDED and most <= 1 + _ROUNDED:
        return
    hint = "--role logits where a sigmoid is missing"
    if least >= -_ROUNDED and 2 < most <= VOID + _ROUNDED:
        hint += "; divide it by 255 before the export where it gives 0 to 255"
    raise InputError(f"output '{name}' gives {least:.3g} to {most:.3g}, not 0 to 1", hint)


def _bytes(labels: NDArray[Any]) -> NDArray[np.uint8]:
    """Raises InputError where a label fits no byte; -1 is what some call void."""
    if labels.dtype.kind == "f" and (not np.isfinite(labels).all() or np.any(labels != np.rint(labels))):
        raise InputError("its labels are no whole numbers", "--role logits, or probability")
    if labels.size and (labels.min() < -1 or labels.max() > VOID):
        raise InputError(f"it gives labels from {labels.min()} to {labels.max()}, which fit no byte")
    whole: NDArray[np.uint8] = labels.astype(np.int64).astype(np.uint8)
    return whole


def _enlarged(planes: NDArray[np.float32], size: tuple[int, int]) -> NDArray[np.float32]:
    """(N, C, h, w) to (N, C, height, width) of `size`, bilinear, corners not aligned."""
    each = [[cv2.resize(plane, size[::-1], interpolation=cv2.INTER_LINEAR) for plane in image] for image in planes]
    return np.array(each, np.float32)


def as_fed(images: NDArray[np.uint8], taken: InputSpec, *, batched: bool) -> Tensor:
    """`images` as `reference_labels` takes them, normalised and laid out for the graph itself."""
    image = images[..., ::-1] if taken.colour == "rgb" else images
    values = (image.astype(np.float32) - np.asarray(taken.mean, np.float32)) / np.asarray(taken.std, np.float32)
    if taken.layout == "NCHW":
        values = values.transpose(0, 3, 1, 2)
    return np.ascontiguousarray(values if batched else values[0], taken.dtype)


def random_image(random: np.random.Generator, height: int, width: int, channels: int) -> NDArray[np.uint8]:
    """Blots of colour with noise on them: large areas as well as single pixels."""
    small = random.integers(0, 256, (5, 7, channels), dtype=np.uint8)
    blots = cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC).reshape(height, width, channels)
    noise = random.integers(-20, 21, (height, width, channels))
    image: NDArray[np.uint8] = np.clip(blots + noise, 0, 255).astype(np.uint8)
    return image
