"""One film after the other, with a model that stays loaded."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from streamseg.archive.folder import ResultFolder
from streamseg.archive.worker import Worker, kept
from streamseg.contracts import SegmenterFactory
from streamseg.frame import Frame
from streamseg.segmentation import Classes, Segmentation
from tests.archive.archives import film, job, ran, task, tree
from tests.parts.program import run_program as command

CLASSES = Classes(("a", "b"), np.zeros((2, 3), np.uint8))


@pytest.fixture(autouse=True)
def all_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streamseg.archive.worker.limit_cores", lambda count: None)


def test_a_film_becomes_what_run_makes_of_it_and_a_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    source = film(Path("day 2/a.mp4"))
    row = ran(Worker(task(tmp_path / "out", "{stem}.jsonl", "masks:m/{stem}")), job(source, "day 2/a"))
    assert row.done and (row.frames, row.seconds, row.events) == (5, 0.16, 0)
    assert sum(each.mean_percent for each in row.classes.values()) == pytest.approx(100, abs=0.01)
    assert ResultFolder(tmp_path / "out").rows() == {"day 2/a": row}
    command("run", source, "alone.jsonl", "masks:alone", "--model", "otsu")
    for number in range(5):
        made, alone = (Path(at) / f"{number:06d}.png" for at in ("out/m/day 2/a", "alone"))
        assert made.read_bytes() == alone.read_bytes()
    lines = [
        [json.loads(line) for line in Path(at).read_text().splitlines()] for at in ("out/day 2/a.jsonl", "alone.jsonl")
    ]
    assert [line["classes"] for line in lines[0]] == [line["classes"] for line in lines[1]]
    assert len(tree(tmp_path / "out")) == 6


def test_a_broken_film_is_a_row_and_the_next_is_run(tmp_path: Path) -> None:
    (tmp_path / "broken.mp4").write_bytes(b"junk")
    worker = Worker(task(tmp_path / "out"))
    row = ran(worker, job(tmp_path / "broken.mp4"))
    assert "not a video" in row.error and row.exit_code == 2
    assert ran(worker, job(tmp_path / "gone.mp4")).error
    assert ran(worker, job(film(tmp_path / "good.mp4"))).done
    assert tree(tmp_path / "out") == ["good.jsonl"]
    assert not ResultFolder(tmp_path / "out").rows()["broken"].done


@pytest.mark.parametrize("name", ["x" * 243, "ж" * 121], ids=["ASCII", "two bytes each"])
def test_a_film_whose_results_would_have_too_long_a_name_is_a_row(tmp_path: Path, name: str) -> None:
    (tmp_path / "dash").mkdir()
    worker, source = Worker(task(tmp_path / "out")), film(tmp_path / "short.mp4").rename(tmp_path / f"dash/{name}.mp4")
    fits, row = ran(worker, job(source)), ran(worker, job(source, f"{name}12345"))
    assert fits.done and "File name too long" in row.error
    assert ResultFolder(tmp_path / "out").rows() == {row.results: row, fits.results: fits}
    assert tree(tmp_path / "out") == [f"{name}.jsonl"]


def test_nothing_is_kept_of_a_film_that_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def give_up(share: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("streamseg.archive.worker._TELL_S", 0)
    with pytest.raises(KeyboardInterrupt):
        Worker(task(tmp_path / "out"))(job(film(tmp_path / "a.mp4")), give_up)
    assert tree(tmp_path / "out") == [] and ResultFolder(tmp_path / "out").rows() == {}
    assert list((tmp_path / "out/.batch/part").iterdir()) == []


def test_the_share_that_is_done_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streamseg.archive.worker._TELL_S", 0)
    told: list[float] = []
    Worker(task(tmp_path / "out", "null"))(job(film(tmp_path / "a.mp4")), told.append)
    assert told == [0.2, 0.4, 0.6, 0.8, 1.0]


class _Fake:
    classes, scale, closed = CLASSES, 1.0, False

    def __call__(self, frames: Sequence[Frame]) -> list[Segmentation]:
        if not frames:
            raise ValueError("no frames")
        return []

    def close(self) -> None:
        self.closed = True


def test_a_model_stays_loaded_unless_it_failed_or_remembers() -> None:
    made: list[_Fake] = []

    def make(threads: int) -> _Fake:
        made.append(_Fake())
        return made[-1]

    recipe = kept(SegmenterFactory("fake", CLASSES, make, parallel=True))
    first, second = recipe.make(1), recipe.make(1)
    first.scale = 0.5
    first.close()
    second.close()
    third = recipe.make(1)
    assert len(made) == 2 and not any(each.closed for each in made)
    with pytest.raises(ValueError, match="no frames"):
        third([])
    third.close()
    third.close()
    assert sum(each.closed for each in made) == 1
    recipe.make(1), recipe.make(1)
    assert len(made) == 3
    remembers = SegmenterFactory("fake", CLASSES, make, parallel=False)
    assert kept(remembers) is remembers


def test_a_licence_is_no_warning_of_a_film(tmp_path: Path) -> None:
    pytest.importorskip("streamseg_research_models")
    row = ran(Worker(task(tmp_path / "out", "null", model="street")), job(film(tmp_path / "a.mp4", 1)))
    assert row.done and row.warnings == ()
