"""What a run may write, as a person meets it on the command line: nothing lost, nothing overwritten."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

import streamseg
from streamseg.errors import InputError, OutputError
from tests.parts.clips import clip
from tests.parts.disks import fill, small_disk
from tests.parts.no_frame import WITHOUT_FRAMES
from tests.parts.patience import PATIENCE_S, until
from tests.parts.program import PROGRAM, environment
from tests.parts.program import run_program as command
from tests.test_cli import FRAMES, SCENE, one_line

OTSU = ("--model", "otsu")


def picture(path: Path, value: int = 200) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), np.full((24, 32, 3), value, np.uint8))
    return path


def tree(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


EARLIER = [
    ("out.mp4", "out.mp4"),
    ("out.jsonl", "out.jsonl"),
    ("jsonl:rows", "rows"),
    ("out.csv", "out.csv"),
    ("labels.tif", "labels.tif"),
    ("coco:all.json", "all.json"),
    ("yolo:set", "set/data.yaml"),
    ("sheet.jpg?every=1s", "sheet.jpg"),
    ("out.png", "out.png"),
    ("out-%06d.png", "out-000007.png"),
    ("out-%d.jpg", "out-1234567.jpg"),
    ("masks:labels", "labels/000003.png"),
    ("masks:labels", "labels/patient-07.png"),
    ("hls:web", "web/index.m3u8"),
    ("hls:web", "web/index-3.ts"),
]


@pytest.mark.parametrize(("output", "earlier"), EARLIER)
def test_what_exists_is_refused_in_one_line_and_stays(output: str, earlier: str, tmp_path: Path) -> None:
    path = tmp_path / earlier
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"precious")
    before = tree(tmp_path)
    line = one_line(command("run", SCENE, "first.mp4", output, "last.jsonl", *OTSU, cwd=tmp_path), 4)
    assert f"{earlier}: exists (--overwrite replaces " in line
    assert tree(tmp_path) == before


@pytest.mark.parametrize(("output", "earlier"), EARLIER)
def test_what_exists_is_replaced_where_that_is_asked_for(output: str, earlier: str, tmp_path: Path) -> None:
    path = tmp_path / earlier
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"precious")
    done = command("run", "test://?frames=30&size=160x120", output, "--overwrite", *OTSU, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    replaced = "patient" not in earlier and earlier not in ("out-1234567.jpg",)
    assert (not path.exists() or path.read_bytes() != b"precious") == replaced
    assert not list(tmp_path.rglob("*.part"))


def test_a_link_counts_as_a_file_that_exists_wherever_it_points(tmp_path: Path) -> None:
    (tmp_path / "out.jsonl").symlink_to(tmp_path / "nowhere")
    assert "exists" in one_line(command("run", SCENE, "out.jsonl", *OTSU, cwd=tmp_path), 4)
    assert (tmp_path / "out.jsonl").is_symlink()


def test_a_folder_in_the_place_of_a_file_is_refused_also_where_it_may_be_overwritten(tmp_path: Path) -> None:
    (tmp_path / "out.mp4").mkdir()
    assert "is a folder" in one_line(command("run", SCENE, "out.mp4", "--overwrite", *OTSU, cwd=tmp_path), 4)


def test_the_same_from_python_and_yaml(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for overwrite in (False, True):
        streamseg.open(SCENE, "out.jsonl", model="otsu", overwrite=overwrite).run()
        with pytest.raises(OutputError, match=r"out\.jsonl: exists"):
            streamseg.open(SCENE, "out.jsonl", model="otsu")
    (tmp_path / "run.yaml").write_text(f"source: {SCENE}\noutputs: [out.jsonl]\nmodel: otsu\noverwrite: true\n")
    assert command("run", "--config", "run.yaml").returncode == 0
    assert "exists" in one_line(command("run", "--config", "run.yaml", "--no-overwrite"), 4)


def test_a_second_film_is_no_output(tmp_path: Path) -> None:
    """What a shell makes of dash/*.mp4."""
    films = [clip(tmp_path / f"{name}.mp4", frames=5) for name in "abc"]
    before = tree(tmp_path)
    command("run", *films, *OTSU)
    assert {name: raw for name, raw in tree(tmp_path).items() if name in before} == before


SOURCES: dict[str, tuple[Callable[[Path], object], str, list[str]]] = {
    "itself": (lambda d: None, "film.mp4", ["film.mp4"]),
    "another spelling": (lambda d: None, "film.mp4", ["./film.mp4"]),
    "a link": (lambda d: (d / "link.mp4").symlink_to("film.mp4"), "film.mp4", ["link.mp4"]),
    "a link as the source": (lambda d: (d / "link.mp4").symlink_to("film.mp4"), "link.mp4", ["film.mp4"]),
    "a hard link": (lambda d: os.link(d / "film.mp4", d / "hard.mp4"), "film.mp4", ["hard.mp4"]),
    "a linked folder": (lambda d: (d / "there").symlink_to(d), "film.mp4", ["there/film.mp4"]),
    "a picture": (lambda d: None, "pictures/a.png", ["pictures/../pictures/a.png"]),
    "its label picture": (lambda d: None, "pictures/a.png", ["masks:pictures"]),
    "a folder's masks": (lambda d: None, "pictures", ["masks:./pictures"]),
    "a folder's masks through a link": (lambda d: (d / "p").symlink_to("pictures"), "pictures", ["masks:p"]),
    "a folder's pictures": (lambda d: None, "pictures", ["pictures/%d.png"]),
    "a folder's own names": (lambda d: None, "pictures", ["pictures/{stem}.png"]),
    "a pattern's own names": (lambda d: None, "pictures/*.png", ["pictures/{stem}.png"]),
    "a pattern's numbers": (lambda d: picture(d / "pictures/000007.png"), "pictures/*.png", ["pictures/%d.png"]),
    "a deep pattern's masks": (lambda d: None, "./**/*.png", ["masks:."]),
    "a segment of a list": (lambda d: clip(d / "index-1.ts", frames=5), "index-1.ts", ["hls:."]),
    "two of one name": (lambda d: None, "film.mp4", ["out.mp4", "out.mp4"]),
    "two spellings": (lambda d: None, "film.mp4", ["out.jsonl", "jsonl:./out.jsonl"]),
    "two by a linked folder": (lambda d: (d / "there").symlink_to(d), "film.mp4", ["new/a.mp4", "there/new/a.mp4"]),
    "large and small letters": (lambda d: None, "film.mp4", ["out.mp4", "OUT.mp4"]),
    "two folders of masks": (lambda d: None, "film.mp4", ["masks:labels", "masks:labels/../labels"]),
    "masks and pictures": (lambda d: None, "film.mp4", ["masks:labels", "labels/%d.png"]),
    "masks and pictures of files": (lambda d: None, "pictures", ["masks:labels", "labels/{stem}.png"]),
    "one of a series": (lambda d: None, "film.mp4", ["a-%04d.png", "a-0007.png"]),
    "two clips": (lambda d: None, "film.mp4", ["events:e?class=foreground", "events:./e?class=foreground&area=5"]),
}


