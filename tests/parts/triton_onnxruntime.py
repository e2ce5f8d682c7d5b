"""What stands in for Triton's own ONNX Runtime backend, which its Python package lacks; runs inside Triton."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import triton_python_backend_utils as triton


class TritonPythonModel:
    """Runs the `model.onnx` of a repository; requests that Triton gives together go through it together."""

    def initialize(self, args: dict[str, str]) -> None:
        file = Path(args["model_repository"]) / args["model_version"] / "model.onnx"
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
        self._inputs = [value.name for value in self._session.get_inputs()]
        self._outputs = [value.name for value in self._session.get_outputs()]
        self._batched = json.loads(args["model_config"])["max_batch_size"] > 0

    def execute(self, requests: list[Any]) -> list[Any]:
        feeds = [self._fed(request) for request in requests]
        if not self._batched:
            return [self._response(self._session.run(self._outputs, feed)) for feed in feeds]
        whole = {name: np.concatenate([feed[name] for feed in feeds]) for name in self._inputs}
        ends = np.cumsum([len(feed[self._inputs[0]]) for feed in feeds])[:-1]
        found = [np.split(output, ends) for output in self._session.run(self._outputs, whole)]
        return [self._response(parts) for parts in zip(*found, strict=True)]

    def _fed(self, request: Any) -> dict[str, Any]:
        return {name: triton.get_input_tensor_by_name(request, name).as_numpy() for name in self._inputs}

    def _response(self, outputs: Any) -> Any:
        named = zip(self._outputs, outputs, strict=True)
        return triton.InferenceResponse([triton.Tensor(name, np.ascontiguousarray(value)) for name, value in named])
