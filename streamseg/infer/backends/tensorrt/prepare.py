"""A model as TensorRT takes it: bytes turned into numbers at once, and the precision written into the graph.

Networks are strongly typed: what is computed in which precision stands in the ONNX file, not in a builder's flags.
"""

from __future__ import annotations

import functools
import hashlib
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from streamseg.infer.backends.tensorrt.fp16 import halve
from streamseg.infer.model import constant_folding
from streamseg.infer.model.onnxfile import inspect_onnx

if TYPE_CHECKING:
    import onnx

Precision = Literal["fp32", "fp16"]


@functools.cache
def preparation() -> str:
    """What tells this way of preparing a model from those of other versions of streamseg."""
    sources = (Path(__file__), Path(__file__).with_name("fp16.py"), Path(constant_folding.__file__))
    return hashlib.sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()[:16]


def prepare(file: Path, precision: Precision) -> bytes:
    """The model in `file`, with its weights inside, ready to be parsed.

    A model that is quantised stays as it is.

    Raises:
        InputError: the file cannot be read.
    """
    import onnx

    inspect_onnx(file)  # before a runtime may look at it
    model = onnx.load(file)
    if not any(node.op_type == "QuantizeLinear" for node in model.graph.node):  # folding would quantise biases too
        with tempfile.TemporaryDirectory() as folder:
            constant_folding.fold_constants(file, plain := Path(folder, "plain.onnx"))
            model = onnx.load(plain)
        if precision == "fp16":
            model = halve(model)
    _number_bytes_first(model.graph)
    written: bytes = model.SerializeToString()
    return written


def _number_bytes_first(graph: onnx.GraphProto) -> None:
    """Puts a Cast right behind every input of bytes: TensorRT moves no bytes about. Later Casts then do nothing."""
    import onnx

    casts = []
    for value in graph.input:
        if value.type.tensor_type.elem_type != onnx.TensorProto.UINT8:
            continue
        first = _first_cast(graph, value.name)
        if first is None:
            continue
        named = f"{value.name}.numbers"
        for node in graph.node:
            for place, name in enumerate(node.input):
                if name == value.name:
                    node.input[place] = named
        casts.append(onnx.helper.make_node("Cast", [value.name], [named], to=first))
    nodes = list(graph.node)
    del graph.node[:], graph.value_info[:]  # what was known of the values between has changed
    graph.node.extend([*casts, *nodes])


def _first_cast(graph: onnx.GraphProto, name: str) -> int | None:
    """The type that the bytes called `name` are turned into, down the road; None where they never are."""
    reached = {name}
    for node in graph.node:
        if not reached & set(node.input):
            continue
        if node.op_type == "Cast":
            return int(next(attribute.i for attribute in node.attribute if attribute.name == "to"))
        if node.op_type not in ("Transpose", "Gather", "Slice", "Concat", "Split", "Identity", "Reshape", "Squeeze"):
            return None
        reached |= set(node.output)
    return None
