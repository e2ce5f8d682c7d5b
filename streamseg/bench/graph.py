"""A model taken apart: the network as it was before normalisation and decision went into its graph."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from streamseg import runtimes
from streamseg.errors import InputError
from streamseg.infer.model.constant_folding import fold_constants
from streamseg.segmentation import Classes

if TYPE_CHECKING:
    import onnx

_PASSES_LABELS = {"Cast", "Squeeze", "Identity"}
_DECIDES: dict[str, Literal["argmax", "threshold"]] = {"ArgMax": "argmax", "Greater": "threshold"}


@dataclass(frozen=True, slots=True)
class Bare:
    """Floats in, scores out, and the steps before and after that are left to a program."""

    file: Path
    decision: Literal["argmax", "threshold"]
    rgb: bool
    mean: NDArray[np.float32]
    """(3,) of bytes, in the network's order of channels."""
    std: NDArray[np.float32]


def fix_size(file: Path, size: tuple[int, int], target: Path) -> None:
    """Writes `file` for one picture of (height, width) `size` to `target`, whatever follows from that worked out.

    Raises:
        InputError: the graph is of another kind.
    """
    import onnx

    model = onnx.load(file)
    sides = model.graph.input[0].type.tensor_type.shape.dim
    if len(sides) != 4:
        raise InputError(f"{file}: does not take one picture")
    for side, length in zip(sides, (1, *size, 3), strict=True):
        side.dim_value = length
    onnx.save(model, target)
    fold_constants(target, target)


def take_apart(file: Path, labels: str, target: Path) -> Bare:
    """Writes the part between the first convolution and the decision behind the output `labels` to `target`.

    Raises:
        InputError: the graph is of another kind.
    """
    import onnx

    model = onnx.shape_inference.infer_shapes(onnx.load(file))
    entry = model.graph.input[0].name
    first = _first_layers_input(model.graph, entry)
    scores, decision = _decided_from(model.graph, labels)
    if first is None or scores is None:
        raise InputError(f"{file}: no convolution between its picture and a decision")
    try:
        onnx.save(onnx.utils.Extractor(model).extract_model([first], [scores]), target)
        rgb, mean, std = _normalisation(onnx.utils.Extractor(model).extract_model([entry], [first]), entry)
    except Exception as error:  # the extractor names no classes
        raise InputError(f"{file}: cannot be taken apart: {' '.join(str(error).split())[:200]}") from None
    return Bare(target, decision, rgb, mean, std)


def for_ultralytics(bare: Bare, size: tuple[int, int], classes: Classes, target: Path) -> tuple[int, int]:
    """Writes `bare`, for one picture of (height, width) `size`, to `target` as Ultralytics exports networks.

    (1, 3, height, width) f32 RGB of 0..1 in, (1, h, w) labels out, and what its predictor asks the file for.
    Gives h and w.
    """
    import onnx
    from onnx import helper, numpy_helper

    model = onnx.load(bare.file)
    graph = model.graph
    entry, scores = graph.input[0].name, graph.output[0].name
    order = slice(None) if bare.rgb else slice(None, None, -1)
    mean, scale = (plane[order].reshape(1, 3, 1, 1) for plane in (bare.mean / 255, 255 / bare.std))
    values: dict[str, NDArray[Any]] = {
        "/mean": mean.astype(np.float32),
        "/scale": scale.astype(np.float32),
        "/order": np.arange(3)[order],
    }
    before = [
        helper.make_node("Sub", ["images", "/mean"], ["/shifted"]),
        helper.make_node("Mul", ["/shifted", "/scale"], ["/scaled"]),
        helper.make_node("Gather", ["/scaled", "/order"], [entry], axis=1),
    ]
    decide = [helper.make_node("ArgMax", [scores], ["labels"], axis=1, keepdims=0)]
    if bare.decision == "threshold":
        values |= {"/half": np.array(0.5, np.float32), "/first": np.array([0])}
        decide = [
            helper.make_node("Greater", [scores, "/half"], ["/above"]),
            helper.make_node("Cast", ["/above"], ["/classes"], to=onnx.TensorProto.INT64),
            helper.make_node("Squeeze", ["/classes"], ["/plane"]),
            helper.make_node("Unsqueeze", ["/plane", "/first"], ["labels"]),
        ]
    graph.initializer.extend(
        numpy_helper.from_array(np.ascontiguousarray(value), name) for name, value in values.items()
    )
    nodes = [*before, *graph.node, *decide]
    del graph.node[:], graph.input[:], graph.output[:]
    graph.node.extend(nodes)
    graph.input.append(helper.make_tensor_value_info("images", onnx.TensorProto.FLOAT, [1, 3, *size]))
    graph.output.append(helper.make_tensor_value_info("labels", onnx.TensorProto.INT64, None))
    about = {"task": "semantic", "stride": 32, "batch": 1, "channels": 3, "imgsz": list(size)}
    about["names"] = dict(enumerate(classes.names))
    helper.set_model_props(model, {name: str(value) for name, value in about.items()})
    onnx.save(model, target)
    height, width = onnx.shape_inference.infer_shapes(model).graph.output[0].type.tensor_type.shape.dim[1:]
    return int(height.dim_value), int(width.dim_value)


def _first_layers_input(graph: onnx.GraphProto, entry: str) -> str | None:
    reached = {entry}
    for node in graph.node:
        if node.op_type != "Shape" and reached & set(node.input):
            if node.op_type == "Conv":
                return str(node.input[0])
            reached |= set(node.output)
    return None


def _decided_from(graph: onnx.GraphProto, labels: str) -> tuple[str | None, Literal["argmax", "threshold"]]:
    makers = {name: node for node in graph.node for name in node.output}
    node = makers.get(labels)
    while node is not None and node.op_type in _PASSES_LABELS:
        node = makers.get(node.input[0])
    if node is None or node.op_type not in _DECIDES:
        return None, "argmax"
    return node.input[0], _DECIDES[node.op_type]


def _normalisation(prelude: onnx.ModelProto, entry: str) -> tuple[bool, NDArray[np.float32], NDArray[np.float32]]:
    """Channel order, mean and standard deviation, read from what the graph makes of black and of pure colours."""
    onnxruntime = runtimes.onnxruntime()
    session = onnxruntime.InferenceSession(prelude.SerializeToString(), providers=["CPUExecutionProvider"])
    sides = [side if isinstance(side, int) else 32 for side in session.get_inputs()[0].shape[1:3]]

    def values(*bgr: int) -> NDArray[Any]:
        image = np.full((1, *sides, 3), bgr, np.uint8)
        return np.asarray(session.run(None, {entry: image})[0])[0, :, 0, 0]

    black = values(0, 0, 0)
    answers = np.stack([values(255, 0, 0), values(0, 255, 0), values(0, 0, 255)]) - black  # a row a colour
    rgb = bool(abs(answers[2, 0]) > abs(answers[0, 0]))
    scale = (answers[::-1] if rgb else answers).diagonal() / 255
    return rgb, (-black / scale).astype(np.float32), (1 / scale).astype(np.float32)
