from __future__ import annotations

import importlib.metadata
import json
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from streamseg.cli import main
from streamseg.errors import BackendError
from streamseg.infer import backends
from streamseg.infer.backends.contract import Backend
from tests.parts.faulty import Faulty


@pytest.fixture(autouse=True)
def nothing_tuned(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The other tests of this process share a cache, in which one may have tuned `person`."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def rows(capsys: pytest.CaptureFixture[str]) -> dict[str, dict[str, object]]:
    assert main(["doctor", "--json"]) == 0
    return {row["what"]: row for row in json.loads(capsys.readouterr().out)}


def test_every_backend_is_tried_on_a_real_network(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    table = {"broken": Faulty({1}), "wrong": Faulty(wrong=True), "right": Faulty()}
    chain = {**{name: each.open for name, each in table.items()}, "ort-cpu": backends.BACKENDS["ort-cpu"]}
    monkeypatch.setattr(backends, "BACKENDS", chain)
    on_request = Faulty()
    monkeypatch.setattr(backends, "ON_REQUEST", {"other": on_request.open})
    found = rows(capsys)
    other = found.pop("backend other")["says"]
    assert other == "runs person-wide, 100.0% of its labels as on ort-cpu; only where named, or found quicker by `tune`"
    assert [name for name in found if name.startswith("backend ")] == [f"backend {name}" for name in chain]
    assert found["backend broken"]["says"] == "out of memory (close what else is on the GPU)"
    assert not found["backend wrong"]["ok"]
    assert found["backend right"]["says"] == "runs person-wide, 100.0% of its labels as on ort-cpu; a run takes it"
    assert found["backend ort-cpu"] == {
        "what": "backend ort-cpu", "state": "fine", "ok": True, "says": "runs person-wide",
    }  # fmt: skip
    assert all(each.opened == each.closed for each in table.values())


def test_the_report_is_a_table_too_and_keeps_brackets(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def missing(*_: object) -> Backend:
        raise BackendError("no chip", "pip install 'streamseg[chip]'")

    monkeypatch.setitem(backends.BACKENDS, "chip", missing)
    monkeypatch.setenv("COLUMNS", "200")
    assert main(["doctor"]) == 0
    told = capsys.readouterr().out
    assert "backend ort-cpu" in told
    assert "no chip (pip install 'streamseg[chip]')" in told


def test_what_a_healthy_machine_lacks_is_optional_and_the_last_line_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("streamseg.capture.camera.cameras", list)
    monkeypatch.setattr("streamseg.commands.doctor.nvidia_driver", lambda: "")
    found = rows(capsys)
    assert {found[what]["state"] for what in ("cameras", "NVIDIA GPU")} == {"optional"}
    assert main(["doctor"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert {line.split()[0] for line in lines if line and not line.startswith(" ")} == {"fine", "optional", "Ready"}
    assert lines[-1].startswith("Ready to run")


def test_every_gpu_that_cuda_shows_has_its_number(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "NVIDIA GPU 0" not in rows(capsys)
    monkeypatch.setattr("streamseg.commands.doctor.nvidia_gpus", lambda: ("NVIDIA L4", "NVIDIA A2"))
    found = rows(capsys)
    assert [found[f"NVIDIA GPU {number}"]["says"] for number in range(2)] == ["NVIDIA L4", "NVIDIA A2"]


def test_a_package_that_every_run_needs_is_missing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def version_of(name: str) -> str:
        return "" if name in ("av", "opencv-python") else importlib.metadata.version("numpy")

    monkeypatch.setattr("streamseg.commands.doctor.version_of", version_of)
    monkeypatch.setitem(sys.modules, "av", None)
    found = rows(capsys)
    assert found["av"]["state"] == "missing" and "pip install 'av<20,>=14.1'" in str(found["av"]["says"])
    assert found["opencv-python-headless"]["state"] == "fine"
    assert main(["doctor"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "missing: av, codecs"


@pytest.mark.parametrize("name", ["opencv-contrib-python", "opencv-contrib-python-headless", "onnxruntime-openvino"])
def test_a_package_of_the_same_under_another_name_will_do(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    known = importlib.metadata.version
    beside = name.partition("-")[0]
    monkeypatch.setattr(
        "streamseg.commands.doctor.version_of",
        lambda asked: "9.9" if asked == name else "" if asked.startswith(beside) else known("numpy"),
    )
    assert rows(capsys)[name] == {"what": name, "state": "fine", "ok": True, "says": "9.9"}


def test_what_no_package_says_it_has_but_can_be_imported_is_there(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("streamseg.commands.doctor.version_of", lambda name: "")
    found = rows(capsys)
    for what, version in (("cv2", cv2.__version__), ("numpy", np.__version__)):
        assert (found[what]["state"], found[what]["says"]) == ("fine", version)
