from __future__ import annotations

import contextlib
import dataclasses
import os
import shutil
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from streamseg.contracts import Controls, Existing, Shown, Sink
from streamseg.errors import InputError, OutputError
from streamseg.frame import Frame
from streamseg.sinks import images, open_sink
from streamseg.sinks.images import ImagesSink, MasksSink
from tests.parts.disks import fill, small_disk
from tests.parts.fakes import FILE
from tests.sinks.test_files import shown


def of_file(name: str, index: int, page: int | None = None) -> Shown:
    one = shown(index)
    frame = dataclasses.replace(one.frame, file=name, page=page)
    return dataclasses.replace(one, frame=frame)


def noise(index: int) -> Shown:
    """A picture that takes some 49 kB."""
    image = np.random.default_rng(index).integers(0, 256, (128, 128, 3), dtype=np.uint8)
    return dataclasses.replace(shown(), frame=Frame(image, index, index / 25, 0.0), pixels=image)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def value(path: Path) -> int:
    """The one value of all pixels, which is five times the frame's index."""
    picture = cv2.imread(str(path))
    assert picture is not None
    return int(picture.mean().round())


def test_one_name_is_one_picture_the_newest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now_s = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now_s[0])
    sink = ImagesSink(str(tmp_path / "a.png"))
    seen = []
    for index in range(40):
        now_s[0] = index / 30
        sink.write(shown(index))
        seen.append(value(tmp_path / "a.png") // 5)
    assert all(index - 3 <= newest <= index for index, newest in enumerate(seen))
    assert 10 < len(set(seen)) < 20
    sink.close()
    assert names(tmp_path) == ["a.png"]
    assert value(tmp_path / "a.png") == 5 * 39


def test_who_looks_at_the_newest_sees_it_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images, "_NEWEST_EVERY_S", 0.0)
    sink = ImagesSink(str(tmp_path / "a.png"))
    sink.write(noise(0))
    with (tmp_path / "a.png").open("rb") as file:
        first = file.read(1000)
        for index in range(1, 20):
            sink.write(noise(index))
        rest = file.read()  # a web server in the middle of sending it
    assert cv2.imdecode(np.frombuffer(first + rest, np.uint8), cv2.IMREAD_COLOR) is not None
    sink.close()


def test_a_series_is_numbered_with_zeros_by_the_frames_index(tmp_path: Path) -> None:
    for pattern in ("x-%04d.jpg", "y-%d.png"):
        sink = ImagesSink(str(tmp_path / pattern))
        for index in (3, 12):
            sink.write(shown(index))
    assert names(tmp_path) == ["x-0003.jpg", "x-0012.jpg", "y-000003.png", "y-000012.png"]


def test_pictures_of_one_second_have_names_of_their_own(tmp_path: Path) -> None:
    for existing in ("refuse", "keep", "replace"):
        sink = ImagesSink(str(tmp_path / "x-%Y.png"), existing=existing)
        for index in range(4):
            sink.write(shown(index))
        sink.close()
    assert sorted(value(path) for path in tmp_path.iterdir()) == sorted([0, 5, 10, 15] * 3)


def test_the_next_name_for_one_time_is_found_without_a_look_at_all_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[Path] = []
    there = os.path.lexists

    def look(path: Path) -> bool:
        looked.append(path)
        return there(path)

    monkeypatch.setattr(os.path, "lexists", look)
    sink = ImagesSink(str(tmp_path / "x-%Y.jpg"))
    for index in range(200):
        sink.write(noise(index % 5))
    assert len(names(tmp_path)) == 200
    assert len(looked) <= 3 * 200


def test_the_newest_does_not_take_the_place_of_a_picture_that_came_meanwhile(tmp_path: Path) -> None:
    sink = ImagesSink(str(tmp_path / "a.png"))
    (tmp_path / "a.png").write_bytes(b"another's")
    with pytest.raises(OutputError, match=r"a\.png: exists"):
        sink.write(shown())
    assert (tmp_path / "a.png").read_bytes() == b"another's"


def test_a_folder_that_is_taken_away_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images, "_NEWEST_EVERY_S", 0.0)
    for at, uri in enumerate(("{}/%d.png?keep=7d", "{}/a.png", "masks:{}?keep=7d", "masks:{}", "{}/%Y.png?free=1MB")):
        folder = tmp_path / str(at)
        sink = open_sink(uri.format(folder), FILE, Controls())
        sink.write(shown(0))
        shutil.rmtree(folder)
        with pytest.raises(OutputError, match="No such file"):
            sink.write(shown(1))
        assert not folder.exists()


def test_a_series_goes_on_behind_what_is_there_or_replaces_it(tmp_path: Path) -> None:
    for name in ("x-000041.png", "x-000002.png", "x-7.png", "y-000099.png"):
        (tmp_path / name).write_bytes(b"old")
    sink = ImagesSink(str(tmp_path / "x-%d.png"), existing="keep")
    sink.write(shown(0))
    sink.write(shown(2))
    sink = ImagesSink(str(tmp_path / "x-%d.png"), existing="replace")
    sink.write(shown(2))
    assert names(tmp_path) == [
        *("x-000002.png", "x-000041.png", "x-000042.png", "x-000044.png", "x-7.png", "y-000099.png")
    ]
    assert value(tmp_path / "x-000002.png") == 10
    assert (tmp_path / "x-000041.png").read_bytes() == b"old"


