"""A double of TensorRT's Python interface that breaks the test where a program breaks one of its rules.

An "engine" is the prepared ONNX file with its profile, and ONNX Runtime computes what is in it: so what comes out is
right only if every byte went where it belongs. Where TensorRT answers None or False and writes to its logger, so does
this; what it leaves undefined is `ContractBrokenError`. It shows that this program keeps the rules that are written
down here; it does not show what TensorRT does.
"""

from __future__ import annotations

import enum
import functools
import json
import weakref
from collections.abc import Sequence
from types import ModuleType
from typing import Any

import numpy as np
import onnx
import onnxruntime

from tests.parts.cuda_errors import must
from tests.parts.fake_builder import (
    MAGIC,
    Builder,
    ComputeCapability,
    Dims,
    ILogger,
    IProgressMonitor,
    NetworkDefinitionCreationFlag,
    OnnxParser,
    World,
)
from tests.parts.fake_cuda import FakeGpu
from tests.parts.fake_rtx import CudaGraphStrategy, RuntimeCache, RuntimeConfig

_TYPES = {1: "FLOAT", 2: "UINT8", 3: "INT8", 6: "INT32", 7: "INT64", 9: "BOOL", 10: "HALF"}
_NUMPY = {
    "FLOAT": "f4", "UINT8": "u1", "INT8": "i1", "INT32": "i4", "INT64": "i8", "BOOL": "?", "HALF": "f2",
}  # fmt: skip

DataType = enum.Enum("DataType", ["FLOAT", "HALF", "INT8", "INT32", "BOOL", "UINT8", "INT64"])
TensorIOMode = enum.Enum("TensorIOMode", ["NONE", "INPUT", "OUTPUT"])
TensorLocation = enum.Enum("TensorLocation", ["DEVICE", "HOST"])


CONTEXT_BYTES = 1 << 20
CHIPS = [each.name.lower() for each in ComputeCapability]


class InMemory:
    """What takes room on the GPU, and must go while a context is current and nothing is under way that uses it."""

    def __init__(self, world: World, size: int) -> None:
        self.world = world
        self.used_in: weakref.WeakSet[Any] = weakref.WeakSet()
        """Streams."""
        world.gpu.kept[self] = size

    def __del__(self) -> None:
        gpu = self.world.gpu
        if not gpu.stack:
            gpu.broken.append(f"a context is current where {type(self).__name__} goes")
        if any(stream.waiting for stream in self.used_in) and not gpu.lost and not gpu.meet:
            gpu.broken.append(f"nothing is under way where {type(self).__name__} goes")


class Engine(InMemory):
    def __init__(self, world: World, plan: bytes) -> None:
        super().__init__(world, len(plan))
        self.number = world.gpu.number
        header, _, model = plan.removeprefix(MAGIC).partition(b"\n")
        self.shapes: dict[str, list[list[int]]] = json.loads(header)["shapes"]
        self.session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
        graph = onnx.load_from_string(model).graph
        self.tensors = {value.name: value.type.tensor_type for value in [*graph.input, *graph.output]}
        self.sizes = {name for node in graph.node if node.op_type == "Shape" for name in node.output}
        self.num_inputs = len(graph.input)
        self.num_io_tensors = len(self.tensors)
        self._found: dict[tuple[tuple[int, ...], ...], dict[str, tuple[int, ...]]] = {}

    def get_tensor_name(self, index: int) -> str:
        return str(list(self.tensors)[index])

    def get_tensor_mode(self, name: str) -> TensorIOMode:
        return TensorIOMode.INPUT if list(self.tensors).index(name) < self.num_inputs else TensorIOMode.OUTPUT

    def get_tensor_location(self, name: str) -> TensorLocation:
        return TensorLocation.HOST if name in self.sizes else TensorLocation.DEVICE

    def get_tensor_dtype(self, name: str) -> DataType:
        return DataType[_TYPES[self.tensors[name].elem_type]]

    def get_tensor_shape(self, name: str) -> Dims:
        return Dims([dim.dim_value or -1 for dim in self.tensors[name].shape.dim])

    def get_tensor_profile_shape(self, name: str, profile_index: int) -> list[Dims]:
        assert profile_index == 0
        return [Dims(shape) for shape in self.shapes[name]]

    def create_runtime_config(self) -> RuntimeConfig:
        return RuntimeConfig(self.world)

    def create_execution_context(self, runtime_config: RuntimeConfig | None = None) -> ExecutionContext | None:
        self.world.current("an execution context")
        must(self.world.gpu.number == self.number, "an execution context is made on the GPU of its engine")
        self.world.graphs = runtime_config is not None and runtime_config.cuda_graph_strategy is not None
        if self.world.fails("context") or not self.world.gpu.has_room(CONTEXT_BYTES):
            self.world.say("[defaultAllocator] out of memory")
            return None
        return ExecutionContext(self, runtime_config.cache if runtime_config else None)

    def names(self, mode: TensorIOMode) -> list[str]:
        return [name for name in self.tensors if self.get_tensor_mode(name) == mode]

    def run(self, feeds: dict[str, np.ndarray[Any, Any]]) -> dict[str, np.ndarray[Any, Any]]:
        names = self.names(TensorIOMode.OUTPUT)
        return dict(zip(names, self.session.run(names, feeds), strict=True))

    def shapes_for(self, shapes: dict[str, tuple[int, ...]]) -> dict[str, tuple[int, ...]]:
        key = tuple(shapes.values())
        if key not in self._found:
            blank = {name: np.zeros(shape, self.numpy(name)) for name, shape in shapes.items()}
            self._found[key] = {name: value.shape for name, value in self.run(blank).items()}
        return self._found[key]

    def numpy(self, name: str) -> np.dtype[Any]:
        return np.dtype(_NUMPY[self.get_tensor_dtype(name).name])


