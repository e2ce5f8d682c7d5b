"""Masks carried on the GPU, by kernels that g++ compiled, beside those that the CPU carries."""

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
from streamseg.errors import BackendError
from streamseg.frame import Frame
from streamseg.infer.backends.tensorrt.overlay import Overlay
from streamseg.motion import Effort
from streamseg.motion.efforts import EFFORTS as SPENT
from streamseg.motion.flow import flow_shape
from streamseg.motion.gpu_flow import Work
from streamseg.motion.gpu_transfer import Matching
from streamseg.motion.propagator import FlowPropagator
from streamseg.segmentation import Classes, Segmentation
from streamseg.yuv import Planes
from tests.parts.decoded_there import DecodedThere
from tests.parts.gpu_machine import Machine

CLASSES = Classes(("road", "car", "tree"), np.array([[90, 90, 90], [200, 0, 0], [0, 200, 0]], np.uint8))
SIZE = 240, 424
LABELS = 120, 212
EFFORTS: tuple[Effort, ...] = ("quick", "usual", "fine")


@pytest.fixture(autouse=True)
def nothing_is_left(machine: Machine, request: pytest.FixtureRequest) -> Iterator[None]:
    if shutil.which("g++") is None:
        pytest.skip("the kernels are compiled by g++ here, which is not installed")
    yield
    gc.collect()
    if "lost" not in request.node.name:  # what one has goes with it
        assert machine.gpu.leaks() == []


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
def scene(machine: Machine) -> Iterator[Scene]:
    made = Scene(machine)
    yield made
    made.close()


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


@pytest.mark.parametrize("effort", EFFORTS)
@pytest.mark.parametrize("confidence", [True, False])
def test_masks_are_carried_as_on_the_cpu(scene: Scene, effort: Effort, confidence: bool) -> None:
    there, here = both(effort=effort)
    carried(scene, there, here, 8, every=4, confidence=confidence)
    assert alone(there)
    assert not alone(here)  # its frames are on the CPU


@pytest.mark.parametrize("effort", EFFORTS)
def test_masks_of_every_frame_are_steadied_as_on_the_cpu(scene: Scene, effort: Effort) -> None:
    there, here = both(effort=effort)
    carried(scene, there, here, 5, every=1, noise=12)
    assert alone(there)


@pytest.mark.parametrize("effort", ["quick", "fine"])
def test_what_lies_between_two_masks_is_carried_from_both(scene: Scene, effort: Effort) -> None:
    there, here = both(effort=effort)
    ends: list[tuple[Segmentation, Segmentation]] = []
    for start in (0, 4):
        frames = [scene.frames(index) for index in range(start + bool(start), start + 5)]
        for pair in frames:
            there.observe(pair[0])
            here.observe(pair[1])
        ends = [*ends[-1:], *(scene.found(index) for index in ((0, 4) if not start else (8,)))]
        results = (
            list(propagator.between([pair[side] for pair in frames], ends[0][side], ends[1][side]))
            for side, propagator in enumerate((there, here))
        )
        for one, other in zip(*results, strict=True):
            labels, sure = alike(one, other)
            assert labels > 0.999
            assert sure < 1
    assert alone(there)


def test_nothing_of_a_frame_comes_down_but_what_was_carried(machine: Machine, scene: Scene) -> None:
    propagator = FlowPropagator()
    found, _ = scene.found(0)
    for index in range(7):
        frame, _ = scene.frames(index)
        machine.gpu.uploaded_bytes = machine.gpu.downloaded_bytes = 0
        propagator.observe(frame)
        segmentation = propagator.carry(found)
        if index > 1:  # the first was carried on the CPU as well
            assert machine.gpu.uploaded_bytes == 0
            assert machine.gpu.downloaded_bytes == 16 + 2 * LABELS[0] * LABELS[1]
            assert segmentation.on_gpu is not None
            there = segmentation.on_gpu
            kept = machine.gpu.view(there.labels, segmentation.labels.size)
            assert np.array_equal(kept.reshape(LABELS), segmentation.labels)
            assert there.holding(segmentation.labels, segmentation.confidence) is there


