"""Masks that the GPU does not carry, or not yet, or not any more: the CPU does."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from streamseg.errors import BackendError
from streamseg.motion.gpu_transfer import Matching
from streamseg.motion.propagator import FlowPropagator
from streamseg.segmentation import Classes
from tests.parts.gpu_machine import Machine
from tests.parts.gpu_scene import CLASSES, LABELS, Scene, alike, alone, both, carried


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
