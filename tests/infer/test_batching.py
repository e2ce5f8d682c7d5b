from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from streamseg.capture import open_source
from streamseg.contracts import Segmenter, SegmenterFactory
from streamseg.errors import BackendError
from streamseg.frame import Frame
from streamseg.infer import load_segmenter
from streamseg.infer.batching import BatchSizePolicy, DynamicBatcher, share_networks
from streamseg.infer.model.spec import spec_beside
from streamseg.infer.network import MOST_AT_ONCE
from streamseg.segmentation import Segmentation
from streamseg.yuv import Planes
from tests.parts.fakes import CLASSES, Marker, frame
from tests.parts.toy_models import segmenter

STREAMS = 4
YAML = "classes: [a, b, c, d, e]\noutputs: {logits: scores}\ninput: {stride: 8, side: 64}\n"


def toy(folder: Path, *, batch: int | None, free: bool) -> str:
    path = segmenter(folder / "toy.onnx", batch=batch, size=(None, None) if free else (24, 32))
    path.with_suffix(".yaml").write_text(YAML)
    assert spec_beside(path)
    return str(path)


def at_once(calls: Sequence[Callable[[], object]]) -> list[object]:
    """Each call in a thread of its own; an exception stands for what it raised."""

    def outcome(call: Callable[[], object]) -> object:
        try:
            return call()
        except Exception as error:
            return error

    with ThreadPoolExecutor(len(calls)) as threads:
        return list(threads.map(outcome, calls))


def recipe(make: Callable[[int], Segmenter], most: int = 1) -> SegmenterFactory:
    return SegmenterFactory("fake", CLASSES, make, parallel=True, most=most)


@pytest.mark.parametrize("batch", [1, 3, None])
@pytest.mark.parametrize("free", [False, True], ids=["fixed size", "free size"])
def test_every_stream_gets_exactly_what_a_network_of_its_own_would_give(
    tmp_path: Path, batch: int | None, free: bool
) -> None:
    name = toy(tmp_path, batch=batch, free=free)
    load = share_networks(load_segmenter)
    sizes = ["64x48", "96x64", "64x48", "50x70"]
    streams = [list(open_source(f"test://?seed={i}&size={size}&frames=20")) for i, size in enumerate(sizes)]
    members = [load(name).make(1) for _ in streams]

    def run(member: Segmenter, frames: Sequence[Frame]) -> list[Segmentation]:
        return [found for one in frames for found in member([one])]

    shared = at_once([lambda pair=pair: run(*pair) for pair in zip(members, streams, strict=True)])  # type: ignore[misc]
    alone = load_segmenter(name).make(1)
    for found, frames in zip(shared, streams, strict=True):
        assert isinstance(found, list)
        for ours, expected in zip(found, run(alone, frames), strict=True):
            assert np.array_equal(ours.labels, expected.labels)
            assert (ours.frame_index, ours.frame_time_s) == (expected.frame_index, expected.frame_time_s)
            assert (ours.confidence is None) == (expected.confidence is None)


def test_each_stream_keeps_the_scale_that_it_asks_for(tmp_path: Path) -> None:
    name = toy(tmp_path, batch=None, free=True)
    load = share_networks(load_segmenter)
    frames = list(open_source("test://?size=64x48&frames=20"))
    scales = [1.0, 0.5, 0.75, 1.0]

    def run(scale: float) -> list[tuple[int, ...]]:
        member = load(name).make(1)
        member.scale = scale
        return [member([one])[0].labels.shape for one in frames]

    alone = load_segmenter(name).make(1)
    for scale, found in zip(scales, at_once([lambda scale=scale: run(scale) for scale in scales]), strict=True):  # type: ignore[misc]
        alone.scale = scale
        assert found == [alone(frames[:1])[0].labels.shape] * len(frames)


def test_the_same_model_is_made_once_and_closed_with_its_last_stream() -> None:
    made: list[Marker] = []

    def load(
        name: str, settings: Mapping[str, object] | None = None, *, backend: str | None, gpu: int | None
    ) -> SegmenterFactory:
        def make(threads: int) -> Segmenter:
            made.append(Marker())
            return made[-1]

        return recipe(make)

    find = share_networks(load)
    one, two, other = find("a").make(2), find("a").make(2), find("a", backend="ort-cpu").make(2)
    assert len(made) == 2
    one.close()
    one.close()
    assert not made[0].closed
    assert two([frame(3)])[0].labels[0, 0] == 3
    two.close()
    other.close()
    assert all(marker.closed for marker in made)
    find("a").make(2).close()
    assert len(made) == 3


def test_methods_that_remember_their_stream_are_not_shared() -> None:
    find = share_networks(load_segmenter)
    assert find("motion").make(1) is not find("motion").make(1)
    assert not find("kmeans", {"k": 2}).shared
    assert find("person").shared