def test_across_a_cut_nothing_is_known(scene: Scene) -> None:
    there, here = both()
    carried(scene, there, here, 3, every=4)
    assert alone(there)
    keys = scene.found(0)
    for propagator, frame in zip((there, here), scene.frames(4, scene=1), strict=True):
        propagator.observe(frame)
    one, other = there.carry(keys[0]), here.carry(keys[1])
    assert alike(one, other) == (1.0, 0.0)
    assert (one.labels == 255).all()
    assert one.confidence is not None
    assert not one.confidence.any()


def test_effort_may_change_from_frame_to_frame(scene: Scene) -> None:
    there, here = both()
    keys = scene.found(0)
    for index, effort in enumerate(("usual", "quick", "fine", "usual", None, "fine", "quick")):
        there.effort = here.effort = effort  # type: ignore[assignment]
        for propagator, frame in zip((there, here), scene.frames(index), strict=True):
            propagator.observe(frame)
        labels, sure = alike(there.carry(keys[0]), here.carry(keys[1]))
        assert labels > 0.998
        assert sure < 2
    assert alone(there)


def test_a_mask_from_long_ago_is_held(scene: Scene) -> None:
    propagator = FlowPropagator()
    found, _ = scene.found(0)
    for index in (0, 1, 2, 200):
        frame, _ = scene.frames(index, at=min(index, 3))
        propagator.observe(frame)
        segmentation = propagator.carry(found)
    segmentation = propagator.carry(replace(found, frame_index=1))
    assert np.array_equal(segmentation.labels, found.labels)
    assert segmentation.confidence is not None
    assert not segmentation.confidence.any()


def test_masks_that_it_does_not_carry_are_the_cpus(scene: Scene) -> None:
    there, here = both()
    two = Classes(("background", "person"), np.zeros((2, 3), np.uint8), background=0)
    keys = [replace(one, labels=np.minimum(one.labels, 1), classes=two) for one in scene.found(0)]
    for index in range(3):
        for propagator, frame in zip((there, here), scene.frames(index), strict=True):
            propagator.observe(frame)
        one, other = (each.carry(key) for each, key in zip((there, here), keys, strict=True))
        assert alike(one, other)[0] > 0.99  # the small picture of the frame is of another maker
        assert not alone(there)
    assert there._there is not None
    assert there._there._work is None  # nor does it look at frames for them


def test_the_model_may_change_to_one_that_it_does_not_carry(scene: Scene) -> None:
    propagator = FlowPropagator()
    found, _ = scene.found(0)
    for index in range(3):
        propagator.observe(scene.frames(index)[0])
        propagator.carry(found)
    assert alone(propagator)
    for index in range(3, 6):
        propagator.observe(scene.frames(index)[0])
        plain = replace(scene.found(index)[1], classes=CLASSES)  # another network found it, on the CPU
        segmentation = propagator.carry(plain)
        assert not alone(propagator)
    propagator.observe(scene.frames(6)[0])
    segmentation = propagator.carry(plain)
    assert segmentation.confidence is not None
    assert segmentation.confidence.mean() > 100


