"""`streamseg batch`: an archive from the command line."""

from __future__ import annotations

import csv
import subprocess
from pathlib import Path

import pytest

from streamseg.commands.batch import _asked
from streamseg.config import make_options
from tests.archive.archives import film, long_film, tree
from tests.parts.patience import until
from tests.parts.program import PROGRAM, environment
from tests.parts.program import run_program as command

BATCH = ("batch", "dash", "--out", "out", "--model", "otsu")


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_an_archive_is_run_once_and_a_broken_film_is_a_row_and_a_line() -> None:
    film(Path("dash/a.mp4")), film(Path("dash/day 2/a.mp4"))
    Path("dash/broken.mp4").write_bytes(b"junk")
    words = (*BATCH, "--write", "{stem}.csv", "--write", "sheets/{stem}.jpg?every=1s", "--workers", 2)
    done = command(*words)
    assert done.returncode == 2, done.stderr
    assert "dash/broken.mp4: not a video" in done.stderr and "dash/day 2/a.mp4: 5 frames in" in done.stderr
    assert done.stderr.splitlines()[-1].startswith("streamseg: 2 of 3 films done, 1 failed: out/summary.csv")
    results = ["a.csv", "day 2/a.csv", "minutes.csv", "sheets/a.jpg", "sheets/day 2/a.jpg", "summary.csv"]
    assert [name for name in tree(Path("out")) if not name.endswith(".parquet")] == results
    with Path("out/summary.csv").open() as file:
        rows = {row["file"]: row for row in csv.DictReader(file)}
    assert list(rows) == ["dash/a.mp4", "dash/broken.mp4", "dash/day 2/a.mp4"]
    assert rows["dash/broken.mp4"]["error"] and rows["dash/a.mp4"]["frames"] == "5"
    film(Path("dash/broken.mp4"))
    before = Path("out/a.csv").stat().st_mtime_ns
    done = command(*words)
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines()[-1].startswith("streamseg: 3 of 3 films done (2 before)")
    assert Path("out/a.csv").stat().st_mtime_ns == before and Path("out/broken.csv").exists()


@pytest.mark.parametrize(
    ("words", "says", "code"),
    [
        (("dash", "--out", "out", "--write", "a.mp4"), "every film would write it", 2),
        (("dash", "--out", "dash", "--model", "otsu"), "dash: holds files, and no batch made them", 4),
        (("dash", "--out", "out", "--model", "no-such"), "no-such", 2),
        (("dash", "--out", "out", "--rule", "a=nothing.count > 1"), "nothing", 2),
        (("nowhere", "--out", "out"), "no such file", 2),
        (("films.txt", "--out", "out"), "films.txt: is no film (of a list of films: @films.txt)", 2),
        (("rtsp://a:b@camera/1", "--out", "out"), "rtsp://***@camera/1: is no film, and a batch runs films", 2),
        (("0", "--out", "out"), "0: is no film", 2),
        (("test://", "--out", "out"), "test://: is no film", 2),
        (("dash", "--out", "s3://bucket/out"), "results go to a disk", 2),
        (("dash", "--out", "out", "--model", "otsu", "--pieces", "1", "--start", "2"), "name a part", 2),
        (("dash", "--out", "out", "--write", "{stem}.csv", "--write", "{stem}.csv"), "is named twice", 2),
    ],
)
def test_what_is_wrong_for_every_film_is_said_once(
    words: tuple[str, ...], says: str, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    from streamseg.cli import main

    film(Path("dash/a.mp4"))
    Path("films.txt").write_text("dash/a.mp4\n")
    assert main(["batch", *words]) == code
    said = capsys.readouterr().err
    assert says in said and len(said.splitlines()) == 1


def test_an_archive_is_continued_on_another_gpu() -> None:
    one, other = (make_options({"source": "", "gpu": gpu}) for gpu in (0, 1))
    assert _asked(one, ["null"]) == _asked(other, ["null"])
    assert _asked(one, ["null"]) != _asked(make_options({"source": "", "size": "64x48"}), ["null"])


def test_a_long_film_in_pieces_is_as_it_is_in_one() -> None:
    film(Path("dash/a.mp4"), 40), film(Path("dash/b.mp4"))
    words = (*BATCH, "--write", "{stem}.csv", "--workers", 2)
    done = command(*words, "--pieces", "15f")
    assert done.returncode == 0, done.stderr
    said = done.stderr.splitlines()
    assert "streamseg: dash/a.mp4: in 3 pieces" in said and sum("a.mp4: piece " in line for line in said) == 3
    assert said[-1].startswith("streamseg: 2 of 2 films done: out/summary.csv")
    alone = command(*words[:2], "--out", "alone", *words[4:])
    assert alone.returncode == 0, alone.stderr
    for name in ("a.csv", "b.csv"):
        assert Path("out", name).read_bytes() == Path("alone", name).read_bytes()


@pytest.mark.parametrize("length", ["0", "-3", "soon"])
def test_a_length_of_pieces_that_is_none_is_said(length: str, capsys: pytest.CaptureFixture[str]) -> None:
    from streamseg.cli import main

    film(Path("dash/a.mp4"))
    assert main([*BATCH, f"--pieces={length}"]) == 2
    assert f"--pieces: {length}" in capsys.readouterr().err.replace("'", "")


@pytest.mark.slow
@pytest.mark.parametrize("end", ["terminate", "kill"])
def test_what_was_cut_off_is_done_again(end: str) -> None:
    for name in ("a", "b", "c"):
        film(Path(f"dash/{name}.mp4"), 3 if name == "a" else 3000)
    words = (*BATCH, "--workers", "1")
    with subprocess.Popen([*PROGRAM, *words], env=environment(), stderr=subprocess.PIPE, text=True) as child:
        part = Path("out/.batch/part")
        until(lambda: Path("out/a.jsonl").exists() and any(part.glob("*/b.jsonl.part")), "the second film", child)
        refused = command(*words)
        assert refused.returncode == 4 and "another batch is writing into it" in refused.stderr
        getattr(child, end)()
        said = child.communicate()[1]
    assert child.returncode == (143 if end == "terminate" else -9), said
    if end == "terminate":
        assert "1 of 3 films done; the same command continues" in said
        assert tree(Path("out"))[0:1] == ["a.jsonl"] and "b.jsonl" not in tree(Path("out"))
    until(lambda: not part.is_dir() or not any(part.iterdir()), "the worker's end")
    for name in ("b", "c"):
        film(Path(f"dash/{name}.mp4"), 30)
    done = command(*words)
    assert done.returncode == 0 and "3 of 3 films done (1 before)" in done.stderr, done.stderr
    assert [len(Path(f"out/{name}.jsonl").read_text().splitlines()) for name in ("a", "b", "c")] == [3, 30, 30]


@pytest.mark.slow
def test_ctrl_c_reaches_all_and_each_is_silent() -> None:
    long_film(Path("dash/a.ts")), long_film(Path("dash/b.ts"))
    import os
    import signal

    with subprocess.Popen(
        [*PROGRAM, *BATCH], env=environment(), stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as child:
        until(lambda: any(Path("out/.batch/part").glob("*/*.part")), "a film under way", child)
        os.killpg(child.pid, signal.SIGINT)
        said = child.communicate()[1]
    assert child.returncode == 130 and "Traceback" not in said and "0 of 2 films done" in said
