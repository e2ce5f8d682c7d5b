"""Masks that the GPU carries beside those of the CPU, of frames that lie on the GPU; and what each way takes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import av
import cv2
import numpy as np

from gpu.row import Row
from streamseg.cuda.contract import CudaRuntime
from streamseg.cuda.driver import open_cuda
from streamseg.cuda.kernels import Kernels
from streamseg.cuda.memory import Buffers
from streamseg.frame import Frame
from streamseg.gpu import GpuPlanes
from streamseg.infer.backends.tensorrt.overlay import Overlay
from streamseg.motion.efforts import EFFORTS
from streamseg.motion.propagator import FlowPropagator
from streamseg.segmentation import Classes, Segmentation
from streamseg.yuv import Planes

HEIGHT, WIDTH = 1080, 1920
LABELS = 288, 512
FRAMES, EVERY = 20, 5  # a mask of the network in every fifth
CLASSES = Classes(tuple("abcdef"), np.zeros((6, 3), np.uint8))
BOUND = 0.99  # of the pixels


def probe() -> Iterator[Row]:
    """Rows for each effort: labels alike, time of a core, and time until a mask is there."""
    cuda = open_cuda()
    with cuda.current():
        buffers, overlay = Buffers(cuda), Overlay(cuda, Kernels(cuda))
    how = f"{FRAMES} drawn frames of {WIDTH}x{HEIGHT}, labels of {LABELS[1]}x{LABELS[0]} in every {EVERY}th"
    for effort in EFFORTS:
        there, here = FlowPropagator(effort=effort), FlowPropagator(effort=effort)
        alike, took = carried(cuda, buffers, overlay, there, here)
        alone = there._there is not None and there._there.alone
        mean = sum(alike) / len(alike)
        figure = f"{mean:.2%}, at least {min(alike):.2%}"
        yield Row(f"{effort}: labels alike", how, figure, f"{BOUND:.0%} on average", mean >= BOUND)
        yield Row(f"{effort}: the GPU carries alone", how, "yes" if alone else "no", "yes", alone)
        for name, core_ms, wall_ms in took:
            yield Row(f"{effort}: {name}", f"{how}; thread time", f"{core_ms:.2f} ms of a core in {wall_ms:.2f} ms")
        del there, here
    with cuda.current():
        buffers.free()


def carried(
    cuda: CudaRuntime, buffers: Buffers, overlay: Overlay, there: FlowPropagator, here: FlowPropagator
) -> tuple[list[float], list[tuple[str, float, float]]]:
    """Shares of labels that are alike, and what each way took of a core and of time in a frame."""
    alike, took = list[float](), {"on the GPU": np.zeros(2), "on the CPU": np.zeros(2)}
    for index in range(FRAMES):
        on_gpu, plain = frames(cuda, buffers, index)
        if index % EVERY == 0:
            labels = drawn(index)[1]
            plain_key = Segmentation(labels, CLASSES, index, index / 25)
            key = replace(plain_key, on_gpu=replace(overlay.bring(labels, None), came_down=(labels, None)))
        found = []
        for sums, propagator, frame, mask in zip(
            took.values(), (there, here), (on_gpu, plain), (key, plain_key), strict=True
        ):
            core_s, wall_s = time.thread_time(), time.perf_counter()
            propagator.observe(frame)
            found.append(propagator.carry(mask).labels)
            if index > 2:  # those before are carried in both ways
                sums += (time.thread_time() - core_s) * 1e3, (time.perf_counter() - wall_s) * 1e3
        alike.append(float(np.mean(found[0] == found[1])))
    return alike, [(name, *(sums / (FRAMES - 3)).tolist()) for name, sums in took.items()]


def frames(cuda: CudaRuntime, buffers: Buffers, index: int) -> tuple[Frame, Frame]:
    """The same picture on the GPU and here."""
    picture = av.VideoFrame.from_ndarray(drawn(index)[0], format="bgr24").reformat(format="yuv420p")
    picture.colorspace, picture.color_range = 6, 1
    packed = np.asarray(picture.reformat(format="nv12").to_ndarray(), np.uint8).reshape(-1)
    with cuda.current():
        stream, locked = cuda.make_stream(), buffers.locked("picture", packed.size)
        address = buffers.on_gpu(f"picture {index % 8}", packed.size)
        np.copyto(locked, packed)
        cuda.upload(address, locked, stream)
        stream.synchronize()
        del stream
    shape, number = (HEIGHT, WIDTH, 3), cuda.gpu.number
    planes = Planes(picture)
    planes.on_gpu = GpuPlanes(shape, planes.colours, address, WIDTH, address + HEIGHT * WIDTH, WIDTH, (), number)
    return Frame(planes, index, index / 25, 0.0), Frame(Planes(picture), index, index / 25, 0.0)


def drawn(index: int) -> tuple[Any, Any]:
    """A picture whose ground and things move, and the class of each pixel."""
    random = np.random.default_rng(0)
    ground = cv2.resize(random.integers(40, 216, (50, 90, 3), dtype=np.uint8), (WIDTH + 400, HEIGHT + 100))
    picture = np.ascontiguousarray(ground[2 * index : 2 * index + HEIGHT, 12 * index : 12 * index + WIDTH])
    labels = np.zeros((HEIGHT, WIDTH), np.uint8)
    for kind in range(1, len(CLASSES)):
        left, top = int(random.integers(200, WIDTH - 700)), int(random.integers(200, HEIGHT - 400))
        right, down = (int(step) * index for step in random.integers(-8, 9, 2))
        cloth = cv2.resize(random.integers(0, 256, (20, 30, 3), dtype=np.uint8), (420, 260))
        inside = cv2.ellipse(np.zeros((260, 420), np.uint8), ((210, 130), (400, 240), 0), 1, -1).astype(bool)
        window = np.s_[top + down : top + down + 260, left + right : left + right + 420]
        picture[window][inside], labels[window][inside] = cloth[inside], kind
    return picture, cv2.resize(labels, LABELS[::-1], interpolation=cv2.INTER_NEAREST)
