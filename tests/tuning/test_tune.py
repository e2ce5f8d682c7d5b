from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from streamseg.cli import main
from streamseg.errors import BackendError, InputError
from streamseg.infer import backends
from streamseg.infer.backends.contract import Backend, Stopped
from streamseg.infer.backends.ort import OrtBackend
from streamseg.infer.model.tensors import Tensor
from streamseg.infer.tuning_store import remembered
from streamseg.tuning.measure import Turn
from streamseg.tuning.tune import Candidate, Variant, best, check_variants, race, shares, some_images
from tests.parts import toy_models

SPEC = "classes: [a, b, c, d, e]\noutputs: {logits: scores}\n"


class Upside(OrtBackend):
    """Runs, quickly, and says the opposite."""

    def run(self, feeds: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        return {name: -value for name, value in super().run(feeds).items()}


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "toy.yaml").write_text(SPEC)
    return toy_models.segmenter(tmp_path / "toy.onnx")


@pytest.fixture
def images() -> list[np.ndarray]:
    return some_images("test://?frames=4&size=64x48")


def test_a_backend_whose_masks_differ_is_refused(
    model: Path, images: list[np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(file: Path, threads: int, stopped: Stopped) -> Backend:
        raise BackendError("no such chip")

    def upside(file: Path, threads: int, stopped: Stopped) -> Backend:
        return Upside(file, threads)

    table = {"ort-cpu": backends.BACKENDS["ort-cpu"], "upside": upside, "chip": missing}
    for name in ("streamseg.infer.backends.BACKENDS", "streamseg.tuning.tune.BACKENDS"):
        monkeypatch.setattr(name, table)
    for name in ("streamseg.infer.backends.ON_REQUEST", "streamseg.tuning.tune.ON_REQUEST"):
        monkeypatch.setattr(name, {})
    variants = check_variants(model, [], images, 0.99)
    assert [variant.backend for variant in variants] == ["ort-cpu", "upside", "chip"]
    assert variants[0].refused == ""
    assert variants[1].refused.startswith("masks differ")
    assert variants[2].refused == "no such chip"
    assert variants[0].agreement == 1.0 and variants[1].agreement < 0.9
    raced = race(model, variants, "file", images, 2, 0.1)
    assert {candidate.variant.backend for candidate in raced} == {"ort-cpu"}


def test_every_share_of_the_cores_gets_a_turn(model: Path, images: list[np.ndarray]) -> None:
    raced = race(model, [Variant("ort-cpu", model, 1.0)], "file", images, 4, 0.1)
    assert {(each.workers, each.threads) for each in raced} == {(4, 1), (2, 2), (1, 4)}
    assert all(each.turns and each.rate > 0 and each.cpu_ms > 0 and each.latency_ms > 0 for each in raced)
    assert [each.rate for each in raced] == sorted((each.rate for each in raced), reverse=True)


def test_shares_fill_the_cores_and_live_there_is_one_worker() -> None:
    assert list(shares("file", 6)) == [(6, 1), (3, 2), (1, 4), (1, 6)]
    assert list(shares("live", 6)) == [(1, 1), (1, 2), (1, 4), (1, 6)]
    assert list(shares("file", 1)) == [(1, 1)]


def test_on_a_gpu_few_workers_take_part() -> None:
    assert list(shares("file", 16, "tensorrt")) == [(1, 16), (2, 8), (3, 5), (4, 4)]
    assert list(shares("live", 16, "ort-cuda")) == [(1, 16)]
    assert list(shares("file", 2, "tensorrt")) == [(1, 2), (2, 1), (3, 1), (4, 1)]


def test_what_fails_in_its_turn_drops_out(
    model: Path, images: list[np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a third or fourth worker does for which a GPU has no room."""
    opened: list[Path] = []

    def crowded(file: Path, threads: int, stopped: Stopped = lambda: False) -> Backend:
        opened.append(file)
        if len(opened) > 1:
            raise RuntimeError("out of memory")  # as no library should
        return OrtBackend(file, threads)

    monkeypatch.setitem(backends.BACKENDS, "tensorrt", crowded)
    raced = race(model, [Variant("ort-cpu", model, 1.0), Variant("tensorrt", model, 1.0)], "file", images, 2, 0.1)
    assert {each.workers for each in raced if each.variant.backend == "tensorrt"} <= {1}
    assert "ort-cpu" in {each.variant.backend for each in raced}


def test_of_those_as_quick_the_one_that_takes_least_wins() -> None:
    def candidate(name: str, rate: float, latency_ms: float, cpu_ms: float) -> Candidate:
        return Candidate(Variant(name, Path("x")), 1, 1, [Turn(rate, latency_ms, cpu_ms)])

    quick, thrifty, slow = candidate("a", 100, 10.0, 30.0), candidate("b", 97, 10.3, 11.0), candidate("c", 80, 5.0, 5.0)
    assert best([quick, thrifty, slow], "file") is thrifty
    assert best([quick, thrifty, slow], "live") is slow


def test_a_file_of_another_network_is_refused(model: Path, images: list[np.ndarray], tmp_path: Path) -> None:
    (tmp_path / "other.yaml").write_text("classes: [a, b]\noutputs: {logits: scores}\n")
    other = toy_models.segmenter(tmp_path / "other.onnx", classes=2)
    with pytest.raises(InputError, match="not the same network"):
        check_variants(model, [other], images, 0.99)


def test_the_command_measures_and_remembers(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["tune", str(model), "--seconds", "0.2", "--pictures", "test://?frames=4&size=64x48"]
    assert main([*words, "--for", "live"]) == 0
    told = capsys.readouterr().out
    assert "best for live" in told and "remembered in" in told
    assert list(remembered(model)) == ["live"]
    assert main([*words, "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert {"file", "live"} == set(said["chosen"]) == set(remembered(model))
    assert Path(said["kept"]).is_file()


def test_an_eight_bit_file_beside_the_model_is_tried_and_a_spoilt_one_refused(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "toy-int8.yaml").write_text(SPEC)
    import onnx
    from onnx import numpy_helper

    spoilt = onnx.load(model)
    for tensor in spoilt.graph.initializer:
        tensor.CopyFrom(numpy_helper.from_array(-numpy_helper.to_array(tensor), tensor.name))
    onnx.save(spoilt, tmp_path / "toy-int8.onnx")
    words = ["tune", str(model), "--seconds", "0.1", "--for", "live", "--pictures", "test://?frames=4&size=64x48"]
    assert main(words) == 0
    assert "not used: ort-cpu toy-int8.onnx: masks differ" in capsys.readouterr().out
    assert remembered(model)["live"].file == ""


def test_what_cannot_be_tuned_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "junk.onnx").write_bytes(b"junk")
    for words in (
        ["no-such"],
        ["otsu"],
        [str(tmp_path / "junk.onnx")],
        ["person", "--pictures", str(tmp_path / "empty")],
    ):
        assert main(["tune", *words]) == 2
        assert capsys.readouterr().err.count("\n") == 1


def test_a_cache_that_cannot_be_written_is_told_before_anything_is_measured(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def measured(*_: object) -> None:
        raise AssertionError("the measuring has begun")

    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    monkeypatch.setattr("streamseg.tuning.tune.race", measured)
    assert main(["tune", str(model), "--pictures", "test://?frames=4&size=64x48"]) == 4
    assert "cannot be made" in capsys.readouterr().err
