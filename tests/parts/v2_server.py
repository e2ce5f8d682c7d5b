"""A small server of the Open Inference Protocol v2 over HTTP and gRPC, in a process of its own, and its faults.

It follows Triton: binary tensors behind a header in JSON, raw contents over gRPC, its codes and words of errors.
"""

from __future__ import annotations

import contextlib
import functools
import http.server
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent import futures
from pathlib import Path
from typing import Any

from tests.parts.patience import until
from tests.parts.rtsp import free_port

_ROOT = Path(__file__).parents[2]


class V2Server:
    """Serves `model` under `name`; what `behave` was told holds from the next request on."""

    def __init__(self, model: Path, folder: Path, name: str = "toy", certificate: Path | None = None) -> None:
        self.model, self.name, self.certificate = model, name, certificate
        self.http_port, self.grpc_port = free_port(), free_port()
        self._faults, self._log = folder / f"{self.http_port}.json", folder / f"{self.http_port}.log"
        self._child: subprocess.Popen[bytes] | None = None

    def backend(self, transport: str, more: str = "") -> str:
        """What `--backend` is given."""
        return f"kserve:{self.url(transport)}{more}"

    def url(self, transport: str) -> str:
        port = self.grpc_port if transport.startswith("grpc") else self.http_port
        return f"{transport}://127.0.0.1:{port}/{self.name}"

    def behave(self, **faults: object) -> None:
        """`delay_s`, `busy`, `wrong_shape`, `wrong_labels`, `broken`, `token`, or another `model`: a file."""
        part = self._faults.with_suffix(".part")
        part.write_text(json.dumps(faults))
        part.replace(self._faults)

    def start(self) -> V2Server:
        """Where it does not run; faults and requests of before are forgotten."""
        self.behave()
        self._log.unlink(missing_ok=True)
        if self._child is not None:
            return self
        words = [self.model, self.name, self.http_port, self.grpc_port, self._faults, self._log]
        words += [self.certificate] if self.certificate else []
        command = [sys.executable, "-m", "tests.parts.v2_server", *map(str, words)]
        quiet = {"OMP_NUM_THREADS": "1", "GRPC_VERBOSITY": "NONE"}
        self._child = subprocess.Popen(command, cwd=_ROOT, env={**os.environ, **quiet})
        until(lambda: _listens(self.http_port) and _listens(self.grpc_port), "the server listens", self._child)
        return self

    def kill(self) -> None:
        child, self._child = self._child, None
        if child is not None:
            child.kill()
            child.wait()

    def freeze(self) -> None:
        assert self._child is not None
        self._child.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        assert self._child is not None
        self._child.send_signal(signal.SIGCONT)

    def batches(self) -> list[int]:
        """How many pictures each request had."""
        return [int(line) for line in self._log.read_text().split()] if self._log.exists() else []


@contextlib.contextmanager
def v2_server(model: Path, folder: Path, name: str = "toy", certificate: Path | None = None) -> Iterator[V2Server]:
    server = V2Server(model, folder, name, certificate)
    try:
        yield server.start()
    finally:
        server.kill()


def _listens(port: int) -> bool:
    with socket.socket() as one:
        return not one.connect_ex(("127.0.0.1", port))


class _RefusedError(Exception):
    def __init__(self, status: int, words: str) -> None:
        self.status, self.words = status, words
        super().__init__(words)


_WORDS = {"tensor(float)": "FP32", "tensor(uint8)": "UINT8", "tensor(int64)": "INT64"}
_CODES = {400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 404: "NOT_FOUND", 429: "RESOURCE_EXHAUSTED", 500: "INTERNAL"}


@functools.cache
def _loaded(file: str) -> Any:
    import onnxruntime

    return onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])


class _Model:
    """What both transports do."""

    def __init__(self, file: str, name: str, faults: str, log: str) -> None:
        self.name, self._file, self._faults, self._log = name, file, Path(faults), Path(log)
        self.lock = threading.Lock()
        self._session()

    def _session(self) -> Any:
        return _loaded(str(self.faults().get("model", self._file)))

    def faults(self) -> dict[str, Any]:
        try:
            return dict(json.loads(self._faults.read_text()))
        except FileNotFoundError:
            return {}

    def admit(self, name: str, authorization: str | None) -> None:
        token = self.faults().get("token")
        if token and authorization != f"Bearer {token}":
            raise _RefusedError(401, "no such token")
        if name != self.name:
            raise _RefusedError(404, f"Request for unknown model: '{name}' is not found")

    def described(self, side: str) -> list[tuple[str, str, list[int]]]:
        values = getattr(self._session(), f"get_{side}")()
        shapes = [[each if isinstance(each, int) else -1 for each in value.shape] for value in values]
        return [(value.name, _WORDS[value.type], shape) for value, shape in zip(values, shapes, strict=True)]

    def run(self, inputs: list[tuple[str, str, list[int], bytes]]) -> list[tuple[str, str, list[int], bytes]]:
        import numpy as np

        faults = self.faults()
        time.sleep(float(faults.get("delay_s", 0)))
        if faults.get("busy"):
            raise _RefusedError(429, "Exceeds maximum queue size")
        if faults.get("broken"):
            raise _RefusedError(500, "out of memory")
        dtypes = {"FP32": np.float32, "UINT8": np.uint8, "INT64": np.int64}
        words = {np.dtype(dtype): word for word, dtype in dtypes.items()}
        feeds = {name: np.frombuffer(data, dtypes[word]).reshape(shape) for name, word, shape, data in inputs}
        with self.lock, self._log.open("a") as log:
            log.write(f"{len(next(iter(feeds.values())))}\n")
        outputs = self._session().run(None, feeds)
        if faults.get("wrong_shape"):
            outputs = [output[..., :-1] for output in outputs]
        if faults.get("wrong_labels"):
            outputs = [np.roll(output, 1, axis=1) if output.ndim == 4 else 1 - output for output in outputs]
        names = [value.name for value in self._session().get_outputs()]
        return [
            (name, words[output.dtype], list(output.shape), np.ascontiguousarray(output).tobytes())
            for name, output in zip(names, outputs, strict=True)
        ]


