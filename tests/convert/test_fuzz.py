"""Graphs put together at random: an import is right, or refused in one line; never a traceback, never a wrong file.

Each graph has its scores in the middle, (N, C, h, w) f32, which NumPy decides on. Before and behind them stands what
exporters write, and sometimes what only looks like it.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import onnxruntime as ort
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from streamseg.convert.chain import PICTURE
from streamseg.convert.hints import NORMALISATIONS
from streamseg.convert.importer import Hints, import_model
from streamseg.convert.surgery import LABELS
from streamseg.errors import StreamsegError

SIZES = ((32, 48), (40, 40), (33, 57), (64, 48), (96, 128))
KINDS = {"float32": TensorProto.FLOAT, "float16": TensorProto.FLOAT16, "uint8": TensorProto.UINT8}
HEADS = ("logits", "softmax", "sigmoid", "raw", "labels", "flags", "floats")
TIE = 5e-3
MUTATIONS = ("list", "columns", "turned", "pooled", "batch", "features", "queries", "prototypes", "four")


@dataclass
class Graph:
    """What is built so far."""

    chance: random.Random
    nodes: list[onnx.NodeProto] = field(default_factory=list)
    weights: list[onnx.TensorProto] = field(default_factory=list)
    last: str = "image"
    dims: list[Any] = field(default_factory=list)
    """Of `last`."""
    kind: int = TensorProto.FLOAT
    """Of `last`."""

    def add(self, op: str, *constants: Any, **attributes: Any) -> str:
        names = []
        for value in constants:
            names.append(f"w{len(self.weights)}")
            self.weights.append(numpy_helper.from_array(np.asarray(value), names[-1]))
        self.nodes.append(helper.make_node(op, [self.last, *names], [f"t{len(self.nodes)}"], **attributes))
        self.last = self.nodes[-1].output[0]
        return self.last

    def cast(self, kind: int) -> None:
        if kind != self.kind:
            self.add("Cast", to=kind)
            self.kind = kind

    def order(self, *axes: int) -> None:
        self.add("Transpose", perm=axes)
        self.dims = [self.dims[axis] for axis in axes]


@dataclass
class Made:
    """A graph that was written, and what is true of it."""

    hints: Hints
    layout: str
    dtype: str
    shape: tuple[int, ...]
    """To be fed, NCHW or NHWC, with N."""
    batched: bool
    head: str
    plain: bool
    """Whether nothing stands in the way of an import."""
    normalise: str


def build(path: Path, chance: random.Random) -> Made:
    """Writes a graph to `path`, and one that gives its scores as well to `truth.onnx` beside it."""
    height, width = chance.choice(SIZES)
    layout, dtype = chance.choice(("NCHW", "NHWC")), chance.choice(("float32", "float32", "float16", "uint8"))
    mutation = chance.choice((*MUTATIONS, *[""] * 15))
    channels = 4 if mutation == "four" else chance.choice((1, 3, 3, 3))
    batch: Any = chance.choice((1, 1, 1, 2, "n", None))
    free = batch is not None and chance.random() < 0.2 and mutation in ("", "four")
    sides = ["h", "w"] if free else [height, width]
    graph = Graph(chance, dims=[channels, *sides] if layout == "NCHW" else [*sides, channels], kind=KINDS[dtype])
    graph.dims = graph.dims if batch is None else [batch, *graph.dims]
    image = helper.make_tensor_value_info("image", graph.kind, graph.dims)
    if batch is None:
        graph.add("Unsqueeze", np.array([0]))
        graph.dims = [1, *graph.dims]
    if layout == "NHWC":
        graph.order(0, 3, 1, 2)
    graph.cast(TensorProto.FLOAT)
    head = chance.choice(HEADS)
    planes = 1 if head in ("sigmoid", "raw", "flags") else chance.choice((2, 3, 5, 21, 41))  # as no side is
    stride = chance.choice((1, 1, 2, 3, 4))
    scores(graph, channels, planes, stride, [height, width])
    truth = graph.last
    end(graph, head, mutation, batch, planes)
    outputs = [helper.make_tensor_value_info(graph.last, graph.kind, [None] * len(graph.dims))]
    if mutation in ("features", "queries", "prototypes"):
        outputs += beside(graph, mutation, planes)
    write(path, graph, [image], outputs)
    write(path.with_name("truth.onnx"), graph, [image], [helper.make_tensor_value_info(truth, 1, [None] * 4)])
    normalise = "none" if dtype == "uint8" else chance.choice(["0..1", "-1..1", *(["imagenet"] * (channels == 3))])
    told = chance.random() < 0.9
    hints = Hints(
        normalise=normalise if told else None,
        role={"raw": "logits"}.get(head) if chance.random() < 0.9 else None,  # type: ignore[arg-type]
        classes=names(chance, 2 if planes == 1 else planes),
        layout=layout if free else None,  # type: ignore[arg-type]
        upsample=chance.choice((None, None, "yes", "no")),
    )
    plain = told and not mutation and (head != "raw" or hints.role is not None) and hints.classes is None
    size = (96, 128) if free else (height, width)
    count = batch if isinstance(batch, int) else 1
    shape = (count, channels, *size) if layout == "NCHW" else (count, *size, channels)
    return Made(hints, layout, dtype, shape, batch is not None, head, plain, normalise)


def names(chance: random.Random, n: int) -> tuple[str, ...] | None:
    """Sometimes names, sometimes as many as there are."""
    return chance.choice((None, None, (str(n),), tuple("abcdefg"), ("3",)))


def scores(graph: Graph, channels: int, planes: int, stride: int, size: list[int]) -> None:
    """One convolution."""
    random = np.random.default_rng(graph.chance.randrange(1 << 30))
    weights = random.normal(0, 0.3, (planes, channels, 3, 3)).astype(np.float32)
    bias = random.normal(0, 0.2, planes).astype(np.float32)
    graph.add("Conv", weights, bias, pads=[1] * 4, strides=[stride] * 2)
    graph.dims = [graph.dims[0], planes, *(-(-side // stride) for side in size)]


def end(graph: Graph, head: str, mutation: str, batch: Any, planes: int) -> None:
    """What stands behind the scores."""
    chance = graph.chance
    if head == "softmax":
        graph.add("Softmax", axis=1)
    if head in ("sigmoid", "flags"):
        graph.add("Sigmoid")
    if head == "flags":
        graph.add("Greater", np.float32(0.5))
        graph.kind = TensorProto.BOOL
    if head in ("labels", "floats"):
        kept = chance.random() < 0.5
        graph.add("ArgMax", axis=1, keepdims=int(kept))
        graph.dims = [graph.dims[0], 1, *graph.dims[2:]] if kept else [graph.dims[0], *graph.dims[2:]]
        graph.kind = TensorProto.INT64
        graph.cast(TensorProto.FLOAT if head == "floats" else chance.choice([TensorProto.INT64, TensorProto.INT32, 2]))
    elif chance.random() < 0.2:
        graph.order(0, 2, 3, 1)
    if graph.kind == TensorProto.FLOAT and chance.random() < 0.2:
        graph.cast(TensorProto.FLOAT16)
    if batch in (None, 1) and chance.random() < (0.9 if batch is None else 0.1):
        graph.add("Squeeze", np.array([0]))
        graph.dims = graph.dims[1:]
    if len(graph.dims) == 4:
        mutated(graph, mutation)


def mutated(graph: Graph, mutation: str) -> None:
    """No picture any more; a square that is turned shows it to nobody, so none is."""
    square = len(set(graph.dims[1:])) < 3
    if mutation == "list":
        graph.add("Reshape", np.array([0, 0, -1]))
        graph.dims = [0, 0, 0]
    elif mutation == "columns" and not square:
        graph.order(0, 2, 1, 3)
    elif mutation == "turned" and not square:
        graph.order(0, 1, 3, 2)
    elif mutation == "pooled" and graph.kind == TensorProto.FLOAT:
        graph.add("GlobalAveragePool")
    elif mutation == "batch":
        graph.add("Reshape", np.array([-1, 1, *graph.dims[2:]]))


def beside(graph: Graph, mutation: str, planes: int) -> list[onnx.ValueInfoProto]:
    """Outputs that no segmentation has, or that it may have."""
    shapes: dict[str, list[tuple[int, ...]]] = {
        "features": [(1, 10)],
        "queries": [(1, planes, 7), (1, planes, 4)],
        "prototypes": [(1, 300, 38)],
    }
    ports = []
    for number, shape in enumerate(shapes[mutation]):
        graph.weights.append(numpy_helper.from_array(np.zeros(shape, np.float32), f"beside_value{number}"))
        graph.nodes.append(helper.make_node("Identity", [f"beside_value{number}"], [f"beside{number}"]))
        ports.append(helper.make_tensor_value_info(f"beside{number}", TensorProto.FLOAT, shape))
    return ports


def write(path: Path, graph: Graph, inputs: list[Any], outputs: list[Any]) -> None:
    made = helper.make_graph(graph.nodes, "fuzz", inputs, outputs, graph.weights)
    onnx.save(helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)


def expected(made: Made, images: NDArray[np.uint8], truth: Path) -> tuple[NDArray[np.float32], bool]:
    """The scores that the graph has for `images`, (N, H, W, C) BGR or grey, and whether one plane is above 0."""
    mean, std = NORMALISATIONS[made.normalise]
    values: NDArray[Any] = images[..., ::-1]
    if made.dtype != "uint8":
        values = (values.astype(np.float32) - np.array(mean, np.float32)) / np.array(std, np.float32)
    if made.layout == "NCHW":
        values = values.transpose(0, 3, 1, 2)
    feed = np.ascontiguousarray(values if made.batched else values[0], made.dtype)
    session = ort.InferenceSession(str(truth), providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {"image": feed})
    return found, found.shape[1] == 1


def wrong(made: Made, file: Path, truth: Path) -> float:
    """Share of the pixels that have another label than NumPy gives them, where that is no tie."""
    count, *rest = made.shape
    height, width, channels = rest if made.layout == "NHWC" else (*rest[1:], rest[0])
    images = np.random.default_rng(1).integers(0, 256, (count, height, width, channels), dtype=np.uint8)
    labels = ort.InferenceSession(str(file), providers=["CPUExecutionProvider"]).run([LABELS], {PICTURE: images})[0]
    found, one_plane = expected(made, images, truth)
    if made.head == "softmax":
        powers = np.exp(found - found.max(1, keepdims=True))
        found = powers / powers.sum(1, keepdims=True)
    if made.head == "sigmoid":
        found = np.tanh(found / 2)  # of which a sigmoid is the half, and a half
    if labels.shape[1:] != found.shape[2:]:
        found = np.array([[cv2.resize(plane, (width, height)) for plane in image] for image in found])
    assert labels.shape == (count, *found.shape[2:])
    if one_plane:
        return float(np.mean((labels != (found[:, 0] > 0)) & (np.abs(found[:, 0]) > TIE * np.ptp(found))))
    top = np.sort(found, axis=1)
    near = top[:, -1] - top[:, -2] <= TIE * np.ptp(found)
    return float(np.mean((labels != found.argmax(1)) & ~near))


def tried(seed: int, folder: Path) -> bool:
    """Whether the graph of this seed was imported; fails where it was imported wrongly, or refused in other words."""
    folder.mkdir()
    made = build(folder / "a.onnx", random.Random(seed))
    try:
        spec = import_model(folder / "a.onnx", folder / "b.onnx", made.hints).spec
    except StreamsegError as error:
        assert "\n" not in str(error) and "Traceback" not in str(error), (seed, str(error))
        assert not (folder / "b.onnx").exists()
        assert not made.plain, (seed, str(error), made)
        return False
    if spec.task == "instance":  # its outputs stay as they are; test_families.py compares what is read from them
        assert not made.plain, (seed, made)
        return False
    assert wrong(made, folder / "b.onnx", folder / "truth.onnx") == 0, (seed, made)
    return True


def test_sixty_graphs_at_random_are_imported_rightly_or_refused(tmp_path: Path) -> None:
    imported = [tried(seed, tmp_path / str(seed)) for seed in range(60)]
    assert 15 < sum(imported) < 55


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_five_hundred_graphs_at_random_are_imported_rightly_or_refused(tmp_path: Path) -> None:
    imported = [tried(seed, tmp_path / str(seed)) for seed in range(1000, 1500)]
    assert 125 < sum(imported) < 450