@pytest.mark.parametrize("existing", ["refuse", "keep", "replace"])
def test_no_file_of_a_folder_replaces_another_of_the_same_run(existing: Existing, tmp_path: Path) -> None:
    overlays = ImagesSink(f"{tmp_path}/o/{{stem}}.png", existing=existing)
    sinks: list[Sink] = [MasksSink(f"masks:{tmp_path}/m", existing=existing), overlays]
    for sink in sinks:
        for index, name in enumerate(["p.jpg", "p.png", "q/p.png"]):
            sink.write(of_file(name, index))
        sink.close()
    for folder in (tmp_path / "m", tmp_path / "o"):
        made = {str(path.relative_to(folder)) for path in folder.rglob("*.png")}
        assert made == {"p.png", "p-2.png", "q/p.png"}


def test_each_of_several_pictures_in_a_file_is_written(tmp_path: Path) -> None:
    shown_as = [ImagesSink(f"{tmp_path}/{name}.png") for name in ("{stem}", "a")]
    sinks: list[Sink] = [*shown_as, MasksSink(f"masks:{tmp_path}/m")]
    for sink in sinks:
        for page in range(2):
            sink.write(of_file("stack.tif", page, page))
        sink.close()
    assert names(tmp_path) == ["a-000.png", "a-001.png", "m", "stack-000.png", "stack-001.png"]
    assert names(tmp_path / "m") == ["stack-000.png", "stack-001.png"]


@pytest.mark.parametrize(
    ("uri", "says"),
    [
        ("%s.png", "%06d"),
        ("%d-%d.png", "%06d"),
        ("100%.png", "%06d"),
        ("%Y/%d.png", "not of its folder"),
        ("a.png?keep=7d", "number or time"),
        ("{stem}.png?keep_size=1GB", "number or time"),
        ("{stem}-%d.png?keep_size=1GB", "number or time"),
        ("%d.png?keep=soon", "not a time"),
        ("%d.png?segment=60", "no option segment"),
        ("masks:m?keep_size=much", "not a size"),
    ],
)
def test_a_name_or_option_that_is_wrong_is_one_line(
    uri: str, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=says):
        MasksSink(uri) if uri.startswith("masks:") else ImagesSink(uri)
    assert names(tmp_path) == []


@pytest.mark.parametrize("uri", ["{}/x-%06d.png", "{}/x-%Y.png", "masks:{}"])
def test_the_oldest_go_until_all_fit_and_foreign_files_never(
    uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    foreign = [tmp_path / name for name in ("y-000001.png", "x-000001.jpg", "x-00001.png", "holiday.png")]
    for path in foreign:
        path.write_bytes(bytes(500_000))
    now_s = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now_s[0])
    masks = uri.startswith("masks:")
    kilobytes = 8 if masks else 500  # of label pictures and of noise
    filled = f"{uri.format(tmp_path)}?keep_size={kilobytes}kB"
    sink = MasksSink(filled) if masks else ImagesSink(filled)
    for index in range(100):
        now_s[0] = index / 10
        sink.write(noise(index))
    sink.close()
    ours = [path for path in tmp_path.iterdir() if path not in foreign]
    assert all(path.exists() for path in foreign)
    assert 5 <= len(ours) <= 20
    assert sum(path.stat().st_size for path in ours) <= kilobytes * 1000
    if "%06d" in uri or masks:
        numbers = sorted(int(path.stem[-6:]) for path in ours)
        assert numbers == list(range(100 - len(ours), 100))


def test_where_too_little_is_free_no_picture_is_written(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 4) as disk:
        sink = ImagesSink(f"{disk}/%d.png?free=2MB")
        sink.write(noise(0))
        fill(disk, free_megabytes=1)
        sink = ImagesSink(f"{disk}/%d.png?free=2MB")
        with pytest.raises(OutputError, match="free="):
            sink.write(noise(1))
        (disk / "ballast").unlink()
        sink.write(noise(1))
        assert len(names(disk)) == 1 + 0  # the first went to make room


def test_a_picture_that_its_format_cannot_hold_is_one_line(tmp_path: Path) -> None:
    image = np.zeros((1, 70_000, 3), np.uint8)
    one = dataclasses.replace(shown(0), frame=Frame(image, 0, 0.0, 0.0), pixels=image)
    with pytest.raises(OutputError, match=r"70000x1 does not go into \.jpg"):
        ImagesSink(str(tmp_path / "a.jpg")).write(one)


@pytest.mark.parametrize("uri", ["yolo:{}/set", "dataset:{}/set?every=1s", "{}/sheet.jpg?every=1s"])
def test_opencv_4_raises_where_5_says_no_and_both_are_one_line(
    uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def raises(*_: object) -> None:
        raise cv2.error("Maximum supported image dimension is 65500 pixels")

    sink = open_sink(uri.format(tmp_path), FILE, Controls())
    monkeypatch.setattr(cv2, "imencode", raises)
    with contextlib.closing(sink), pytest.raises(OutputError, match=r"does not go into \.jpg"):
        sink.write(shown(0))
