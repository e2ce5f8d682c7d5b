"""A live stream gets another network while it runs: no frame without a mask, no gap in what is recorded."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import av
import pytest

from streamseg.config import RunOptions
from streamseg.infer import load_segmenter
from streamseg.infer.batching import share_networks
from streamseg.said import Said
from streamseg.serve.stream import Stream
from tests.parts.leftovers import nothing_left
from tests.parts.patience import PATIENCE_S, until
from tests.parts.service import Service
from tests.parts.toy_models import picky, segmenter

SCENE = "test://?size=96x64&fps=50"
FIRST, SECOND = ["a", "b", "c", "d", "e"], ["f", "g", "h", "i", "j"]


def network(path: Path, classes: list[str]) -> str:
    segmenter(path)
    path.with_suffix(".yaml").write_text(f"classes: {classes}\noutputs: {{logits: scores}}\n")
    return str(path)


def rows(path: Path) -> list[dict[str, Any]]:
    """Those written so far, also while the file is open."""
    part = path.with_name(f"{path.name}.part")
    text = next((each.read_text() for each in (part, path) if each.exists()), "")
    return [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]


def classes_in(path: Path) -> list[set[str]]:
    """Of each row the classes that were found, as the first or the second network calls them."""
    return [set(row["classes"]) for row in rows(path)]


def running(options: RunOptions) -> Stream:
    stream = Stream("one", options, share_networks(load_segmenter), Said())
    stream.start()
    return stream


def ended(stream: Stream) -> None:
    stream.stop()
    assert stream.join(PATIENCE_S)


def with_model(options: RunOptions, model: str) -> RunOptions:
    return RunOptions(source=SCENE, model=model, outputs=options.outputs)


def test_every_frame_has_a_mask_and_goes_into_the_same_files(tmp_path: Path) -> None:
    first, second = network(tmp_path / "first.onnx", FIRST), network(tmp_path / "second.onnx", SECOND)
    table, film = tmp_path / "rows.jsonl", tmp_path / "film.mp4"
    with nothing_left():
        stream = running(options := RunOptions(source=SCENE, model=first, outputs=(str(table), str(film))))
        until(lambda: len(rows(table)) > 10)
        assert stream.become(with_model(options, second))
        until(lambda: classes_in(table)[-1] <= set(SECOND))
        before = len(rows(table))
        until(lambda: len(rows(table)) > before + 10)
        assert stream.become(with_model(options, first)), "and back"
        until(lambda: classes_in(table)[-1] <= set(FIRST))
        reading = stream.read()
        ended(stream)
    assert (reading.restarts, reading.error) == (0, "")
    found = classes_in(table)
    assert all(found)
    assert all(each <= set(FIRST) or each <= set(SECOND) for each in found)
    numbers = [row["index"] for row in rows(table)]
    assert numbers == sorted(set(numbers)), "the source was not opened again"
    assert sorted(path.name for path in tmp_path.glob("*.mp4")) == ["film.mp4"]
    assert not (tmp_path / "rows-2.jsonl").exists()
    with av.open(str(film)) as container:
        assert sum(1 for _ in container.decode(video=0)) > 20


def test_a_network_that_fails_on_the_picture_is_told_and_the_stream_begins_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first, bad = network(tmp_path / "first.onnx", FIRST), str(picky(tmp_path / "picky.onnx"))
    stream = running(options := RunOptions(source=SCENE, model=first))
    until(lambda: stream.read().metrics.shown)
    assert stream.become(with_model(options, bad))
    until(lambda: stream.read().restarts)
    assert "picky.onnx" in stream.read().error
    assert "the stream begins again" in caplog.text
    ended(stream)


def test_a_model_that_follows_the_video_by_itself_begins_again(tmp_path: Path) -> None:
    stream = running(options := RunOptions(source=SCENE, model=network(tmp_path / "first.onnx", FIRST)))
    until(lambda: stream.read().metrics.shown)
    assert stream.become(with_model(options, "grabcut"))
    until(lambda: (shown := stream.latest.shown) and shown.segmentation.classes.names != tuple(FIRST))
    assert stream.read().restarts == 0, "it was asked to, and did not fail"
    ended(stream)


def test_what_is_more_than_another_network_begins_again(tmp_path: Path) -> None:
    first, second = network(tmp_path / "first.onnx", FIRST), network(tmp_path / "second.onnx", SECOND)
    stream = running(RunOptions(source=SCENE, model=first))
    until(lambda: stream.read().metrics.shown)
    assert not stream.become(RunOptions(source=SCENE, model=second, steady=False))
    assert not stream.become(RunOptions(source="test://?size=64x64", model=first))
    ended(stream)
    assert not stream.become(RunOptions(source=SCENE, model=second))


def test_a_service_that_reads_its_file_again_changes_the_network_and_nothing_else(tmp_path: Path) -> None:
    first, second = network(tmp_path / "first.onnx", FIRST), network(tmp_path / "second.onnx", SECOND)
    table = tmp_path / "rows.jsonl"
    site = "streams: {{one: {{source: '{}', model: '{}', outputs: ['{}']}}}}"
    with Service(tmp_path, site.format(SCENE, first, table)) as service:
        service.until(lambda: len(rows(table)) > 5)
        service.reload(site.format(SCENE, second, table))
        assert "1 stream changed" in service.log()
        service.until(lambda: classes_in(table)[-1] <= set(SECOND))
        stream = service.streams()["one"]
        assert (stream["model"], stream["restarts"]) == (second, 0)
    numbers = [row["index"] for row in rows(table)]
    assert numbers == sorted(set(numbers))
