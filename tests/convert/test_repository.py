"""What a server is given: read back as the server reads it, whole or not there at all."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import onnx
import pytest

from streamseg.convert.repository import write_repository
from streamseg.errors import InputError, OutputError
from streamseg.infer import load_segmenter, network_file
from tests.infer.test_memory import mean
from tests.parts import toy_models
from tests.parts.fakes import frame
from tests.parts.program import run_program


@pytest.fixture
def model(tmp_path: Path) -> Path:
    (tmp_path / "toy.yaml").write_text(
        "name: toy\nclasses: [a, b, c, d, e]\noutputs: {logits: scores}\ninput: {std: [255, 255, 255]}\n"
    )
    return toy_models.segmenter(tmp_path / "toy.onnx", batch=None)


def config_of(folder: Path) -> Any:
    """As Triton parses it: by its own protobuf."""
    from google.protobuf import text_format
    from tritonclient.grpc import model_config_pb2

    return text_format.Parse((folder / "config.pbtxt").read_text(), model_config_pb2.ModelConfig())


def test_triton_is_told_names_types_shapes_and_that_it_may_put_requests_together(model: Path, tmp_path: Path) -> None:
    done = write_repository(model, tmp_path / "models", "triton")
    config = config_of(done.folder)
    assert done.folder == tmp_path / "models" / "toy" and done.most == 16
    assert (config.name, config.backend, config.max_batch_size) == ("toy", "onnxruntime", 16)
    (given,), (taken,) = config.input, config.output
    assert (given.name, given.data_type, list(given.dims)) == ("image", 11, [3, 24, 32])  # TYPE_FP32
    assert (taken.name, list(taken.dims)) == ("scores", [5, 24, 32])
    assert config.HasField("dynamic_batching") and config.instance_group[0].count == 1
    assert (done.folder / "1" / "model.onnx").read_bytes() == model.read_bytes()
    assert (done.folder / "labels.txt").read_text().split() == ["a", "b", "c", "d", "e"]


def test_a_fixed_batch_is_run_picture_by_picture(tmp_path: Path) -> None:
    done = write_repository(network_file("person"), tmp_path, "triton")
    config = config_of(done.folder)
    assert done.most == 1 and config.max_batch_size == 0
    assert not config.HasField("dynamic_batching")
    assert list(config.input[0].dims) == [1, 256, 256, 3]
    assert [each.label_filename for each in config.output] == ["labels.txt", ""]


@pytest.mark.parametrize(("model", "dims", "most"), [("person", [1, 256, 256, 3], 0), ("street", [-1, -1, 3], 16)])
def test_beside_it_stands_one_that_takes_files(model: str, dims: list[int], most: int, tmp_path: Path) -> None:
    done = write_repository(network_file(model), tmp_path, "triton", jpeg=True)
    assert sorted(each.name for each in tmp_path.iterdir()) == [model, f"{model}-decode", f"{model}-jpeg"]
    network, decoder, whole = (config_of(tmp_path / f"{done.folder.name}{end}") for end in ("", "-decode", "-jpeg"))
    assert (decoder.backend, whole.platform) == ("python", "ensemble")
    assert network.max_batch_size == decoder.max_batch_size == whole.max_batch_size == most
    assert decoder.input[0].data_type == whole.input[0].data_type == 13  # TYPE_STRING
    assert list(decoder.output[0].dims) == dims == list(network.input[0].dims)
    assert [each.name for each in whole.output] == [each.name for each in network.output]
    first, second = whole.ensemble_scheduling.step
    assert (first.model_name, second.model_name) == (f"{model}-decode", model)
    assert dict(second.input_map) == {network.input[0].name: first.output_map["pixels"]}
    assert (tmp_path / f"{model}-decode/1/model.py").is_file() and (tmp_path / f"{model}-jpeg/1").is_dir()


def test_files_are_for_networks_that_take_what_is_in_them(model: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="float32 of .*, and --jpeg is for networks that take u8"):
        write_repository(model, tmp_path / "models", "triton", jpeg=True)
    (tmp_path / "person-jpeg").mkdir()
    with pytest.raises(OutputError, match="person-jpeg: exists"):
        write_repository(network_file("person"), tmp_path, "triton", jpeg=True)
    assert not (tmp_path / "person").exists()


def test_a_plan_takes_the_place_of_the_onnx_file(model: Path, tmp_path: Path) -> None:
    (tmp_path / "toy.plan").write_bytes(b"engine")
    done = write_repository(model, tmp_path / "models", "triton", tmp_path / "toy.plan")
    assert [each.name for each in (done.folder / "1").iterdir()] == ["model.plan"]
    assert config_of(done.folder).backend == "tensorrt"
    with pytest.raises(InputError, match="no such file"):
        write_repository(model, tmp_path / "others", "triton", tmp_path / "missing.plan")


def test_weights_beside_the_file_go_along(model: Path, tmp_path: Path) -> None:
    large = tmp_path / "large.onnx"
    (tmp_path / "large.yaml").write_text(model.with_suffix(".yaml").read_text().replace("toy", "large"))
    onnx.save(onnx.load(model), large, save_as_external_data=True, size_threshold=0, location="weights.bin")
    done = write_repository(large, tmp_path / "models", "triton")
    there = done.folder / "1" / "model.onnx"
    there.with_suffix(".yaml").write_text(large.with_suffix(".yaml").read_text())
    assert (done.folder / "1" / "weights.bin").exists()
    network = load_segmenter(str(there)).make(1)
    assert network([frame(0)])[0].labels.shape == (24, 32)
    network.close()


def test_openvino_loads_the_same_graph(model: Path, tmp_path: Path) -> None:
    done = write_repository(model, tmp_path / "models", "ovms")
    names = sorted(each.relative_to(done.folder).as_posix() for each in done.folder.rglob("*"))
    assert names == ["1", "1/model.onnx", "config.json", "labels.txt"]
    assert '"base_path": "/models/toy"' in (done.folder / "config.json").read_text()


def test_what_is_there_stays_and_what_fails_leaves_nothing(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "models"
    done = write_repository(model, folder, "triton")
    (done.folder / "config.pbtxt").write_text("mine")
    with pytest.raises(OutputError, match="exists"):
        write_repository(model, folder, "triton")
    assert (done.folder / "config.pbtxt").read_text() == "mine"

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(shutil, "copyfile", full)
    with pytest.raises(OutputError, match="No space left"):
        write_repository(network_file("person"), folder, "triton")
    assert [each.name for each in folder.iterdir()] == ["toy"]


def test_a_network_that_remembers_is_refused(tmp_path: Path) -> None:
    file = mean(tmp_path / "mean.onnx", [1, 1, 32, 48])
    with pytest.raises(InputError, match="remembers earlier frames; a server is for networks"):
        write_repository(file, tmp_path / "models", "triton")
    with pytest.raises(InputError, match="remembers earlier frames"):
        load_segmenter(str(file), backend="kserve:http://127.0.0.1:1/mean")


def test_the_command_says_how_it_is_served_and_used(model: Path, tmp_path: Path) -> None:
    done = run_program("export-triton", model, tmp_path / "models")
    assert done.returncode == 0, done.stderr
    assert f"tritonserver --model-repository {tmp_path / 'models'}" in done.stdout
    assert "--backend kserve:grpc://HOST:8001/toy" in done.stdout
    again = run_program("export-triton", model, tmp_path / "models")
    assert again.returncode == 4 and "exists" in again.stderr
    assert run_program("export-triton", model, tmp_path / "m", "--for", "ovms", "--plan", model).returncode == 2


@pytest.mark.parametrize("name", ["/../evil", "../evil", "a/b", "a\0b"])
def test_a_model_names_no_folder_but_its_own(name: str, tmp_path: Path) -> None:
    file = toy_models.segmenter(tmp_path / "toy.onnx")
    spec = {"name": name, "classes": [*"abcde"], "outputs": {"logits": "scores"}}
    held = onnx.load(file)
    held.metadata_props.add(key="streamseg", value=json.dumps(spec))
    onnx.save(held, file)
    with pytest.raises(InputError, match="`name` must be one that a file may have"):
        write_repository(file, tmp_path / "models", "triton")
    assert [each.name for each in tmp_path.iterdir()] == ["toy.onnx"]


def test_what_a_model_calls_its_classes_are_lines(tmp_path: Path) -> None:
    file = toy_models.segmenter(tmp_path / "toy.onnx")
    (tmp_path / "toy.yaml").write_text('name: a b\nclasses: ["a\\nb", "\\e[31m", c, d, e]\noutputs: {logits: scores}\n')
    done = write_repository(file, tmp_path / "models", "triton")
    assert (done.folder / "labels.txt").read_text() == "a\\nb\n\\x1b[31m\nc\nd\ne\n"
    said = run_program("export-triton", file, tmp_path / "o t", "--for", "ovms").stdout
    assert f"ovms --model_path '{tmp_path / 'o t' / 'a b'}' --model_name 'a b' --port 9000" in said
