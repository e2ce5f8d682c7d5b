"""A model trained further: its file is all that is known of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import msgspec
import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs PyTorch: pip install 'streamseg[train]'")

from streamseg.convert.importer import Hints, import_model  # noqa: E402
from streamseg.errors import InputError  # noqa: E402
from streamseg.evaluation.corrected import Corrected, bring_in, held_out  # noqa: E402
from streamseg.infer.model.catalogue import find_added, find_model, load_spec  # noqa: E402
from streamseg.infer.model.spec import spec_classes  # noqa: E402
from streamseg.training.export import compare, trial_images  # noqa: E402
from streamseg.training.export_wrapper import Deployed, model_spec, trace  # noqa: E402
from streamseg.training.network import ARCHITECTURES, as_input, build  # noqa: E402
from streamseg.training.plan import Plan  # noqa: E402
from streamseg.training.reread import start_from_model  # noqa: E402
from streamseg.training.retrain import retraining  # noqa: E402
from streamseg.training.weight_compression import packed  # noqa: E402
from tests.evaluation.outline_folders import write  # noqa: E402
from tests.evaluation.test_corrected import picture  # noqa: E402
from tests.parts import toy_models  # noqa: E402
from tests.parts.program import run_program  # noqa: E402
from tests.training.scene import draw_scene, make_plan  # noqa: E402

SHIPPED_TRAINED = (
    "cracks", "defects", "lane", "membrane", "nuclei",
    "street", "street-deeplab", "street-fcn", "street-segnet", "traffic",
)  # fmt: skip
FOUND = Corrected(Path("pictures"), Path("masks"), 40, "abcdef0123")


torch.set_num_threads(1)


def small(name: str, tmp_path: Path) -> Plan:
    instances = ARCHITECTURES[name].instances
    network: dict[str, Any] = {"architecture": name, "width": 16, "depth": 3 if name.startswith("unet") else None}
    if name in ("fcn", "unet-tiny"):
        network["depth"] = None
    export = {"height": 64, "width": 64} if instances else {"side": 64}
    return make_plan(tmp_path, 2 if instances else 3, network=network, export={**export, "weights": "fp32"})


def reread(plan: Plan, model: Path) -> float:
    """Share of the labels that are the same in PyTorch, with what was read out of `model`, and ONNX Runtime."""
    network = build(plan)
    images = trial_images(plan, [])
    pictures = [image if image.shape[2] == 3 else np.repeat(image, 3, 2) for image in images]
    start_from_model(network, model, plan, lambda: network(as_input(np.stack(pictures), plan)))
    return compare(Deployed(network, plan), model.read_bytes(), images)


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[pytest.mark.slow] if each.encoder else []) for name, each in ARCHITECTURES.items()],
)
def test_every_architecture_is_told_by_its_layers_and_read_back_exactly(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pictures").mkdir()
    torch.manual_seed(0)
    plan = small(name, tmp_path)
    network = build(plan)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 2.0)
    model = tmp_path / "model.onnx"
    model.write_bytes(packed(trace(Deployed(network, plan), plan), model_spec(plan), "fp32"))
    found = retraining(model, FOUND)
    assert found.network.architecture == name
    assert (found.export.height, found.export.side) == (plan.export.height, plan.export.side)
    expected, again = network.train(False), build(found)
    start_from_model(again, model, found, lambda: again(torch.randn(2, 3, 64, 64)))
    x = torch.randn(2, 3, 64, 64)
    with torch.inference_mode():
        left, right = expected(x), again.train(False)(x)
    for one, other in ((one.float(), other.float()) for one, other in zip(left, right, strict=True)):
        assert (one - other).abs().mean() <= 1e-3 * one.abs().mean() + 1e-5


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", SHIPPED_TRAINED)
def test_every_shipped_model_that_has_a_plan_is_read_back_exactly(name: str, tmp_path: Path) -> None:
    model = find_model(name) or find_added(name)
    if model is None:
        pytest.skip("is in a package that is not installed")
    found = retraining(model, bring_in(_corrected(tmp_path, model), spec_classes(load_spec(model)), _into(tmp_path)))
    assert reread(found, model) > 0.9995


def _into(tmp_path: Path) -> Path:
    (tmp_path / "into").mkdir()
    return tmp_path / "into"


def _corrected(tmp_path: Path, model: Path, count: int = 4) -> Path:
    """Pictures with masks of two of its classes."""
    folder = tmp_path / "set"
    for name in ("images", "masks"):
        (folder / name).mkdir(parents=True)
    for seed in range(count):
        image, mask = draw_scene(seed, 2)
        cv2.imwrite(f"{folder}/images/{seed:03d}.jpg", image)
        cv2.imwrite(f"{folder}/masks/{seed:03d}.png", mask)
    return folder


def test_a_model_of_others_is_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "pictures").mkdir()
    import_model(toy_models.segmenter(tmp_path / "toy.onnx"), tmp_path / "other.onnx", Hints(normalise="imagenet"))
    found = msgspec.structs.replace(FOUND, pictures=tmp_path / "pictures")
    with pytest.raises(InputError, match="not exported from a training|no architecture that streamseg trains"):
        retraining(tmp_path / "other.onnx", found)


@pytest.mark.parametrize("void", [True, False])
def test_what_a_folder_leaves_void_is_void_to_the_training(
    void: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pictures").mkdir()
    plan, model = small("unet-tiny", tmp_path), tmp_path / "model.onnx"
    model.write_bytes(packed(trace(Deployed(build(plan), plan), plan), model_spec(plan), "fp32"))
    found = retraining(model, msgspec.structs.replace(FOUND, void=void))
    assert found.data.ids == ({"255": 255} if void else {})


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_classes_may_be_new_ones_that_a_folder_of_yolo_names(tmp_path: Path) -> None:
    plan = make_plan(tmp_path, 2, network={"width": 4, "depth": 2}, export={"background": 0})
    torch.manual_seed(0)
    model = tmp_path / "old.onnx"
    model.write_bytes(packed(trace(Deployed(build(plan), plan), plan), model_spec(plan), "fp32"))
    for seed in range(4):
        name = write(tmp_path / f"parts/labels/train/{seed}.txt", f"{seed % 2} 0.1 0.1 0.9 0.1 0.9 0.9").stem
        picture(tmp_path / f"parts/images/train/{name}.png")
    write(tmp_path / "parts/data.yaml", "names: [weld, rust]")
    refused = run_program("train", "--from", "old.onnx", "parts", cwd=tmp_path)
    assert refused.returncode == 2
    assert "'weld' is none of the classes" in refused.stderr and "--new-classes" in refused.stderr
    done = run_program("train", "--from", "old.onnx", "parts", "--new-classes", "--epochs", "1", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    (made,) = tmp_path.glob("training/parts-*/parts-*.onnx")
    spec = load_spec(made)
    assert spec_classes(spec).names == ("background", "weld", "rust")
    assert (spec.background, spec.summary) == (0, "weld, rust")
    judged = run_program("eval", made, "parts", cwd=tmp_path)
    assert judged.returncode == 0 and "rust" in judged.stdout, judged.stderr


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_one_command_trains_further_and_another_says_whether_it_is_better(tmp_path: Path) -> None:
    plan = make_plan(tmp_path, 2, network={"width": 4, "depth": 2}, export={"background": 0})
    torch.manual_seed(0)
    model = tmp_path / "old.onnx"
    model.write_bytes(packed(trace(Deployed(build(plan), plan), plan), model_spec(plan), "fp32"))
    folder = _corrected(tmp_path, model, 12)
    done = run_program("train", "--from", "old.onnx", "set", "--epochs", "3", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    (made,) = tmp_path.glob("training/scene-*/scene-*.onnx")
    again = run_program("train", "--from", "old.onnx", "set", "--epochs", "3", cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    assert "epoch 1/3" not in again.stdout + again.stderr  # it is done already
    judged = run_program("eval", made, "set", "--held-out", "--against", "old.onnx", cwd=tmp_path)
    assert judged.returncode in (0, 1), judged.stderr
    assert "against scene: mIoU " in judged.stdout
    count = len(held_out(path.name for path in (folder / "images").iterdir()))
    assert f"on {count} pictures" in judged.stdout
    same = run_program("eval", made, "set", "--against", made, cwd=tmp_path)
    assert same.returncode == 1
    assert "+0.0 points (+0.0 to +0.0)" in same.stdout
    cv2.imwrite(f"{folder}/masks/000.png", np.zeros((64, 64), np.uint8))
    other = run_program("train", "--from", "old.onnx", "set", "--epochs", "1", cwd=tmp_path)
    assert other.returncode == 0, other.stderr
    assert len(list(tmp_path.glob("training/scene-*"))) == 2
    told = run_program("eval", made, "set", "--against", "old.onnx", "--json", cwd=tmp_path).stdout
    assert msgspec.json.decode(told)["difference"]["figure"] == "miou"


@pytest.mark.slow
def test_a_folder_and_a_plan_are_told_apart(tmp_path: Path) -> None:
    for words, said in (
        (("train", "p.yaml", "--epochs", "3"), "a plan has its own"),
        (("train", "--from", "cracks"), "which"),
        (("train", "--from", "otsu", "x"), "classical method"),
        (("train", "--from", "lane", "none"), "no such folder"),
        (("eval", "lane", "a", "b", "--held-out"), "--held-out is for a folder"),
    ):
        done = run_program(*words, cwd=tmp_path)
        assert done.returncode == 2, done.stderr
        assert said in done.stderr
        assert len(done.stderr.strip().splitlines()) == 1
