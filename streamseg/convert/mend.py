"""What an exporter writes that no runtime takes, though its meaning is plain."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from streamseg.convert.eight_bits import with_floats
from streamseg.convert.graph import whole_model
from streamseg.errors import InputError
from streamseg.infer.model.onnxfile import MAX_FILE_BYTES, inferred, load_onnx

if TYPE_CHECKING:
    import onnx


@contextlib.contextmanager
def runnable(source: Path) -> Iterator[Path]:
    """The model itself, or for as long as this lasts a mended copy of it.

    That has each GridSample's grid in 32 bits: Mask2Former's export writes it in 64, which the standard allows and
    ONNX Runtime has not. It has no inputs but those that are read: the others would have to be fed all the same. And
    scores in 8 bits, and pictures of i8, are floats in it.

    Raises:
        InputError: what would be imported is larger than a file may be, said before its weights are read.
    """
    import onnx

    model = load_onnx(source)
    if _weights_beside(model.graph) > MAX_FILE_BYTES:
        raise too_large(source)
    unread = _unread(model.graph)
    wide: set[str] = set()
    if any(node.op_type == "GridSample" for node in model.graph.node):
        kinds = {value.name: value.type.tensor_type.elem_type for value in inferred(model).graph.value_info}
        wide = {name for name, kind in kinds.items() if kind == onnx.TensorProto.DOUBLE}
    if not unread and not wide and not with_floats(model.graph):
        yield source
        return
    model = whole_model(source)
    read = [value for value in model.graph.input if value.name not in unread]
    del model.graph.input[:]
    model.graph.input.extend(read)
    if not any((_narrow(model.graph, wide), with_floats(model.graph), unread)):
        yield source
        return
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / source.name
        onnx.save(model, copy)
        yield copy


def too_large(file: Path) -> InputError:
    """That a model does not fit a file that has its weights inside."""
    told = f"{file}: with its weights inside the model is over 2 GiB"
    return InputError(told, "export it in float16, or a smaller one")


def _weights_beside(graph: onnx.GraphProto) -> int:
    """Bytes of the weights in other files, as far as the model tells."""
    entries = (entry for tensor in graph.initializer for entry in tensor.external_data if entry.key == "length")
    return sum(int(entry.value) for entry in entries)


def _unread(graph: onnx.GraphProto) -> set[str]:
    """Inputs that no node reads, where there is one that is read."""
    fed = {value.name for value in graph.input} - {tensor.name for tensor in graph.initializer}
    unread = fed - _read(graph)
    return unread if unread < fed else set()


def _read(graph: onnx.GraphProto) -> set[str]:
    """Names of all that is taken from outside of a node, also by the graphs inside of nodes, or given out."""
    names = {value.name for value in graph.output}
    for node in graph.node:
        names.update(node.input)
        for attribute in node.attribute:
            for inner in (attribute.g, *attribute.graphs):
                names |= _read(inner)
    return names


def _narrow(graph: onnx.GraphProto, wide: set[str]) -> bool:
    """Puts a Cast before every grid that is `wide`; False where none is."""
    import onnx

    nodes: list[onnx.NodeProto] = []
    for node in graph.node:
        if node.op_type == "GridSample" and node.input[1] in wide:
            grid = f"{node.output[0]}/grid_in_32_bits"
            nodes.append(onnx.helper.make_node("Cast", [node.input[1]], [grid], to=onnx.TensorProto.FLOAT))
            node.input[1] = grid
        nodes.append(node)
    if len(nodes) == len(graph.node):
        return False
    del graph.node[:]
    graph.node.extend(nodes)
    return True
