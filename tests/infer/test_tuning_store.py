from __future__ import annotations

import json
import logging
import shutil
from pathlib import Path
from typing import Any

import msgspec
import pytest

from streamseg.assembly import assemble
from streamseg.config import make_options
from streamseg.infer import backends, load_segmenter, tuning_store
from streamseg.infer.backends import ort
from streamseg.infer.model.onnxfile import file_sha256
from streamseg.infer.tuning_store import Choice, in_words, remember, remembered
from tests.parts import toy_models

CHOICE = Choice(backend="ort-cpu-spin", workers=3, threads=2, agreement=1.0, rate=100.0)


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "toy.yaml").write_text("classes: [a, b, c, d, e]\noutputs: {logits: scores}\n")
    return toy_models.segmenter(tmp_path / "toy.onnx")


def test_what_is_remembered_comes_back_and_is_added_to(model: Path) -> None:
    assert remembered(model) == {}
    path = remember(model, {"file": CHOICE})
    other = msgspec.structs.replace(CHOICE, backend="openvino", workers=1)
    assert remember(model, {"live": other}) == path
    assert remembered(model) == {"file": CHOICE, "live": other}
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_a_run_does_as_remembered_without_being_asked(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[tuple[int, bool]] = []
    plain = ort.OrtBackend.__init__

    def noting(self: ort.OrtBackend, file: Path, threads: int, *more: Any, spinning: bool = False) -> None:
        opened.append((threads, spinning))
        plain(self, file, threads, *more, spinning=spinning)

    monkeypatch.setattr(ort.OrtBackend, "__init__", noting)
    remember(model, {"file": CHOICE})
    asked = {"source": "test://?frames=8&size=64x48", "outputs": ["null"], "model": str(model)}
    assert assemble(make_options(asked)).run().shown == 8
    assert opened == [(2, True)] * 3
    opened.clear()
    assemble(make_options({**asked, "backend": "ort-cpu", "workers": 1, "threads": 1})).run()
    assert opened == [(1, False)]


def test_one_who_names_workers_or_threads_gets_them(model: Path, caplog: pytest.LogCaptureFixture) -> None:
    remember(model, {"file": CHOICE})
    asked = {"source": "test://?frames=4&size=64x48", "outputs": ["null"], "model": str(model)}
    with caplog.at_level(logging.DEBUG, "streamseg"):
        assemble(make_options({**asked, "workers": 2, "threads": 1})).run()
    lines = [record.getMessage() for record in caplog.records]
    assert f"toy.onnx: tuned for file: {in_words(CHOICE)}" in lines
    assert sum(line.endswith("1 threads") for line in lines) == 2


@pytest.mark.parametrize(
    "junk",
    [
        b"",
        b"{",
        b"[]",
        b'{"schema": 1}',
        b"\xff\x00",
        b'{"schema": 1, "key": {"model": "\xff"}, "choices": {}}',
        b'{"schema": 9, "key": {}, "choices": {}}',
    ],
)
def test_a_corrupt_memory_is_no_memory(model: Path, junk: bytes) -> None:
    path = remember(model, {"file": CHOICE})
    path.write_bytes(junk)
    assert remembered(model) == {}
    assert load_segmenter(str(model)).tuned == {}
    remember(model, {"file": CHOICE})
    assert remembered(model) == {"file": CHOICE}


@pytest.mark.parametrize(
    "changed",
    [{"backend": "abacus"}, {"workers": 0}, {"workers": "many"}, {"file": "/nowhere.onnx"}, {"new": 1}],
    ids=str,
)
def test_a_choice_that_makes_no_sense_is_left_out(model: Path, changed: dict[str, object]) -> None:
    path = remember(model, {"file": CHOICE})
    card = json.loads(path.read_text())
    card["choices"]["file"] |= changed
    path.write_text(json.dumps(card))
    assert remembered(model) == {}


def test_another_model_another_machine_or_another_users_file_is_not_believed(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = remember(model, {"file": CHOICE})
    monkeypatch.setattr(tuning_store, "machine_key", lambda: {"cores": "512"})
    assert remembered(model) == {}
    monkeypatch.undo()
    monkeypatch.setenv("XDG_CACHE_HOME", str(path.parents[2]))
    path.chmod(0o666)
    assert remembered(model) == {}
    path.chmod(0o600)
    assert remembered(model) == {"file": CHOICE}
    toy_models.segmenter(model, classes=4)
    assert remembered(model) == {}


def test_an_eight_bit_file_is_run_in_the_models_place_while_it_is_the_same(model: Path, tmp_path: Path) -> None:
    small = Path(shutil.copy(model, tmp_path / "small.onnx"))
    digest = file_sha256(small)
    choice = msgspec.structs.replace(CHOICE, backend="ort-cpu", file=str(small), file_sha256=digest)
    remember(model, {"file": choice})
    assert remembered(model) == {"file": choice}
    load_segmenter(str(model)).tuned["file"].make(1).close()
    small.write_bytes(small.read_bytes() + b" ")
    assert remembered(model) == {}


def test_what_no_longer_runs_is_said_and_done_without(
    model: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backends, "nvidia_driver", lambda: "/proc/driver/nvidia/version")
    remember(model, {"file": msgspec.structs.replace(CHOICE, backend="ort-cuda")})
    with caplog.at_level(logging.INFO, "streamseg"):
        load_segmenter(str(model)).make(1).close()
    said = " ".join(record.getMessage() for record in caplog.records)
    assert "ort-cuda" in said
    assert "running on the CPU (ort-cpu) instead" in said
