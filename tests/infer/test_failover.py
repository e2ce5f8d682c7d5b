"""A GPU that fails, or computes wrongly, costs no frame: it is reopened, or the next backend is taken."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest

from streamseg.assembly import assemble
from streamseg.config import make_options
from streamseg.errors import BackendError
from streamseg.infer import backends, failover, load_segmenter
from streamseg.infer.backends.contract import Backend, Stopped
from tests.parts import toy_models
from tests.parts.fakes import frame
from tests.parts.faulty import Faulty


@pytest.fixture
def model(tmp_path: Path) -> Path:
    (tmp_path / "toy.yaml").write_text(
        "classes: [a, b, c, d, e]\noutputs: {logits: scores}\ninput: {std: [255, 255, 255]}\n"
    )
    return toy_models.segmenter(tmp_path / "toy.onnx")


def put_first(monkeypatch: pytest.MonkeyPatch, **faulty: Faulty) -> None:
    """The chain is `faulty`, then ONNX Runtime on the CPU."""
    table = {name: each.open for name, each in faulty.items()}
    monkeypatch.setattr(backends, "BACKENDS", {**table, "ort-cpu": backends.BACKENDS["ort-cpu"]})


def run(model: Path, frames: int, caplog: pytest.LogCaptureFixture, **options: object) -> list[str]:
    """Walks a generated scene through a whole pipeline and gives the log lines about the chip."""
    values = {"source": f"test://?frames={frames}", "outputs": ("null",), "model": str(model), **options}
    with caplog.at_level(logging.INFO, "streamseg"):
        metrics = assemble(make_options(values)).run()
    assert metrics.captured == metrics.shown == frames
    assert not metrics.failed
    return [record.getMessage() for record in caplog.records if record.getMessage().startswith("chip")]


def test_a_failure_opens_the_backend_anew_and_loses_no_frame(
    model: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    chip = Faulty({8})
    put_first(monkeypatch, chip=chip)
    assert run(model, 12, caplog, workers=1) == ["chip failed: out of memory (close what else is on the GPU); reopened"]
    assert (chip.opened, chip.closed) == (2, 2)


def test_a_backend_that_fails_again_is_left_for_the_next(
    model: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    chip = Faulty({4})
    put_first(monkeypatch, chip=chip)
    lines = run(model, 30, caplog, workers=1)
    assert [line.rpartition("; ")[2] for line in lines] == ["reopened", "running on the CPU (ort-cpu) instead"]
    assert (chip.opened, chip.closed) == (2, 2)


def test_each_worker_steps_for_itself_and_the_line_is_said_once(
    model: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    put_first(monkeypatch, chip=Faulty({3}))
    assert len(run(model, 40, caplog, workers=2)) == 2


def test_each_run_says_what_it_found(
    model: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    put_first(monkeypatch, chip=Faulty({1}))
    for _ in range(2):
        caplog.clear()
        assert len(run(model, 3, caplog, workers=1)) == 1


def test_the_labels_are_those_of_a_run_without_a_failure(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = load_segmenter(str(model)).make(1)
    put_first(monkeypatch, chip=Faulty({2}))
    stepped = load_segmenter(str(model)).make(1)
    for index in range(6):
        noise = frame(index)
        (found,), (expected,) = stepped([noise]), whole([noise])
        assert found.frame_index == index
        np.testing.assert_array_equal(found.labels, expected.labels)


def test_after_long_good_work_a_failure_is_a_first_one_again(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(failover, "_FORGOTTEN_AFTER", 3)
    chip = Faulty({6})
    put_first(monkeypatch, chip=chip)
    segment = load_segmenter(str(model)).make(1)
    for index in range(20):
        segment([frame(index)])
    assert chip.opened == 5  # four frames each


def test_the_next_backend_may_be_opened_anew_as_well(
    model: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    first, second = Faulty({4}), Faulty({7})
    put_first(monkeypatch, chip_a=first, chip_b=second)
    lines = run(model, 30, caplog, workers=1)
    assert [line.rpartition("; ")[2] for line in lines] == [
        "reopened",
        "running with chip_b instead",
        "reopened",
        "running on the CPU (ort-cpu) instead",
    ]
    assert first.opened == second.opened == first.closed == second.closed == 2


def test_a_backend_that_cannot_be_opened_anew_is_left_at_once(
    model: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    chip, spare = Faulty({4}), Faulty({3})
    put_first(monkeypatch, chip=chip, chip_spare=spare)
    once = iter([False])

    def lost(file: Path, threads: int, stopped: Stopped = lambda: False) -> Backend:
        if next(once, True):
            raise BackendError("no such device")
        return chip.open(file, threads)

    monkeypatch.setitem(backends.BACKENDS, "chip", lost)
    lines = run(model, 20, caplog, workers=1)
    assert "chip: no such device; running with chip_spare instead" in lines
    assert chip.opened == chip.closed == 1
    assert spare.opened == spare.closed == 2, "what comes next has its own second chance"


def test_whoever_insists_on_a_backend_gets_its_error(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chip = Faulty({3})
    put_first(monkeypatch, chip=chip)
    segment = load_segmenter(str(model), backend="chip").make(1)
    with pytest.raises(BackendError, match="out of memory"):
        for index in range(9):
            segment([frame(index)])
    segment.close()
    assert (chip.opened, chip.closed) == (2, 2)


@pytest.mark.parametrize(
    ("chip", "reason"), [(Faulty(wrong=True), "of its labels are those of ort-cpu"), (Faulty(nan=True), "are NaN")]
)
def test_what_computes_wrongly_is_not_taken(
    model: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, chip: Faulty, reason: str
) -> None:
    put_first(monkeypatch, chip=chip)
    (line,) = run(model, 3, caplog, workers=1)
    assert reason in line
    assert line.endswith("; running on the CPU (ort-cpu) instead")
    assert chip.opened == chip.closed == 1
    with pytest.raises(BackendError, match=reason):
        load_segmenter(str(model), backend="chip").make(1)


def test_each_step_down_says_what_was_missing_and_how_to_get_it(
    model: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    put_first(monkeypatch, chip_a=Faulty({1}), chip_b=Faulty({1}))
    assert run(model, 3, caplog, workers=1) == [
        "chip_a: out of memory (close what else is on the GPU)",
        "chip_b: out of memory (close what else is on the GPU); running on the CPU (ort-cpu) instead",
    ]


def test_what_the_last_backend_cannot_run_costs_those_frames_alone(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chip = Faulty({3})
    put_first(monkeypatch, chip=chip)
    segment = load_segmenter(str(model), backend="chip").make(1)
    done = []
    for index in range(8):
        try:
            done += [found.frame_index for found in segment([frame(index)])]
        except BackendError:
            done.append(-1)
    segment.close()
    assert done.count(-1) == 1, done
    assert done[-1] == 7
    assert chip.opened == chip.closed
