"""TensorRT as a backend: arrays in, arrays out, through page-locked memory."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping

import numpy as np

from streamseg.cuda.contract import CudaRuntime
from streamseg.errors import BackendError, InputError
from streamseg.infer.backends.tensorrt.engines import SharedEngine
from streamseg.infer.backends.tensorrt.library import Library
from streamseg.infer.backends.tensorrt.runtime import ExecutionSlot, IOTensor
from streamseg.infer.model.tensors import Tensor


class TensorRtBackend:
    """An engine that is loaded and ready; called by one thread at a time."""

    def __init__(self, library: Library, cuda: CudaRuntime, engine: SharedEngine) -> None:
        """Takes over one hold on `engine`.

        Raises:
            BackendError: the GPU has no room for it, or it gives what cannot be read here.
        """
        self._cuda = cuda
        self._closed = False
        with cuda.current():
            self._slot = ExecutionSlot(library, cuda, engine)
        self.name = self._slot.name
        self.inputs = tuple(port.info for port in self._slot.inputs.values())
        self.outputs = tuple(port.info for port in self._slot.outputs.values())

    def run(self, feeds: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """One pass, or several where there are more frames than fit into one; outputs are fresh arrays.

        Raises:
            InputError: the feeds do not fit the engine.
            BackendError: the pass failed.
        """
        self._check(feeds)
        most = self._slot.most_at_once
        batch = max(feed.shape[0] for feed in feeds.values())
        with self._cuda.current(), self._slot.settled():
            parts = [self._pass({n: feed[i : i + most] for n, feed in feeds.items()}) for i in range(0, batch, most)]
        return parts[0] if len(parts) == 1 else {n: np.concatenate([part[n] for part in parts]) for n in parts[0]}

    def close(self) -> None:
        """Frees everything; may be called twice."""
        if self._closed:
            return
        self._closed = True
        # A GPU that failed refuses this too, and then there is nothing left to free.
        with contextlib.suppress(BackendError), self._cuda.current():
            self._let_go()

    def _let_go(self) -> None:
        self._slot.close()

    def _pass(self, feeds: Mapping[str, Tensor]) -> dict[str, Tensor]:
        slot = self._slot
        slot.arrange({name: feed.shape for name, feed in feeds.items()})
        for name, feed in feeds.items():
            port = slot.inputs[name]
            locked = slot.buffers.locked(name, port.size_bytes)
            np.copyto(_shaped(locked, port), feed)
            self._cuda.upload(port.address, locked, slot.stream)
        slot.enqueue()
        return self._fetch(slot.outputs)

    def _fetch(self, ports: Mapping[str, IOTensor]) -> dict[str, Tensor]:
        locked = {name: self._slot.buffers.locked(name, port.size_bytes) for name, port in ports.items()}
        for name, port in ports.items():
            self._cuda.download(locked[name], port.address, self._slot.stream)
        self._slot.stream.synchronize()
        return {name: _shaped(locked[name], port).copy() for name, port in ports.items()}

    def _check(self, feeds: Mapping[str, Tensor]) -> None:
        if feeds.keys() != self._slot.inputs.keys():
            raise InputError(f"inputs are {', '.join(self._slot.inputs)}, not {', '.join(feeds) or 'none'}")
        for info in self.inputs:
            feed = feeds[info.name]
            if feed.dtype != info.dtype or feed.ndim != len(info.shape or ()):
                raise InputError(f"input '{info.name}' takes {info.dtype} {info.shape}, not {feed.dtype} {feed.shape}")


def _shaped(locked: Tensor, port: IOTensor) -> Tensor:
    return locked.view(port.info.dtype).reshape(port.shape)
