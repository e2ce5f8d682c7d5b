"""What an exporter writes that no runtime takes, though its meaning is plain."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from streamseg.convert.graph import whole_model
from streamseg.infer.model.onnxfile import inferred, load_onnx

if TYPE_CHECKING:
    import onnx


@contextlib.contextmanager
def runnable(source: Path) -> Iterator[Path]:
    """The model itself, or for as long as this lasts a copy of it that has each GridSample's grid in 32 bits.

    Mask2Former's export writes it in 64, which the standard allows and ONNX Runtime has not.
    """
    import onnx

    model = load_onnx(source)
    if all(node.op_type != "GridSample" for node in model.graph.node):
        yield source
        return
    kinds = {value.name: value.type.tensor_type.elem_type for value in inferred(model).graph.value_info}
    wide = {name for name, kind in kinds.items() if kind == onnx.TensorProto.DOUBLE}
    model = whole_model(source)
    if not _narrow(model.graph, wide):
        yield source
        return
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / source.name
        onnx.save(model, copy)
        yield copy


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
