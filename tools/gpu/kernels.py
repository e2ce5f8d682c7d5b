"""streamseg's kernels against OpenCV and NumPy, in outputs that held something else before."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any, Literal

import av
import cv2
import numpy as np

from gpu.row import Row
from streamseg.cuda.contract import CudaRuntime
from streamseg.cuda.driver import open_cuda
from streamseg.cuda.kernels import Kernels
from streamseg.cuda.memory import Buffers
from streamseg.gpu import GpuLabels, GpuPlanes
from streamseg.infer.backends.tensorrt.runtime import IOTensor
from streamseg.infer.backends.tensorrt.tasks import launch_fit, launch_fit_planes, launch_pick
from streamseg.infer.model.geometry import make_fit
from streamseg.infer.model.spec import InputSpec
from streamseg.infer.model.tensors import TensorInfo
from streamseg.infer.postprocess import argmax_planes
from streamseg.infer.preprocess import Preprocessor
from streamseg.render.tint import look_of, tint
from streamseg.segmentation import Classes, Segmentation
from streamseg.yuv import Planes

POISON = 0xAA
FRAMES = [
    ((37, 53), (64, 96)), ((120, 97), (31, 45)), ((48, 64), (48, 64)), ((1, 1), (7, 5)),
    ((720, 1280), (288, 512)), ((1080, 1920), (513, 511)), ((2160, 3840), (544, 544)),
]  # fmt: skip
KINDS: list[tuple[Literal["NCHW", "NHWC"], Literal["uint8", "float32", "float16"]]] = [
    ("NHWC", "uint8"),
    ("NCHW", "float32"),
    ("NHWC", "float16"),
]
SCORES = [(1, 2, 5, 7), (3, 21, 33, 19), (2, 1, 8, 32), (1, 256, 64, 65), (4, 19, 512, 512)]
DECODED = [((48, 64), (24, 32)), ((720, 1280), (288, 512)), ((1080, 1920), (513, 511))]
SHRUNK = [
    ((480, 640), (240, 320)), ((720, 1280), (240, 426)), ((1080, 1920), (270, 480)), ((1080, 1920), (216, 384)),
    ((1920, 1080), (480, 270)), ((2160, 3840), (308, 548)),
]  # fmt: skip
COLOURS = [(1, 1), (6, 1), (9, 2)]
MOST_OF_PLANES = 4  # steps: one of brightness, and one of blue or red, which weigh up to 2.1
MOST_ELSEWHERE = 0.01  # of all bytes: blocks on a border
MOST_OF_SMALL = 1  # grey level: OpenCV counts in eleven bits
MOST_AWAY = 1.1  # steps of 255: OpenCV counts in eleven bits


def probe() -> Iterator[Row]:
    """All cases, a row for each kernel."""
    cuda = open_cuda()
    away = [fit_away(cuda, *case) for case in fit_cases()]
    yield held("fit", "OpenCV", away, MOST_AWAY, "steps of 255")
    found = [pick_wrong(cuda, *case) for case in itertools.product(SCORES, ("float32", "float16"), (1, 3))]
    yield held("pick", "NumPy", found, 0, "labelled otherwise")
    decoded = [
        decoded_away(cuda, *case) for case in itertools.product(DECODED, ("stretch", "letterbox", "crop"), COLOURS)
    ]
    yield held("fit of decoded frames", "the CPU's way", decoded, MOST_OF_PLANES, "steps of 255")
    drawn = [drawn_otherwise(cuda, *case) for case in itertools.product(DECODED, (2, 19), (None, 0), COLOURS)]
    yield held("tint", "the CPU's overlay", drawn, MOST_ELSEWHERE, "of the bytes are more than a step away")
    small = [shrunk_away(cuda, *case) for case in SHRUNK]
    yield held("shrink", "the CPU's small picture", small, MOST_OF_SMALL, "grey levels")


def held(kernel: str, against: str, away: Sequence[float], most: float, unit: str) -> Row:
    """The worst of all cases."""
    wrong = sum(each > most for each in away)
    how = f"{len(away)} cases against {against}"
    return Row(kernel, how, f"at most {max(away):.4g} {unit}; {wrong} cases wrong", f"{most:g} {unit}", not wrong)


def wrong_kernels(cuda: CudaRuntime) -> list[str]:
    """The same in a few cases, in words where something is wrong."""
    few = (((720, 1280), (288, 512)), "letterbox", "rgb")
    fits = [fit_away(cuda, *few, kind) for kind in KINDS]
    wrong = [f"fit to {kind[1]} is wrong by {away:.2f} steps" for kind, away in zip(KINDS, fits, strict=True)]
    wrong = [line for line, away in zip(wrong, fits, strict=True) if away > MOST_AWAY]
    wrong += ["pick is not argmax"] * pick_wrong(cuda, (2, 11, 96, 128), "float16", 1)
    away = shrunk_away(cuda, *SHRUNK[0])
    return wrong + [f"shrink is wrong by {away} grey levels"] * (away > MOST_OF_SMALL)


def fit_cases() -> Iterator[Any]:
    """Sizes, fit, colour, and layout with type."""
    return itertools.product(FRAMES, ("stretch", "letterbox", "crop"), ("rgb", "bgr", "grey"), KINDS)


def fit_away(cuda: CudaRuntime, sizes: Any, fit: Any, colour: Any, kind: Any) -> float:
    """How far the kernel is from OpenCV, in steps of 255; infinite where a value is not written."""
    frame, size = sizes
    layout, dtype = kind
    bytes_in = dtype == "uint8"
    mean, std = ((0.0,), (1.0,)) if bytes_in else ((110.0,), (60.0,))
    spec = InputSpec(layout=layout, dtype=dtype, colour=colour, fit=fit, mean=mean, std=std)
    picture = np.random.default_rng(0).integers(0, 256, (*frame, 3), dtype=np.uint8)
    (expected,), _ = Preprocessor(spec)([picture], size, 1)
    found = fitted(cuda, picture, spec, size, expected).astype(np.float64)
    away = np.abs(found - expected).max() * (1 if bytes_in else 60)
    return float(np.inf if np.isnan(away) else away)


def fitted(cuda: CudaRuntime, picture: Any, spec: InputSpec, size: tuple[int, int], like: Any) -> Any:
    """`picture` fitted on the GPU to `size`, of the shape and type of `like`."""
    fit = make_fit(spec.fit, picture.shape[:2], size)
    seen = np.ascontiguousarray(fit.source.of(picture))

    def launch(kernels: Kernels, there: int, back: int, stream: Any) -> None:
        launch_fit(kernels, there, seen.shape[:2], fit, spec, back, stream)

    return through(cuda, seen, like.nbytes, launch).view(like.dtype).reshape(like.shape)


def pick_wrong(cuda: CudaRuntime, shape: tuple[int, ...], dtype: str, axis: int) -> bool:
    """Whether the kernel's labels are other than NumPy's."""
    scores = np.random.default_rng(0).normal(0, 1, shape).astype(dtype)
    scores = np.ascontiguousarray(np.moveaxis(scores, 1, axis))
    size = shape[2], shape[3]

    def launch(kernels: Kernels, there: int, back: int, stream: Any) -> None:
        info = TensorInfo("scores", scores.shape, scores.dtype)
        launch_pick(kernels, IOTensor(info, scores.shape, there), axis, back, size, stream)

    found = through(cuda, scores, shape[0] * size[0] * size[1], launch)
    return not np.array_equal(found.reshape(shape[0], *size), argmax_planes(scores, axis))


def decoded_away(cuda: CudaRuntime, sizes: Any, fit: Any, colours: tuple[int, int]) -> float:
    """How far the kernel is from the CPU's way with a decoded frame, in steps of 255."""
    (height, width), size = sizes
    frame = decoded(height, width, colours)
    spec = InputSpec(layout="NHWC", dtype="uint8", colour="rgb", fit=fit)
    (expected,), _ = Preprocessor(spec)([Planes(frame)], size, 1)

    def launch(kernels: Kernels, there: int, back: int, stream: Any) -> None:
        planes = GpuPlanes((height, width, 3), colours, there, width, there + height * width, width, ())
        launch_fit_planes(kernels, planes, make_fit(fit, (height, width), size), spec, back, stream)

    found = through(cuda, frame.reformat(format="nv12").to_ndarray(), expected.nbytes, launch).reshape(expected.shape)
    return float(np.abs(found.astype(int) - expected.astype(int)).max())


