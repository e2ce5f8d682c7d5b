from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import msgspec
import pytest

torch = pytest.importorskip("torch", reason="training needs PyTorch: pip install '.[train]'")

from torch import Tensor  # noqa: E402

from streamseg.errors import InputError, OutputError  # noqa: E402
from streamseg.training.checkpoint import load_checkpoint, start_from  # noqa: E402
from streamseg.training.network import build  # noqa: E402
from streamseg.training.plan import ClassEntry, Plan  # noqa: E402
from streamseg.training.train import BEST, LAST, train  # noqa: E402
from tests.training.scene import Silent, StopError, StopsAfter, make_plan, write_scene  # noqa: E402


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    write_scene(tmp_path, 5)
    return make_plan(
        tmp_path,
        data={"hold_out": ["4*"]},
        augment={"scale": [0.7, 1.5], "colour": 0.3, "flip": "both"},
        schedule={"epochs": 4},
    )


def weights(folder: Path) -> dict[str, Tensor]:
    found: dict[str, Tensor] = load_checkpoint(folder / LAST)["average"]
    return found


def same(left: dict[str, Tensor], right: dict[str, Tensor]) -> bool:
    return left.keys() == right.keys() and all(torch.equal(left[name], right[name]) for name in left)


@pytest.mark.parametrize("name", [BEST, "curves.csv", "curves.png", "sealed.json", "scene.onnx"])
def test_a_folder_with_files_of_something_else_is_left_alone(name: str, plan: Plan, tmp_path: Path) -> None:
    (tmp_path / name).write_text("precious")
    with pytest.raises(OutputError, match=f"{name}: exists"):
        train(plan, tmp_path, Silent())
    assert (tmp_path / name).read_text() == "precious"
    assert not (tmp_path / LAST).exists()


def test_the_same_seed_gives_the_same_weights_and_another_gives_others(plan: Plan, tmp_path: Path) -> None:
    train(plan, tmp_path / "one", Silent())
    train(plan, tmp_path / "two", Silent())
    other = make_plan(tmp_path, data={"hold_out": ["4*"]}, schedule={"epochs": 4, "seed": 2})
    train(other, tmp_path / "other", Silent())
    assert same(weights(tmp_path / "one"), weights(tmp_path / "two"))
    assert not same(weights(tmp_path / "one"), weights(tmp_path / "other"))


def test_an_interrupted_training_ends_as_one_in_one_go(plan: Plan, tmp_path: Path) -> None:
    whole = train(plan, tmp_path / "whole", Silent())
    with pytest.raises(StopError):
        train(plan, tmp_path / "parts", StopsAfter(2))
    watcher = Silent()
    parts = train(plan, tmp_path / "parts", watcher)

    assert len(watcher.losses) == 2 * 2
    assert same(weights(tmp_path / "whole"), weights(tmp_path / "parts"))
    assert [row["loss"] for row in whole] == [row["loss"] for row in parts]


def test_a_training_leaves_curves_and_the_best_weights(plan: Plan, tmp_path: Path) -> None:
    history = train(plan, tmp_path / "out", Silent())
    with (tmp_path / "out" / "curves.csv").open() as file:
        table = list(csv.DictReader(file))
    assert [row["epoch"] for row in table] == ["1", "2", "3", "4"]
    assert {"held out miou", "held out accuracy", "held out class 2"} <= table[0].keys()
    assert (tmp_path / "out" / "curves.png").read_bytes().startswith(b"\x89PNG")
    best = load_checkpoint(tmp_path / "out" / BEST)
    assert best["row"]["held out miou"] == max(row["held out miou"] for row in history)


def test_a_folder_of_another_training_is_left_alone(plan: Plan, tmp_path: Path) -> None:
    train(plan, tmp_path / "out", Silent())
    other = make_plan(tmp_path, schedule={"epochs": 9})
    with pytest.raises(InputError, match="another plan"):
        train(other, tmp_path / "out", Silent())


def test_pictures_may_move_between_two_sittings(plan: Plan, tmp_path: Path) -> None:
    with pytest.raises(StopError):
        train(plan, tmp_path / "out", StopsAfter(1))
    moved = tmp_path / "moved"
    moved.mkdir()
    for folder in ("pictures", "masks"):
        (tmp_path / folder).rename(moved / folder)
    again = make_plan(
        moved,
        data={"hold_out": ["4*"]},
        augment={"scale": [0.7, 1.5], "colour": 0.3, "flip": "both"},
        schedule={"epochs": 4},
    )
    assert len(train(again, tmp_path / "out", Silent())) == 4


def test_a_frozen_encoder_stays_as_it_is_until_it_is_thawed(tmp_path: Path) -> None:
    write_scene(tmp_path)
    network = {"architecture": "unet-lite0", "width": 8, "depth": None}
    frozen = make_plan(tmp_path, network=network, schedule={"epochs": 1, "freeze_epochs": 1, "ema": 0})
    torch.manual_seed(frozen.schedule.seed)
    before = build(frozen).state_dict()
    train(frozen, tmp_path / "frozen", Silent())
    after = weights(tmp_path / "frozen")
    assert all(torch.equal(after[name], before[name]) for name in before if name.startswith("encoder."))
    assert not torch.equal(after["head.weight"], before["head.weight"])

    thawed = make_plan(tmp_path, network=network, schedule={"epochs": 2, "freeze_epochs": 1, "ema": 0})
    train(thawed, tmp_path / "thawed", Silent())
    assert not torch.equal(weights(tmp_path / "thawed")["encoder.stem.0.weight"], before["encoder.stem.0.weight"])


