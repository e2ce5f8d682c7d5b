"""The kernels, compiled by g++, against OpenCV and NumPy; by nvcc only where there is one. No GPU takes part."""

from __future__ import annotations

import importlib.util
import re
import runpy
import shutil
from pathlib import Path
from typing import Any, Literal

import av
import cv2
import numpy as np
import pytest

from streamseg.gpu import GpuLabels, GpuPlanes
from streamseg.infer.backends.tensorrt.kernels import (
    COMPILED,
    FIT,
    PICK,
    SOURCE,
    TINT,
    fit_planes_task,
    fit_task,
    pick_task,
    tint_task,
)
from streamseg.infer.model.geometry import make_fit
from streamseg.infer.model.spec import InputSpec
from streamseg.infer.postprocess import argmax_planes
from streamseg.infer.preprocess import Preprocessor
from streamseg.render.tint import look_of, tint
from streamseg.segmentation import Classes, Segmentation
from streamseg.yuv import Plane, Planes, from_yuv
from tests.parts import host_kernels

TOOL = runpy.run_path(str(Path(__file__).parents[3] / "tools" / "make_kernels.py"))
SIZES = [((37, 53), (64, 96)), ((120, 97), (31, 45)), ((48, 64), (48, 64)), ((1, 1), (7, 5)), ((90, 160), (45, 80))]


def image(height: int, width: int, seed: int = 0) -> np.ndarray[Any, np.dtype[np.uint8]]:
    small = np.random.default_rng(seed).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    return cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC).reshape(height, width, 3).astype(np.uint8)


def by_kernel(picture: Any, spec: InputSpec, size: tuple[int, int]) -> np.ndarray[Any, Any]:
    """As the GPU would: from the frame itself, with gaps between its rows where it is a part of a wider one."""
    fit = make_fit(spec.fit, picture.shape[:2], size)
    seen = fit.source.of(picture)
    shape = (spec.channels, *size) if spec.layout == "NCHW" else (*size, spec.channels)
    out = np.full(shape, 99, spec.dtype)
    task = fit_task(seen.shape[:2], fit, spec)
    task["pitch"] = seen.strides[0]
    task["picture"], task["out"] = seen.ctypes.data, out.ctypes.data
    host_kernels.run("fit", task, (size[1], size[0], 1))
    return out


def test_the_tasks_are_laid_out_as_in_the_source() -> None:
    assert host_kernels.library().fit_bytes() == FIT.itemsize
    assert host_kernels.library().pick_bytes() == PICK.itemsize
    assert host_kernels.library().tint_bytes() == TINT.itemsize
    for name, dtype in (("Fit", FIT), ("Pick", PICK), ("Tint", TINT)):
        body = re.sub("//.*", "", SOURCE.read_text().split(f"struct {name} {{")[1].split("};")[0])
        fields = re.findall(r"(\w+)(?:\[\d+\])?(?=[,;])", body)
        assert fields == list(dtype.names or ())


@pytest.mark.parametrize(("frame", "size"), SIZES)
@pytest.mark.parametrize("fit", ["stretch", "letterbox", "crop"])
@pytest.mark.parametrize("colour", ["rgb", "bgr", "grey"])
def test_a_frame_is_fitted_as_opencv_fits_it(
    frame: tuple[int, int], size: tuple[int, int], fit: Any, colour: Any
) -> None:
    spec = InputSpec(layout="NHWC", dtype="uint8", colour=colour, fit=fit)
    picture = image(*frame)
    (expected,), _ = Preprocessor(spec)([picture], size, 1)
    found = by_kernel(picture, spec, size)
    away = np.abs(found.astype(int) - expected.astype(int))
    assert away.max() <= 1  # OpenCV counts in eleven bits
    assert np.mean(away > 0) < 0.2


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize("colour", ["rgb", "grey"])
def test_a_picture_of_the_right_size_is_normalised_to_the_bit(
    layout: Literal["NCHW", "NHWC"], dtype: Literal["float32", "float16"], colour: Literal["rgb", "grey"]
) -> None:
    many = colour == "rgb"
    mean, std = ((123.7, 116.3, 103.5), (58.4, 57.1, 57.4)) if many else ((110.0,), (60.0,))
    spec = InputSpec(layout=layout, dtype=dtype, colour=colour, mean=mean, std=std)
    picture = image(33, 61)
    (expected,), _ = Preprocessor(spec)([picture], (33, 61), 1)
    np.testing.assert_array_equal(by_kernel(picture, spec, (33, 61)), expected)


def test_a_part_of_a_wider_picture_is_read_row_by_row() -> None:
    wide = image(50, 90)
    spec = InputSpec(layout="NHWC", dtype="uint8", colour="bgr")
    part = wide[3:40, 11:70]
    np.testing.assert_array_equal(by_kernel(part, spec, (20, 30)), by_kernel(np.array(part), spec, (20, 30)))


