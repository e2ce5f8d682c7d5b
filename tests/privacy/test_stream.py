"""Whole runs with exact truth: who enters, cuts, networks that are late, wrong or gone, and the first frames."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import streamseg
from streamseg.commands.progress import summary
from streamseg.contracts import Shown
from streamseg.errors import BackendError, InputError
from streamseg.frame import Frame, StreamInfo
from streamseg.infer import backends
from streamseg.segmentation import Segmentation
from tests.parts.faulty import Faulty
from tests.parts.patience import PATIENCE_S
from tests.privacy.scenes import CLASSES, FPS, HEIGHT, WIDTH, Knows, Scene, as_planes, secret
from tests.privacy.scenes import found as segmentation_of

MOST_SHOWN = 0.02
BLACK = 40
"""No pixel of the cover is brighter than that, in any of its colours."""


class Walk:
    """A person of 30x50 pixels walks in from the left at frame `enters`; at frame `cut` the place is another one."""

    counters: Mapping[str, int] = {}

    def __init__(self, count: int, *, live: bool, enters: int = -40, cut: int | None = None, speed: int = 3) -> None:
        self.info = StreamInfo("walk", WIDTH, HEIGHT, FPS, live, None if live else count)
        self.asked = threading.Semaphore(count if not live else 1)
        self._count, self._enters, self._cut, self._speed = count, enters, cut, speed
        dice = np.random.default_rng(1)
        self._grounds = [dice.integers(60, 140, (HEIGHT // 4, WIDTH // 4), np.uint8) for _ in range(2)]
        self._grounds[1][:, ::2] //= 3
        self.closed = False

    def mask(self, index: int) -> np.ndarray[tuple[int, int], np.dtype[np.bool_]]:
        mask = np.zeros((HEIGHT, WIDTH), bool)
        left = (index - self._enters) * self._speed - 30
        if self._cut is not None and index >= self._cut:
            left = 60
        mask[20:70, max(0, left) : max(0, left + 30)] = True
        return mask

    def __iter__(self) -> Iterator[Frame]:
        for index in range(self._count):
            self.asked.acquire(timeout=PATIENCE_S)
            if self.closed:
                return
            ground = self._grounds[self._cut is not None and index >= self._cut]
            picture = np.repeat(np.repeat(ground, 4, 0), 4, 1)[..., None].repeat(3, 2)
            picture[self.mask(index)] = (250, 30, 250)
            yield Frame(as_planes(np.ascontiguousarray(picture)), index, index / FPS, 0.0, "walk")

    def close(self) -> None:
        self.closed = True
        self.asked.release()


class Sees:
    """Finds what `source` knows; `before` is called with each frame first."""

    classes = CLASSES

    def __init__(self, source: Walk, before: Callable[[Frame], object] = lambda _: None, *, sure: int = 255) -> None:
        self._source, self._before, self._sure = source, before, sure

    def __call__(self, frames: Sequence[Frame]) -> list[Segmentation]:
        for frame in frames:
            self._before(frame)
        return [segmentation_of(frame, self._source.mask(frame.index), self._sure) for frame in frames]

    def close(self) -> None:
        pass


def black(shown: Shown) -> bool:
    return bool(shown.image.max() <= BLACK)


def share(shown: Shown, source: Walk) -> float:
    """Of the person's pixels, which are to be seen."""
    there = source.mask(shown.frame.index).sum()
    return secret(shown.image) / there if there else float(secret(shown.image) > 0)


def live(source: Walk, blind_from: int = 1, blind_to: int = 10**6) -> list[Shown]:
    """All that is shown of a live source whose network hangs from one frame to another."""
    over, shown = threading.Event(), []

    def wait(frame: Frame) -> None:
        if frame.index >= blind_from and not over.is_set():
            over.wait(PATIENCE_S)

    options = {"hide": "person", "hide_with": "black", "view": "source"}
    with streamseg.open(source, model=Sees(source, wait), **options) as stream:  # type: ignore[arg-type]
        for each in stream:
            shown.append(each)
            if each.frame.index >= blind_to:
                over.set()
            source.asked.release()
            if each.frame.index >= source._count - 1:
                over.set()
    return shown


@pytest.mark.parametrize("target", ["quality", "fps", "power"])
def test_a_person_who_walks_in_is_never_seen(target: str) -> None:
    source = Walk(60, live=False, enters=13)
    options = {"hide": "person", "hide_with": "black", "view": "source", "target": target}
    shown = list(streamseg.open(source, model=Sees(source), **options))  # type: ignore[arg-type]
    assert [each.frame.index for each in shown] == list(range(60))
    assert max(share(each, source) for each in shown) <= MOST_SHOWN
    assert sum(map(black, shown)) < 20
    assert not black(shown[0])


def test_a_person_who_walks_in_while_the_network_is_busy_is_covered_as_unknown() -> None:
    source = Walk(40, live=True, enters=4, speed=4)
    shown = live(source)
    assert len(shown) >= 30
    assert max(share(each, source) for each in shown) <= MOST_SHOWN
    assert not black(shown[0])


