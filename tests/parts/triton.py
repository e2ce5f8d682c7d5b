"""A real Triton core: the one inside NVIDIA's package `nvidia-pytriton`, which tools/parts.py puts into .cache.

It runs without a GPU. The package holds Triton's Python backend and no other, so that `onnxruntime` is stood in for.
"""

from __future__ import annotations

import contextlib
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.parts.patience import PATIENCE_S, until
from tests.parts.rtsp import free_port

_ENVIRONMENT = Path(__file__).parents[2] / ".cache" / "triton"
_STAND_IN = Path(__file__).with_name("triton_onnxruntime.py")


class Triton:
    """Serves the model repository `repository`; can be killed, frozen and started again."""

    def __init__(self, repository: Path, folder: Path) -> None:
        self._packages = next(_ENVIRONMENT.glob("lib/python3*/site-packages"), Path())
        self._core = self._packages / "pytriton" / "tritonserver"
        if not (self._core / "bin" / "tritonserver").exists():
            pytest.skip("no Triton in .cache/triton (tools/parts.py fetches it)")
        self.http_port, self.grpc_port = free_port(), free_port()
        self._repository, self._folder = repository, folder
        self._child: subprocess.Popen[bytes] | None = None
        self._backends = folder / "backends"
        shutil.copytree(self._core / "backends", self._backends)
        version = self._packages.parent.name.removeprefix("python")
        stub = self._core / "python_backend_stubs" / version / "triton_python_backend_stub"
        shutil.copy2(stub, self._backends / "python")
        (self._backends / "onnxruntime").mkdir()
        shutil.copyfile(_STAND_IN, self._backends / "onnxruntime" / "model.py")

    def backend(self, transport: str, model: str, more: str = "") -> str:
        """What `--backend` is given."""
        port = self.grpc_port if transport == "grpc" else self.http_port
        return f"kserve:{transport}://127.0.0.1:{port}/{model}{more}"

    def start(self) -> None:
        ports = [f"--http-port={self.http_port}", f"--grpc-port={self.grpc_port}", "--http-address=127.0.0.1"]
        words = [f"--model-repository={self._repository}", f"--backend-directory={self._backends}"]
        command = [str(self._core / "bin" / "tritonserver"), *words, *ports, "--allow-metrics=false"]
        environment = {
            "PATH": f"{_ENVIRONMENT}/bin:/usr/bin:/bin",  # where its Python backend finds Python
            "LD_LIBRARY_PATH": str(self._packages / "nvidia_pytriton.libs"),
            "OMP_NUM_THREADS": "1",
            "HOME": str(self._folder),
        }
        with (self._folder / "triton.log").open("ab") as log:
            self._child = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
        until(lambda: _listens(self.grpc_port) and _listens(self.http_port), "Triton listens", self._child)

    def kill(self) -> None:
        child, self._child = self._child, None
        if child is not None:
            child.kill()
            child.wait(PATIENCE_S)

    def send(self, number: signal.Signals) -> None:
        assert self._child is not None
        self._child.send_signal(number)


@contextlib.contextmanager
def triton(repository: Path, folder: Path) -> Iterator[Triton]:
    server = Triton(repository, folder)
    try:
        server.start()
        yield server
    finally:
        server.kill()


def _listens(port: int) -> bool:
    with socket.socket() as one:
        return not one.connect_ex(("127.0.0.1", port))