@pytest.mark.parametrize("flags", [[], ["--overwrite"]], ids=["", "overwrite"])
def test_the_background_is_no_output(flags: list[str], tmp_path: Path) -> None:
    picture(tmp_path / "sea.png")
    before = tree(tmp_path)
    words = ["run", SCENE, "./sea.png", "--view", "replace", "--background", "sea.png", *flags]
    assert "which is read" in one_line(command(*words, *OTSU, cwd=tmp_path), 2)
    assert tree(tmp_path) == before


def test_a_stream_is_not_sent_on_to_where_it_comes_from() -> None:
    url = "rtsp://127.0.0.1:9/cam"
    assert "is the source" in one_line(command("run", url, url, *OTSU), 2)


def test_a_pipe_in_and_a_pipe_out_are_two(tmp_path: Path) -> None:
    film = clip(tmp_path / "film.ts", frames=5)
    with film.open("rb") as file:
        done = command("run", "-", "-", *OTSU, stdin=file)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 5


@pytest.mark.parametrize("case", SOURCES)
@pytest.mark.parametrize("flags", [[], ["--overwrite"]], ids=["", "overwrite"])
def test_what_is_read_and_what_is_written_are_never_one_file(case: str, flags: list[str], tmp_path: Path) -> None:
    make, source, outputs = SOURCES[case]
    clip(tmp_path / "film.mp4", frames=5)
    picture(tmp_path / "pictures" / "a.png")
    make(tmp_path)
    before = tree(tmp_path)
    one_line(command("run", source, *outputs, *flags, "--model", "threshold", cwd=tmp_path), 2)
    assert tree(tmp_path) == before