def test_a_network_that_hangs_covers_everything_and_one_that_is_back_uncovers() -> None:
    source = Walk(80, live=True, enters=-5, speed=1)
    shown = live(source, blind_to=40)
    late = [each for each in shown if 14 <= each.frame.index < 40]
    assert len(late) > 10
    assert all(map(black, late))
    assert max(share(each, source) for each in shown) <= MOST_SHOWN
    assert not black(shown[-1])


@pytest.mark.parametrize("is_live", [False, True])
def test_a_cut_shows_nothing_of_what_is_behind_it(is_live: bool) -> None:
    source = Walk(40, live=is_live, cut=7)
    options = {"hide": "person", "hide_with": "black", "view": "source", "target": "fps"}
    shown = live(source) if is_live else list(streamseg.open(source, model=Sees(source), **options))  # type: ignore[arg-type]
    assert max(share(each, source) for each in shown) <= MOST_SHOWN
    if is_live:  # where no mask of what is behind it comes
        assert all(black(each) for each in shown if each.frame.index >= 7)


def test_of_the_first_frames_none_is_shown_before_its_mask() -> None:
    source, looked = Walk(20, live=True, enters=-20, speed=1), threading.Event()
    source.asked.release()

    def first(frame: Frame) -> None:
        if not looked.is_set():
            source.asked.release(8)  # while it looks, others come
            looked.wait(0.2)
            looked.set()

    options = {"hide": "person", "hide_with": "black", "view": "source"}
    with streamseg.open(source, model=Sees(source, first), **options) as stream:  # type: ignore[arg-type]
        for each in stream:
            assert looked.is_set()
            assert share(each, source) <= MOST_SHOWN
            source.asked.release()


@pytest.mark.parametrize("is_live", [False, True])
def test_a_network_that_fails_ends_the_run_with_nothing_seen(is_live: bool) -> None:
    source, shown = Walk(40, live=is_live, enters=-5, speed=1), list[Shown]()

    def fails(frame: Frame) -> None:
        if frame.index >= 5:
            raise BackendError("the GPU is gone")

    stream = streamseg.open(source, shown.append, model=Sees(source, fails), hide="person", hide_with="black")
    with pytest.raises(BackendError, match="gone"):
        for _ in stream:
            source.asked.release()
    assert all(secret(each.image) == secret(each.frame.image) == 0 for each in shown)


def colour_finder(path: Path) -> Path:
    """A network that knows the person by the colour."""
    weights = np.array([[0, 0, 0], [10, -20, 10]], np.float32).reshape(2, 3, 1, 1)
    nodes = [helper.make_node("Conv", ["image", "weights", "bias"], ["scores"])]
    inputs, outputs = (
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, planes, HEIGHT, WIDTH])]
        for name, planes in (("image", 3), ("scores", 2))
    )
    kept = [numpy_helper.from_array(weights, "weights"), numpy_helper.from_array(np.array([0, -8], np.float32), "bias")]
    graph = helper.make_graph(nodes, "colours", inputs, outputs, kept)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    options = "classes: [background, person]\noutputs: {logits: scores}\ninput: {std: [255, 255, 255]}\n"
    path.with_suffix(".yaml").write_text(options)
    return path


def test_while_a_network_falls_back_to_another_backend_everything_is_covered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chip, cpu, over, waits = Faulty({6}), backends.BACKENDS["ort-cpu"], threading.Event(), threading.Event()

    def late(*asked: Any, **more: Any) -> Any:
        if chip.closed >= 2:  # it has failed for good
            waits.set()
            over.wait(PATIENCE_S)
        return cpu(*asked, **more)

    monkeypatch.setattr(backends, "BACKENDS", {"chip": chip.open, "ort-cpu": late})
    source, shown, waited = Walk(3000, live=True, cut=0), list[Shown](), list[Shown]()
    options = {"hide": "person", "hide_with": "black", "view": "source"}
    with streamseg.open(source, model=colour_finder(tmp_path / "colours.onnx"), **options) as stream:  # type: ignore[arg-type]
        for each in stream:
            shown.append(each)
            waited += [each] if waits.is_set() else []
            if len(waited) == 40:
                over.set()
            if over.is_set() and not black(each):
                break
            source.asked.release()
        covered = stream.metrics().covered_whole
    assert (chip.opened, chip.closed) == (2, 2)
    assert max(share(each, source) for each in shown) <= MOST_SHOWN
    assert all(map(black, waited[15:40])) and not black(shown[-1])
    assert covered == sum(map(black, shown)) >= 25


def test_a_model_without_the_class_is_refused_before_and_while_it_runs() -> None:
    with pytest.raises(InputError, match="what to hide cannot be found"):
        streamseg.open(Scene(), model="otsu", hide="person")
    stream = streamseg.open(Scene(), model=Knows(), hide="person", hide_with="black")
    with pytest.raises(InputError, match="cannot be found"):
        stream.change(model="otsu")
    assert all(secret(each.image) == 0 for each in stream)


def test_the_summary_of_a_run_says_how_many_frames_were_covered_whole() -> None:
    source = Walk(20, live=False, cut=0)
    options = {"hide": "person", "hide_with": "black", "view": "source"}
    stream = streamseg.open(source, model=Sees(source, sure=128), **options)  # type: ignore[arg-type]
    assert all(map(black, stream))
    assert "20 frames captured, 20 shown (20 covered whole) in" in summary(stream._pipeline, 1.0)
