from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import cv2
import msgspec
import numpy as np
import onnx
import onnxruntime as ort
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from streamseg.errors import InputError
from streamseg.frame import Frame
from streamseg.infer.backends.ort import OrtBackend
from streamseg.infer.model.spec import InputSpec, ModelSpec
from streamseg.infer.network import Network
from streamseg.said import Said
from tests.parts import toy_models

FIVE = ("floor", "wall", "door", "person", "dog")


def frame(index: int = 0, height: int = 48, width: int = 64) -> Frame:
    blots = np.random.default_rng(index).integers(0, 256, (4, 5, 3), dtype=np.uint8)
    image = cv2.resize(blots, (width, height), interpolation=cv2.INTER_CUBIC).astype(np.uint8)
    return Frame(image, index, index / 30, 0.0)


def network(model: Path, spec: ModelSpec | None = None, **fields: Any) -> Network:
    spec = spec or ModelSpec(name="toy", classes=FIVE, outputs={"logits": "scores"}, input=InputSpec(**fields))
    return Network(spec, OrtBackend(model, 1))


@functools.cache
def session(model: Path) -> ort.InferenceSession:
    return ort.InferenceSession(str(model))


def textbook(model: Path, image: NDArray[np.uint8], size: tuple[int, int], mean: float, std: float) -> NDArray[Any]:
    """Resize, RGB, normalise, transpose, run, argmax: as the tutorials have it."""
    rgb = cv2.resize(image, size[::-1])[..., ::-1]
    values = ((rgb.astype(np.float32) - np.float32(mean)) / np.float32(std)).transpose(2, 0, 1)[None]
    (scores,) = session(model).run(None, {"image": values})
    labels: NDArray[Any] = scores[0].argmax(0)
    return labels


@pytest.mark.parametrize("batch", [1, 3, None])
def test_labels_are_those_of_the_textbook_on_every_frame(tmp_path: Path, batch: int | None) -> None:
    one = toy_models.segmenter(tmp_path / "one.onnx")
    net = network(toy_models.segmenter(tmp_path / "toy.onnx", batch=batch), mean=(127.5,), std=(127.5,))
    frames = [frame(i) for i in range(8)]
    found = net(frames)
    assert [s.frame_index for s in found] == list(range(8))
    assert [s.frame_time_s for s in found] == [f.time_s for f in frames]
    for seen, shown in zip(found, frames, strict=True):
        np.testing.assert_array_equal(seen.labels, textbook(one, shown.image, (24, 32), 127.5, 127.5))
    assert len(np.unique([s.labels for s in found])) > 2
    assert net.batch == (batch or 1)


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_layouts_and_halves_agree(tmp_path: Path, layout: Any, dtype: Any) -> None:
    plain = network(toy_models.segmenter(tmp_path / "plain.onnx"), std=(255.0,))
    other = network(
        toy_models.segmenter(tmp_path / "toy.onnx", layout=layout, dtype=dtype),
        layout=layout,
        dtype=dtype,
        std=(255.0,),
    )
    expected, found = plain([frame(1)])[0].labels, other([frame(1)])[0].labels
    assert np.mean(expected == found) > (0.98 if dtype == "float16" else 0.9999)


def pooling(path: Path, cell: int) -> Path:
    """1 where a cell of a 256x256 picture is nothing but white."""
    least = numpy_helper.from_array(np.array(254.5, np.float32), "least")
    nodes = [
        helper.make_node("ReduceMax", ["image"], ["grey"], axes=[1], keepdims=1),
        helper.make_node("AveragePool", ["grey"], ["mean"], kernel_shape=[cell, cell], strides=[cell, cell]),
        helper.make_node("Greater", ["mean", "least"], ["white"]),
        helper.make_node("Cast", ["white"], ["labels"], to=TensorProto.UINT8),
    ]
    sides = 256 // cell
    graph = helper.make_graph(
        nodes,
        "pooling",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, 256, 256])],
        [helper.make_tensor_value_info("labels", TensorProto.UINT8, [1, 1, sides, sides])],
        [least],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), path)
    return path


