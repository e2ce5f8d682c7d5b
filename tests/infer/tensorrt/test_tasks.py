"""Pictures into a network and classes out of its scores, by kernels that g++ compiled, against OpenCV and NumPy."""

from __future__ import annotations

from typing import Any, Literal

import av
import cv2
import numpy as np
import pytest

from streamseg.infer.backends.tensorrt.tasks import fit_planes_task, fit_task, pick_task
from streamseg.infer.model.geometry import make_fit
from streamseg.infer.model.spec import InputSpec
from streamseg.infer.postprocess import argmax_planes
from streamseg.infer.preprocess import Preprocessor
from streamseg.yuv import Planes, from_yuv
from tests.cuda.test_kernels import decoded, image, laid_out
from tests.parts import host_kernels

SIZES = [((37, 53), (64, 96)), ((120, 97), (31, 45)), ((48, 64), (48, 64)), ((1, 1), (7, 5)), ((90, 160), (45, 80))]


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
