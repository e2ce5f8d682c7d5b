"""Frames on a GPU and here, what a network found in them, and propagators side by side."""

from __future__ import annotations

import gc
import shutil
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import av
import cv2
import numpy as np
import pytest

from streamseg.cuda.driver import open_cuda
from streamseg.cuda.kernels import Kernels
from streamseg.frame import Frame
from streamseg.infer.backends.tensorrt.overlay import Overlay
from streamseg.motion.propagator import FlowPropagator
from streamseg.options import Effort
from streamseg.segmentation import Classes, Segmentation
from streamseg.yuv import Planes
from tests.parts.decoded_there import DecodedThere
from tests.parts.gpu_machine import Machine

CLASSES = Classes(("road", "car", "tree"), np.array([[90, 90, 90], [200, 0, 0], [0, 200, 0]], np.uint8))
SIZE = 240, 424
LABELS = 120, 212
EFFORTS: tuple[Effort, ...] = ("quick", "usual", "fine")


def drawn(index: int, *, scene: int = 0) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """A picture of things that move over ground that moves, and the class of each pixel."""
    random, (height, width) = np.random.default_rng(scene), SIZE
    ground = cv2.resize(random.integers(40, 216, (40, 70, 3), dtype=np.uint8), (width + 80, height + 40))
    picture = np.ascontiguousarray(ground[index : index + height, 2 * index : 2 * index + width])
    labels = np.zeros(SIZE, np.uint8)
    labels[: height // 3] = 2
    patch = cv2.resize(random.integers(0, 256, (9, 12, 3), dtype=np.uint8), (90, 60))
    for at, (x, y) in enumerate([(40 + 5 * index, 60), (260 - 3 * index, 130)]):
        mask = np.zeros(SIZE, np.uint8)
        cv2.ellipse(mask, (x + 45, y + 30), (44, 28), 10 * at, 0, 360, 1, -1)
        laid = np.zeros_like(picture)
        laid[y : y + 60, x : x + 90] = patch[:, :: 1 - 2 * at]
        picture[mask > 0] = laid[mask > 0]
        labels[mask > 0] = 1
    return cv2.GaussianBlur(picture, (3, 3), 0), cv2.resize(labels, LABELS[::-1], interpolation=cv2.INTER_NEAREST)


class Scene:
    """Frames there and here, and what a network there found in them."""

    def __init__(self, machine: Machine) -> None:
        self.machine, self._kept = machine, list[DecodedThere]()
        cuda = open_cuda(0)
        with cuda.current():
            self._overlay = Overlay(cuda, Kernels(cuda))

    def frames(self, index: int, *, scene: int = 0, at: int | None = None) -> tuple[Frame, Frame]:
        picture = av.VideoFrame.from_ndarray(drawn(index if at is None else at, scene=scene)[0], format="bgr24")
        picture = picture.reformat(format="yuv420p")
        picture.colorspace, picture.color_range = 6, 1
        there: Any = DecodedThere(self.machine.gpu, picture)
        self._kept.append(there)
        return Frame(Planes(there), index, index / 25, 0.0), Frame(Planes(picture), index, index / 25, 0.0)

    def found(self, index: int, *, noise: int = 0, confidence: bool = True) -> tuple[Segmentation, Segmentation]:
        labels = drawn(index)[1]
        if noise:
            random = np.random.default_rng(index)
            spots = cv2.resize(random.integers(0, noise, (24, 40), dtype=np.uint8), LABELS[::-1], interpolation=0)
            labels = np.where(spots == 0, 2, labels).astype(np.uint8)
        sure = cv2.GaussianBlur(np.where(labels == 1, 250, 200).astype(np.uint8), (9, 9), 0) if confidence else None
        here = Segmentation(labels, CLASSES, index, index / 25, None if sure is None else np.asarray(sure, np.uint8))
        brought = self._overlay.bring(labels, here.confidence)
        return replace(here, on_gpu=replace(brought, came_down=(labels, here.confidence))), here

    def close(self) -> None:
        del self._overlay
        while self._kept:
            self._kept.pop().close()


@pytest.fixture
def scene(machine: Machine, request: pytest.FixtureRequest) -> Iterator[Scene]:
    """Nothing is left on its GPU at the end, but on one that was lost."""
    if shutil.which("g++") is None:
        pytest.skip("the kernels are compiled by g++ here, which is not installed")
    made = Scene(machine)
    yield made
    made.close()
    gc.collect()
    if "lost" not in request.node.name:
        assert machine.gpu.leaks() == []


def alike(one: Segmentation, other: Segmentation) -> tuple[float, float]:
    """Share of pixels of the same class; and by how much less or more sure they are, on average, in levels."""
    assert one.labels.shape == other.labels.shape
    assert (one.frame_index, one.frame_time_s) == (other.frame_index, other.frame_time_s)
    if one.confidence is None or other.confidence is None:
        assert one.confidence is other.confidence
        return float(np.mean(one.labels == other.labels)), 0.0
    sure = float(np.abs(one.confidence.astype(int) - other.confidence).mean())
    return float(np.mean(one.labels == other.labels)), sure


def carried(scene: Scene, there: FlowPropagator, here: FlowPropagator, last: int, *, every: int, **found: Any) -> None:
    """Frames up to `last`, with a mask of every so many: those that the GPU carries beside the CPU's."""
    keys = scene.found(0, **found)
    for index in range(last + 1):
        for propagator, frame in zip((there, here), scene.frames(index), strict=True):
            propagator.observe(frame)
        if index % every == 0 and index:
            keys = scene.found(index, **found)
        labels, sure = alike(there.carry(keys[0]), here.carry(keys[1]))
        assert labels > 0.999
        assert sure < 1


def both(**how: Any) -> tuple[FlowPropagator, FlowPropagator]:
    return FlowPropagator(**how), FlowPropagator(**how)


def alone(propagator: FlowPropagator) -> bool:
    """Whether the GPU carries by itself."""
    return propagator._there is not None and propagator._there.alone
