"""A backend that computes rightly until it is told not to."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from streamseg.errors import BackendError
from streamseg.infer.backends.contract import Backend, Stopped
from streamseg.infer.backends.ort import OrtBackend
from streamseg.infer.model.tensors import Tensor


class Faulty:
    """ONNX Runtime, whose runs number `failing` of each opening (the first is 1) raise, or are `wrong` or NaN."""

    def __init__(self, failing: set[int] = frozenset(), *, wrong: bool = False, nan: bool = False) -> None:  # type: ignore[assignment]
        self.opened = self.closed = 0
        self._failing, self._wrong, self._nan = failing, wrong, nan

    def open(self, file: Path, threads: int, stopped: Stopped = lambda: False) -> Backend:
        """For the table of backends."""
        self.opened += 1
        return _Opened(self, OrtBackend(file, threads))

    def spoil(self, number: int, outputs: dict[str, Tensor]) -> Mapping[str, Tensor]:
        if number in self._failing:
            raise BackendError("out of memory", "close what else is on the GPU")
        if self._wrong:
            return {name: ~value if value.dtype.kind in "iu" else -value for name, value in outputs.items()}
        if self._nan:
            return {name: value * np.float32("nan") for name, value in outputs.items()}
        return outputs


class _Opened:
    name = "faulty"

    def __init__(self, faulty: Faulty, inner: OrtBackend) -> None:
        self.inputs, self.outputs = inner.inputs, inner.outputs
        self._faulty, self._inner = faulty, inner
        self._runs = 0
        self._closed = False

    def run(self, feeds: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        self._runs += 1
        return self._faulty.spoil(self._runs, dict(self._inner.run(feeds)))

    def close(self) -> None:
        self._faulty.closed += not self._closed
        self._closed = True
        self._inner.close()
