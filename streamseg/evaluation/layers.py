"""Layer by layer: where two backends, or two files of one model, begin to differ."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx

from streamseg.errors import InputError
from streamseg.evaluation.compare import Side
from streamseg.frame import Frame
from streamseg.infer.backends.contract import Backend
from streamseg.infer.model.catalogue import load_spec
from streamseg.infer.model.onnxfile import inspect_onnx
from streamseg.infer.model.tensors import Tensor
from streamseg.infer.network import Network

_FUSING = "tensorrt"  # an engine has no layers of the model's any more
_FLOATS = (onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16)
_HALF = ".half"


@dataclass(frozen=True, slots=True)
class Layer:
    """What a node gave, compared."""

    name: str
    operator: str
    difference: float
    """Root mean square of the differences over that of the values."""


def compare_layers(one: Side, other: Side, frame: Frame, folder: Path, threads: int) -> list[Layer]:
    """Every layer that both have under one name, in the order in which they are computed, on one frame.

    Raises:
        InputError: one of them shows no layers, or they have none in common.
        BackendError: one does not run here.
    """
    first, operators = _values(one, frame, folder / "one.onnx", threads)
    second, _ = _values(other, frame, folder / "other.onnx", threads)
    common = [name for name in operators if name in second and first[name].shape == second[name].shape]
    if not common:
        raise InputError(f"{one.name} and {other.name} have no layer in common")
    return [Layer(name, operators[name], _difference(first[name], second[name])) for name in common]


def _values(side: Side, frame: Frame, file: Path, threads: int) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Values and operators by name; a value in fp16 goes by the name that it has in fp32."""
    if side.backend.startswith(_FUSING):
        raise InputError(f"{side.backend} fuses its layers and shows none", "compare ort-cpu with ort-cpu:fp16 instead")
    inspect_onnx(side.file)  # before its external data may be read
    exposed, operators = expose(onnx.load(side.file))
    onnx.save(exposed, file)
    watched = Watched(side.open(threads, file))
    network = Network(load_spec(side.model), watched)
    network([frame])
    values = {name.removesuffix(_HALF): np.asarray(watched.given[name], np.float32) for name in operators}
    network.close()
    return values, {name.removesuffix(_HALF): operator for name, operator in operators.items()}


def expose(model: onnx.ModelProto) -> tuple[onnx.ModelProto, dict[str, str]]:
    """The model with every float value as an output, and their operators by name, in order."""
    known = onnx.shape_inference.infer_shapes(model)
    outputs = {value.name for value in model.graph.output}
    typed = {value.name: value for value in known.graph.value_info if value.type.tensor_type.elem_type in _FLOATS}
    operators = {
        name: node.op_type
        for node in model.graph.node
        for name in node.output
        if name in typed and name not in outputs and node.op_type not in ("Cast", "DequantizeLinear", "Constant")
    }
    model.graph.output.extend(typed[name] for name in operators)
    return model, operators


class Watched:
    """A backend whose last pass can be looked at."""

    def __init__(self, inner: Backend) -> None:
        self.name, self.inputs, self.outputs = inner.name, inner.inputs, inner.outputs
        self.fed: Mapping[str, Tensor] = {}
        self.given: Mapping[str, Tensor] = {}
        self._inner = inner

    def run(self, feeds: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """As it does."""
        self.fed, self.given = feeds, self._inner.run(feeds)
        return self.given

    def close(self) -> None:
        """Lets it go."""
        self._inner.close()


def _difference(expected: Tensor, found: Tensor) -> float:
    size = float(np.sqrt(np.mean(np.square(expected, dtype=np.float64))))
    error = float(np.sqrt(np.mean(np.square(found - expected, dtype=np.float64))))
    return error / size if size else float(error > 0)
