"""The kernels, compiled by g++, against OpenCV and the CPU's overlay; by nvcc only where there is one."""

from __future__ import annotations

import importlib.util
import re
import runpy
import shutil
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest

from streamseg.cuda import kernels, motion_tasks
from streamseg.cuda.kernels import SOURCES, compiled, shrink_task, source, tint_task
from streamseg.frame import Frame
from streamseg.gpu import GpuLabels, GpuPlanes
from streamseg.motion.flow import look_at
from streamseg.render.tint import look_of, tint
from streamseg.segmentation import Classes, Segmentation
from streamseg.yuv import Plane, Planes
from tests.parts import host_kernels

TOOL = runpy.run_path(str(Path(__file__).parents[2] / "tools" / "make_kernels.py"))


def image(height: int, width: int, seed: int = 0) -> np.ndarray[Any, np.dtype[np.uint8]]:
    small = np.random.default_rng(seed).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    return cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC).reshape(height, width, 3).astype(np.uint8)


@pytest.mark.parametrize("kernel", host_kernels.KERNELS)
def test_its_task_is_laid_out_as_in_the_source(kernel: str) -> None:
    tasks: dict[str, Any] = {**vars(kernels), **vars(motion_tasks)}
    task = tasks.get(kernel.upper(), motion_tasks.CARRY)
    assert getattr(host_kernels.library(), f"{kernel}_bytes")() == task.itemsize
    name = "Carry" if task is motion_tasks.CARRY else kernel.title()
    for struct, dtype in {name: task, "Side": motion_tasks.SIDE}.items():
        body = re.sub("//.*", "", source(*SOURCES).split(f"struct {struct} {{")[1].split("};")[0])
        fields = re.findall(r"(\w+)(?:\[\d+\])*(?=[,;])", body)
        assert fields == list(dtype.names or ())


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


def noisy(height: int, width: int) -> av.VideoFrame:
    """Whose every pixel is another one."""
    planes = np.random.default_rng(0).integers(0, 256, (height * 3 // 2, width), np.uint8)
    return av.VideoFrame.from_ndarray(planes, format="yuv420p")


def made_small(frame: av.VideoFrame, size: tuple[int, int]) -> list[Plane]:
    """By the kernel, in memory that must not be written beyond."""
    (planes, kept), (rows, columns) = laid_out(frame), size
    out = np.full(rows * columns * 3 // 2 + 64, 99, np.uint8)
    task = shrink_task(planes, size)
    task["out"] = out.ctypes.data
    host_kernels.run("shrink", task, (columns, rows, 1))
    assert (out[-64:] == 99).all()
    del kept
    y, u, v = np.split(out[:-64], [rows * columns, rows * columns * 5 // 4])
    return [y.reshape(size), *(each.reshape(rows // 2, columns // 2) for each in (u, v))]


@pytest.mark.parametrize("make", [noisy, lambda height, width: decoded(height, width, (1, 1))], ids=["noise", "slopes"])
@pytest.mark.parametrize(
    ("frame", "exact"),
    [
        ((1080, 1920), True), ((2160, 3840), True), ((720, 1280), True), ((480, 854), False), ((240, 424), True),
        ((1200, 1600), True), ((600, 800), False), ((1920, 1080), True), ((16, 24), True), ((1084, 1926), False),
    ],
)  # fmt: skip
def test_a_decoded_frame_is_as_small_as_on_the_cpu(make: Any, frame: tuple[int, int], exact: bool) -> None:
    """To the bit where a pixel is made of one, or of four whose middle it is."""
    here = make(*frame)
    grey = look_at(Frame(Planes(here), 0, 0.0, 0.0)).grey
    size = grey.shape[0], grey.shape[1]
    for ours, theirs in zip(made_small(here, size), Planes(here).small(*size), strict=True):
        assert np.abs(ours.astype(int) - theirs).max() <= (0 if exact else 1)


def test_the_kernels_that_ship_were_made_of_this_source() -> None:
    assert TOOL["main"](["--check"]) == 0


@pytest.mark.slow
@pytest.mark.parametrize("module", SOURCES)
def test_what_ships_is_what_nvidias_compiler_makes_and_every_gpu_takes_it_without_a_stack(module: str) -> None:
    if not TOOL["COMPILERS"].is_dir():
        pytest.skip("CUDA's compilers are not there: python tools/gpu_parts.py")
    assert TOOL["compiled"](module, TOOL["COMPILERS"]) == compiled(module).read_text()
    for architecture in TOOL["ARCHITECTURES"]:
        said = TOOL["assembled"](compiled(module), architecture, TOOL["COMPILERS"])
        assert said == ["0 bytes stack frame"] * len(re.findall(r"^(?:BLOCK_)?KERNEL", source(module), re.MULTILINE))


@pytest.mark.slow
@pytest.mark.parametrize("module", SOURCES)
def test_pycuda_compiles_the_source_where_a_gpu_is_unknown(module: str) -> None:
    if importlib.util.find_spec("pycuda") is None or shutil.which("nvcc") is None:
        pytest.skip("pycuda or nvcc is not installed")
    compiler = pytest.importorskip("pycuda.compiler", reason="pycuda needs a driver", exc_type=ImportError)
    assert compiler.compile(source(module), no_extern_c=True, arch="sm_90")