def laid_out(frame: av.VideoFrame) -> tuple[GpuPlanes, Plane]:
    """The same values as a GPU's decoder lays them out: brightness, then blue and red by turns; and what holds them."""
    packed = np.ascontiguousarray(frame.reformat(format="nv12").to_ndarray(), np.uint8)
    height, width, start = frame.height, frame.width, packed.ctypes.data
    return GpuPlanes((height, width, 3), Planes(frame).colours, start, width, start + height * width, width, ()), packed


def decoded(height: int, width: int, colours: tuple[int, int]) -> av.VideoFrame:
    frame = av.VideoFrame.from_ndarray(image(height, width), format="bgr24")
    frame = frame.reformat(format="yuv420p", dst_colorspace=colours[0], dst_color_range=colours[1])
    frame.colorspace, frame.color_range = colours
    return frame


def planes_by_kernel(frame: av.VideoFrame, spec: InputSpec, size: tuple[int, int]) -> np.ndarray[Any, Any]:
    (planes, kept), height, width = laid_out(frame), frame.height, frame.width
    out = np.full((spec.channels, *size) if spec.layout == "NCHW" else (*size, spec.channels), 99, spec.dtype)
    task = fit_planes_task(planes, make_fit(spec.fit, (height, width), size), spec)
    task["out"] = out.ctypes.data
    host_kernels.run("fit", task, (size[1], size[0], 1))
    del kept
    return out


@pytest.mark.parametrize("size", [(64, 96), (31, 45), (48, 64), (300, 500)])
@pytest.mark.parametrize("fit", ["stretch", "letterbox", "crop"])
@pytest.mark.parametrize("colour", ["rgb", "bgr", "grey"])
@pytest.mark.parametrize("colours", [(1, 1), (1, 2), (6, 1), (9, 1)])
def test_a_decoded_frame_is_fitted_as_on_the_cpu(
    size: tuple[int, int], fit: Any, colour: Any, colours: tuple[int, int]
) -> None:
    spec = InputSpec(layout="NHWC", dtype="uint8", colour=colour, fit=fit)
    for height, width in [(48, 64), (120, 98), (360, 642)]:
        frame = decoded(height, width, colours)
        (expected,), _ = Preprocessor(spec)([Planes(frame)], size, 1)
        away = np.abs(planes_by_kernel(frame, spec, size).astype(int) - expected.astype(int))
        assert away.max() <= 4  # a step of brightness, and one of blue or red, which weigh up to 2.1
        assert np.mean(away > 1) < 0.12
        assert away.mean() < 0.4


@pytest.mark.parametrize("colours", [(1, 1), (1, 2), (6, 1), (9, 1)])
def test_every_colour_of_a_decoded_frame_is_the_one_of_the_cpu(colours: tuple[int, int]) -> None:
    """Of planes without any slope, so that nothing is interpolated."""
    spec = InputSpec(layout="NHWC", dtype="uint8", colour="bgr")
    for y, u, v in np.random.default_rng(0).integers(0, 256, (300, 3), dtype=np.uint8):
        planes = np.full((12, 8), y, np.uint8)
        planes[8:10], planes[10:] = u, v
        frame = av.VideoFrame.from_ndarray(planes, format="yuv420p")
        frame.colorspace, frame.color_range = colours
        (expected,), _ = Preprocessor(spec)([Planes(frame)], (8, 8), 1)
        found = planes_by_kernel(frame, spec, (8, 8))
        exact = np.clip(from_yuv(colours) @ (y, u, v, 1), 0, 255)
        assert np.abs(found - exact).max() <= 0.51
        assert np.abs(found.astype(int) - expected.astype(int)).max() <= 1  # OpenCV counts in ten bits


def picked(scores: Any, axis: int, size: tuple[int, int]) -> np.ndarray[Any, np.dtype[np.uint8]]:
    labels = np.full((scores.shape[0], *size), 99, np.uint8)
    task = pick_task(scores.shape, axis, str(scores.dtype), size)
    task["scores"], task["labels"] = scores.ctypes.data, labels.ctypes.data
    host_kernels.run("pick", task, (size[1], size[0], scores.shape[0]))
    return labels


@pytest.mark.parametrize("axis", [1, 3])
@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize("shape", [(1, 2, 5, 7), (3, 21, 33, 19), (2, 1, 8, 32)])
def test_labels_are_those_of_argmax(axis: int, dtype: str, shape: tuple[int, int, int, int]) -> None:
    scores = np.random.default_rng(0).normal(0, 1, shape).astype(dtype)
    scores[:, :, 0] = 0.5  # ties go to the first
    scores = np.ascontiguousarray(np.moveaxis(scores, 1, axis))
    np.testing.assert_array_equal(picked(scores, axis, shape[2:4]), argmax_planes(scores, axis))


@pytest.mark.parametrize("axis", [1, 3])
@pytest.mark.parametrize("size", [(40, 56), (37, 53), (16, 100)])
def test_coarse_scores_are_interpolated_before_the_class_is_picked(axis: int, size: tuple[int, int]) -> None:
    scores = np.random.default_rng(1).normal(0, 1, (2, 5, 10, 14)).astype(np.float32)
    fine = np.stack(
        [[cv2.resize(plane, (size[1], size[0]), interpolation=cv2.INTER_LINEAR) for plane in each] for each in scores]
    )
    top = np.sort(fine, axis=1)
    clear = top[:, -1] - top[:, -2] > 1e-5
    found = picked(np.ascontiguousarray(np.moveaxis(scores, 1, axis)), axis, size)
    assert clear.mean() > 0.999
    np.testing.assert_array_equal(found[clear], fine.argmax(1)[clear])


