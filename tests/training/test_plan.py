from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
import yaml

from streamseg.errors import InputError
from streamseg.training.plan import Export, as_name, parse_plan, plan_text, read_plan, same_training
from tests.training.scene import make_plan

PLANS = sorted((Path(__file__).parents[2] / "configs" / "train").glob("*.yaml"))


@pytest.mark.parametrize("path", PLANS, ids=lambda path: path.stem)
def test_a_plan_that_comes_with_the_project_makes_a_network(path: Path) -> None:
    pytest.importorskip("torch", reason="training needs PyTorch: pip install '.[train]'")
    from streamseg.training.export_wrapper import model_spec
    from streamseg.training.network import build, stride, without_pretraining

    plan = read_plan(path)
    assert plan.name == path.stem
    assert model_spec(plan).licence
    build(without_pretraining(plan))
    assert all(side % stride(plan) == 0 for side in plan.augment.crop)


def test_there_are_plans() -> None:
    assert {"street", "cracks", "membrane"} <= {path.stem for path in PLANS}


def test_the_pictures_may_be_elsewhere() -> None:
    assert read_plan(PLANS[0], "/elsewhere").data.root == "/elsewhere"


def test_a_mistake_in_a_plan_names_file_and_line(tmp_path: Path) -> None:
    path = tmp_path / "plan.yaml"
    path.write_text(PLANS[0].read_text().replace("batch:", "bach:"))
    with pytest.raises(InputError, match=r"plan.yaml:\d+: schedule: unknown key 'bach'"):
        read_plan(path)


def test_a_plan_survives_the_checkpoint_but_for_its_folder(tmp_path: Path) -> None:
    plan = make_plan(tmp_path)
    again = parse_plan(plan_text(plan))
    assert again == msgspec.structs.replace(plan, data=msgspec.structs.replace(plan.data, root=""))


def test_export_and_folder_change_no_weights_but_the_seed_does(tmp_path: Path) -> None:
    plan = make_plan(tmp_path)
    assert same_training(plan, msgspec.structs.replace(plan, export=Export(side=100), licence="mine"))
    assert same_training(plan, make_plan(tmp_path / "elsewhere"))
    assert not same_training(plan, make_plan(tmp_path, schedule={"seed": 2}))


@pytest.mark.parametrize(
    ("where", "value", "said"),
    [
        ("schedule.batch", "0", "schedule.batch: expected a whole number from 1 to 100000, not 0"),
        ("schedule.epochs", "-1", "schedule.epochs: expected a whole number from 1"),
        ("schedule.validate_every", "0", "schedule.validate_every: expected a whole number from 1"),
        ("schedule.threads", "0", "schedule.threads: expected a whole number from 1 to 256, not 0"),
        ("schedule.seed", "-1", "schedule.seed: expected a whole number from 0"),
        ("schedule.rate", ".nan", "schedule.rate: expected a number above 0 to 10, not nan"),
        ("schedule.rate", ".inf", "schedule.rate: expected a number above 0 to 10, not inf"),
        ("schedule.rare", ".inf", "schedule.rare: expected a number from 0 to 1, not inf"),
        ("augment.crop", "[0, 64]", r"augment.crop\[0\]: expected a whole number from 1 to 16384, not 0"),
        ("augment.scale", "[0, 1]", r"augment.scale\[0\]: expected a number from 0.01 to 100, not 0"),
        ("augment.scale", "[2, 1]", "augment: scale: the smaller one comes first"),
        ("augment.rotate_deg", "-30", "augment.rotate_deg: expected a number from 0 to 360, not -30"),
        ("loss.hard_fraction", "0", "loss.hard_fraction: expected a number above 0 to 1, not 0"),
        ("network.depth", "0", "network.depth: expected a whole number from 1 to 8, not 0"),
        ("export.side", "0", "export.side: expected a whole number from 1 to 16384, not 0"),
        ("export.height", "64", "export: height and width go together"),
        ("name", "../elsewhere", "name: has to be that of a file, without folders"),
    ],
)
def test_a_number_that_trains_nothing_is_refused_with_its_line(
    where: str, value: str, said: str, tmp_path: Path
) -> None:
    tree = msgspec.to_builtins(make_plan(tmp_path))
    *tables, key = where.split(".")
    table = tree[tables[0]] if tables else tree
    table[key] = yaml.safe_load(value)
    path = tmp_path / "plan.yaml"
    path.write_text(yaml.safe_dump(tree))
    with pytest.raises(InputError, match=rf"plan\.yaml:\d+: {said}"):
        read_plan(path)


@pytest.mark.parametrize(
    ("folder", "name"),
    [
        ("road", "road"),
        ("a/b\nc", "a-b-c"),
        ("k\udce9l", "k-l"),  # of a disk whose names are Latin-1
        ("\u65e5" * 90, "\u65e5" * 66),  # 270 bytes
    ],
)
def test_a_plan_can_be_called_after_any_folder(folder: str, name: str, tmp_path: Path) -> None:
    plan = msgspec.structs.replace(make_plan(tmp_path), name=as_name(folder))
    assert parse_plan(plan_text(plan)).name == name
