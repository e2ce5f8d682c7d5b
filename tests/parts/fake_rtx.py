"""What TensorRT-RTX has and TensorRT proper has not, for the double of both: what was compiled, and how it runs."""

from __future__ import annotations

import enum
import json
from typing import Any

from tests.parts.fake_builder import World

CudaGraphStrategy = enum.Enum("CudaGraphStrategy", ["DISABLED", "WHOLE_GRAPH_CAPTURE"])


class RuntimeCache:
    """What was compiled; like TensorRT-RTX's it takes none of another GPU or version, and changes nothing then."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.kernels: set[str] = set()

    def compile(self, kernels: set[str]) -> None:
        """For the double itself: only what is new."""
        self.world.compiled += len(kernels - self.kernels)
        self.kernels |= kernels

    def serialize(self) -> bytes:
        self.world.current("a runtime cache")
        if self.world.fails("serialise"):
            raise RuntimeError("serialize: null pointer")
        return json.dumps([self.world.gpu.name, self.world.version, sorted(self.kernels)]).encode()

    def deserialize(self, blob: bytes) -> bool:
        self.world.current("a runtime cache")
        name, version, kernels = json.loads(blob)
        if (name, version) != (self.world.gpu.name, self.world.version):
            return False
        self.kernels = set(kernels)
        return True


class RuntimeConfig:
    """TensorRT-RTX alone has what is set here."""

    cuda_graph_strategy: Any = None
    cache: RuntimeCache | None = None

    def __init__(self, world: World) -> None:
        self._world = world

    def create_runtime_cache(self) -> RuntimeCache:
        if self._world.fails("cache"):
            raise TypeError("Unable to convert function return value to a Python type")
        return RuntimeCache(self._world)

    def set_runtime_cache(self, cache: RuntimeCache) -> bool:
        self.cache = cache
        return True