def found_in(
    size: tuple[int, int], names: int, background: int | None, *, confidence: bool, seed: int = 0
) -> Segmentation:
    """Large patches, some of no class; and how sure each pixel is."""
    random = np.random.default_rng(seed)
    labels = cv2.resize(random.integers(0, names, (4, 5), dtype=np.uint8), size[::-1], interpolation=cv2.INTER_NEAREST)
    labels[0, :3] = 255
    sure = cv2.resize(random.integers(0, 256, (6, 7), dtype=np.uint8), size[::-1]) if confidence else None
    colours = random.integers(0, 256, (names, 3), dtype=np.uint8)
    classes = Classes(tuple("abcdefgh"[:names]), colours, background=background)
    return Segmentation(
        np.asarray(labels, np.uint8), classes, 0, 0.0, None if sure is None else np.asarray(sure, np.uint8)
    )


def tinted(frame: av.VideoFrame, found: Segmentation, opacity: float) -> tuple[Plane, Plane, Plane]:
    """By the kernel, between rows that must stay as they are."""
    (planes, kept), (height, width), gap = laid_out(frame), (frame.height, frame.width), 16
    labels, sure = found.labels, found.confidence
    there = GpuLabels(
        labels.shape,
        labels.strides[0],
        labels.ctypes.data,
        0 if sure is None else sure.ctypes.data,
        (),
        lambda *_: frame,
        lambda *_: there,
    )
    task = tint_task(planes, there, look_of(found, planes.colours, opacity))
    out = np.full((height * 3 // 2, width + gap), 99, np.uint8)
    task["out"], task["out_colour"] = out.ctypes.data, out[height:].ctypes.data
    task["out_pitch"] = task["out_colour_pitch"] = width + gap
    host_kernels.run("tint", task, (width // 2, height // 2, 1))
    assert (out[:, width:] == 99).all()
    del kept
    return out[:height, :width], out[height:, :width:2], out[height:, 1:width:2]


@pytest.mark.parametrize(("names", "background"), [(2, 0), (2, 1), (2, None), (5, None), (5, 0), (5, 3)])
@pytest.mark.parametrize("confidence", [False, True])
@pytest.mark.parametrize(
    "size", [((48, 64), (24, 32)), ((48, 64), (48, 64)), ((360, 640), (90, 131)), ((60, 98), (100, 120))]
)
def test_the_overlay_on_a_decoded_frame_is_the_one_of_the_cpu(
    names: int, background: int | None, confidence: bool, size: tuple[tuple[int, int], tuple[int, int]]
) -> None:
    for seed, (colours, opacity) in enumerate([((1, 1), 0.5), ((9, 2), 0.3), ((6, 1), 1.0), ((6, 1), 0.0)]):
        frame = decoded(*size[0], colours)
        found = found_in(size[1], names, background, confidence=confidence, seed=seed)
        planes = Planes(frame)
        expected = Planes.blank(np.zeros((frame.height * 3 // 2, frame.width), np.uint8), planes.colours)
        tint(expected, planes, found, opacity)
        drawn = tinted(frame, found, opacity)
        for ours, theirs, plain in zip(
            drawn, (expected.y, expected.u, expected.v), (planes.y, planes.u, planes.v), strict=True
        ):
            away = np.abs(ours.astype(int) - theirs)
            # Where a border falls between two numbers a block may be drawn here and not there, or the other way round.
            assert np.mean(away > 1) < 0.01
            assert ((ours == plain) | (theirs == plain))[away > 1].all()
            assert (ours != plain).any() == (opacity > 0)


def test_the_kernels_that_ship_were_made_of_this_source() -> None:
    assert TOOL["main"](["--check"]) == 0


@pytest.mark.slow
def test_what_ships_is_what_nvidias_compiler_makes_and_every_gpu_takes_it_without_a_stack() -> None:
    if not TOOL["COMPILERS"].is_dir():
        pytest.skip("CUDA's compilers are not there: python tools/gpu_parts.py")
    assert TOOL["compiled"](TOOL["COMPILERS"]) == COMPILED.read_text()
    for architecture in TOOL["ARCHITECTURES"]:
        assert TOOL["assembled"](COMPILED, architecture, TOOL["COMPILERS"]) == ["0 bytes stack frame"] * 3


@pytest.mark.slow
def test_pycuda_compiles_the_source_where_a_gpu_is_unknown() -> None:
    if importlib.util.find_spec("pycuda") is None or shutil.which("nvcc") is None:
        pytest.skip("pycuda or nvcc is not installed")
    compiler = pytest.importorskip("pycuda.compiler", reason="pycuda needs a driver", exc_type=ImportError)
    assert compiler.compile(SOURCE.read_text(), no_extern_c=True, arch="sm_90")