@pytest.mark.parametrize("name", WITHOUT_FRAMES)
def test_a_film_without_a_frame_is_one_line_and_leaves_no_output(name: str, tmp_path: Path) -> None:
    WITHOUT_FRAMES[name](tmp_path / name)
    before = tree(tmp_path)
    outputs = ["o.mp4", "o.jsonl", "o.png", "masks:m", "hls:h", "c-%H%M%S.mp4?keep=1h", "events:e?class=foreground"]
    line = one_line(command("run", name, *outputs, "--model", "threshold", cwd=tmp_path), 2)
    assert line == f"streamseg: {name}: no frame in it could be decoded"
    assert tree(tmp_path) == before
    with pytest.raises(InputError, match="no frame"):
        list(streamseg.open(str(tmp_path / name), model="otsu"))


def test_folders_are_made_for_every_output_and_that_is_said(tmp_path: Path) -> None:
    outputs = [
        "1/a/o.mp4",
        "2/a/o.jsonl",
        "3/a/o.png",
        "4/a/%d.png",
        "masks:5/a",
        "hls:6/a",
        "7/a/c-%H%M%S.ts?segment=9",
    ]
    done = command("run", SCENE, *outputs, "events:8/a?class=foreground", *OTSU, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == list("12345678")
    assert all(f"streamseg: {number}/a: folder made" in done.stderr for number in range(1, 9))


@pytest.mark.parametrize(
    "output", ["{}/o.mp4", "{}/o.jsonl", "{}/o.png", "masks:{}", "hls:{}", "events:{}?class=foreground"]
)
def test_a_folder_that_cannot_be_made_is_one_line(output: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    line = one_line(command("run", SCENE, output.format(tmp_path / "file" / "in"), *OTSU), 4)
    assert "cannot be made" in line
    assert (tmp_path / "file").read_text() == "mine"


def test_a_folder_that_cannot_be_made_leaves_nothing_of_the_outputs_before_it(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    one_line(command("run", SCENE, "o.mp4", "o.jsonl", "o.png", "masks:file/m", *OTSU, cwd=tmp_path), 4)
    assert set(tree(tmp_path)) == {"file"}


def test_lines_have_their_name_once_all_are_there_and_a_kill_leaves_a_part(tmp_path: Path) -> None:
    table, part = tmp_path / "rows.jsonl", tmp_path / "rows.jsonl.part"
    with subprocess.Popen(
        [*PROGRAM, "run", "test://", str(table), *OTSU], stderr=subprocess.PIPE, env=environment()
    ) as run:
        until(lambda: part.exists() and part.read_bytes().count(b"\n") > 3, child=run)
        assert not table.exists()
        assert "another run is writing it" in one_line(command("run", SCENE, table, "--overwrite", *OTSU), 4)
        run.send_signal(signal.SIGKILL)
    assert not table.exists()
    with part.open("ab") as file:
        file.write(b'{"torn": ')
    done = command("run", SCENE, table, *OTSU)
    assert done.returncode == 0
    assert "rows.jsonl.part was cut short: kept as rows-recovered-1.jsonl" in done.stderr
    for path, least in ((table, FRAMES), (tmp_path / "rows-recovered-1.jsonl", 4)):
        rows = [json.loads(line) for line in path.read_text().splitlines()]
        assert [row["index"] for row in rows] == sorted(row["index"] for row in rows)
        assert len(rows) >= least
    assert {path.name for path in tmp_path.iterdir()} == {"rows.jsonl", "rows-recovered-1.jsonl"}


def test_a_full_disk_is_one_line_and_leaves_whole_lines(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 1) as disk:
        fill(disk, free_megabytes=0.05)
        done = command("run", "test://?frames=3000&size=64x48", disk / "rows.jsonl", *OTSU, "--quiet")
        assert "No space left" in one_line(done, 4)
        lines = (disk / "rows.jsonl.part").read_bytes().splitlines(keepends=True)
        assert len(lines) > 20
        assert [json.loads(line)["index"] for line in lines] == list(range(len(lines)))
        assert not (disk / "rows.jsonl").exists()


def test_a_device_is_written_to_as_it_is(tmp_path: Path) -> None:
    assert "No space left" in one_line(command("run", SCENE, "jsonl:/dev/full", *OTSU, "--quiet"), 4)
    done = command("run", SCENE, "jsonl:/dev/stdout", *OTSU)
    assert done.returncode == 0
    assert len([json.loads(line) for line in done.stdout.splitlines()]) == FRAMES
    pipe = tmp_path / "pipe.jsonl"
    os.mkfifo(pipe)
    with subprocess.Popen([*PROGRAM, "run", SCENE, str(pipe), *OTSU], stderr=subprocess.PIPE) as run:
        lines = pipe.read_bytes().splitlines()
        assert run.wait(PATIENCE_S) == 0
    assert len([json.loads(line) for line in lines]) == FRAMES
    assert [path.name for path in tmp_path.iterdir()] == ["pipe.jsonl"]
