"""Long films in pieces: what is cut, and that nobody can tell afterwards."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from streamseg.archive.folder import ResultFolder
from streamseg.archive.pieces import check_pieces, in_pieces, of_pieces
from streamseg.archive.task import Job, Looked, Piece
from streamseg.archive.worker import Worker
from streamseg.config import RunOptions, make_options
from streamseg.errors import InputError
from streamseg.infer import load_segmenter
from streamseg.moment import Moment
from tests.archive.archives import film, job, ran, task, tree


@pytest.fixture(autouse=True)
def all_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streamseg.archive.worker.limit_cores", lambda count: None)


def options(**more: object) -> RunOptions:
    return make_options({"source": "", "model": "otsu", **more})


def cut(path: Path, length: str, **more: object) -> list[tuple[int, int | None, int]]:
    (found,) = in_pieces([job(path)], options(**more), Moment(length))
    return [(piece.start, piece.end, piece.step) for piece in found.pieces]


def test_pieces_are_of_whole_steps_of_the_network(tmp_path: Path) -> None:
    path = film(tmp_path / "a.mp4", 60)  # 25 a second
    assert cut(path, "1") == [(0, 25, 1), (25, 50, 1), (50, None, 1)]
    assert cut(path, "40f") == [(0, 40, 1), (40, None, 1)]
    assert cut(path, "1", target="fps") == [(0, 20, 10), (20, 40, 10), (40, None, 10)]
    assert cut(path, "1", every=2) == [(0, 24, 2), (24, 48, 2), (48, None, 2)]
    assert cut(path, "3") == [] and cut(path, "60f") == []


def test_what_cannot_be_cut_is_left_whole(tmp_path: Path) -> None:
    (tmp_path / "broken.mp4").write_bytes(b"junk")
    jobs = [job(tmp_path / "broken.mp4"), job(tmp_path / "gone.mp4"), Job("s3://bucket/a.mp4", "a", 1, "1")]
    assert list(in_pieces(jobs, options(), Moment("1"))) == jobs


def test_a_part_of_a_film_and_models_whose_masks_are_not_kept_are_refused() -> None:
    with pytest.raises(InputError, match="name a part"):
        check_pieces(options(end="9"), load_segmenter("otsu"))
    with pytest.raises(InputError, match="nuclei finds objects"):
        check_pieces(options(), replace(load_segmenter("otsu"), name="nuclei", instances=True))
    with pytest.raises(InputError, match="from its beginning"):
        check_pieces(options(), replace(load_segmenter("otsu"), parallel=False))
    check_pieces(options(), load_segmenter("otsu"))


def lines(path: Path) -> list[dict[str, object]]:
    return [
        {key: value for key, value in json.loads(line).items() if key != "timings_ms"}
        for line in path.read_text().splitlines()
    ]


@pytest.mark.parametrize("target", ["quality", "fps"])
def test_a_film_in_pieces_is_as_one_run_has_it(tmp_path: Path, target: str, monkeypatch: pytest.MonkeyPatch) -> None:
    source = job(film(tmp_path / "day 2/a.mp4", 40), "day 2/a")
    asked = {"target": target}
    outputs = ("{stem}.jsonl", "masks:m/{stem}")
    alone = ran(Worker(task(tmp_path / "alone", *outputs, **asked)), source)
    (whole,) = in_pieces([source], options(target=target), Moment("15f"))
    worker = Worker(task(tmp_path / "out", *outputs, **asked))
    pieces = list(of_pieces(whole))
    assert len(pieces) > 1 and len({piece.key for piece in [whole, *pieces]}) == len(pieces) + 1
    for piece in reversed(pieces):
        assert worker(piece) == Looked(piece)
    kept = ResultFolder(tmp_path / "out").masks(whole)
    assert [path.is_file() for path in kept] == [True] * len(pieces) and tree(tmp_path / "out") == []
    monkeypatch.setattr("streamseg.archive.worker._Shelf.__call__", None)  # the network is not made again
    row = ran(worker, whole)
    assert row.classes == alone.classes and (row.frames, row.seconds) == (40, alone.seconds)
    results = tree(tmp_path / "alone")
    assert len(results) == 41 and tree(tmp_path / "out") == results
    for name in results:
        one, other = tmp_path / "alone" / name, tmp_path / "out" / name
        assert lines(one) == lines(other) if name.endswith(".jsonl") else one.read_bytes() == other.read_bytes()
    assert not (tmp_path / "out/.batch/pieces").exists()


def test_a_piece_that_is_there_is_not_looked_at_again_and_one_that_fails_is_left_to_the_film(tmp_path: Path) -> None:
    path = film(tmp_path / "a.mp4", 20)
    worker, folder = Worker(task(tmp_path / "out")), ResultFolder(tmp_path / "out")
    (whole,) = in_pieces([job(path)], options(), Moment("10f"))
    first, second = of_pieces(whole)
    worker(first)
    (kept,) = folder.masks(first)
    before = kept.stat().st_mtime_ns
    assert worker(first) == Looked(first) and kept.stat().st_mtime_ns == before
    nothing = replace(second, piece=Piece(1, 500, None, 1))
    assert worker(nothing) == Looked(nothing)
    row = ran(worker, whole)
    assert row.done and row.frames == 20
    path.write_bytes(b"junk")
    assert "not a video" in ran(worker, whole).error


def test_a_piece_that_is_given_up_keeps_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def give_up(share: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("streamseg.archive.worker._TELL_S", 0)
    (whole,) = in_pieces([job(film(tmp_path / "a.mp4", 20))], options(), Moment("10f"))
    first = next(of_pieces(whole))
    with pytest.raises(KeyboardInterrupt):
        Worker(task(tmp_path / "out"))(first, give_up)
    assert not any(path.exists() for path in ResultFolder(tmp_path / "out").masks(first))
    assert list((tmp_path / "out/.batch/part").iterdir()) == []
