"""The overlay drawn where the frame and its labels are: bytes over the bus, and what it looks like on the CPU."""

from __future__ import annotations

import gc
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from streamseg.contracts import Controls
from streamseg.dlpack import GpuPlane
from streamseg.errors import BackendError
from streamseg.frame import Frame
from streamseg.infer.backends.tensorrt import overlay
from streamseg.metrics import Meter
from streamseg.options import RenderOptions
from streamseg.render import make_renderer
from streamseg.segmentation import Classes, Segmentation
from streamseg.yuv import Planes
from tests.infer.tensorrt.test_on_gpu import decoded, networks
from tests.parts.decoded_there import DecodedThere, There, both
from tests.parts.gpu_machine import Machine

SCORES = "outputs: {logits: scores}\ninput: {std: [255]}"
LOOK = RenderOptions(hud=False)


@pytest.fixture(autouse=True)
def frames_there(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """FFmpeg makes no frames of what lies on a double."""
    if shutil.which("g++") is None:
        pytest.skip("the kernels are compiled by g++ here, which is not installed")

    def frame_of(planes: Sequence[Any], colours: tuple[int, int], gpu: int) -> Any:
        assert all(isinstance(plane, GpuPlane) for plane in planes)
        return There(machine.gpu, planes, colours)

    monkeypatch.setattr(overlay, "frame_of", frame_of)
    yield
    gc.collect()
    assert machine.gpu.leaks() == []


def drawn(frame: Frame, found: Segmentation, options: RenderOptions = LOOK) -> Any:
    return make_renderer(options, Controls())(frame, found, Meter().read())


def test_of_a_1080p_frame_through_network_and_overlay_nothing_goes_up_and_labels_come_down(
    machine: Machine, tmp_path: Path
) -> None:
    on_gpu, _ = networks(tmp_path, SCORES, size=(288, 512))
    here, frame, there = both(machine.gpu, decoded(1080, 1920))
    machine.gpu.uploaded_bytes = machine.gpu.downloaded_bytes = 0
    for passes in (1, 2, 3):
        (found,) = on_gpu([frame])
        shown = drawn(frame, found)
        assert isinstance(shown, Planes) and shown.on_gpu is not None
        assert (machine.gpu.uploaded_bytes, machine.gpu.downloaded_bytes) == (0, passes * 288 * 512)
    expected = drawn(here, replace(found, on_gpu=None))
    for plane in ("y", "u", "v"):
        assert np.mean(np.abs(getattr(shown, plane).astype(int) - getattr(expected, plane)) > 1) < 0.001
    assert shown.colours == expected.colours
    assert machine.gpu.downloaded_bytes == 3 * 288 * 512 + 1080 * 1920 * 3 // 2  # which was asked for just now
    on_gpu.close()
    there.close()


def test_overlays_are_drawn_by_the_kernels_that_their_network_has(machine: Machine, tmp_path: Path) -> None:
    on_gpu, _ = networks(tmp_path, SCORES)
    _, frame, there = both(machine.gpu, decoded(240, 424))
    shown = drawn(frame, on_gpu([frame])[0])
    assert shown.on_gpu is not None
    assert (machine.gpu._state.modules if machine.package else machine.gpu.things.count("module")) == 1
    on_gpu.close()
    there.close()


@pytest.mark.parametrize("fit", ["stretch", "letterbox"])
def test_labels_of_each_frame_of_a_run_are_its_own(machine: Machine, tmp_path: Path, fit: str) -> None:
    on_gpu, _ = networks(tmp_path, f"outputs: {{logits: scores}}\ninput: {{std: [255], fit: {fit}}}", batch=3)
    pairs = [both(machine.gpu, decoded(240, 424, i), i) for i in range(3)]
    for (here, frame, _), found in zip(pairs, on_gpu([frame for _, frame, _ in pairs]), strict=True):
        assert found.on_gpu is not None and found.on_gpu.size == found.labels.shape
        shown, expected = drawn(frame, found), drawn(here, replace(found, on_gpu=None))
        assert np.mean(np.abs(shown.y.astype(int) - expected.y) > 1) < 0.001
    on_gpu.close()
    for *_, there in pairs:
        there.close()


@pytest.mark.parametrize("sure", [False, True])
def test_labels_that_motion_changed_go_up_and_are_drawn_there(machine: Machine, tmp_path: Path, sure: bool) -> None:
    on_gpu, _ = networks(tmp_path, SCORES)
    pairs = [both(machine.gpu, decoded(240, 424, i), i) for i in range(3)]
    (found,) = on_gpu([pairs[0][1]])
    machine.gpu.uploaded_bytes = machine.gpu.downloaded_bytes = 0
    for count, (here, frame, _) in enumerate(pairs, 1):
        labels = np.roll(found.labels, 3 * count, axis=1)
        carried = replace(found, labels=labels, confidence=np.full_like(labels, 200) if sure else None)
        shown = drawn(frame, carried)
        assert shown.on_gpu is not None
        assert (machine.gpu.uploaded_bytes, machine.gpu.downloaded_bytes) == (count * labels.size, 0)
        expected = drawn(here, replace(carried, on_gpu=None))
        seen = shown.y.astype(int)
        assert np.mean(np.abs(seen - expected.y) > 1) < 0.002
        assert np.mean(np.abs(seen - drawn(here, replace(found, on_gpu=None)).y) > 1) > 0.01
        machine.gpu.downloaded_bytes = 0
        del shown
    on_gpu.close()
    for *_, there in pairs:
        there.close()


def test_the_soft_border_of_one_class_is_that_of_the_confidence_that_went_up(machine: Machine, tmp_path: Path) -> None:
    on_gpu, _ = networks(tmp_path, SCORES)
    here, frame, there = both(machine.gpu, decoded(240, 424))
    (found,) = on_gpu([frame])
    labels = np.zeros_like(found.labels)
    labels[:, : labels.shape[1] // 2] = 1
    confidence = np.full_like(labels, 255)
    confidence[:, labels.shape[1] // 2 - 1] = 100
    two = Classes(("background", "thing"), np.array([[0, 0, 0], [0, 0, 255]], np.uint8), background=0)
    carried = replace(found, labels=labels, confidence=confidence, classes=two)
    machine.gpu.uploaded_bytes = 0
    shown, expected = drawn(frame, carried), drawn(here, replace(carried, on_gpu=None))
    assert shown.on_gpu is not None
    assert machine.gpu.uploaded_bytes == 2 * labels.size
    assert np.mean(np.abs(shown.y.astype(int) - expected.y) > 1) < 0.01
    on_gpu.close()
    there.close()


def test_a_picture_on_another_gpu_than_its_labels_is_drawn_by_the_cpu(machine: Machine, tmp_path: Path) -> None:
    on_gpu, _ = networks(tmp_path, SCORES)
    here, frame, there = both(machine.gpu, decoded(240, 424))
    (found,) = on_gpu([frame])
    other: Any = DecodedThere(machine.gpu, decoded(240, 424), number=1)
    shown = drawn(Frame(Planes(other), 0, 0.0, 0.0), found)
    assert shown.on_gpu is None
    assert np.array_equal(shown.y, drawn(here, replace(found, on_gpu=None)).y)
    on_gpu.close()
    there.close()
    other.close()


def test_frames_are_drawn_after_their_network_was_closed(machine: Machine, tmp_path: Path) -> None:
    on_gpu, _ = networks(tmp_path, SCORES)
    _, frame, there = both(machine.gpu, decoded(240, 424))
    found, later = on_gpu([frame])[0], on_gpu([frame])[0]
    on_gpu.close()
    shown = drawn(frame, found)
    del found
    assert shown.on_gpu is not None
    assert np.array_equal(drawn(frame, later).y, shown.y)
    there.close()


def test_where_the_gpu_does_not_draw_the_cpu_does(
    machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_gpu, _ = networks(tmp_path, SCORES)
    here, frame, there = both(machine.gpu, decoded(240, 424))
    (found,) = on_gpu([frame])

    def full(*_: object) -> None:
        raise BackendError("the GPU failed: out of memory")

    monkeypatch.setattr("streamseg.cuda.memory.Pool.take", full)
    shown = drawn(frame, found)
    assert shown.on_gpu is None
    assert np.array_equal(shown.y, drawn(here, replace(found, on_gpu=None)).y)
    on_gpu.close()
    there.close()


def test_what_is_written_over_the_picture_is_written_on_the_one_that_came_down(
    machine: Machine, tmp_path: Path
) -> None:
    on_gpu, _ = networks(tmp_path, SCORES)
    _, frame, there = both(machine.gpu, decoded(240, 424))
    (found,) = on_gpu([frame])
    machine.gpu.uploaded_bytes = machine.gpu.downloaded_bytes = 0
    shown = drawn(frame, found, RenderOptions(hud=False, legend=True))
    assert isinstance(shown, np.ndarray)
    assert (machine.gpu.uploaded_bytes, machine.gpu.downloaded_bytes) == (0, 240 * 424 * 3 // 2)
    on_gpu.close()
    there.close()
