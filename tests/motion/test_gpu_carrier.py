"""Masks carried on the GPU, by kernels that g++ compiled, beside those that the CPU carries."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import av
import numpy as np
import pytest

from streamseg.frame import Frame
from streamseg.motion import Effort
from streamseg.motion.efforts import EFFORTS as SPENT
from streamseg.motion.flow import flow_shape
from streamseg.motion.gpu_flow import Work
from streamseg.motion.propagator import FlowPropagator
from streamseg.segmentation import Segmentation
from streamseg.yuv import Planes
from tests.parts.decoded_there import DecodedThere
from tests.parts.gpu_machine import Machine
from tests.parts.gpu_scene import EFFORTS, LABELS, SIZE, Scene, alike, alone, both, carried


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
