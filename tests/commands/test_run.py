"""Several files in one command: a run for each film, and nothing lost."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.commands.films import OTSU, film, lines
from tests.parts.clips import clip
from tests.parts.program import PROGRAM, environment, run_program
from tests.parts.program import run_program as command
from tests.test_cli import one_line
from tests.test_outputs import picture, tree


def test_each_film_of_a_folder_is_run_and_a_broken_one_is_a_line(dash: Path) -> None:
    done = command("run", dash, "out/{stem}.mp4", "masks:labels/{stem}", "out/{stem}.jsonl", *OTSU)
    assert done.returncode == 2
    said = lines(done)
    assert [line.partition(" captured")[0] for line in said] == [
        "streamseg: dash/2.mp4 (1 of 3): 5 frames",
        "streamseg: dash/10.mp4 (2 of 3): 5 frames",
        "streamseg: dash/broken.mp4: not a video that can be read",
        "streamseg: 2 of 3 films done, 1 failed",
    ]
    assert sorted(tree(Path("out"))) == ["10.jsonl", "10.mp4", "2.jsonl", "2.mp4"]
    assert sorted(tree(Path("labels"))) == sorted(f"{n}/{i:06d}.png" for n in (2, 10) for i in range(5))


def test_a_pattern_keeps_the_folders_of_films(dash: Path) -> None:
    (dash / "broken.mp4").unlink()
    done = command("run", "dash/**/*.mp4", "out/over-{stem}.mp4", "masks:{stem}", *OTSU)
    assert done.returncode == 0, done.stderr
    assert lines(done)[-1] == "streamseg: 3 of 3 films done"
    assert sorted(tree(Path("out"))) == ["day 2/over-2.mp4", "over-10.mp4", "over-2.mp4"]
    assert len(tree(Path("day 2/2"))) == 5


def test_what_a_shell_makes_of_a_pattern_is_so_many_sources(dash: Path) -> None:
    before = tree(dash)
    films = sorted(dash.glob("[!.]*.mp4"))
    done = command("run", *films, *OTSU)
    assert lines(done)[-1] == "streamseg: 2 of 3 films done, 1 failed"
    done = command("run", *films, "out/{stem}.mp4", *OTSU)
    assert lines(done)[-1] == "streamseg: 2 of 3 films done, 1 failed"
    assert tree(dash) == before
    assert sorted(tree(Path("out"))) == ["10.mp4", "2.mp4"]


def test_all_films_may_go_to_the_standard_output(dash: Path) -> None:
    done = command("run", "dash/*.mp4", "-", "--every", "2", *OTSU)
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(row["stream"], row["index"]) for row in rows] == [(n, i) for n in ("2.mp4", "10.mp4") for i in (0, 2, 4)]


def test_what_is_there_already_is_a_line_and_the_next_film_begins(dash: Path) -> None:
    precious = film(Path("out/2.mp4"))
    before = precious.read_bytes()
    done = command("run", "dash/[0-9]*.mp4", "out/{stem}.mp4", *OTSU)
    assert done.returncode == 4
    assert "out/2.mp4: exists (--overwrite replaces it)" in done.stderr
    assert lines(done)[-1] == "streamseg: 1 of 2 films done, 1 failed"
    assert precious.read_bytes() == before
    done = command("run", "dash/[0-9]*.mp4", "out/{stem}.mp4", "--overwrite", *OTSU)
    assert done.returncode == 0, done.stderr
    assert precious.read_bytes() != before


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["out/{stem}.mp4", "--model", "otzu"], "no model 'otzu'"),
        (["out/{stem}.mp4", "--view", "sideways"], "no view 'sideways'"),
        (["events:out?class=perzon"], "no class 'perzon'"),
        (["out/{stem}.xyz"], "not known"),
        (["out.mp4"], "out.mp4: 3 films cannot be written to one output (name it 'out-{stem}.mp4')"),
        (["null", "out.jsonl"], "(name it 'out-{stem}.jsonl')"),
        (["out/a-%06d.png"], "(name it 'out/a-%06d-{stem}.png')"),
        (["masks:labels"], "(name it 'masks:labels/{stem}')"),
        (["hls:web"], "(name it 'hls:web/{stem}')"),
    ],
)
def test_what_is_wrong_for_all_films_is_said_once_before_any_is_opened(words: list[str], says: str, dash: Path) -> None:
    before = tree(Path())
    assert says in one_line(command("run", dash, *words), 2)
    assert tree(Path()) == before


def test_a_signal_ends_the_film_and_begins_no_other(dash: Path) -> None:
    long = clip(Path("long.mp4"), frames=500)
    words = ["run", long, dash / "2.mp4", dash / "10.mp4", "out/{stem}.mp4", "--model", "kmeans-reference"]
    run = subprocess.Popen([*PROGRAM, *map(str, words)], stderr=subprocess.PIPE, text=True, env=environment())
    while not list(Path().glob("out/*.part")):
        time.sleep(0.02)
    run.send_signal(signal.SIGTERM)
    _, said = run.communicate(timeout=60)
    assert run.returncode == 0, said
    assert said.splitlines()[-1] == "streamseg: 0 of 3 films done, 3 left"
    assert sorted(tree(Path("out"))) == ["long.mp4"]


def test_several_pictures_are_one_source(tmp_path: Path) -> None:
    for name in ("b.png", "a.png", "below/a.png"):
        picture(tmp_path / name)
    done = command("run", "b.png", "a.png", "below/a.png", "out/{stem}.png", "out/rows.jsonl", *OTSU, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert sorted(tree(tmp_path / "out")) == ["a.png", "b.png", "below/a.png", "rows.jsonl"]
    rows = [json.loads(line) for line in (tmp_path / "out/rows.jsonl").read_text().splitlines()]
    assert [row["file"] for row in rows] == ["b.png", "a.png", "below/a.png"]


def test_the_same_from_a_file(dash: Path) -> None:
    Path("run.yaml").write_text("source: [dash/2.mp4, dash/10.mp4]\noutputs: ['out/{stem}.mp4']\nmodel: otsu\n")
    assert command("run", "--config", "run.yaml").returncode == 0
    assert sorted(tree(Path("out"))) == ["10.mp4", "2.mp4"]
    done = command("run", "--config", "run.yaml", "dash/day 2/2.mp4", "dash/10.mp4", "dash/broken.mp4", "--overwrite")
    assert lines(done)[-1] == "streamseg: 2 of 3 films done, 1 failed"


@pytest.mark.parametrize(
    ("flag", "value"), [("--rule", "r=foreground.count >= 1"), ("--zone", "z=0,0 1,0 1,1"), ("--set", "value=1")]
)
def test_a_name_that_is_given_twice_is_refused(flag: str, value: str) -> None:
    done = run_program("run", "test://?frames=1", "null", "--model", "threshold", flag, value, flag, value)
    assert done.returncode == 2
    assert "is there twice" in done.stderr
