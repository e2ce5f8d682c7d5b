"""An engine at work: one execution context, one stream and the engine's tensors in GPU memory.

Workers are what overlaps: while the GPU computes one worker's frame it copies the next one's, because each has a stream
of its own and copies from page-locked memory. A live source has one worker and so one frame in flight: a second would
wait there and grow old.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from streamseg.errors import BackendError
from streamseg.infer.backends.contract import TensorInfo
from streamseg.infer.backends.tensorrt.cuda import Address, CudaRuntime
from streamseg.infer.backends.tensorrt.library import Library
from streamseg.infer.backends.tensorrt.memory import Buffers

if TYPE_CHECKING:
    import tensorrt as trt

_DTYPES = {
    "FLOAT": "float32", "HALF": "float16", "INT64": "int64", "INT32": "int32", "INT8": "int8", "UINT8": "uint8",
    "BOOL": "bool",
}  # fmt: skip
Shape = tuple[int, ...]


def load_engine(library: Library, cuda: CudaRuntime, plan: bytes) -> trt.ICudaEngine | None:
    """The engine in `plan`, or None where the library does not take it; `library.reason()` has more.

    Raises:
        BackendError: the GPU has no room for it.
    """
    library.said.clear()
    with cuda.current():
        engine = library.module.Runtime(library.logger).deserialize_cuda_engine(plan)
    if engine is None and "memory" in library.reason().lower():
        raise BackendError(f"{library.kind} {library.version} cannot load the engine: {library.reason()}")
    return engine


@dataclass(slots=True)
class Port:
    """A tensor of the engine, and where it lies on the GPU for now."""

    info: TensorInfo
    shape: Shape = ()
    address: Address = 0

    @property
    def size_bytes(self) -> int:
        """Of all elements."""
        return math.prod(self.shape) * self.info.dtype.itemsize


class Slot:
    """Room for one pass of an engine; used and closed in the thread that made it, with its context current."""

    def __init__(self, library: Library, cuda: CudaRuntime, engine: trt.ICudaEngine) -> None:
        """Takes over `engine`, which nobody else uses.

        Raises:
            BackendError: the GPU has no room for it, or it has a tensor of a type that NumPy has not.
        """
        self.name = f"{library.kind} {library.version} on {cuda.gpu.name}"
        self.inputs: dict[str, Port] = {}
        self.outputs: dict[str, Port] = {}
        self.buffers = Buffers(cuda)
        self._library = library
        self._engine = engine
        for name in (engine.get_tensor_name(i) for i in range(engine.num_io_tensors)):
            is_input = engine.get_tensor_mode(name) == library.module.TensorIOMode.INPUT
            (self.inputs if is_input else self.outputs)[name] = _port(library, engine, name)
        self.stream = cuda.make_stream()
        library.said.clear()
        self._context = _make_context(library, engine)
        self._must(self._context is not None, "there is no execution context")
        self._arranged: Mapping[str, Shape] = {}

    @property
    def most_at_once(self) -> int:
        """Frames in one pass."""
        return min((self._limits(name)[1][0] for name in self.inputs), default=1)

    def arrange(self, shapes: Mapping[str, Shape]) -> None:
        """Gives every tensor its place for inputs of these shapes; nothing to do while they stay the same.

        Raises:
            BackendError: the engine was not built for them, or the GPU is full.
        """
        if shapes == self._arranged:
            return
        self._arranged = {}  # should any of this fail, nothing is
        self._library.said.clear()
        for name, shape in shapes.items():
            least, most = self._limits(name)
            inside = all(low <= side <= high for low, side, high in zip(least, shape, most, strict=True))
            self._must(inside, f"{shape} is beyond what the engine was built for, {least} to {most}")
            self._must(self._context.set_input_shape(name, shape), f"no input of {shape}")
            self._place(self.inputs[name], shape)
        for port in self.outputs.values():
            shape = tuple(self._context.get_tensor_shape(port.info.name))
            self._must(min(shape, default=0) >= 0, f"the size of '{port.info.name}' depends on what is in the picture")
            self._place(port, shape)
        self._arranged = dict(shapes)

    def enqueue(self) -> None:
        """Begins a pass over what is in the inputs; behind everything in the stream, before what comes next.

        Raises:
            BackendError: it did not begin.
        """
        self._must(self._context.execute_async_v3(self.stream.handle), "the pass did not begin")

    def close(self) -> None:
        """Frees everything: the context before its engine, both before the memory that they point to."""
        del self._context
        del self._engine
        self.buffers.free()
        del self.stream

    def _place(self, port: Port, shape: Shape) -> None:
        port.shape = shape
        port.address = self.buffers.on_gpu(port.info.name, port.size_bytes)
        self._must(self._context.set_tensor_address(port.info.name, port.address), "a buffer is refused")

    def _limits(self, name: str) -> tuple[Shape, Shape]:
        least, _, most = self._engine.get_tensor_profile_shape(name, 0)
        return tuple(least), tuple(most)

    def _must(self, done: bool, otherwise: str) -> None:
        if not done:
            raise BackendError(f"{self.name}: {otherwise}{self._library.because()}")


def _make_context(library: Library, engine: trt.ICudaEngine) -> trt.IExecutionContext:
    """TensorRT-RTX records a CUDA graph by itself where it is asked to; it pays where shapes never change."""
    graphs = getattr(library.module, "CudaGraphStrategy", None)
    names = [engine.get_tensor_name(i) for i in range(engine.num_io_tensors)]
    if graphs is None or any(min(engine.get_tensor_shape(name), default=0) < 0 for name in names):
        return engine.create_execution_context()
    config: Any = engine.create_runtime_config()
    config.cuda_graph_strategy = graphs.WHOLE_GRAPH_CAPTURE
    return engine.create_execution_context(config)


def _port(library: Library, engine: trt.ICudaEngine, name: str) -> Port:
    kind = engine.get_tensor_dtype(name).name
    if kind not in _DTYPES:
        raise BackendError(f"{library.kind}: '{name}' is of {kind}, which nothing here can read")
    shape = tuple(None if side < 0 else side for side in engine.get_tensor_shape(name))
    return Port(TensorInfo(name, shape, np.dtype(_DTYPES[kind])))
