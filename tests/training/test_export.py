from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs PyTorch: pip install '.[train]'")

from streamseg.errors import InputError, OutputError  # noqa: E402
from streamseg.frame import Frame  # noqa: E402
from streamseg.infer.backends import open_backend  # noqa: E402
from streamseg.infer.model.onnxfile import inspect_onnx  # noqa: E402
from streamseg.infer.model.spec import spec_inside  # noqa: E402
from streamseg.infer.network import Network  # noqa: E402
from streamseg.training.checkpoint import load_checkpoint, save_checkpoint  # noqa: E402
from streamseg.training.ema import Average  # noqa: E402
from streamseg.training.export import export  # noqa: E402
from streamseg.training.export_wrapper import Deployed  # noqa: E402
from streamseg.training.network import build  # noqa: E402
from streamseg.training.plan import Plan  # noqa: E402
from tests.training.scene import draw_scene, make_plan  # noqa: E402


def checkpoint(folder: Path, plan: Plan) -> Path:
    torch.manual_seed(0)
    save_checkpoint(folder / "last.pt", plan, {"average": Average(build(plan), 0).network.state_dict()})
    return folder / "last.pt"


def run(file: Path, image: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    """Labels and confidence as the program itself gets them from `file`."""
    network = Network(spec_inside(file, inspect_onnx(file).metadata), open_backend(file, 1, "ort-cpu"))
    try:
        found = network([Frame(image, 0, 0.0, 0.0)])[0]
    finally:
        network.close()
    return found.labels, found.confidence


def test_the_program_runs_an_exported_network_and_finds_the_same_labels(tmp_path: Path) -> None:
    plan = make_plan(tmp_path, export={"side": 64, "summary": "shapes", "background": 0})
    file = export(checkpoint(tmp_path, plan), tmp_path / "scene.onnx").file
    picture = draw_scene(0)[0]
    labels, confidence = run(file, picture.copy())
    torch.manual_seed(0)
    expected = Deployed(build(plan), plan)(torch.from_numpy(picture[None]))[0].numpy()
    assert confidence is None
    assert np.mean(labels == expected[0]) > 0.999
    spec = spec_inside(file, inspect_onnx(file).metadata)
    assert (spec.name, spec.classes, spec.background) == ("scene", ("class 0", "class 1", "class 2"), 0)


def test_two_classes_give_confidence_too(tmp_path: Path) -> None:
    plan = make_plan(tmp_path, n_classes=2, export={"side": 64})
    labels, confidence = run(export(checkpoint(tmp_path, plan), tmp_path / "two.onnx").file, draw_scene(0)[0])
    assert labels.max() <= 1
    assert confidence is not None and confidence.min() >= 127


def test_a_grey_network_takes_one_channel_of_a_fixed_size(tmp_path: Path) -> None:
    plan = make_plan(tmp_path, n_classes=2, data={"grey": True}, export={"height": 32, "width": 48})
    file = export(checkpoint(tmp_path, plan), tmp_path / "grey.onnx").file
    assert inspect_onnx(file).inputs[0].shape == (None, 32, 48, 1)
    assert run(file, draw_scene(0)[0])[0].shape == (32, 48)


def test_labels_come_at_half_the_size_where_the_plan_says_so(tmp_path: Path) -> None:
    plan = make_plan(tmp_path, export={"side": 64, "labels_stride": 2})
    assert run(export(checkpoint(tmp_path, plan), tmp_path / "half.onnx").file, draw_scene(0)[0])[0].shape == (32, 32)


def test_a_target_that_cannot_be_written_is_one_clear_line(tmp_path: Path) -> None:
    path = checkpoint(tmp_path, make_plan(tmp_path))
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError, match="file"):
        export(path, tmp_path / "file" / "x.onnx")


def test_a_target_that_could_not_be_run_is_refused(tmp_path: Path) -> None:
    path = checkpoint(tmp_path, make_plan(tmp_path))
    with pytest.raises(InputError, match="scene.pt: a model's name ends in .onnx"):
        export(path, tmp_path / "scene.pt")
    (tmp_path / "scene.yaml").write_text("classes: [a, b]\noutputs: {logits: y}\n")
    with pytest.raises(InputError, match="scene.yaml: counts before what is written into scene.onnx"):
        export(path, tmp_path / "scene.onnx")
    assert not [*tmp_path.glob("scene.[op]*")]


def test_weights_of_another_network_are_one_clear_line(tmp_path: Path) -> None:
    file = checkpoint(tmp_path, make_plan(tmp_path))
    average = load_checkpoint(file)["average"]
    save_checkpoint(file, make_plan(tmp_path, network={"width": 8}), {"average": average})
    with pytest.raises(InputError, match="last.pt: its weights are not those of the network in its plan"):
        export(file, tmp_path / "scene.onnx")
