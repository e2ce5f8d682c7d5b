"""A double of OpenVINO on a machine with a GPU or NPU: the real one, which computes on the CPU and says otherwise."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import openvino


class FakeOpenVino(ModuleType):
    """A module with the names of `openvino`; `creation` and `runs` are what is raised there, the next time first."""

    def __init__(self, device: str) -> None:
        super().__init__("openvino")
        self.__version__ = openvino.__version__
        self.Tensor = openvino.Tensor
        self.available_devices = ["CPU", device]
        self.creation: list[Exception] = []
        self.runs: list[Exception | None] = []
        self.runs_there = 0
        self.wrong = False
        self.compiled: list[tuple[str, dict[str, object]]] = []
        """Devices and options; a CPU's are not kept."""

    def Core(self) -> _Core:  # noqa: N802
        return _Core(self)


class _Core:
    def __init__(self, module: FakeOpenVino) -> None:
        self._module, self._inner = module, openvino.Core()
        self.get_property = self._inner.get_property

    @property
    def available_devices(self) -> list[str]:
        return self._module.available_devices

    def compile_model(self, path: str, device: str, options: dict[str, object]) -> Any:
        if device == "CPU":
            return self._inner.compile_model(path, device, options)
        self._module.compiled.append((device, options))
        if self._module.creation:
            raise self._module.creation.pop(0)
        return _Model(self._module, self._inner.compile_model(path, "CPU", options))


class _Model:
    def __init__(self, module: FakeOpenVino, inner: Any) -> None:
        self._module, self._inner = module, inner
        self.inputs, self.outputs = inner.inputs, inner.outputs

    def create_infer_request(self) -> _Request:
        return _Request(self._module, self._inner.create_infer_request())


class _Request:
    def __init__(self, module: FakeOpenVino, inner: Any) -> None:
        self._module, self._inner = module, inner
        self.set_input_tensor = inner.set_input_tensor

    def infer(self) -> None:
        self._module.runs_there += 1
        error = self._module.runs.pop(0) if self._module.runs else None
        if error is not None:
            raise error
        self._inner.infer()

    def get_output_tensor(self, index: int) -> Any:
        found = self._inner.get_output_tensor(index)
        return openvino.Tensor(-found.data) if self._module.wrong else found
