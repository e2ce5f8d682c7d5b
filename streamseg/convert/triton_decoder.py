"""Decodes pictures before a served network: `export-triton --jpeg` copies this file, Triton's Python backend runs it.

So it imports nothing of streamseg, but numpy and OpenCV (on the server: `pip install opencv-python-headless`).
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import triton_python_backend_utils as triton


class TritonPythonModel:
    """`file`, (N,) or (N, 1) JPEG or PNG, becomes `pixels`, (N, H, W, 3) u8, colours in the order of the encoder."""

    def execute(self, requests: list[Any]) -> list[Any]:
        """Called by Triton with what waits; a request that is wrong fails alone."""
        return [self._answer(triton.get_input_tensor_by_name(request, "file").as_numpy()) for request in requests]

    def _answer(self, files: Any) -> Any:
        try:
            pictures = [cv2.imdecode(np.frombuffer(file, np.uint8), cv2.IMREAD_COLOR) for file in files.reshape(-1)]
            decoded = [picture for picture in pictures if picture is not None]
            if len(decoded) < len(pictures):
                return _error("a picture cannot be decoded")
            return triton.InferenceResponse([triton.Tensor("pixels", np.stack(decoded))])
        except (cv2.error, ValueError) as error:  # it is empty, or pictures of one request differ in size
            return _error(str(error))


def _error(words: str) -> Any:
    return triton.InferenceResponse(error=triton.TritonError(words))