class ExecutionContext(InMemory):
    def __init__(self, engine: Engine, cache: RuntimeCache | None = None) -> None:
        super().__init__(engine.world, CONTEXT_BYTES)
        self.engine = engine
        self._cache = weakref.ref(cache) if cache else None
        self.shapes: dict[str, tuple[int, ...]] = {}
        self.addresses: dict[str, int] = {}
        self.ran = False
        for name in engine.names(TensorIOMode.INPUT):
            if min(shape := engine.get_tensor_shape(name).as_tuple()) >= 0:
                self.shapes[name] = shape

    def _enter(self) -> World:
        self.engine.world.current("an execution context")
        must(self.engine.world.gpu.number == self.engine.number, "an execution context is used on its own GPU")
        return self.engine.world

    def set_input_shape(self, name: str, shape: Sequence[int]) -> bool:
        world = self._enter()
        least, _, most = self.engine.shapes[name]
        inside = len(shape) == len(least) and all(a <= b <= c for a, b, c in zip(least, shape, most, strict=True))
        if world.fails("shape") or not inside:
            world.say(f"setInputShape: {tuple(shape)} is not within the profile")
            return False
        self.shapes[name] = tuple(shape)
        return True

    def get_tensor_shape(self, name: str) -> Dims:
        self._enter()
        if self.engine.get_tensor_mode(name) == TensorIOMode.INPUT:
            return Dims(self.shapes.get(name, self.engine.get_tensor_shape(name).as_tuple()))
        if set(self.shapes) != set(self.engine.names(TensorIOMode.INPUT)):
            return self.engine.get_tensor_shape(name)
        return Dims(self.engine.shapes_for(self.shapes)[name])

    def set_tensor_address(self, name: str, memory: int) -> bool:
        self._enter()
        if name not in self.engine.tensors:
            return False
        must(self.engine.get_tensor_location(name) == TensorLocation.DEVICE, "sizes lie in the CPU's memory")
        must(self.engine.world.gpu.device_of(memory) == self.engine.number, "a tensor lies on the GPU of its engine")
        self.addresses[name] = memory
        return True

    def execute_async_v3(self, stream_handle: int) -> bool:
        world, engine = self._enter(), self.engine
        must(stream_handle in world.gpu.streams, "a pass goes into a stream of one's own that is alive")
        unset = set(engine.tensors) - set(self.addresses)
        shapeless = set(engine.names(TensorIOMode.INPUT)) - set(self.shapes)
        if world.gpu.failed or world.fails("execute") or unset or shapeless:
            world.say(f"enqueueV3: {unset or shapeless or 'an internal error'}")
            return False
        if world.gpu.records(stream_handle):
            must(self.ran, "a pass is recorded only behind a plain one, which sets up what no graph may hold")
            if world.fails("record"):
                world.say("enqueueV3: this engine cannot be captured")
                return False
            if world.fails("allocate"):
                world.gpu.spoil()
        shapes, addresses = dict(self.shapes), dict(self.addresses)
        results = engine.shapes_for(shapes)
        self.ran, world.passes = True, world.passes + 1
        self._compile(shapes)
        alive = weakref.ref(self)  # a graph does not keep what it uses

        def work() -> None:
            context = alive()
            must(context is not None, "an execution context stays until its passes are over")
            assert context is not None
            engine = context.engine
            feeds = {
                name: _read(world.gpu, addresses[name], shape, engine.numpy(name)) for name, shape in shapes.items()
            }
            for name, value in engine.run(feeds).items():
                assert value.shape == results[name]
                data = np.ascontiguousarray(value).reshape(-1).view(np.uint8)
                world.gpu.view(addresses[name], data.size)[:] = data

        stream = world.gpu.streams[stream_handle]
        for used in (self, engine):
            used.used_in.add(stream)
        stream.put(work)
        return True

    def _compile(self, shapes: dict[str, tuple[int, ...]]) -> None:
        """What runs these sizes, unless it is there."""
        if self._cache is not None:
            cache = self._cache()
            must(cache is not None, "a runtime cache outlives the execution contexts that it was given to")
            assert cache is not None
            cache.compile({f"{name} {shape}" for name, shape in shapes.items()})


