"""An engine at work: one execution context, one stream and the engine's tensors in GPU memory.

Workers are what overlaps: while the GPU computes one worker's frame it copies the next one's, because each has a stream
of its own and copies from page-locked memory. A live source has one worker and so one frame in flight: a second would
wait there and grow old.
"""

from __future__ import annotations

import contextlib
import logging
import math
import traceback
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from streamseg.cuda.contract import Address, CudaRuntime, Graph
from streamseg.cuda.memory import Buffers
from streamseg.errors import BackendError
from streamseg.infer.backends.tensorrt.engines import SharedEngine
from streamseg.infer.backends.tensorrt.library import Library
from streamseg.infer.backends.tensorrt.runtime_cache import RuntimeCache
from streamseg.infer.model.tensors import TensorInfo

if TYPE_CHECKING:
    import tensorrt as trt

_log = logging.getLogger(__name__)
_DTYPES = {
    "FLOAT": "float32", "HALF": "float16", "INT64": "int64", "INT32": "int32", "INT8": "int8", "UINT8": "uint8",
    "BOOL": "bool",
}  # fmt: skip
Shape = tuple[int, ...]


@dataclass(slots=True)
class IOTensor:
    """A tensor of the engine, and where it lies on the GPU for now."""

    info: TensorInfo
    shape: Shape = ()
    address: Address = 0

    @property
    def size_bytes(self) -> int:
        """Of all elements."""
        return math.prod(self.shape) * self.info.dtype.itemsize


class ExecutionSlot:
    """Room for one pass of an engine; made, used and closed with the GPU's context current."""

    def __init__(self, library: Library, cuda: CudaRuntime, engine: SharedEngine) -> None:
        """Takes over one hold on `engine`.

        Raises:
            BackendError: the GPU has no room for it, or it has a tensor of a type that NumPy has not.
        """
        self.name = f"{library.kind} {library.version} on {cuda.gpu.name}"
        self.inputs: dict[str, IOTensor] = {}
        self.outputs: dict[str, IOTensor] = {}
        self.buffers = Buffers(cuda)
        self._library = library
        self._engine = engine
        self._limits: dict[str, tuple[Shape, Shape]] = {}
        self._arranged: Mapping[str, Shape] = {}
        self._context: Any = None
        self._cuda = cuda
        self._graph: Graph | None = None
        self._recordable = self._ran = False
        self.stream = cuda.make_stream()
        try:
            self._context = self._prepare()
            self._must(self._context is not None, "there is no execution context")
        except BaseException as error:
            # What they hold of the engine goes while its context is current.
            traceback.clear_frames(error.__traceback__)
            self.close()
            raise

    def _prepare(self) -> trt.IExecutionContext | None:
        """Reads what goes in and out, and gives what runs the engine."""
        library = self._library
        with self._engine.alone() as engine:
            for name in (engine.get_tensor_name(i) for i in range(engine.num_io_tensors)):
                port = _port(library, engine, name)
                if engine.get_tensor_mode(name) == library.module.TensorIOMode.INPUT:
                    least, _, most = engine.get_tensor_profile_shape(name, 0)
                    self.inputs[name] = port
                    self._limits[name] = tuple(least), tuple(most)
                else:
                    self.outputs[name] = port
            library.listen()
            self._recordable = _is_fixed(engine) and library.kind == "tensorrt"
            return _make_context(library, engine, self._engine.compiled)

    @property
    def most_at_once(self) -> int:
        """Frames in one pass."""
        return min((most[0] for _, most in self._limits.values()), default=1)

    def arrange(self, shapes: Mapping[str, Shape]) -> None:
        """Gives every tensor its place for inputs of these shapes; nothing to do while they stay the same.

        Raises:
            BackendError: the engine was not built for them, or the GPU is full.
        """
        if shapes == self._arranged:
            return
        self._arranged = {}  # should any of this fail, nothing is
        self._library.listen()
        for name, shape in shapes.items():
            least, most = self._limits[name]
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

        Where sizes are fixed it is recorded after the first and replayed from then on: sizes and addresses stay the
        same, as `arrange` is called with other ones only where there are others.

        Raises:
            BackendError: it did not begin.
        """
        if self._recordable and self._ran:
            self._record()
        if self._graph is not None:
            self._graph.launch(self.stream)
        else:
            self._begin()
            if not self._ran:
                self._engine.keep_compiled()  # a process may be ended without being asked
            self._ran = True

    def _begin(self) -> None:
        self._must(self._context.execute_async_v3(self.stream.handle), "the pass did not begin")

    def _record(self) -> None:
        """Once, behind the first pass, in which TensorRT sets up what no graph may hold; some engines refuse."""
        self._recordable = False
        try:
            self._graph = self._cuda.record(self._begin, self.stream)
        except BackendError as error:
            _log.debug("%s: no CUDA graph, %s", self.name, error.message)

    @contextlib.contextmanager
    def settled(self) -> Iterator[None]:
        """A failure within it arrives when nothing is under way any more: copies read and write what is freed next."""
        try:
            yield
        except BaseException:
            with contextlib.suppress(Exception):  # of a GPU that failed
                self.stream.synchronize()
            raise

    def close(self) -> None:
        """Frees everything: the context before its engine, both before the memory that they point to."""
        self._graph = None
        self._context = None
        try:
            self._engine.keep_compiled()
            self._engine.release()
            self.buffers.free()
        finally:
            del self.stream

    def _place(self, port: IOTensor, shape: Shape) -> None:
        port.shape = shape
        port.address = self.buffers.on_gpu(port.info.name, port.size_bytes)
        self._must(self._context.set_tensor_address(port.info.name, port.address), "a buffer is refused")

    def _must(self, done: bool, otherwise: str) -> None:
        if not done:
            raise BackendError(f"{self.name}: {otherwise}{self._library.because()}")


def _is_fixed(engine: trt.ICudaEngine) -> bool:
    """Whether all sizes are those of the engine: what runs it once can be recorded, and replayed."""
    names = [engine.get_tensor_name(i) for i in range(engine.num_io_tensors)]
    return all(min(engine.get_tensor_shape(name), default=0) >= 0 for name in names)


def _make_context(
    library: Library, engine: trt.ICudaEngine, compiled: RuntimeCache | None
) -> trt.IExecutionContext | None:
    """TensorRT-RTX records a CUDA graph by itself where it is asked to; it pays where shapes never change."""
    if library.kind == "tensorrt":
        return engine.create_execution_context()
    config: Any = engine.create_runtime_config()
    if _is_fixed(engine):
        module: Any = library.module
        config.cuda_graph_strategy = module.CudaGraphStrategy.WHOLE_GRAPH_CAPTURE
    if compiled is not None:
        compiled.use(config)
    return engine.create_execution_context(config)


def _port(library: Library, engine: trt.ICudaEngine, name: str) -> IOTensor:
    kind = engine.get_tensor_dtype(name).name
    if kind not in _DTYPES:
        raise BackendError(f"{library.kind}: '{name}' is of {kind}, which nothing here can read")
    if engine.get_tensor_location(name) != library.module.TensorLocation.DEVICE:  # sizes, which the CPU reckons
        raise BackendError(f"{library.kind}: '{name}' lies in the CPU's memory, not the GPU's")
    shape = tuple(None if side < 0 else side for side in engine.get_tensor_shape(name))
    return IOTensor(TensorInfo(name, shape, np.dtype(_DTYPES[kind])))
