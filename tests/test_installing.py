from __future__ import annotations

import importlib.metadata
import json
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from streamseg import installing


class _Installed:
    requires = None

    def __init__(self, noted: object) -> None:
        self._noted = noted

    def read_text(self, name: str) -> str | None:
        assert name == "direct_url.json"
        return None if self._noted is None else json.dumps(self._noted)


def command(
    noted: object, monkeypatch: pytest.MonkeyPatch, name: str = "serve", said: Callable[[str], str] = installing.extra
) -> str:
    monkeypatch.setattr(importlib.metadata, "distribution", lambda _: _Installed(noted))
    monkeypatch.setattr(installing, "pip", lambda: "pip")
    return said(name)


def test_from_a_checkout_it_is_the_checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    noted = {"url": f"file://{tmp_path}", "dir_info": {}}
    assert command(noted, monkeypatch) == f"pip install '{tmp_path}[serve]'"
    monkeypatch.chdir(tmp_path)
    assert command(noted, monkeypatch) == "pip install '.[serve]'"
    assert command({**noted, "dir_info": {"editable": True}}, monkeypatch) == "pip install -e '.[serve]'"


def test_from_a_wheel_it_is_the_wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wheel = tmp_path / "a b's" / "streamseg-0.1.0-py3-none-any.whl"
    noted = {"url": wheel.as_uri(), "archive_info": {}}
    assert shlex.split(command(noted, monkeypatch)) == ["pip", "install", f"{wheel}[serve]"]


def test_models_of_a_package_of_their_own_come_from_a_folder_of_the_checkout(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "research-models").mkdir()
    noted = {"url": tmp_path.as_uri(), "dir_info": {}}
    assert command(noted, monkeypatch, "research", installing.models) == f"pip install {tmp_path}/research-models"
    monkeypatch.chdir(tmp_path)
    assert command(noted, monkeypatch, "research", installing.models) == "pip install ./research-models"
    noted["dir_info"] = {"editable": True}
    assert command(noted, monkeypatch, "research", installing.models) == "pip install -e ./research-models"
    assert command(noted, monkeypatch, "pose", installing.models) == "pip install -e '.[pose]'"


def test_models_of_a_package_of_their_own_are_looked_for_beside_the_wheel(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel = tmp_path / "a b's" / "streamseg-0.1.0-py3-none-any.whl"
    noted = {"url": wheel.as_uri(), "archive_info": {}}
    words = shlex.split(command(noted, monkeypatch, "research", installing.models))
    assert words == ["pip", "install", "--find-links", str(wheel.parent), f"{wheel}[research]"]
    assert command(None, monkeypatch, "pose", installing.models) == "pip install 'streamseg[pose]'"


def test_from_elsewhere_it_is_the_name(monkeypatch: pytest.MonkeyPatch) -> None:
    assert command(None, monkeypatch) == "pip install 'streamseg[serve]'"
    noted = {"url": "https://example.org/streamseg-0.1.0-py3-none-any.whl", "archive_info": {}}
    assert shlex.split(command(noted, monkeypatch))[-1].startswith("streamseg[serve] @ https://example.org/")


def test_training_takes_the_pytorch_that_is_not_built_for_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    first, _, then = command(None, monkeypatch, "train").partition(" && ")
    assert "torch --index-url https://download.pytorch.org/whl/cpu" in first
    assert then == "pip install 'streamseg[train]'"


def test_the_pip_that_is_named_is_that_of_this_python(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent))
    named = installing.pip()
    assert named == "pip"
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    done = subprocess.run(f"{installing.pip()} --version", shell=True, capture_output=True, text=True, check=True)
    assert str(Path(sys.prefix)) in done.stdout


def test_the_extras_that_are_named_exist() -> None:
    known = importlib.metadata.metadata("streamseg").get_all("Provides-Extra") or []
    from streamseg.infer.backends.tensorrt.library import EXTRAS
    from streamseg.infer.model.catalogue import IN_PACKAGES

    assert {"train", "serve", "openvino", *EXTRAS.values(), *IN_PACKAGES.values()} <= set(known)


def test_a_program_that_holds_its_python_is_no_python_to_call_pip_with(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/opt/watch/watch")
    assert installing.package("openvino") == "/opt/watch/watch -m pip install openvino"
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    assert installing.package("openvino") == "pip install openvino"


def test_an_environment_without_pip_is_installed_into_by_uv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    uv = tmp_path / "uv"
    uv.write_text("#!/bin/sh\n")
    uv.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "prefix", "/srv/en v")
    monkeypatch.delenv("VIRTUAL_ENV", raising=False)
    assert installing.package("openvino").endswith("-m pip install openvino")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert installing.package("openvino") == "VIRTUAL_ENV='/srv/en v' uv pip install openvino"
    monkeypatch.setenv("VIRTUAL_ENV", "/srv/en v")
    assert installing.package("openvino") == "uv pip install openvino"
    uv.unlink()
    assert installing.package("openvino").endswith("-m pip install openvino")


def test_what_is_always_needed_is_here_and_in_versions_that_go_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installing, "pip", lambda: "pip")
    assert installing.lacking() == []
    assert installing.package("av") == "pip install 'av<20,>=14.1'"
    assert installing.package("pillow", "openvino") == "pip install 'pillow>=10' openvino"
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert {"av", "numpy", "opencv-python", "pillow", "pyyaml"} <= set(installing.lacking())
    assert "openvino" not in installing.lacking()
