"""Networks that remember: what they gave for a frame comes back with the next, until the picture is another one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper

import streamseg
from streamseg.convert.quantise import quantise
from streamseg.errors import InputError
from streamseg.frame import Frame, Image
from streamseg.infer import load_segmenter
from streamseg.infer.backends import open_backend
from streamseg.infer.memory import with_states
from streamseg.infer.model.onnxfile import inspect_onnx
from streamseg.infer.model.spec import InputSpec, ModelSpec
from streamseg.infer.network import Network
from streamseg.segmentation import Segmentation
from streamseg.tuning.tune import check_variants

H, W = 32, 48
BACKENDS = ["ort-cpu", "openvino"]
YAML = "classes: [background, person]\noutputs: {probability: pha}\ninput: {name: src, std: [255]}\nlicence: CC0\n"
Sides = list[int | str | None]


def value(name: str, shape: Sides) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)


def save(path: Path, nodes: list[onnx.NodeProto], inputs: dict[str, Sides], outputs: dict[str, Sides]) -> Path:
    constants = {"half": [0.5], "scales": [1.0, 1.0, 2.0, 2.0]}
    weights = [helper.make_tensor(name, TensorProto.FLOAT, [len(each)], each) for name, each in constants.items()]
    given, found = ([value(*each) for each in named.items()] for named in (inputs, outputs))
    graph = helper.make_graph(nodes, "memory", given, found, weights)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    path.with_suffix(".yaml").write_text(YAML)
    return path


def mean(path: Path, state: Sides, *, names: tuple[str, str] = ("h_in", "h_out"), joined: bool = False) -> Path:
    """The mean of a picture's brightness and the state, which is that mean; `joined`: of one shape they must be."""
    node = helper.make_node
    nodes = [node("ReduceMean", ["src"], ["grey"], axes=[1], keepdims=1)]
    if joined:
        nodes += [
            node("Concat", ["grey", names[0]], ["both"], axis=1),
            node("ReduceMean", ["both"], [names[1]], axes=[1], keepdims=1),
        ]
    else:
        nodes += [node("Add", ["grey", names[0]], ["sum"]), node("Mul", ["sum", "half"], [names[1]])]
    nodes.append(node("Identity", [names[1]], ["pha"]))
    picture: Sides = [1, 3, *state[2:]]
    return save(path, nodes, {"src": picture, names[0]: state}, {"pha": [1, 1, *state[2:]], names[1]: state})


def matting(path: Path) -> Path:
    """As Robust Video Matting is exported: four states at strides of 2 to 16, whose sides are free, and a ratio."""
    node = helper.make_node
    nodes = [node("ReduceMean", ["src"], ["grey"], axes=[1], keepdims=1)]
    for i in range(1, 5):
        side = [2**i] * 2
        nodes += [
            node("AveragePool", ["grey"], [f"pooled{i}"], kernel_shape=side, strides=side),
            node("Add", [f"pooled{i}", f"r{i}i"], [f"sum{i}"]),
            node("Mul", [f"sum{i}", "half"], [f"r{i}o"]),
        ]
    nodes += [
        node("Resize", ["r1o", "", "scales"], ["large"], mode="nearest"),
        node("Mul", ["large", "downsample_ratio"], ["less"]),
        node("Div", ["less", "downsample_ratio"], ["pha"]),
        node("Identity", ["src"], ["fgr"]),
    ]
    free: dict[str, Sides] = {f"r{i}{{}}": [1, 1, f"height{i}", f"width{i}"] for i in range(1, 5)}
    inputs: dict[str, Sides] = {"src": [1, 3, "height", "width"]}
    inputs |= {name.format("i"): sides for name, sides in free.items()}
    inputs["downsample_ratio"] = [1]
    outputs: dict[str, Sides] = {"fgr": [1, 3, "height", "width"], "pha": [1, 1, "height", "width"]}
    return save(path, nodes, inputs, outputs | {name.format("o"): [1, 1, None, None] for name in free})