def test_a_call_that_fails_fails_for_its_stream_alone() -> None:
    def work(one: Frame) -> None:
        time.sleep(0.001)
        if one.width == 13:
            raise BackendError("poisoned")

    network = DynamicBatcher(recipe(lambda threads: Marker(work), most=8))
    members = [network.join(1) for _ in range(STREAMS)]
    poisoned = [frame(i, width=13) for i in range(20)]
    healthy = [frame(i) for i in range(20)]

    def run(member: Segmenter, frames: Sequence[Frame]) -> list[int]:
        done = []
        for one in frames:
            try:
                done.append(int(member([one])[0].labels[0, 0]))
            except BackendError:
                done.append(-1)
        return done

    frames = [poisoned, healthy, healthy, healthy]
    found = at_once([lambda pair=pair: run(*pair) for pair in zip(members, frames, strict=True)])  # type: ignore[misc]
    assert found == [[-1] * 20] + [list(range(20))] * 3


def test_a_network_that_broke_is_made_anew_although_a_stream_without_frames_still_holds_it() -> None:
    made: list[Marker] = []

    def make(threads: int) -> Segmenter:
        def work(one: Frame) -> None:
            if broken and marker is made[0]:
                raise BackendError("the device is lost")

        marker = Marker(work)
        made.append(marker)
        return marker

    broken = False
    network = DynamicBatcher(recipe(make))
    quiet, busy = network.join(1), network.join(1)
    assert busy([frame(1)])
    broken = True
    with pytest.raises(BackendError):
        busy([frame(2)])
    busy.close()
    busy = network.join(1)
    assert busy([frame(3)])[0].labels[0, 0] == 3
    assert quiet([frame(4)])[0].labels[0, 0] == 4
    assert (len(made), made[0].closed, made[1].closed) == (2, True, False)
    quiet.close()
    busy.close()
    assert made[1].closed


def test_the_oldest_request_is_run_first() -> None:
    order: list[int] = []
    gate = threading.Event()

    def work(one: Frame) -> None:
        gate.wait()
        order.append(one.index)

    network = DynamicBatcher(recipe(lambda threads: Marker(work)))
    members = [network.join(1) for _ in range(STREAMS)]
    threads = []
    for i, member in enumerate(members):
        threads.append(threading.Thread(target=member, args=([frame(i)],)))
        threads[-1].start()
        while len(network._waiting) < i:  # the first is already running
            time.sleep(0.001)
    gate.set()
    for thread in threads:
        thread.join()
    assert order == [0, 1, 2, 3]


def test_no_stream_starves_beside_greedy_ones() -> None:
    network = DynamicBatcher(recipe(lambda threads: Marker(lambda _: time.sleep(0.001))))
    members = [network.join(1) for _ in range(STREAMS)]
    end_s = time.monotonic() + 1.0

    def run(member: Segmenter) -> int:
        count = 0
        while time.monotonic() < end_s:
            member([frame(count)])
            count += 1
        return count

    counts = [int(str(count)) for count in at_once([lambda member=member: run(member) for member in members])]  # type: ignore[misc]
    assert min(counts) > 0.3 * max(counts)  # who starves gets none


def test_a_network_with_a_batch_of_one_is_never_given_more() -> None:
    marker = Marker(lambda _: time.sleep(0.001))
    network = DynamicBatcher(recipe(lambda threads: marker, most=1))
    members = [network.join(1) for _ in range(STREAMS)]
    at_once([lambda member=member: [member([frame(i)]) for i in range(20)] for member in members])  # type: ignore[misc]
    assert set(marker.batches) == {1}


def test_a_network_that_gains_by_groups_gets_groups() -> None:
    class Costly(Marker):
        def __call__(self, frames: Sequence[Frame]) -> list[Segmentation]:
            time.sleep(0.02)  # for each call, however many frames there are
            return super().__call__(frames)

    marker = Costly()
    network = DynamicBatcher(recipe(lambda threads: marker, most=MOST_AT_ONCE))
    members = [network.join(1) for _ in range(STREAMS)]
    at_once([lambda member=member: [member([frame(i)]) for i in range(40)] for member in members])  # type: ignore[misc]
    assert STREAMS in marker.batches[10:]  # not always: a busy machine brings some threads late


def test_groups_that_gain_nothing_are_given_up() -> None:
    groups = BatchSizePolicy()
    assert groups.most(4) == 1
    for _ in range(3):
        groups.note(1, 0.010)
    assert groups.most(4) == 4
    for _ in range(3):
        groups.note(4, 0.039)
        groups.note(3, 0.025)
    assert groups.most(4) == 3
    assert groups.most(2) == 2
    for _ in range(3):
        groups.note(2, 0.020)
    assert groups.most(2) == 1


def test_video_is_not_converted_on_its_way_into_a_shared_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streamseg.yuv.to_bgr", lambda frame: pytest.fail("a picture was made of the planes"))
    pixels = Planes.blank(np.zeros((72, 64), np.uint8), (1, 1))
    network = DynamicBatcher(recipe(lambda threads: Marker(), most=MOST_AT_ONCE))
    assert network.join(1)([Frame(pixels, index, 0.0, 0.0) for index in range(3)])
