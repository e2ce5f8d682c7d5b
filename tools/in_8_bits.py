"""Keeps the weights of a model that has them in 16 bits in 8 bits: `python tools/in_8_bits.py nuclei.onnx small.onnx`.

For a model whose checkpoint is not at hand; `export: {weights: int8}` in the plan of a training gives the same. The
model computes in 32 bits as before. Compare both with `streamseg compare` and `streamseg eval` before it is kept.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper

from streamseg.training.weight_compression import shrink


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("target", type=Path)
    arguments = parser.parse_args()
    model = onnx.load(arguments.model)
    unpack(model.graph)
    shrink(model.graph, in_8_bits=True)
    onnx.save(model, arguments.target)
    print(f"{arguments.target}: {arguments.target.stat().st_size} bytes, of {arguments.model.stat().st_size}")
    return 0


def unpack(graph: onnx.GraphProto) -> None:
    """Weights that are kept in 16 bits, in 32 again, as they are computed with."""
    halves = {tensor.name: tensor for tensor in graph.initializer if tensor.data_type == onnx.TensorProto.FLOAT16}
    casts = [node for node in graph.node if node.op_type == "Cast" and node.input[0] in halves]
    for node in casts:
        values = numpy_helper.to_array(halves[node.input[0]]).astype(np.float32)
        halves[node.input[0]].CopyFrom(numpy_helper.from_array(values, node.output[0]))
        graph.node.remove(node)


if __name__ == "__main__":
    sys.exit(main())
