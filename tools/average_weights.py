"""Averages the weights of two models: `python tools/average_weights.py street.onnx roads.onnx 0.5 both.onnx`.

For a model and the same one trained further on other pictures: it has forgotten some of what it knew, and between
the two often lies one that knows both (Wortsman et al., "Robust fine-tuning of zero-shot models", 2022). 0.5 is the
share of the second; what else is in the file is the first one's. Score the result with `streamseg eval` on pictures
of both kinds.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("first", type=Path)
    parser.add_argument("second", type=Path)
    parser.add_argument("share", type=float)
    parser.add_argument("target", type=Path)
    arguments = parser.parse_args()
    model = onnx.load(arguments.first)
    average(model.graph, onnx.load(arguments.second).graph, arguments.share)
    onnx.save(model, arguments.target)
    print(f"{arguments.target}: {arguments.share:.0%} of {arguments.second}, the rest of {arguments.first}")
    return 0


def average(graph: onnx.GraphProto, other: onnx.GraphProto, share: float) -> None:
    """Moves the weights of `graph` by `share`, 0 to 1, of the way to those of `other`, a graph of the same network."""
    same = [node.op_type for node in graph.node] == [node.op_type for node in other.node]
    if not same or len(graph.initializer) != len(other.initializer) or not 0 <= share <= 1:
        raise SystemExit("two models of one network, and a share of 0 to 1")
    for tensor, theirs in zip(graph.initializer, other.initializer, strict=True):
        own, new = numpy_helper.to_array(tensor), numpy_helper.to_array(theirs)
        if own.shape != new.shape or (own.dtype.kind != "f" and not np.array_equal(own, new)):
            raise SystemExit(f"{tensor.name}: differs in its shape, or is kept in 8 bits")
        if own.dtype.kind == "f":
            between = own.astype(np.float64) * (1 - share) + new.astype(np.float64) * share
            tensor.CopyFrom(numpy_helper.from_array(between.astype(own.dtype), tensor.name))


if __name__ == "__main__":
    sys.exit(main())
