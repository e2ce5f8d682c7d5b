"""A stream opened from Python: names and objects in, frames out, changed while it runs."""

from __future__ import annotations

import inspect
import io
import threading
from pathlib import Path

import numpy as np
import pytest

import streamseg
from streamseg.config import OPTIONS
from streamseg.errors import InputError, OutputError, StreamsegError
from streamseg.frame import Frame, Image
from streamseg.segmentation import Segmentation
from tests.parts.fakes import CLASSES, CountingSource, ListSink, Marker
from tests.parts.leftovers import ours
from tests.parts.patience import until

SCENE = "test://?frames=12&size=64x48"
LIVE = "test://?size=64x48"


def inverted(picture: Image, frame: Frame, segmentation: Segmentation, opacity: float) -> None:
    np.subtract(255, frame.image, out=picture)


def test_every_option_of_a_run_is_an_argument_with_the_same_default() -> None:
    arguments = inspect.signature(streamseg.open).parameters
    assert not any(each.kind is inspect.Parameter.VAR_KEYWORD for each in arguments.values())
    assert set(arguments) == set(OPTIONS.__struct_fields__)
    plain = OPTIONS(source="x")
    for name in set(arguments) - {"source", "outputs", "settings", "zones", "lines", "rules"}:
        assert arguments[name].default == getattr(plain, name), name


def test_source_model_view_and_outputs_may_be_objects() -> None:
    marker, source, sink, called = Marker(), CountingSource(6), ListSink(), ListSink()
    stream = streamseg.open(source, sink, called.write, model=marker, view=inverted)
    assert stream.run().shown == 6
    assert [int(shown.segmentation.labels[0, 0]) for shown in sink.shown] == list(range(6))
    assert [int(shown.image[0, 0, 0]) for shown in sink.shown] == [255 - value for value in range(6)]
    assert len(called.shown) == 6
    assert source.closed.is_set()
    assert not marker.closed  # it may serve another stream


def test_what_was_open_is_closed_where_the_last_step_of_opening_fails(tmp_path: Path) -> None:
    source, path = CountingSource(6), tmp_path / "a.jsonl"
    with pytest.raises(InputError, match="belt: lies outside of the picture"):
        streamseg.open(source, path, model=Marker(), zones={"belt": [(70, 0), (90, 0), (90, 40)]})
    assert source.closed.is_set()
    streamseg.open(SCENE, path, model="otsu", overwrite=True).run()


def test_paths_and_sizes_are_taken_as_python_has_them(tmp_path: Path) -> None:
    path = tmp_path / "labels.jsonl"
    streamseg.open("test://?frames=3", path, model="otsu", size=(64, 48)).run()
    assert len(path.read_text().splitlines()) == 3
    film = tmp_path / "film.mp4"
    streamseg.open("test://?frames=3", film, model="otsu", size="64x48").run()
    (shown, *_) = streamseg.open(film, model="otsu")
    assert (shown.frame.width, shown.frame.height) == (64, 48)


def test_outputs_named_and_own_get_the_same_frames(tmp_path: Path) -> None:
    sink = ListSink()
    streamseg.open(SCENE, tmp_path / "a.jsonl", sink, "null", model="otsu").run()
    assert len(sink.shown) == len((tmp_path / "a.jsonl").read_text().splitlines()) == 12


def test_pushed_frames_can_be_recorded(tmp_path: Path) -> None:
    source = streamseg.PushSource(live=False, fps=10)
    stream = streamseg.open(source, tmp_path / "a.mp4", model="otsu")

    def push() -> None:
        for index in range(12):
            source.put(np.full((48, 64, 3), 9 * index, np.uint8), time_s=index / 10)
        source.end()

    threading.Thread(target=push, daemon=True).start()
    stream.run()
    recorded = [shown.frame.time_s for shown in streamseg.open(tmp_path / "a.mp4", model="otsu")]
    assert recorded == pytest.approx([index / 10 for index in range(12)])


def test_leaving_the_loop_ends_every_thread() -> None:
    stream = streamseg.open(LIVE, model="otsu")
    for _ in stream:
        break
    until(lambda: not ours())
    assert stream.metrics().shown == 1


def test_the_end_of_the_with_block_ends_every_thread_whatever_is_raised() -> None:
    sink = ListSink()
    with pytest.raises(ZeroDivisionError), streamseg.open(LIVE, sink, model="otsu") as stream:
        frames = iter(stream)
        next(frames)
        raise ZeroDivisionError
    until(lambda: not ours())
    assert sink.closed == 1
    stream.close()


def test_closing_from_another_thread_ends_the_loop() -> None:
    stream = streamseg.open(LIVE, model="otsu")

    def close() -> None:
        until(lambda: stream.metrics().shown)
        stream.close()

    closer = threading.Thread(target=close, daemon=True)
    closer.start()
    for _ in stream:
        pass
    closer.join()


def test_a_stream_is_read_once() -> None:
    stream = streamseg.open(SCENE, model="otsu")
    stream.run()
    with pytest.raises(InputError, match="read once"):
        iter(stream)


def test_two_streams_of_one_model_run_side_by_side() -> None:
    with streamseg.load("otsu") as model:
        streams = [streamseg.open(f"test://?frames=9&seed={seed}", model=model) for seed in (1, 2)]
        assert [(one.frame.index, other.frame.index) for one, other in zip(*streams, strict=True)] == [
            (index, index) for index in range(9)
        ]