def test_what_the_gpu_makes_otherwise_is_not_taken(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    right = Matching.finish

    def wrong(matching: Matching) -> Any:
        made = right(matching)
        made.labels[:20] = 0
        return made

    monkeypatch.setattr(Matching, "finish", wrong)
    there, here = both()
    carried(scene, there, here, 4, every=3)
    assert not alone(there)
    assert caplog.messages == [
        "the GPU: masks are carried on the CPU: 16.7% of their pixels are others than those of the GPU"
    ]


@pytest.mark.parametrize("what", ["streamseg.motion.gpu_flow.Parts", "streamseg.motion.gpu_flow.Kernels"])
def test_where_the_gpu_has_no_room_the_cpu_carries_and_a_line_says_so_once(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, what: str
) -> None:
    def full(*_: object) -> None:
        raise BackendError("the GPU failed: out of memory")

    monkeypatch.setattr(what, full)
    there, here = both()
    keys = scene.found(0)
    for index in range(3):
        for propagator, frame in zip((there, here), scene.frames(index), strict=True):
            propagator.observe(frame)
        assert alike(there.carry(keys[0]), here.carry(keys[1]))[0] > 0.99
    assert caplog.messages == ["the GPU: masks are carried on the CPU: the GPU failed: out of memory"]


def test_a_gpu_that_is_lost_ends_nothing_but_its_carrying(
    machine: Machine, scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    propagator = FlowPropagator()
    found, _ = scene.found(0)
    for index in range(3):
        propagator.observe(scene.frames(index)[0])
        propagator.carry(found)
    here = scene.frames(3)[1]
    machine.gpu.lost = True
    segmentation = propagator.carry(found)
    propagator.observe(here)
    machine.gpu.lost = False
    assert np.array_equal(segmentation.labels, found.labels)
    (line,) = caplog.messages
    assert line.startswith("the GPU: masks are carried on the CPU: the GPU failed: ")


def test_frames_of_another_shape_have_nothing_to_do_with_those_before(scene: Scene) -> None:
    propagator = FlowPropagator()
    found, _ = scene.found(0)
    for index in range(3):
        propagator.observe(scene.frames(index)[0])
        propagator.carry(found)
    picture = av.VideoFrame.from_ndarray(np.full((400, 200, 3), 90, np.uint8), format="bgr24").reformat(
        format="yuv420p"
    )
    tall: Any = DecodedThere(scene.machine.gpu, picture)
    scene._kept.append(tall)
    propagator.observe(Frame(Planes(tall), 3, 0.12, 0.0))
    segmentation = propagator.carry(found)
    assert segmentation.confidence is not None
    assert not segmentation.confidence.any()


@pytest.mark.parametrize("effort", ["quick", "fine"])
def test_a_mask_is_searched_for_with_the_effort_it_is_given_once_its_frame_was_seen(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, effort: Effort
) -> None:
    launch, rows = Work.launch, set[int]()

    def watched(work: Work, kernel: str, threads: tuple[int, int, int], kind: Any, **values: Any) -> None:
        if kernel == "search":
            rows.add(values["rows"])
        launch(work, kernel, threads, kind, **values)

    monkeypatch.setattr(Work, "launch", watched)
    propagator, found = FlowPropagator(), scene.found(0)[0]
    for index in range(2):
        propagator.observe(scene.frames(index)[0])
    propagator.effort = effort
    propagator.carry(found)
    assert flow_shape(SIZE, SPENT[effort].area)[0] in rows
    assert flow_shape(SIZE, SPENT["usual"].area)[0] not in rows


@pytest.mark.parametrize("what", ["one class", "a mask of a frame that was not seen", "nothing moves"])
def test_masks_that_could_not_be_wrong_prove_nothing(scene: Scene, monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    there, here = both()
    keys = scene.found(0)
    if what == "one class":
        keys = (
            replace(keys[0], labels=np.full(LABELS, 2, np.uint8)),
            replace(keys[1], labels=np.full(LABELS, 2, np.uint8)),
        )
    if what == "a mask of a frame that was not seen":
        keys = replace(keys[0], frame_index=-1), replace(keys[1], frame_index=-1)
    right, unmoved, still = Matching.finish, keys[0].labels.copy(), what == "nothing moves"
    monkeypatch.setattr(Matching, "finish", lambda matching: right(matching)._replace(labels=unmoved.copy()))
    for index in range(3):
        for propagator, frame in zip((there, here), scene.frames(index, at=0 if still else index), strict=True):
            propagator.observe(frame)
        there.carry(keys[0])
        here.carry(keys[1])
        assert not alone(there)


def test_a_key_that_only_the_cpu_saw_is_carried_by_the_cpu(scene: Scene) -> None:
    there, here = both()
    for index in range(9):
        pair = scene.frames(index)
        if index == 0 or index == 4:
            keys = scene.found(index)
        on_cpu = 3 <= index < 6
        there.observe(scene.frames(index)[1] if on_cpu else pair[0])
        here.observe(pair[1])
        one, other = there.carry(keys[0]), here.carry(keys[1])
        if index != 3:  # the CPU saw no frame with a mask yet
            labels, sure = alike(one, other)
            assert labels > 0.99
            assert sure < 2


def test_how_pixels_look_is_kept_of_few_frames(scene: Scene) -> None:
    propagator, found = FlowPropagator(), scene.found(0)[0]
    for index in range(20):
        propagator.observe(scene.frames(index, at=index % 8)[0])
        propagator.carry(found)
    assert propagator._there is not None
    assert propagator._there._history is not None
    looks = propagator._there._history._looks
    assert len(looks) == 20
    assert sum(bool(look.looks) for look in looks) <= 8
