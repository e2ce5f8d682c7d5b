from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs PyTorch: pip install 'streamseg[train]'")

from streamseg.errors import InputError  # noqa: E402
from streamseg.training.checkpoint import load_checkpoint  # noqa: E402
from streamseg.training.export import export  # noqa: E402
from streamseg.training.network import as_input, build  # noqa: E402
from streamseg.training.plan import Plan, Weights  # noqa: E402
from streamseg.training.reread import start_from_model  # noqa: E402
from streamseg.training.train import LAST, train  # noqa: E402
from tests.training.scene import Silent, draw_scene, make_plan, write_scene  # noqa: E402


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    write_scene(tmp_path, 3)
    return make_plan(tmp_path, network={"architecture": "unet-lite0", "width": 32, "depth": None})


@pytest.mark.parametrize("weights", ["fp32", "int8"])
def test_a_network_read_out_of_a_model_gives_what_the_checkpoint_gives(
    plan: Plan, tmp_path: Path, weights: Weights
) -> None:
    out = tmp_path / "out"
    train(plan, out, Silent())
    packed = msgspec.structs.replace(plan, export=msgspec.structs.replace(plan.export, weights=weights))
    model = export(out / LAST, tmp_path / "scene.onnx", plan=packed).file
    pictures = as_input(np.stack([draw_scene(seed)[0] for seed in range(3)]), plan)
    expected, found = build(plan), build(plan)
    expected.load_state_dict(load_checkpoint(out / LAST)["average"])
    start_from_model(found, model, plan, lambda: found(pictures))
    with torch.inference_mode():
        left, right = expected.train(False)(pictures)[0], found.train(False)(pictures)[0]
        again = found.train(True)(pictures)[0]
    near = 1e-3 if weights == "fp32" else 0.05
    assert (left - right).abs().mean() < near * left.abs().mean()
    assert (again - right).abs().mean() < 0.05 * right.abs().mean()  # its normalisations know what they see


@pytest.mark.slow
def test_a_training_goes_on_from_a_model_by_its_name(
    plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STREAMSEG_MODELS", str(tmp_path / "models"))
    long = msgspec.structs.replace(plan, schedule=msgspec.structs.replace(plan.schedule, epochs=30))
    first = Silent()
    train(long, tmp_path / "out", first)
    export(tmp_path / "out" / LAST, tmp_path / "models" / "mine.onnx")
    network = msgspec.structs.replace(plan.network, start_from="mine")
    second = Silent()
    train(msgspec.structs.replace(plan, network=network), tmp_path / "on", second)
    assert second.losses[0] < 0.9 * first.losses[0]


def test_a_model_of_another_architecture_is_one_clear_line(plan: Plan, tmp_path: Path) -> None:
    train(plan, tmp_path / "out", Silent())
    model = export(tmp_path / "out" / LAST, tmp_path / "scene.onnx").file
    other = make_plan(tmp_path)
    with pytest.raises(InputError, match="convolutions, but unet has"):
        start_from_model(build(other), model, other, lambda: None)
