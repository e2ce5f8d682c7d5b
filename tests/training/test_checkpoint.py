from __future__ import annotations

import math
import resource
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="training needs PyTorch: pip install '.[train]'")

from torch import nn  # noqa: E402

from streamseg.errors import InputError, OutputError  # noqa: E402
from streamseg.training.checkpoint import load_checkpoint, save_checkpoint  # noqa: E402
from streamseg.training.plan import Plan  # noqa: E402
from streamseg.training.semantic import Semantic  # noqa: E402
from streamseg.training.train import BEST, LAST, score_sealed, train  # noqa: E402
from tests.training.scene import Silent, StopError, StopsAfter, make_plan, write_scene  # noqa: E402


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    write_scene(tmp_path, 5)
    return make_plan(tmp_path, data={"hold_out": ["4*"]}, schedule={"epochs": 4})


def test_a_broken_checkpoint_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such checkpoint"):
        load_checkpoint(tmp_path / LAST)
    (tmp_path / LAST).write_bytes(b"PK half a file")
    with pytest.raises(InputError, match="damaged"):
        load_checkpoint(tmp_path / LAST)
    torch.save({"weights": 1}, tmp_path / LAST)
    with pytest.raises(InputError, match="not a checkpoint of a streamseg training"):
        load_checkpoint(tmp_path / LAST)


def test_a_training_that_was_killed_in_its_first_epoch_goes_on(
    plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(path: Path, *what: Any) -> None:
        save_checkpoint(path, *what)
        if path.name == BEST:
            raise StopError

    with monkeypatch.context() as patch, pytest.raises(StopError):
        patch.setattr("streamseg.training.train.save_checkpoint", killed)
        train(plan, tmp_path / "out", Silent())
    assert not (tmp_path / "out" / LAST).exists()
    assert len(train(plan, tmp_path / "out", Silent())) == 4
    with pytest.raises(OutputError, match="best.pt: exists"):
        other = make_plan(tmp_path, schedule={"epochs": 9})
        (tmp_path / "out" / LAST).unlink()
        train(other, tmp_path / "out", Silent())


def test_a_finished_result_is_kept_where_the_last_checkpoint_was_taken_away(plan: Plan, tmp_path: Path) -> None:
    train(plan, tmp_path / "out", Silent())
    state = load_checkpoint(tmp_path / "out" / LAST)
    save_checkpoint(tmp_path / "out" / BEST, plan, {**state, "epoch": 4})
    for name in (LAST, "curves.csv", "curves.png"):
        (tmp_path / "out" / name).unlink()
    with pytest.raises(OutputError, match="best.pt: exists, but no training does"):
        train(plan, tmp_path / "out", Silent())


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda state: state.pop("network"), "no training can continue from it"),  # best.pt has none
        (lambda state: state.pop("optimiser"), "no training can continue from it"),
        (lambda state: state["average"].popitem(), "no training can continue from it"),
        (lambda state: state.update(epoch="one"), "no training can continue from it"),
        (lambda state: state.update(plan=state["plan"].replace("warm_up_steps", "warm_up")), "none of this version's"),
        (lambda state: state.update(plan=1), "not a checkpoint of a streamseg training"),
        (lambda state: state.update(average=[1]), "not a checkpoint of a streamseg training"),
    ],
)
def test_a_checkpoint_that_no_training_can_go_on_from_is_one_clear_line(
    damage: Callable[[dict[str, Any]], object], said: str, plan: Plan, tmp_path: Path
) -> None:
    with pytest.raises(StopError):
        train(plan, tmp_path / "out", StopsAfter(1))
    state = load_checkpoint(tmp_path / "out" / LAST)
    damage(state)
    torch.save(state, tmp_path / "out" / LAST)
    with pytest.raises(InputError, match=f"last.pt: .*{said}"):
        train(plan, tmp_path / "out", Silent())


def test_a_sealed_class_that_is_nowhere_is_read_again_as_no_number(
    plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Scored(Semantic):
        def score_sealed(self, network: nn.Module) -> dict[str, float]:
            return {"miou": 0.5, "never": math.nan}

    with monkeypatch.context() as patch:
        patch.setattr("streamseg.training.train.Semantic", Scored)
        train(plan, tmp_path, Silent())
        first = score_sealed(plan, tmp_path)
    again = score_sealed(plan, tmp_path)
    assert first["miou"] == again["miou"] == 0.5
    assert math.isnan(first["never"]) and math.isnan(again["never"])
    for damaged in (b"", b'{"\xff": 1}'):
        (tmp_path / "sealed.json").write_bytes(damaged)
        with pytest.raises(InputError, match=r"sealed\.json: is damaged"):
            score_sealed(plan, tmp_path)


def test_a_disk_that_is_full_is_called_so(plan: Plan, tmp_path: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, before[1]))
    try:
        with pytest.raises(OutputError, match=r"last\.pt: File too large$"):
            save_checkpoint(tmp_path / LAST, plan, {"average": {"a": torch.zeros(100_000)}})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert not list(tmp_path.glob("*.pt")) and not list(tmp_path.glob(".*"))