def picture(seed: int, height: int = H, width: int = W) -> Image:
    coarse = np.random.default_rng(seed).integers(0, 256, (height // 8, width // 8, 3), dtype=np.uint8)
    return np.asarray(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC), np.uint8)


def frames(*images: Image) -> list[Frame]:
    return [Frame(image.copy(), index, index / 25, 0.0) for index, image in enumerate(images)]


def likely(found: Segmentation) -> NDArray[Any]:
    """How likely class 1 is, 0..1."""
    assert found.confidence is not None
    return np.where(found.labels, found.confidence, 255 - found.confidence.astype(int)) / 255


def grey(image: Image) -> NDArray[Any]:
    return np.asarray(image.mean(2) / 255)


def spec(**fields: Any) -> ModelSpec:
    picture = InputSpec(name="src", std=(255.0,))
    return ModelSpec(
        name="toy", classes=("background", "person"), outputs={"probability": "pha"}, input=picture, **fields
    )


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> str:
    if request.param == "openvino":
        pytest.importorskip("openvino", reason="it is an extra")
    return str(request.param)


@pytest.mark.parametrize(
    ("state", "joined"), [([1, 1, H, W], False), ([1, 1, None, None], False), ([1, 1, None, None], True)]
)
def test_what_was_given_for_a_frame_comes_back_with_the_next(
    state: Sides, joined: bool, backend: str, tmp_path: Path
) -> None:
    file = mean(tmp_path / "toy.onnx", state, joined=joined)
    network = Network(spec(states={"h_in": "h_out"}), open_backend(file, 1, backend))
    image = picture(1)
    found = [likely(each) for each in network(frames(*[image] * 4))]
    for n, each in enumerate(found, 1):  # from zeros: 1/2, 3/4, 7/8 … of the picture
        full = cv2.resize(grey(image), each.shape[::-1])
        assert np.abs(each - (1 - 0.5**n) * full).mean() < 0.01


def test_a_cut_and_another_size_begin_from_zeros(backend: str, tmp_path: Path) -> None:
    file = mean(tmp_path / "toy.onnx", [1, 1, None, None])
    network = Network(spec(states={"h_in": "h_out"}), open_backend(file, 1, backend))
    one, other, larger = picture(1, 96, 128), picture(7, 96, 128), picture(1, 128, 128)
    found = [likely(each) for each in network(frames(one, one, other, other, larger))]
    for each, image, share in zip(found, (one, one, other, other, larger), (0.5, 0.75, 0.5, 0.75, 0.5), strict=True):
        assert np.abs(each - share * cv2.resize(grey(image), each.shape[::-1])).mean() < 0.02


def test_a_matting_network_with_four_states_needs_no_word_of_them(backend: str, tmp_path: Path) -> None:
    file = matting(tmp_path / "toy.onnx")
    recipe = load_segmenter(str(file), backend=backend)
    assert not recipe.parallel
    assert recipe.most is None  # streams of a service do not share what it remembers
    segment = recipe.make(1)
    image = np.full((64, 96, 3), 200, np.uint8)
    shares = [float(likely(each).mean()) for each in segment(frames(*[image] * 3))]
    assert shares == pytest.approx([0.5 * 200 / 255, 0.75 * 200 / 255, 0.875 * 200 / 255], abs=0.01)


def test_it_runs_as_a_model_of_a_stream(tmp_path: Path) -> None:
    file = mean(tmp_path / "toy.onnx", [1, 1, H, W])
    images = [picture(1)] * 6
    with streamseg.open(streamseg.frames(images, fps=25), model=str(file), backend="ort-cpu") as stream:
        found = [likely(shown.segmentation) for shown in stream]
    assert len(found) == 6
    assert np.abs(found[5] - (1 - 0.5**6) * grey(images[0])).mean() < 0.01


@pytest.mark.parametrize(
    "names",
    [
        ("h_in", "h_out"),
        ("r1i", "r1o"),
        ("state", "new_state"),
        ("past_h", "present_h"),
        ("h", "hn"),
        ("in_h", "out_h"),
    ],
    ids=str,
)
def test_states_are_recognised_by_their_names(names: tuple[str, str], tmp_path: Path) -> None:
    found = inspect_onnx(mean(tmp_path / "toy.onnx", [1, 1, H, W], names=names))
    assert with_states(spec(), found.inputs, found.outputs).states == {names[0]: names[1]}


def test_names_that_say_nothing_are_not_guessed(tmp_path: Path) -> None:
    file = mean(tmp_path / "toy.onnx", [1, 1, H, W], names=("a", "b"))
    with pytest.raises(InputError, match=r"expected one input, found 2 \(src, a\)") as caught:
        load_segmenter(str(file))
    assert "`states`" in caught.value.hint
    file.with_suffix(".yaml").write_text(YAML + "states: {a: b}\n")
    assert not load_segmenter(str(file)).parallel


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"states": {"h_in": "nothing"}}, "output 'nothing'"),
        ({"states": {"nothing": "h_out"}}, "input 'nothing'"),
        ({"states": {"h_in": "h_out"}, "values": {"ratio": 0.5}}, "input 'ratio'"),
    ],
)
def test_states_that_the_graph_has_not_are_named(fields: dict[str, Any], said: str, tmp_path: Path) -> None:
    file = mean(tmp_path / "toy.onnx", [1, 1, H, W])
    with pytest.raises(InputError, match=said):
        Network(spec(**fields), open_backend(file, 1, "ort-cpu"))


@pytest.mark.parametrize(
    "fields",
    [
        {"states": {"a": "b", "c": "b"}},
        {"states": {"a": "b"}, "values": {"a": 1.0}},
        {"states": {"src": "b"}},
        {"states": {"a": "pha"}},
    ],
)
def test_states_that_contradict_one_another_are_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"state|picture"):
        spec(**fields)


def test_what_feeds_single_pictures_refuses_it_in_a_line(tmp_path: Path) -> None:
    file = mean(tmp_path / "toy.onnx", [1, 1, H, W])
    with pytest.raises(InputError, match="remembers earlier frames; `quantise`"):
        quantise(file, tmp_path / "made.onnx", [picture(1)], "cpu")
    with pytest.raises(InputError, match="remembers earlier frames; `tune`"):
        check_variants(file, [], [picture(1)], 0.99)
