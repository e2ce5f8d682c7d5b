from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from streamseg.errors import InputError
from streamseg.training.plan import Export, parse_plan, plan_text, read_plan, same_training
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