def test_a_training_starts_from_another_with_other_classes(tmp_path: Path) -> None:
    write_scene(tmp_path)
    train(make_plan(tmp_path), tmp_path / "first", Silent())
    source = tmp_path / "first" / LAST
    network = build(make_plan(tmp_path, n_classes=5))
    left = start_from(network, source)
    assert left == ["head.weight", "head.bias"]
    assert torch.equal(network.state_dict()["first.0.weight"], weights(tmp_path / "first")["first.0.weight"])
    train(make_plan(tmp_path, n_classes=5, network={"start_from": str(source)}), tmp_path / "second", Silent())
    with pytest.raises(InputError, match="no layer of it fits"):
        start_from(build(make_plan(tmp_path, network={"architecture": "fcn", "width": None, "depth": 1})), source)


def test_a_model_to_start_from_that_is_not_installed_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.metadata.entry_points", lambda *, group: ())
    write_scene(tmp_path)
    with pytest.raises(InputError, match="model 'street' is in a package of its own") as caught:
        train(make_plan(tmp_path, network={"start_from": "street"}), tmp_path / "out", Silent())
    assert "pip install" in caught.value.hint


def test_bf16_trains_too(tmp_path: Path) -> None:
    write_scene(tmp_path)
    watcher = Silent()
    train(make_plan(tmp_path, schedule={"epochs": 8, "precision": "bf16", "rate": 1e-2}), tmp_path / "out", watcher)
    assert watcher.losses[-1] < watcher.losses[0]


def test_too_few_pictures_for_a_batch_is_one_clear_line(tmp_path: Path) -> None:
    write_scene(tmp_path)
    with pytest.raises(InputError, match="2 pictures fill no batch of 8"):
        train(make_plan(tmp_path, schedule={"batch": 8}), tmp_path / "out", Silent())


def test_patterns_that_hold_out_nothing_are_refused(tmp_path: Path) -> None:
    write_scene(tmp_path)
    with pytest.raises(InputError, match="0 of 2 pictures match"):
        train(make_plan(tmp_path, data={"hold_out": ["x*"]}), tmp_path / "out", Silent())


def test_a_rate_that_blows_up_is_one_clear_line(tmp_path: Path) -> None:
    write_scene(tmp_path)
    plan = make_plan(tmp_path, network={"architecture": "unet-tiny", "depth": None})
    schedule = msgspec.structs.replace(plan.schedule, rate=1e30)  # which no file can ask for
    with pytest.raises(InputError, match="the loss is no number"):
        train(msgspec.structs.replace(plan, schedule=schedule), tmp_path / "out", Silent())


def test_a_generated_scene_is_learnt_from_and_held_out_in_parts(tmp_path: Path) -> None:
    folder = {"pictures": "test://?frames=4&size=96x64"}
    history = train(
        make_plan(tmp_path, 4, data={"train": folder, "hold_out": ["000003*"]}, schedule={"epochs": 1, "batch": 1}),
        tmp_path / "out",
        Silent(),
    )
    assert 0 <= history[0]["held out miou"] <= 1
    endless = make_plan(tmp_path, 4, data={"train": {"pictures": "test://"}})
    with pytest.raises(InputError, match="has an end"):
        train(endless, tmp_path / "none", Silent())


@pytest.mark.parametrize(
    ("tables", "said"),
    [
        ({"augment": {"crop": [64, 50]}}, r"augment.crop: 64 x 50, but unet takes multiples of 4 pixels \(64 x 48\)"),
        ({"export": {"height": 30, "width": 64}}, "export: 30 x 64, but unet takes multiples of 4 pixels"),
        (
            {
                "network": {"architecture": "fcn", "depth": None, "width": None},
                "augment": {"crop": [32, 32]},
                "schedule": {"batch": 1},
            },
            "augment.crop: a single picture of 32 x 32 has nothing to be normalised by",
        ),
        ({"export": {"largest": 32}}, "scene: `largest` must be `side`, 64, to 16384 px, not 32"),
        ({"export": {"background": 3}}, "scene: `background` must be 0 to 2, not 3"),
        ({"network": {"architecture": "unet-lite0", "depth": 1}}, "network.depth: unet-lite0 has 2 to 5, not 1"),
    ],
)
def test_what_can_be_no_model_is_said_before_anything_is_learnt(
    tables: dict[str, Any], said: str, tmp_path: Path
) -> None:
    write_scene(tmp_path)
    with pytest.raises(InputError, match=said):
        train(make_plan(tmp_path, **tables), tmp_path / "out", Silent())
    assert not (tmp_path / "out").exists()


def test_a_network_that_takes_any_size_learns_from_any_crop(tmp_path: Path) -> None:
    write_scene(tmp_path)
    network = {"architecture": "unet-lite0", "width": 8, "depth": None}
    plan = make_plan(tmp_path, network=network, augment={"crop": [50, 70]}, schedule={"epochs": 1})
    assert len(train(plan, tmp_path / "out", Silent())) == 1


@pytest.mark.parametrize(
    ("count", "colour", "said"),
    [(256, "ff0000", "256 of them, but 255 is void"), (3, "red", "colour '#red' is not RGB hex")],
)
def test_classes_that_can_be_no_model_are_said_before_anything_is_learnt(
    count: int, colour: str, said: str, tmp_path: Path
) -> None:
    write_scene(tmp_path)
    classes = [ClassEntry(name=f"class {number}", colour=colour) for number in range(count)]
    with pytest.raises(InputError, match=said):
        train(msgspec.structs.replace(make_plan(tmp_path), classes=classes), tmp_path / "out", Silent())
    assert not (tmp_path / "out").exists()
