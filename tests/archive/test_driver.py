"""What is left to do of an archive, and what becomes of a film whose worker died."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from streamseg.archive.driver import run_all, unfinished
from streamseg.archive.folder import ResultFolder
from streamseg.archive.row import Row
from streamseg.archive.task import Job, Looked, Lost, Piece, Progress
from streamseg.errors import InputError

A, B = Job("a.mp4", "a", 1, "1"), Job("b.mp4", "b", 1, "1")


def row(job: Job, error: str = "", version: str = "1") -> Row:
    return Row(file=job.file, results=job.stem, version=version, error=error)


def test_what_is_done_is_left_out_and_what_failed_or_changed_is_not() -> None:
    assert unfinished([A, B], {}) == [A, B]
    assert unfinished([A, B], {"a": row(A)}) == [B]
    assert unfinished([A, B], {"a": row(A, error="broken"), "b": row(B, version="2")}) == [A, B]


def test_results_of_another_film_that_is_called_the_same_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    other = Job("tuesday/a.mp4", "a", 1, "2")
    with pytest.raises(InputError, match="tuesday/a.mp4 would be called a, as a.mp4 is already"):
        unfinished([B, other], {"a": row(A)})
    assert unfinished([other], {"a": row(A, error="broken")}) == [other]
    assert unfinished([Job("moved/a.mp4", "a", 1, "1")], {"a": row(A)}) == []
    changed = [Job(name, "a", 1, "2") for name in ("a.mp4", "./a.mp4", str(tmp_path / "a.mp4"))]
    assert [unfinished([each], {"a": row(A)}) for each in changed] == [[each] for each in changed]
    signed = Job("https://host/a.mp4?signature=2", "a", 1, "2")
    assert unfinished([signed], {"a": row(Job("https://host/a.mp4?signature=1", "a", 1, "1"))}) == [signed]


def test_a_film_whose_worker_died_is_tried_again_and_has_failed_in_the_end(tmp_path: Path) -> None:
    runs: list[list[str]] = []

    def run(jobs: Sequence[Job]) -> Iterator[Row | Progress | Lost]:
        runs.append([job.stem for job in jobs])
        for job in jobs:
            yield Progress(job.stem, 0.5)
            yield Lost(job, "signal 11") if job is A or len(runs) < 2 else row(job)

    said = list(run_all([A, B], run, ResultFolder(tmp_path), lambda: False, 3))
    assert runs == [["a", "b"], ["a", "b"], ["a"]]
    ended = [each for each in said if isinstance(each, Row)]
    assert [(each.results, each.error) for each in ended] == [("b", ""), ("a", "signal 11")]
    assert ResultFolder(tmp_path).rows()["a"].error == "signal 11"


def test_a_piece_whose_worker_dies_again_and_again_is_left_to_its_film(tmp_path: Path) -> None:
    piece = Job("a.mp4", "a", 1, "1", piece=Piece(0, 0, 5, 1))
    folder = ResultFolder(tmp_path)
    said = list(run_all([piece], lambda jobs: [Lost(piece, "signal 9")], folder, lambda: False, 3))
    assert said == [Looked(piece)] and folder.rows() == {}


def test_where_it_is_stopped_nothing_is_tried_again(tmp_path: Path) -> None:
    said = list(run_all([A], lambda jobs: [Lost(A, "ended")], ResultFolder(tmp_path), lambda: True, 3))
    assert said == []