@pytest.mark.parametrize("cell", [4, 8, 32])
@pytest.mark.parametrize("size", [(375, 500), (427, 640), (500, 333), (720, 1280)])
def test_labels_coarser_than_a_letterboxed_input_cover_the_frame_and_nothing_of_the_padding(
    tmp_path: Path, cell: int, size: tuple[int, int]
) -> None:
    spec = ModelSpec(classes=("no", "white"), outputs={"labels": "labels"}, input=InputSpec(fit="letterbox"))
    net = network(pooling(tmp_path / "pooling.onnx", cell), spec)
    white = np.full((*size, 3), 255, np.uint8)
    assert net([Frame(white, 0, 0.0, 0.0)])[0].labels.min() == 1
    half = white.copy()
    half[: size[0] // 2] = 0
    labels = net([Frame(half, 0, 0.0, 0.0)])[0].labels
    assert labels[0].max() == 0 and labels[-1].min() == 1
    assert abs(labels.mean() - 0.5) <= 1 / len(labels)  # a row of the output at most


def test_labels_without_a_name_are_void_and_said_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    spec = ModelSpec(name="few", classes=FIVE[:3], outputs={"labels": "scores"}, input=InputSpec(std=(255.0,)))
    model = toy_models.segmenter(tmp_path / "labels.onnx", kind="labels")
    whole = network(model, msgspec.structs.replace(spec, classes=FIVE))([frame()])[0].labels
    assert not caplog.text
    net = network(model, spec)
    labels = [net([frame()])[0].labels for _ in range(2)][1]
    np.testing.assert_array_equal(labels, np.where(whole < 3, whole, 255))
    assert caplog.text.count("has names for 0 to 2 alone") == 1
    run = Said()
    for worker in (Network(spec, OrtBackend(model, 1), run) for _ in range(2)):
        worker([frame()])
        worker.close()
    assert caplog.text.count("has names for 0 to 2 alone") == 2, "once more, in another run"


def test_labels_from_the_graph_are_taken_as_they_are(tmp_path: Path) -> None:
    spec = ModelSpec(classes=FIVE, outputs={"labels": "scores"}, input=InputSpec(std=(255.0,)))
    labels = network(toy_models.segmenter(tmp_path / "labels.onnx", kind="labels"), spec)([frame()])[0].labels
    logits = network(toy_models.segmenter(tmp_path / "logits.onnx"), std=(255.0,))([frame()])[0].labels
    np.testing.assert_array_equal(labels, logits)


def test_a_probability_gives_confidence(tmp_path: Path) -> None:
    spec = ModelSpec(classes=("no", "yes"), outputs={"probability": "scores"}, input=InputSpec(std=(255.0,)))
    (found,) = network(toy_models.segmenter(tmp_path / "toy.onnx", kind="probability"), spec)([frame()])
    assert found.confidence is not None and found.confidence.min() >= 127
    assert set(np.unique(found.labels)) <= {0, 1}


def test_a_grey_network_sees_grey(tmp_path: Path) -> None:
    net = network(toy_models.segmenter(tmp_path / "toy.onnx", channels=1), colour="grey", std=(255.0,))
    assert net([frame()])[0].labels.shape == (24, 32)


def test_frames_of_different_sizes_go_in_one_call(tmp_path: Path) -> None:
    net = network(toy_models.segmenter(tmp_path / "toy.onnx", size=(None, None)), side=64, stride=8, std=(255.0,))
    frames = [frame(0), frame(1, 64, 48), frame(2, 36, 64), frame(3, 36, 64)]
    together = net(frames)
    assert [s.labels.shape for s in together] == [(48, 64), (64, 48), (32, 64), (32, 64)]
    for one, found in zip(frames, together, strict=True):
        np.testing.assert_array_equal(net([one])[0].labels, found.labels)


def test_a_network_of_free_size_can_look_at_a_smaller_picture(tmp_path: Path) -> None:
    free = network(toy_models.segmenter(tmp_path / "free.onnx", size=(None, None)), side=64, stride=8, std=(255.0,))
    fixed = network(toy_models.segmenter(tmp_path / "fixed.onnx"), std=(255.0,))
    free.scale = fixed.scale = 0.5
    assert free([frame()])[0].labels.shape == (24, 32)
    assert fixed([frame()])[0].labels.shape == (24, 32)


@pytest.mark.parametrize("batch", [1, 4, None])
def test_no_frames_are_no_work(tmp_path: Path, batch: int | None) -> None:
    assert network(toy_models.segmenter(tmp_path / "toy.onnx", batch=batch))([]) == []


def test_more_frames_than_a_run_may_hold_are_portioned(tmp_path: Path) -> None:
    net = network(toy_models.segmenter(tmp_path / "toy.onnx", batch=None), std=(255.0,))
    assert [s.frame_index for s in net([frame(i) for i in range(37)])] == list(range(37))


def test_a_segmentation_keeps_its_labels_when_the_next_frame_comes(tmp_path: Path) -> None:
    net = network(toy_models.segmenter(tmp_path / "toy.onnx"), std=(255.0,))
    (first,) = net([frame(0)])
    before = first.labels.copy()
    net([frame(1)])
    np.testing.assert_array_equal(first.labels, before)


def test_letterboxed_labels_cover_only_the_frame(tmp_path: Path) -> None:
    net = network(toy_models.segmenter(tmp_path / "toy.onnx", stride=2), fit="letterbox", std=(255.0,))
    assert net([frame(0, 32, 64)])[0].labels.shape == (8, 16)


def test_what_a_crop_leaves_out_is_ignored(tmp_path: Path) -> None:
    net = network(toy_models.segmenter(tmp_path / "toy.onnx", size=(24, 24)), fit="crop", std=(255.0,))
    labels = net([frame(0, 24, 48)])[0].labels
    assert labels.shape == (24, 48)
    assert np.all(labels[:, :12] == 255) and np.all(labels[:, 36:] == 255) and labels[:, 12:36].max() < 5


@pytest.mark.parametrize(
    ("spec", "made", "message"),
    [
        ({"classes": FIVE[:3]}, {}, r"logits expected as 3 channels for 3 classes, found \(1, 5, 24, 32\)"),
        ({"outputs": {"logits": "masks"}}, {}, "expected output 'masks', found 'scores'"),
        ({"outputs": {"labels": "scores"}}, {}, "should hold labels, integers; found float32"),
        ({"outputs": {"logits": "scores"}}, {"kind": "labels"}, "should hold logits, floats; found int64"),
        ({"input": InputSpec(name="picture")}, {}, "expected input 'picture', found 'image'"),
        ({"input": InputSpec(layout="NHWC")}, {}, r"NHWC \(\?, \?, \?, 3\), found \(1, 3, 24, 32\)"),
        ({"input": InputSpec(height=48)}, {}, r"expected as NCHW \(\?, 3, 48, \?\), found \(1, 3, 24, 32\)"),
        ({"input": InputSpec(dtype="uint8")}, {}, "expected as uint8, found float32"),
        ({"input": InputSpec(colour="grey")}, {}, r"expected as NCHW \(\?, 1, \?, \?\), found \(1, 3, 24, 32\)"),
    ],
)
def test_a_spec_of_another_model_is_refused_with_both_sides(
    tmp_path: Path, spec: dict[str, Any], made: dict[str, Any], message: str
) -> None:
    fields: dict[str, Any] = {"name": "toy", "classes": FIVE, "outputs": {"logits": "scores"}, **spec}
    with pytest.raises(InputError, match=message):
        network(toy_models.segmenter(tmp_path / "toy.onnx", **made), ModelSpec(**fields))


def test_a_refused_backend_is_closed(tmp_path: Path) -> None:
    backend = OrtBackend(toy_models.segmenter(tmp_path / "toy.onnx"), 1)
    with pytest.raises(InputError):
        Network(ModelSpec(classes=("a",), outputs={"logits": "none"}), backend)
    with pytest.raises(Exception, match="NoneType"):
        backend.run({})


def test_closing_twice_is_fine(tmp_path: Path) -> None:
    net = network(toy_models.segmenter(tmp_path / "toy.onnx"))
    net.close()
    net.close()
