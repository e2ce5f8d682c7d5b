"""Random changes to a picture and its mask as one, so that a network sees each pair differently every time."""

from __future__ import annotations

from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from streamseg.frame import Image
from streamseg.infer.model.spec import PAD
from streamseg.training.data import VOID
from streamseg.training.plan import Augment

Random = np.random.Generator
_GRID = 8
_Number = TypeVar("_Number", np.uint8, np.uint16)


def augment(
    image: Image, labels: NDArray[_Number], how: Augment, random: Random, *, zoom: float = 1.0, pad: bool = False
) -> tuple[Image, NDArray[_Number]]:
    """A random view of (H, W, 3) u8 `image` and (H, W) `labels`, both `how.crop` high and wide.

    `how.scale` is that of a picture that is enlarged `zoom` times, as it is when the network runs. Where the view
    reaches beyond the picture, the picture is mirrored and the labels are void; with `pad` it is grey, as around a
    picture that is letterboxed, and the labels are 0.
    """
    image, labels = _shape(image, labels, how, random, zoom, pad)
    return _turned(_colour(image, how.colour, random), how, random), labels


def paste(
    image: Image, labels: NDArray[np.uint8], donor: Image, theirs: NDArray[np.uint8], cut: NDArray[np.bool_]
) -> tuple[Image, NDArray[np.uint8]]:
    """What is `cut` out of `donor`, laid over `image`, all of one size; its edge fades over a pixel."""
    share = (cv2.blur(cut.astype(np.float32), (3, 3)) * cut)[..., None]
    mixed = image + (donor.astype(np.float32) - image) * share
    return mixed.astype(np.uint8), np.where(cut, theirs, labels)


def _shape(
    image: Image, labels: NDArray[_Number], how: Augment, random: Random, zoom: float, pad: bool
) -> tuple[Image, NDArray[_Number]]:
    size = how.crop[::-1]
    matrix = _placement(image.shape[:2], how, random, zoom)
    beyond = cv2.BORDER_CONSTANT if pad else cv2.BORDER_REFLECT_101
    grey, nothing = (PAD,) * 3, (0 if pad else VOID,)
    if how.elastic_px:
        x, y = _elastic(matrix, how, random)
        seen = cv2.remap(image, x, y, cv2.INTER_LINEAR, borderMode=beyond, borderValue=grey)
        truth = cv2.remap(labels, x, y, cv2.INTER_NEAREST, borderMode=cv2.BORDER_CONSTANT, borderValue=nothing)
    else:
        smooth, nearest = cv2.WARP_INVERSE_MAP | cv2.INTER_LINEAR, cv2.WARP_INVERSE_MAP | cv2.INTER_NEAREST
        seen = cv2.warpAffine(*_shrunk(image, matrix), size, flags=smooth, borderMode=beyond, borderValue=grey)
        truth = cv2.warpAffine(labels, matrix, size, flags=nearest, borderMode=cv2.BORDER_CONSTANT, borderValue=nothing)
    return np.asarray(seen, np.uint8), np.asarray(truth, labels.dtype)


def _shrunk(image: Image, matrix: NDArray[np.float32]) -> tuple[Image, NDArray[np.float32]]:
    """A picture that is to become much smaller, by a whole factor with every pixel counted, and the matrix for that."""
    factor = int(np.sqrt(abs(np.linalg.det(matrix[:, :2]))))
    height, width = image.shape[0] // max(1, factor), image.shape[1] // max(1, factor)
    if factor < 2 or not height or not width:
        return image, matrix
    whole = image[: height * factor, : width * factor]
    small = np.asarray(cv2.resize(whole, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
    return small, np.column_stack([matrix[:, :2] / factor, (matrix[:, 2] + 0.5) / factor - 0.5]).astype(np.float32)


def _placement(shape: tuple[int, ...], how: Augment, random: Random, zoom: float) -> NDArray[np.float32]:
    """(2, 3): pixels of the crop -> pixels of the picture."""
    low, high = np.log(how.scale)
    scale = float(np.exp(random.uniform(low, high))) * zoom
    angle = np.deg2rad(random.uniform(-how.rotate_deg, how.rotate_deg))
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) / scale
    if how.flip != "none" and random.random() < 0.5:
        turn[:, 0] *= -1
    if how.flip == "both" and random.random() < 0.5:
        turn[:, 1] *= -1
    crop = np.array(how.crop[::-1], np.float64)
    inside = np.array(shape[::-1], np.float64)
    room = np.abs(inside - crop / scale) / 2
    centre = inside / 2 + random.uniform(-room, room) - 0.5
    shift = centre - turn @ ((crop - 1) / 2)
    return np.column_stack([turn, shift]).astype(np.float32)


def _elastic(
    matrix: NDArray[np.float32], how: Augment, random: Random
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Where each pixel of the crop comes from, with a smooth random displacement of about `elastic_px`."""
    height, width = how.crop
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    coarse = random.normal(0.0, how.elastic_px, (_GRID, _GRID, 2)).astype(np.float32)
    bend = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    x, y = x + bend[..., 0], y + bend[..., 1]
    a, b = matrix
    return a[0] * x + a[1] * y + a[2], b[0] * x + b[1] * y + b[2]


def _colour(image: Image, strength: float, random: Random) -> Image:
    """Gain and offset of each channel, gamma, and saturation, all within `strength`."""
    if not strength:
        return image
    gamma = np.exp(random.uniform(-0.7, 0.7) * strength)
    gain = np.exp(random.uniform(-0.5, 0.5) * strength + random.uniform(-0.15, 0.15, 3) * strength)
    offset = random.uniform(-50, 50) * strength
    ramp = np.linspace(0, 1, 256)[:, None] ** gamma * 255 * gain + offset
    table = np.clip(ramp, 0, 255).astype(np.uint8).reshape(1, 256, 3)
    toned = cv2.LUT(image, table)
    grey = cv2.cvtColor(cv2.cvtColor(toned, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)
    keep = 1 + random.uniform(-0.7, 0.5) * strength
    return np.asarray(cv2.addWeighted(toned, keep, grey, 1 - keep, 0), np.uint8)


def _turned(image: Image, how: Augment, random: Random) -> Image:
    """By chance without its colours, by chance dark for bright."""
    if how.grey and random.random() < how.grey:
        grey = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
        image = np.asarray(cv2.cvtColor(grey, cv2.COLOR_GRAY2BGR), np.uint8)
    return ~image if how.negative and random.random() < how.negative else image


def degrade(image: Image, how: Augment, random: Random) -> Image:
    """What a cheap camera or a thin cable does: blur, noise, compression."""
    if random.random() < how.blur:
        image = np.asarray(cv2.GaussianBlur(image, (0, 0), random.uniform(0.3, 1.5)), np.uint8)
    if how.noise:
        noise = random.standard_normal(image.shape, np.float32) * random.uniform(0, how.noise)
        image = np.clip(image + noise, 0, 255).astype(np.uint8)
    if random.random() < how.jpeg:
        _, packed = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, int(random.integers(30, 90))])
        image = np.asarray(cv2.imdecode(packed, cv2.IMREAD_COLOR), np.uint8)
    return image
