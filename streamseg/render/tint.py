"""The overlay on a video's own planes: half the bytes of a picture, and nothing converted for an encoder."""

from __future__ import annotations

import logging

import cv2
import numpy as np
from numpy.typing import NDArray

from streamseg.errors import BackendError
from streamseg.gpu import Tint
from streamseg.render.alpha import enlarge, foreground
from streamseg.render.overlay import grown
from streamseg.render.palette import colour_table, drawn_table
from streamseg.segmentation import Classes, Segmentation
from streamseg.yuv import Plane, Planes, to_yuv

_log = logging.getLogger(__name__)


def tint(image: Planes, planes: Planes, segmentation: Segmentation, opacity: float) -> None:
    """Fills `image` with `planes` and class colours blended over; what is not drawn stays as it was, to the bit.

    Each block of 2x2 pixels has one colour in 4:2:0, so it is drawn as a whole or not at all: the mask is enlarged
    to half the picture's height and width, a quarter of the work.
    """
    classes, alpha = segmentation.classes, foreground(segmentation)
    table = _table(classes, planes.colours)
    if (flat := _flat(classes)) is not None:
        _blend_flat(image, planes, table[flat, 0], opacity)
    else:
        coloured = cv2.applyColorMap(grown(segmentation.labels, alpha), table)
        _blend(image, planes, np.asarray(coloured, np.uint8), opacity)
    if alpha is not None:
        _, undrawn = cv2.threshold(enlarge(alpha, *planes.u.shape), 127, 255, cv2.THRESH_BINARY_INV)
        _restore(image, planes, np.asarray(undrawn, np.uint8))


def tint_on_gpu(planes: Planes, segmentation: Segmentation, opacity: float) -> Planes | None:
    """The same on the GPU that has the frame; None where its network is not there, or the GPU fails at it.

    Labels that motion carried or steadied go up for it.
    """
    there, found = planes.on_gpu, segmentation.on_gpu
    if there is None or found is None:
        return None
    try:
        look = look_of(segmentation, planes.colours, opacity)
        labels = found.as_of(segmentation.labels, segmentation.confidence, look)
        return Planes(labels.overlay(there, labels, look))
    except BackendError as error:
        _log.debug("drawn on the CPU: %s", error)
        return None


def look_of(segmentation: Segmentation, colours: tuple[int, int], opacity: float) -> Tint:
    """How `tint` draws on planes of these colours."""
    classes = segmentation.classes
    return Tint(_table(classes, colours)[:, 0], drawn_table(classes), _flat(classes), opacity)


def _table(classes: Classes, colours: tuple[int, int]) -> NDArray[np.uint8]:
    """(256, 1, 3) u8: each class's brightness, blue and red."""
    return np.asarray(cv2.transform(colour_table(classes), to_yuv(colours)), np.uint8)


def _flat(classes: Classes) -> int | None:
    """The class that is drawn where there is but one."""
    return 1 - classes.background if len(classes) == 2 and classes.background is not None else None


def _blend_flat(image: Planes, planes: Planes, colour: NDArray[np.uint8], opacity: float) -> None:
    """One colour everywhere: what is background is put back afterwards."""
    for out, plane, value in zip(_three(image), _three(planes), colour, strict=True):
        cv2.convertScaleAbs(plane, out, 1 - opacity, opacity * float(value))


def _blend(image: Planes, planes: Planes, coloured: NDArray[np.uint8], opacity: float) -> None:
    """`coloured` is (h, w, 3) YUV, to be enlarged."""
    for out, plane, small in zip(_three(image), _three(planes), cv2.split(coloured), strict=True):
        cv2.addWeighted(plane, 1 - opacity, enlarge(np.asarray(small, np.uint8), *plane.shape), opacity, 0, dst=out)


def _restore(image: Planes, planes: Planes, undrawn: Plane) -> None:
    """Puts back what is under `undrawn`, (H / 2, W / 2): in brightness two pixels at a time, as one of 16 bits."""
    for row in (0, 1):
        cv2.copyTo(planes.y[row::2].view(np.uint16), undrawn, image.y[row::2].view(np.uint16))
    cv2.copyTo(planes.u, undrawn, image.u)
    cv2.copyTo(planes.v, undrawn, image.v)


def _three(planes: Planes) -> tuple[Plane, Plane, Plane]:
    return planes.y, planes.u, planes.v