def test_the_model_changes_while_the_stream_runs_and_the_old_one_is_closed() -> None:
    old = Marker()
    model = streamseg.load(old)
    with streamseg.open(LIVE, model=model, steady=False) as stream:
        frames = iter(stream)
        assert next(frames).segmentation.classes.names == CLASSES.names
        model.close()
        stream.change(model="otsu")
        until(
            lambda: next(frames).segmentation.classes.names == ("background", "foreground"), "the new model's classes"
        )
        assert old.closed
    until(lambda: not ours())


@pytest.mark.parametrize("target", ["fps", "latency", "quality", "power"])
def test_masks_of_two_models_are_not_mixed(target: str) -> None:
    """Those of other classes mean something else under the same number."""
    with streamseg.open("test://?size=64x48&fps=100", model="kmeans", target=target) as stream:  # type: ignore[arg-type]
        frames = iter(stream)
        next(frames)
        for name in ("hsv", "components", "otsu"):
            stream.change(model=name)
            until(lambda: next(frames).segmentation.classes.names != ("cluster 1",))
        until(lambda: next(frames).segmentation.classes.names == ("background", "foreground"))
        for _ in range(5):
            assert next(frames).segmentation.labels.max() <= 1


def test_every_worker_of_a_file_takes_the_new_model() -> None:
    source = streamseg.frames((np.full((48, 64, 3), value % 250, np.uint8) for value in range(60)), fps=25)
    stream = streamseg.open(source, model="otsu", workers=3)
    frames = iter(stream)
    next(frames)
    stream.change(model="components")
    names = [shown.segmentation.classes.names for shown in frames]
    assert len(names) == 59
    assert names[-3:] == [names[-1]] * 3 != [("background", "foreground")] * 3


def test_a_model_chosen_before_the_first_frame_is_the_one_that_is_used() -> None:
    stream = streamseg.open(SCENE, model="otsu")
    stream.change(model="components")
    assert {len(shown.segmentation.classes) for shown in stream} == {len(streamseg.load("components").classes)}


def test_a_model_that_cannot_be_had_leaves_the_stream_as_it_is(tmp_path: Path) -> None:
    with streamseg.open(LIVE, f"events:{tmp_path}?class=foreground", model="otsu") as stream:
        frames = iter(stream)
        next(frames)
        with pytest.raises(InputError):
            stream.change(model="persn", view="mask")
        with pytest.raises(InputError, match="class 'foreground'"):
            stream.change(model="components")
        with pytest.raises(InputError):
            stream.change(view="nowhere", opacity=0.1)
        with pytest.raises(InputError, match="opacity is 0 to 1"):
            stream.change(opacity=2)
        assert next(frames).segmentation.classes.names == ("background", "foreground")
        assert (stream.controls.view, stream.controls.opacity) == ("overlay", 0.5)


def test_a_model_that_follows_the_video_cannot_take_over_from_several_workers() -> None:
    with (
        streamseg.open(SCENE, model="otsu", workers=2) as stream,
        pytest.raises(InputError, match="workers=1|several workers"),
    ):
        stream.change(model="kmeans")


def test_view_and_opacity_change_while_the_stream_runs() -> None:
    source = streamseg.frames([np.full((48, 64, 3), 100, np.uint8)] * 40, fps=25)
    with streamseg.open(source, model="otsu", view="source") as stream:
        frames = iter(stream)
        assert (next(frames).image == 100).all()
        stream.change(view=inverted)
        assert (next(frames).image == 155).all()
        stream.change(view="mask", opacity=0.2)
        assert next(frames).image.shape == (48, 64, 3)
        assert stream.controls.opacity == 0.2


def test_errors_carry_the_hint_in_a_field(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"")
    wrong: list[tuple[type[StreamsegError], dict[str, object], str]] = [
        (InputError, {"model": "persn"}, "did you mean person"),
        (InputError, {"view": "sideways"}, "one of overlay"),
        (InputError, {"model": Marker(), "settings": {"k": 2}}, "streamseg.load"),
        (InputError, {"model": streamseg.load("otsu"), "backend": "ort-cpu"}, "streamseg.load"),
    ]
    for kind, options, hint in wrong:
        with pytest.raises(kind) as caught:
            streamseg.open(SCENE, **options)  # type: ignore[arg-type]
        assert hint in caught.value.hint
    with pytest.raises(OutputError) as existing:
        streamseg.open(SCENE, tmp_path / "a.mp4", model="otsu")
    assert existing.value.hint


@pytest.mark.parametrize(
    "wrong", [None, 3.5, object(), [np.zeros((4, 4, 3), np.uint8)]], ids=["none", "number", "object", "images"]
)
def test_what_is_no_source_is_refused_with_what_is(wrong: object) -> None:
    with pytest.raises(InputError, match="is no source") as caught:
        streamseg.open(wrong, model="otsu")  # type: ignore[arg-type]
    assert "streamseg.frames" in caught.value.hint


@pytest.mark.parametrize("wrong", [io.BytesIO(b"..."), b"..."], ids=["open file", "bytes"])
def test_of_a_file_that_was_uploaded_it_is_said_that_it_needs_a_name(wrong: object) -> None:
    with pytest.raises(InputError, match="is no source") as caught:
        streamseg.open(wrong, model="otsu")  # type: ignore[arg-type]
    assert caught.value.hint == "of a file: its name; what was uploaded and lies in memory is written into a file first"
