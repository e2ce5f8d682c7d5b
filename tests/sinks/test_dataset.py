"""What is kept of a stream to be labelled: the right frames, once each, in a folder that is whole at any moment."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

import streamseg
from streamseg.contracts import Controls, Shown
from streamseg.errors import InputError, OutputError
from streamseg.frame import Frame
from streamseg.labelmap import palette, read_labelmap
from streamseg.maskfile import read_mask
from streamseg.rules.event import Event
from streamseg.segmentation import Classes, Segmentation
from streamseg.sinks import open_sink
from streamseg.sinks.claims import check_files
from tests.parts.clips import clip
from tests.parts.disks import fill, small_disk
from tests.parts.fakes import FILE, LIVE
from tests.parts.patience import PATIENCE_S, until
from tests.parts.program import PROGRAM, environment, run_program
from tests.parts.service import Service
from tests.sinks.test_claims import NO_FILE
from tests.sinks.test_jsonl import cells

CLASSES = Classes(("ground", "crack"), np.array([[0, 0, 0], [10, 20, 230]], np.uint8), 0)


def noise(seed: int) -> NDArray[np.uint8]:
    small = np.random.default_rng(seed).integers(0, 256, (4, 5, 3), np.uint8)
    return np.asarray(cv2.resize(small, (80, 60), interpolation=cv2.INTER_NEAREST_EXACT), np.uint8)


def event(rule: str, kind: Any) -> Event:
    return Event(
        id="1", kind=kind, rule=rule, stream="belt", began="", began_s=0.0, at="", at_s=0.0, value=1.0, peak=1.0
    )


def shown(index: int, *, unsure: bool = True, seed: int | None = None, events: Sequence[Event] = ()) -> Shown:
    """Another picture for each seed, and every two seconds one frame."""
    frame = Frame(noise(index if seed is None else seed), index, index * 2.0, 0.0, "belt/one.mp4")
    labels = np.zeros((30, 40), np.uint8)
    labels[5:9, 3:7] = 1
    confidence = np.full((30, 40), 140 if unsure else 250, np.uint8)
    found = Segmentation(labels, CLASSES, index, frame.time_s, confidence)
    return Shown(frame, found, frame.image, 0, {}, tuple(events))


def keep(uri: str, *frames: Shown) -> None:
    with contextlib.closing(open_sink(uri, FILE, Controls())) as sink:
        for each in frames:
            sink.write(each)


def rows(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "kept.jsonl").read_text().splitlines()]


def whole(folder: Path) -> list[str]:
    """The names of the pictures, once it is seen that each has a mask of its size and is in the list."""
    names = sorted(path.stem for path in (folder / "JPEGImages").glob("*.jpg"))
    for name in names:
        picture, mask = (
            cv2.imread(f"{folder}/JPEGImages/{name}.jpg"),
            read_mask(folder / f"SegmentationClass/{name}.png"),
        )
        assert picture is not None
        assert picture.shape[:2] == mask.shape
    listed = (folder / "ImageSets/Segmentation/default.txt").read_text().splitlines()
    assert set(names) <= {*listed, *names[-1:]}  # the last may have been cut short before it was listed
    assert not [path for path in folder.rglob("*.part") if "Images" in str(path)][1:]
    return names


def test_frames_of_which_the_network_is_unsure_are_kept_with_their_masks(tmp_path: Path) -> None:
    keep(f"dataset:{tmp_path}/set", *(shown(index, unsure=index % 3 == 1) for index in range(6)))
    assert whole(tmp_path / "set") == ["one-000001", "one-000002"]
    assert [(row["frame"], row["why"], row["unsure_percent"]) for row in rows(tmp_path / "set")] == [
        (1, "unsure", 100.0),
        (4, "unsure", 100.0),
    ]
    picture = cv2.imread(f"{tmp_path}/set/JPEGImages/one-000001.jpg")
    assert picture is not None
    assert np.abs(picture.astype(int) - noise(1)).mean() < 3
    mask = read_mask(tmp_path / "set/SegmentationClass/one-000001.png")
    assert np.array_equal(
        mask, cv2.resize(shown(1).segmentation.labels, (80, 60), interpolation=cv2.INTER_NEAREST_EXACT)
    )
    assert read_labelmap(tmp_path / "set/labelmap.txt") == {"background": (0, 0, 0), "crack": (10, 20, 230)}
    coloured = cv2.imread(f"{tmp_path}/set/SegmentationClass/one-000001.png")
    assert coloured is not None
    assert np.array_equal(coloured, palette(CLASSES)[mask])


def test_near_duplicates_are_kept_once_over_restarts_too(tmp_path: Path) -> None:
    uri = f"dataset:{tmp_path}"
    keep(uri, shown(0, seed=5), shown(1, seed=5), shown(2, seed=6), shown(3, seed=5))
    keep(uri, shown(0, seed=6), shown(1, seed=5), shown(2, seed=7))
    assert whole(tmp_path) == ["one-000001", "one-000002", "one-000003"]
    for path in (tmp_path / "JPEGImages").iterdir():  # taken away to be labelled: not kept again
        path.unlink()
    keep(uri, shown(0, seed=7), shown(1, seed=8))
    assert whole(tmp_path) == ["one-000004"]


def test_there_is_time_between_two_pictures_and_every_alone_keeps_whatever_comes(tmp_path: Path) -> None:
    frames = [shown(index, unsure=index > 3) for index in range(12)]
    keep(f"dataset:{tmp_path}/every?every=6s", *frames)
    keep(f"dataset:{tmp_path}/both?every=6s&when=unsure", *frames)
    assert [row["frame"] for row in rows(tmp_path / "every")] == [0, 3, 6, 9]
    assert {row["why"] for row in rows(tmp_path / "every")} == {"every"}
    assert [row["frame"] for row in rows(tmp_path / "both")] == [4, 7, 10]


def test_a_rule_keeps_the_frame_in_which_it_fired(tmp_path: Path) -> None:
    frames = [
        shown(0),
        shown(1, events=[event("wide", "start"), event("other", "start")]),
        shown(2, events=[event("wide", "update")]),
        shown(3, events=[event("wide", "end")]),
        shown(4, events=[event("other", "start")]),
    ]
    keep(f"dataset:{tmp_path}?rule=wide", *frames)
    assert [(row["frame"], row["why"], row["rule"]) for row in rows(tmp_path)] == [(1, "rule", "wide")]


def test_a_rule_that_is_none_is_told_before_anything_is_opened(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no rule 'wide'"):
        streamseg.open("test://?frames=2", f"dataset:{tmp_path}/set?rule=wide", model="otsu").run()
    assert not (tmp_path / "set").exists()


def test_enough_is_enough_and_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    keep(f"dataset:{tmp_path}?most=3", *(shown(index) for index in range(9)))
    assert len(whole(tmp_path)) == 3
    assert caplog.text.count("nothing more is kept (most=3)") == 1
    (tmp_path / "JPEGImages" / "one-000001.jpg").unlink()
    keep(f"dataset:{tmp_path}?most=3", *(shown(index) for index in range(20, 29)))
    assert whole(tmp_path) == ["one-000002", "one-000003", "one-000004"]


def test_what_is_there_is_never_written_over_whatever_was_asked(tmp_path: Path) -> None:
    (tmp_path / "SegmentationClass").mkdir()
    mine = tmp_path / "SegmentationClass/one-000001.png"
    mine.write_bytes(b"mine")
    check_files([f"dataset:{tmp_path}"], "test://", NO_FILE, "refuse")
    sink = open_sink(f"dataset:{tmp_path}", FILE, Controls(), existing="replace")
    sink.write(shown(0))
    sink.close()
    assert mine.read_bytes() == b"mine"
    assert whole(tmp_path) == ["one-000002"]


def test_another_model_and_another_run_are_kept_out(tmp_path: Path) -> None:
    first = open_sink(f"dataset:{tmp_path}", FILE, Controls())
    first.write(shown(0))
    with pytest.raises(OutputError, match="another run"):
        keep(f"dataset:{tmp_path}", shown(1))
    first.close()
    other = dataclasses.replace(CLASSES, names=("ground", "hole"))
    frame = shown(1)
    with pytest.raises(OutputError, match="other classes"):
        keep(
            f"dataset:{tmp_path}",
            dataclasses.replace(frame, segmentation=dataclasses.replace(frame.segmentation, classes=other)),
        )
    (tmp_path / "labelmap.txt").write_text("junk")
    with pytest.raises(OutputError, match=r"labelmap\.txt:1"):
        keep(f"dataset:{tmp_path}", shown(2))


def test_a_line_that_was_cut_short_and_one_of_another_program_cost_nothing(tmp_path: Path) -> None:
    keep(f"dataset:{tmp_path}", shown(0), shown(1))
    with (tmp_path / "kept.jsonl").open("ab") as file:
        file.write(b'{"a": 1}\nnone\n{"name": "\xff"}\n{"name": "one-0000')
    (tmp_path / "ImageSets/Segmentation/default.txt").write_text("one-000001\n")
    keep(f"dataset:{tmp_path}", shown(1), shown(2))
    assert whole(tmp_path) == ["one-000001", "one-000002", "one-000003"]
    assert len((tmp_path / "kept.jsonl").read_bytes().splitlines()) == 6
    listed = (tmp_path / "ImageSets/Segmentation/default.txt").read_text().split()
    assert listed == ["one-000001", "one-000002", "one-000003"]


def test_objects_have_a_mask_of_their_numbers(tmp_path: Path) -> None:
    keep(f"dataset:{tmp_path}?every=1s", cells())
    (name,) = whole(tmp_path)
    numbers = read_mask(tmp_path / f"SegmentationObject/{name}.png")
    objects = cells().segmentation.instances
    assert objects is not None
    planes = [objects.mask(index, numbers.shape) for index in range(len(objects))]
    assert np.array_equal(numbers > 0, np.logical_or.reduce(planes))
    assert set(np.unique(numbers)) == {0, *(at for at, plane in enumerate(planes, 1) if plane.any())}
    labels = read_mask(tmp_path / f"SegmentationClass/{name}.png")
    assert set(np.unique(labels[numbers > 0])) <= set(objects.class_ids.tolist())


def test_a_model_that_tells_nothing_is_said_to(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    frame = shown(0)
    quiet = dataclasses.replace(frame, segmentation=dataclasses.replace(frame.segmentation, confidence=None))
    keep(f"dataset:{tmp_path}/set", quiet, quiet)
    assert caplog.text.count("does not say how sure it is") == 1
    assert not (tmp_path / "set").exists()


class Wavers:
    """Sees another class everywhere each time."""

    classes = CLASSES

    def __call__(self, frames: Sequence[Frame]) -> list[Segmentation]:
        return [
            Segmentation(np.full((48, 64), frame.index // 12 % 2, np.uint8), CLASSES, frame.index, frame.time_s)
            for frame in frames
        ]

    def close(self) -> None:
        """Nothing is open."""


def test_a_run_keeps_frames_in_which_the_network_disagrees_with_its_carried_mask(tmp_path: Path) -> None:
    streamseg.open("test://?frames=40&fps=12&size=128x96", f"dataset:{tmp_path}/set", model=Wavers()).run()
    assert [row["frame"] for row in rows(tmp_path / "set")] == [12, 24, 36]


def test_a_batch_of_films_goes_into_one_data_set(tmp_path: Path) -> None:
    (tmp_path / "films").mkdir()
    for name in ("a.mp4", "b.mp4"):
        clip(tmp_path / "films" / name, frames=12, size=(64, 320) if name == "b.mp4" else (320, 240))
    done = run_program("run", "films", "dataset:set?every=1m", "--model", "otsu", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert whole(tmp_path / "set") == ["a-000001", "b-000002"]


def test_a_run_that_is_killed_leaves_a_data_set_and_the_next_goes_on(tmp_path: Path) -> None:
    folder = tmp_path / "set"
    words = [*PROGRAM, "run", "test://?size=160x120&fps=25", f"dataset:{folder}?every=0.04s", "--model", "otsu"]
    before: list[str] = []
    for least in (5, 15):
        process = subprocess.Popen(words, env=environment(), stderr=subprocess.DEVNULL)
        until(lambda least=least: len(list(folder.glob("JPEGImages/*.jpg"))) >= least)  # type: ignore[misc]
        process.send_signal(signal.SIGKILL)
        process.wait(PATIENCE_S)
        names = whole(folder)
        assert names[: len(before)] == before
        before = names
    assert len({row["looks"] for row in rows(folder)}) == len(rows(folder))


def test_a_service_keeps_them_over_restarts(tmp_path: Path) -> None:
    options = f"source: 'test://?size=160x120&fps=25', model: otsu, outputs: ['dataset:{tmp_path}/s?every=0.2s']"
    site = f"streams: {{belt: {{{options}}}}}"
    for least in (3, 6):
        with Service(tmp_path, site) as service:
            service.until(lambda least=least: len(list(tmp_path.glob("s/JPEGImages/*.jpg"))) >= least)  # type: ignore[misc]
            assert service.stop() == 0
    numbers = [int(name.removeprefix("belt-")) for name in whole(tmp_path / "s")]
    assert numbers == sorted(set(numbers))
    assert numbers[0] == 1


def test_a_full_disk_leaves_what_was_kept_and_more_is_kept_once_there_is_room(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 2.0) as disk:
        sink = open_sink(f"dataset:{disk}/set", FILE, Controls())
        sink.write(shown(0))
        ballast = fill(disk, free_megabytes=0.0)
        with pytest.raises(OutputError, match="No space left"):
            for index in range(1, 900):
                sink.write(shown(index))
        kept = len(whole(disk / "set"))
        ballast.unlink()
        sink.write(shown(1000))
        assert len(whole(disk / "set")) == kept + 1
        assert len(rows(disk / "set")) == len([path for path in disk.glob("set/JPEGImages/*")])
        sink.close()
        keep(f"dataset:{disk}/set", shown(1001))
        assert len(whole(disk / "set")) == kept + 2


def test_a_disk_that_is_taken_away_is_waited_for(tmp_path: Path) -> None:
    sink = open_sink(f"dataset:{tmp_path}/set", LIVE, Controls())
    sink.write(shown(0))
    (tmp_path / "set").rename(tmp_path / "away")
    sink.write(shown(1))
    assert sink.unwritten == 1
    assert not (tmp_path / "set").exists()
    sink.close()