def drawn_otherwise(
    cuda: CudaRuntime, sizes: Any, names: int, background: int | None, colours: tuple[int, int]
) -> float:
    """Share of the bytes of an overlay that are more than a step from the CPU's."""
    (height, width), size = sizes
    random = np.random.default_rng(0)
    patches = random.integers(0, names, (4, 5), dtype=np.uint8)
    labels = np.asarray(cv2.resize(patches, size[::-1], interpolation=cv2.INTER_NEAREST), np.uint8)
    sure = np.asarray(cv2.resize(random.integers(0, 256, (6, 7), dtype=np.uint8), size[::-1]), np.uint8)
    shades = random.integers(0, 256, (names, 3), dtype=np.uint8)
    found = Segmentation(labels, Classes(tuple(map(str, range(names))), shades, background), 0, 0.0, sure)
    frame = decoded(height, width, colours)
    expected = Planes.blank(np.zeros((height * 3 // 2, width), np.uint8), colours)
    tint(expected, Planes(frame), found, 0.5)
    picture = frame.reformat(format="nv12").to_ndarray().reshape(-1)

    def launch(kernels: Kernels, there: int, back: int, stream: Any) -> None:
        planes = GpuPlanes((height, width, 3), colours, there, width, there + height * width, width, ())
        first = there + picture.size
        kept = GpuLabels(size, size[1], first, first + labels.size, (), lambda *_: frame, lambda *_: kept)
        kernels.tint(planes, kept, look_of(found, colours, 0.5), (back, back + height * width, width), stream)

    inside = np.concatenate([picture, labels.reshape(-1), sure.reshape(-1)])
    drawn = through(cuda, inside, picture.size, launch).reshape(height * 3 // 2, width).astype(int)
    pairs = (drawn[:height], expected.y), (drawn[height:, ::2], expected.u), (drawn[height:, 1::2], expected.v)
    away = sum(np.count_nonzero(np.abs(ours - theirs) > 1) for ours, theirs in pairs)
    return away / int(picture.size)


def shrunk_away(cuda: CudaRuntime, frame: tuple[int, int], size: tuple[int, int]) -> int:
    """How far the kernel is from the CPU's small picture of a frame of noise, in grey levels."""
    (height, width), bright = frame, size[0] * size[1]
    picture = av.VideoFrame.from_ndarray(
        np.random.default_rng(0).integers(0, 256, (height * 3 // 2, width), np.uint8), format="yuv420p"
    )

    def launch(kernels: Kernels, there: int, back: int, stream: Any) -> None:
        planes = GpuPlanes((height, width, 3), (1, 1), there, width, there + height * width, width, ())
        kernels.shrink(planes, size, back, stream)

    found = through(cuda, picture.reformat(format="nv12").to_ndarray(), bright * 3 // 2, launch)
    expected = np.concatenate([each.reshape(-1) for each in Planes(picture).small(*size)])
    return int(np.abs(found.astype(int) - expected).max())


def decoded(height: int, width: int, colours: tuple[int, int]) -> Any:
    """A frame as the CPU's decoder gives it."""
    small = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    image = np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC), np.uint8)
    frame = av.VideoFrame.from_ndarray(image, format="bgr24")
    frame = frame.reformat(format="yuv420p", dst_colorspace=colours[0], dst_color_range=colours[1])
    frame.colorspace, frame.color_range = colours
    return frame


def through(cuda: CudaRuntime, array: Any, result_bytes: int, launch: Any) -> Any:
    """What a kernel makes of `array`, (result_bytes,) u8; `launch` begins it."""
    with cuda.current():
        kernels, stream, buffers = Kernels(cuda), cuda.make_stream(), Buffers(cuda)
        source, result = buffers.locked("in", array.nbytes), buffers.locked("out", result_bytes)
        source[:] = array.reshape(-1).view(np.uint8)
        result[:] = POISON
        there, back = buffers.on_gpu("in", array.nbytes), buffers.on_gpu("out", result_bytes)
        cuda.upload(back, result, stream)
        cuda.upload(there, source, stream)
        stream.synchronize()
        launch(kernels, there, back, stream)
        cuda.download(result, back, stream)
        stream.synchronize()
        found = result.copy()
        del source, result
        buffers.free()
        del kernels
        del stream
    return found
