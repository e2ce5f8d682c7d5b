"""What the files that a run writes are called, as a person meets it on the command line."""

from __future__ import annotations

import json
from pathlib import Path

from tests.parts.clips import clip
from tests.parts.program import run_program as command
from tests.test_cli import FRAMES, SCENE, one_line
from tests.test_outputs import OTSU, picture, tree


def patients(folder: Path) -> Path:
    """Three numbered files, of which the second is no picture."""
    picture(folder / "patient-07.png", 70)
    (folder / "patient-08.png").write_bytes(b"junk\n")
    picture(folder / "patient-12.png", 120)
    return folder


def test_outputs_that_only_look_alike_are_all_written(tmp_path: Path) -> None:
    outputs = [
        "a.mp4",
        "a.mkv",
        "a.png",
        "a-%d.png",
        "a-%H%M%S-%02d.png",
        "b/a.mp4",
        "masks:m",
        "m/over-%d.png",
        "null",
    ]
    done = command("run", SCENE, *outputs, "null", "a.jsonl", *OTSU, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert len(tree(tmp_path)) == 5 + 4 * FRAMES


def test_pictures_of_a_folder_go_beside_it_and_below_it(tmp_path: Path) -> None:
    patients(tmp_path / "in")
    done = command("run", "in", "masks:in/labels", "{stem}-shown.png", *OTSU, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert {path.name for path in tmp_path.glob("*.png")} == {"patient-07-shown.png", "patient-12-shown.png"}
    assert {path.name for path in (tmp_path / "in/labels").iterdir()} == {"patient-07.png", "patient-12.png"}


def test_every_output_of_a_folder_tells_the_file_that_it_belongs_to(tmp_path: Path) -> None:
    patients(tmp_path / "numbered")
    done = command("run", "numbered", "masks:m", "out.png", "to/{stem}/{stem}.jpg", "o.jsonl", *OTSU, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    made = set(tree(tmp_path)) - {f"numbered/patient-{number}.png" for number in ("07", "08", "12")}
    stems = ("patient-07", "patient-12")
    assert made == {
        "o.jsonl",
        *(f"m/{stem}.png" for stem in stems),
        *(f"out-{stem}.png" for stem in stems),
        *(f"to/numbered/{stem}.jpg" for stem in stems),
    }
    rows = [json.loads(line) for line in (tmp_path / "o.jsonl").read_text().splitlines()]
    assert [row["file"] for row in rows] == ["patient-07.png", "patient-12.png"]
    before = tree(tmp_path)
    for output in ("masks:m", "out.png", "to/{stem}/{stem}.jpg"):
        assert "patient-" in one_line(command("run", "numbered", output, *OTSU, cwd=tmp_path), 4)
    assert tree(tmp_path) == before


def test_files_of_one_name_in_several_folders_or_kinds_do_not_meet(tmp_path: Path) -> None:
    for at, name in enumerate(["a/p.png", "a/q/p.png", "b/p.png", "b/p.jpg"]):
        picture(tmp_path / "in" / name, 60 * at)
    done = command("run", "in/**/*.*", "masks:m", "{stem}-shown.png", "o.jsonl", "--model", "threshold", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert set(tree(tmp_path / "m")) == {"a/p.png", "a/q/p.png", "b/p.png", "b/p-2.png"}
    assert {"a/p-shown.png", "a/q/p-shown.png", "b/p-shown.png", "b/p-shown-2.png"} <= set(tree(tmp_path))
    rows = [json.loads(line)["file"] for line in (tmp_path / "o.jsonl").read_text().splitlines()]
    assert sorted(rows) == ["a/p.png", "a/q/p.png", "b/p.jpg", "b/p.png"]


def test_one_picture_has_one_name(tmp_path: Path) -> None:
    picture(tmp_path / "p%d.png")
    done = command("run", "p%d.png", "out.png", "masks:m", "{stem}-shown.jpg", *OTSU, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert set(tree(tmp_path)) == {"p%d.png", "out.png", "m/p%d.png", "p%d-shown.jpg"}


def test_outputs_of_a_film_take_its_name(tmp_path: Path) -> None:
    clip(tmp_path / "film 100%.mp4", frames=3)
    outputs = ["o/{stem}.mp4", "o/{stem}.jsonl", "masks:m/{stem}", "o/{stem}-%d.png", "{stem}/last.png"]
    done = command("run", "film 100%.mp4", *outputs, *OTSU, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    name = "film 100%"
    assert set(tree(tmp_path)) == {
        f"{name}.mp4",
        f"o/{name}.mp4",
        f"o/{name}.jsonl",
        f"{name}/last.png",
        *(f"m/{name}/00000{number}.png" for number in range(3)),
        *(f"o/{name}-00000{number}.png" for number in range(3)),
    }


def test_a_source_without_a_file_has_no_name_for_its_outputs(tmp_path: Path) -> None:
    assert "{stem}" in one_line(command("run", SCENE, "{stem}.mp4", *OTSU, cwd=tmp_path), 2)
