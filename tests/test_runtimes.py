"""What runs networks reports nothing to its makers."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import pytest

from streamseg import runtimes
from tests.parts.patience import PATIENCE_S
from tests.parts.program import environment, run_program

LOADED = """
import sys
from streamseg import runtimes
runtimes.onnxruntime()
if len(sys.argv) > 1: runtimes.openvino()
print(sorted(name for name in sys.modules if name.startswith("openvino_telemetry")))
"""


@pytest.mark.parametrize("backend", ["ort-cpu", "openvino"])
def test_a_run_leaves_nothing_in_the_home_folder(backend: str, tmp_path: Path) -> None:
    if backend == "openvino" and importlib.util.find_spec("openvino") is None:
        pytest.skip("OpenVINO is not installed")
    words = ["run", "test://?frames=3", "null", "--model", "person", "--backend", backend]
    done = run_program(*words, env={"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache")})
    assert done.returncode == 0, done.stderr
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert list(tmp_path.iterdir()) == []


def test_nothing_loads_them_in_another_way() -> None:
    package = Path(runtimes.__file__).parent
    loads = re.compile(r"^\s*(import|from) (onnxruntime|openvino)\b", re.MULTILINE)
    past = {str(file.relative_to(package)) for file in package.rglob("*.py") if loads.search(file.read_text())}
    # The one runs without streamseg and with its environment, the other loads a part of what is loaded already.
    assert past == {"bench/peer_program.py", "convert/quantise.py"}


@pytest.mark.skipif(importlib.util.find_spec("openvino") is None, reason="OpenVINO is not installed")
def test_openvino_is_loaded_without_its_reporter() -> None:
    command = [sys.executable, "-c", LOADED, "openvino"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, env=environment(), check=True)
    assert done.stdout == "[]\n"


def test_two_threads_may_load_openvino_at_the_same_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    both = threading.Barrier(2, timeout=PATIENCE_S)

    class Modules(dict[str, object]):
        def __contains__(self, name: object) -> bool:
            found = super().__contains__(name)
            if name == "openvino_telemetry":
                both.wait()  # neither has seen that the other is about to load it
            return found

    def load(name: str) -> str:
        both.wait()
        return name

    loaded = Modules()
    monkeypatch.setattr(runtimes, "sys", SimpleNamespace(modules=loaded))
    monkeypatch.setattr(runtimes, "importlib", SimpleNamespace(import_module=load))
    with ThreadPoolExecutor(2) as threads:
        assert list(threads.map(lambda _: runtimes.openvino(), range(2))) == ["openvino"] * 2
    assert dict(loaded) == {}