def _read(gpu: FakeGpu, address: int, shape: tuple[int, ...], dtype: np.dtype[Any]) -> np.ndarray[Any, Any]:
    return np.array(gpu.view(address, int(np.prod(shape)) * dtype.itemsize).view(dtype).reshape(shape))


class Runtime:
    def __init__(self, world: World, logger: ILogger) -> None:
        world.made("Runtime", logger)
        self._world = world

    def deserialize_cuda_engine(self, serialized_engine: bytes) -> Engine | None:
        world = self._world
        world.current("an engine")
        world.on_load()
        if world.refusal:
            world.say(world.refusal)
            return None
        if world.fails("memory"):
            world.say("[virtualMemoryBuffer] OutOfMemory (no further information)")
            return None
        header = serialized_engine.removeprefix(MAGIC).partition(b"\n")[0]
        card = json.loads(header) if serialized_engine.startswith(MAGIC) else {"version": ""}
        if world.fails("deserialise") or world.gpu.failed or card["version"] != world.version:
            world.say("Serialization assertion failed: magic tag or version differs")
            return None
        if world.chips and (world.chip() not in card["chips"] or world.chip() not in CHIPS):
            world.say("The engine cannot run on this GPU: its compute capability is not supported")
            return None
        if not world.gpu.has_room(len(serialized_engine)):
            world.say("[virtualMemoryBuffer] OutOfMemory (no further information)")
            return None
        world.engines += 1
        return Engine(world, serialized_engine)


def make_tensorrt(gpu: FakeGpu, version: str = "11.4.0") -> ModuleType:
    """A module with TensorRT's names, as far as they are used; `module.world` is for the test."""
    world = World(gpu, version)
    module = ModuleType("tensorrt")
    module.__dict__.update(
        __version__=version,
        Builder=functools.partial(Builder, world),
        DataType=DataType,
        Dims=Dims,
        ILogger=ILogger,
        IProgressMonitor=IProgressMonitor,
        NetworkDefinitionCreationFlag=NetworkDefinitionCreationFlag,
        OnnxParser=functools.partial(OnnxParser, world),
        Runtime=functools.partial(Runtime, world),
        TensorIOMode=TensorIOMode,
        TensorLocation=TensorLocation,
        world=world,
    )
    return module


def make_rtx(gpu: FakeGpu, version: str = "1.7.1") -> ModuleType:
    """The same as TensorRT-RTX: it builds for architectures by name, and records CUDA graphs by itself."""
    module = make_tensorrt(gpu, version)
    module.__name__ = "tensorrt_rtx"
    module.world.chips = CHIPS
    module.__dict__.update(
        ComputeCapability=ComputeCapability, CudaGraphStrategy=CudaGraphStrategy, IRuntimeCache=RuntimeCache
    )
    return module