class _Http(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    model: _Model

    def do_GET(self) -> None:
        self._do(b"")

    def do_POST(self) -> None:
        self._do(self.rfile.read(int(self.headers["Content-Length"])))

    def _do(self, body: bytes) -> None:
        parts = self.path.strip("/").split("/")
        try:
            self.model.admit(parts[2], self.headers["Authorization"])
            self._answer(200, *(self._described() if len(parts) == 3 else self._inferred(body)))
        except _RefusedError as refused:
            self._answer(refused.status, json.dumps({"error": refused.words}).encode(), b"")

    def _described(self) -> tuple[bytes, bytes]:
        keys = ("name", "datatype", "shape")
        sides = {
            side: [dict(zip(keys, each, strict=True)) for each in self.model.described(side)]
            for side in ("inputs", "outputs")
        }
        return json.dumps({"name": self.model.name, "platform": "onnx", **sides}).encode(), b""

    def _inferred(self, body: bytes) -> tuple[bytes, bytes]:
        length = int(self.headers["Inference-Header-Content-Length"])
        head, data = json.loads(body[:length]), body[length:]
        inputs = []
        for each in head["inputs"]:
            size = each["parameters"]["binary_data_size"]
            inputs.append((each["name"], each["datatype"], each["shape"], data[:size]))
            data = data[size:]
        found = self.model.run(inputs)
        outputs = [
            {"name": name, "datatype": word, "shape": shape, "parameters": {"binary_data_size": len(value)}}
            for name, word, shape, value in found
        ]
        return json.dumps({"model_name": self.model.name, "outputs": outputs}).encode(), b"".join(
            value for *_, value in found
        )

    def _answer(self, status: int, head: bytes, data: bytes) -> None:
        self.send_response(status)
        if data:
            self.send_header("Inference-Header-Content-Length", str(len(head)))
        self.send_header("Content-Length", str(len(head) + len(data)))
        self.end_headers()
        self.wfile.write(head + data)

    def log_message(self, *_: object) -> None:
        pass


def _serve_grpc(model: _Model, port: int, certificate: bytes | None) -> Any:
    import grpc
    from tritonclient.grpc import service_pb2, service_pb2_grpc

    def guarded(context: Any, name: str, answer: Any) -> Any:
        try:
            model.admit(name, dict(context.invocation_metadata()).get("authorization"))
            return answer()
        except _RefusedError as refused:
            context.abort(getattr(grpc.StatusCode, _CODES[refused.status]), refused.words)

    class Servicer(service_pb2_grpc.GRPCInferenceServiceServicer):  # type: ignore[misc]
        def ModelMetadata(self, request: Any, context: Any) -> Any:  # noqa: N802
            def answer() -> Any:
                metadata = service_pb2.ModelMetadataResponse
                sides = {
                    side: [
                        metadata.TensorMetadata(name=name, datatype=word, shape=shape)
                        for name, word, shape in model.described(side)
                    ]
                    for side in ("inputs", "outputs")
                }
                return metadata(name=model.name, platform="onnx", **sides)

            return guarded(context, request.name, answer)

        def ModelInfer(self, request: Any, context: Any) -> Any:  # noqa: N802
            def answer() -> Any:
                found = model.run(
                    [
                        (each.name, each.datatype, list(each.shape), data)
                        for each, data in zip(request.inputs, request.raw_input_contents, strict=True)
                    ]
                )
                response = service_pb2.ModelInferResponse
                outputs = [
                    response.InferOutputTensor(name=name, datatype=word, shape=shape) for name, word, shape, _ in found
                ]
                return response(
                    model_name=model.name, outputs=outputs, raw_output_contents=[data for *_, data in found]
                )

            return guarded(context, request.model_name, answer)

    server = grpc.server(futures.ThreadPoolExecutor(8), options=[("grpc.so_reuseport", 0)])
    service_pb2_grpc.add_GRPCInferenceServiceServicer_to_server(Servicer(), server)
    if certificate is None:
        server.add_insecure_port(f"127.0.0.1:{port}")
    else:
        credentials = grpc.ssl_server_credentials([(certificate, certificate)])
        server.add_secure_port(f"127.0.0.1:{port}", credentials)
    server.start()
    return server


def main(file: str, name: str, http_port: str, grpc_port: str, faults: str, log: str, certificate: str = "") -> None:
    import ssl

    _Http.model = _Model(file, name, faults, log)
    kept = _serve_grpc(_Http.model, int(grpc_port), Path(certificate).read_bytes() if certificate else None)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", int(http_port)), _Http)
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    server.serve_forever()
    kept.stop(None)


if __name__ == "__main__":
    main(*sys.argv[1:])
