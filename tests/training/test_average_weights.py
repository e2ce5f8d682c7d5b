"""The weights between those of two models: `tools/average_weights.py`."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

AVERAGE: Any = runpy.run_path(str(Path(__file__).parents[2] / "tools" / "average_weights.py"))["average"]


def graph(weights: Any, *more: str) -> onnx.GraphProto:
    """A graph with those weights and one number that is no weight."""
    nodes = [helper.make_node(name, ["a"], ["b"]) for name in ("Relu", *more)]
    numbers = [numpy_helper.from_array(np.array([7], np.int64), "axes"), numpy_helper.from_array(weights, "kernel")]
    return helper.make_graph(nodes, "net", [], [], numbers)


@pytest.mark.parametrize("kind", [np.float16, np.float32])
@pytest.mark.parametrize("share", [0.0, 0.25, 1.0])
def test_weights_move_by_a_share_of_the_way(kind: type[np.floating[Any]], share: float) -> None:
    one, other = (np.array(values, kind) for values in ([1.0, -2.0], [3.0, 2.0]))
    AVERAGE(made := graph(one), graph(other), share)
    axes, kernel = map(numpy_helper.to_array, made.initializer)
    assert axes.tolist() == [7]
    assert kernel.dtype == kind and kernel.tolist() == [1 + 2 * share, -2 + 4 * share]


@pytest.mark.parametrize(
    ("other", "share", "says"),
    [
        (graph(np.ones(2, np.float32), "Tanh"), 0.5, "two models of one network"),
        (graph(np.ones(2, np.float32)), 1.5, "a share of 0 to 1"),
        (graph(np.ones(3, np.float32)), 0.5, "kernel: differs in its shape"),
    ],
)
def test_what_is_no_model_of_the_same_network_is_refused(other: onnx.GraphProto, share: float, says: str) -> None:
    with pytest.raises(SystemExit, match=says):
        AVERAGE(graph(np.zeros(2, np.float32)), other, share)


def test_weights_in_8_bits_are_refused() -> None:
    with pytest.raises(SystemExit, match="kept in 8 bits"):
        AVERAGE(graph(np.zeros(2, np.int8)), graph(np.ones(2, np.int8)), 0.5)
