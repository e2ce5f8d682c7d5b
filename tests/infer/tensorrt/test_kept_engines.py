"""Through the backend a kept engine is used only as it was kept, for what it was kept for."""

from __future__ import annotations

import hashlib
import logging
import os
from pathlib import Path

import numpy as np
import pytest

from streamseg.errors import BackendError, InputError
from streamseg.infer import load_segmenter
from streamseg.infer.backends import open_backend
from streamseg.infer.backends.tensorrt import engine, load
from streamseg.infer.backends.tensorrt.prepare import preparation
from streamseg.infer.model.onnxfile import file_sha256
from tests.infer.test_network import frame
from tests.parts.gpu_machine import Machine
from tests.parts.toy_models import segmenter


@pytest.fixture
def model(machine: Machine, tmp_path: Path) -> Path:
    (tmp_path / "toy.yaml").write_text("classes: [a, b, c, d, e]\noutputs: {logits: scores}\n")
    file = segmenter(tmp_path / "toy.onnx")
    open_backend(file, 1, "tensorrt").close()
    return file


def why_built_again(machine: Machine, file: Path, caplog: pytest.LogCaptureFixture) -> str:
    """The reason given; empty where the kept engine was taken."""
    builds = machine.world.builds
    caplog.clear()
    with caplog.at_level(logging.INFO, "streamseg"):
        open_backend(file, 1, "tensorrt").close()
    lines = [record.getMessage() for record in caplog.records if "building an engine" in record.getMessage()]
    assert machine.world.builds - builds == len(lines)
    return lines[0].partition("with tensorrt: ")[2] if lines else ""


def test_a_kept_engine_is_taken(machine: Machine, model: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert why_built_again(machine, model, caplog) == ""


def test_a_flipped_byte_means_another_build(machine: Machine, model: Path, caplog: pytest.LogCaptureFixture) -> None:
    data = bytearray(machine.plan.read_bytes())
    data[len(data) // 2] ^= 1
    machine.plan.write_bytes(data)
    assert why_built_again(machine, model, caplog).endswith("is not what was built: its checksum differs")
    assert why_built_again(machine, model, caplog) == ""


def test_a_junk_engine_with_a_right_checksum_never_runs(
    machine: Machine, model: Path, caplog: pytest.LogCaptureFixture
) -> None:
    card = machine.plan.with_suffix(".json")
    before = card.read_text().replace(file_sha256(machine.plan), hashlib.sha256(b"junk").hexdigest())
    machine.plan.write_bytes(b"junk")
    card.write_text(before)
    assert why_built_again(machine, model, caplog) == "the one there is does not load"
    assert "the kept engine does not load: Serialization assertion failed" in caplog.text


@pytest.mark.parametrize("field", ["model", "library", "gpu"])
def test_another_model_library_or_gpu_means_another_build_that_says_so(
    machine: Machine, model: Path, caplog: pytest.LogCaptureFixture, field: str
) -> None:
    if field == "model":
        segmenter(model, opset=16)
    elif field == "library":
        machine.install("11.4.1")
    else:
        machine.gpu.name = "Another GPU"
    assert why_built_again(machine, model, caplog) == f"the one there is for another {field}"
    assert why_built_again(machine, model, caplog) == ""


def test_an_engine_of_another_streamseg_is_built_again(
    machine: Machine, model: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "preparation", lambda: "that of another version")
    assert why_built_again(machine, model, caplog) == "the one there is for another preparation"


def test_what_prepares_a_model_is_part_of_an_engines_name(monkeypatch: pytest.MonkeyPatch) -> None:
    preparation.cache_clear()
    now = preparation()
    read = Path.read_bytes
    for name in ("prepare.py", "fp16.py", "constant_folding.py"):
        monkeypatch.setattr(Path, "read_bytes", lambda path, name=name: read(path) + b"#" * (path.name == name))
        preparation.cache_clear()
        assert preparation() != now
    monkeypatch.undo()
    preparation.cache_clear()


def test_another_users_engine_is_not_loaded(
    machine: Machine, model: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "getuid", lambda: machine.plan.stat().st_uid + 1)
    loaded: list[bytes] = []
    monkeypatch.setattr(load, "load_engine", lambda library, cuda, plan: loaded.append(plan))
    with pytest.raises(BackendError), caplog.at_level(logging.INFO, "streamseg"):
        open_backend(model, 1, "tensorrt")
    assert "belongs to another user" in caplog.text
    assert machine.world.builds == 2


def test_an_engine_that_others_may_write_is_built_again(
    machine: Machine, model: Path, caplog: pytest.LogCaptureFixture
) -> None:
    machine.plan.chmod(0o666)
    assert "others may write to it" in why_built_again(machine, model, caplog)
    assert why_built_again(machine, model, caplog) == ""


def test_a_folder_that_cannot_be_written_is_a_refusal(
    machine: Machine, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STREAMSEG_ENGINES", str(model))
    with pytest.raises(BackendError, match=r"the engine cannot be kept: .*STREAMSEG_ENGINES names a folder"):
        open_backend(model, 1, "tensorrt")


@pytest.mark.parametrize("suffix", [".engine", ".plan", ".trt"])
def test_an_engine_from_elsewhere_runs_only_when_it_is_trusted(machine: Machine, model: Path, suffix: str) -> None:
    foreign = model.with_name(f"foreign{suffix}")
    foreign.write_bytes(machine.plan.read_bytes())
    with pytest.raises(
        InputError, match="an engine can run code of those who built it: name the .onnx file, or --trust"
    ):
        load_segmenter(str(foreign))
    with pytest.raises(InputError, match="nothing says how to feed this engine .write foreign.yaml"):
        load_segmenter(str(foreign), trust_engine=True)
    foreign.with_suffix(".yaml").write_bytes(model.with_suffix(".yaml").read_bytes())
    recipes = load_segmenter(str(foreign), trust_engine=True), load_segmenter(str(model), backend="tensorrt")
    ours, theirs = (recipe.make(1) for recipe in recipes)
    found, expected = (segment([frame(0)])[0].labels for segment in (ours, theirs))
    ours.close()
    theirs.close()
    np.testing.assert_array_equal(found, expected)


def test_a_trusted_engine_that_no_library_takes_is_one_line(machine: Machine, model: Path) -> None:
    foreign = model.with_name("foreign.engine")
    foreign.write_bytes(b"junk")
    foreign.with_suffix(".yaml").write_bytes(model.with_suffix(".yaml").read_bytes())
    with pytest.raises(BackendError, match="tensorrt 11.4.0 does not take it: Serialization assertion failed") as told:
        load_segmenter(str(foreign), trust_engine=True).make(1)
    assert "\n" not in str(told.value)
    with pytest.raises(BackendError, match="ort-cpu runs no engines"):
        load_segmenter(str(foreign), trust_engine=True, backend="ort-cpu").make(1)
