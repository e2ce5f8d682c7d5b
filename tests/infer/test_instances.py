from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from streamseg.errors import InputError
from streamseg.frame import Frame
from streamseg.infer import load_segmenter
from streamseg.infer.instances import paint, read_instances
from streamseg.infer.model.geometry import make_fit
from streamseg.infer.model.spec import METADATA_KEY, InputSpec, ModelSpec, spec_text
from streamseg.segmentation import Instances, draw_masks

SIDE = 64
SPEC = ModelSpec(
    name="objects",
    task="instance",
    classes=("background", "disc"),
    outputs={name: name for name in ("boxes", "scores", "class_ids", "masks")},
    input=InputSpec(layout="NHWC", height=SIDE, width=SIDE, dtype="uint8", colour="bgr", fit="letterbox"),
    background=0,
)
BOXES = np.array([[16, 24, 32, 40], [20, 24, 36, 40], [0, 0, 8, 8]], np.float32)
SCORES = np.array([0.9, 0.8, 0.2], np.float32)
IDS = np.array([1, 1, 1], np.int32)
MASKS = np.ones((3, 4, 4), np.float32)


def write_model(path: Path, spec: ModelSpec = SPEC, boxes: np.ndarray = BOXES) -> Path:
    """A graph that finds the same three objects in every picture."""
    constants = {"boxes": boxes, "scores": SCORES, "class_ids": IDS, "masks": MASKS}
    kinds = {"class_ids": TensorProto.INT32}
    weights = [numpy_helper.from_array(value[None], f"{name}_value") for name, value in constants.items()]
    nodes = [helper.make_node("Identity", [f"{name}_value"], [name]) for name in constants]
    graph = helper.make_graph(
        nodes,
        "objects",
        [helper.make_tensor_value_info("picture", TensorProto.UINT8, [1, SIDE, SIDE, 3])],
        [
            helper.make_tensor_value_info(name, kinds.get(name, TensorProto.FLOAT), [1, *value.shape])
            for name, value in constants.items()
        ],
        weights,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    model.metadata_props.add(key=METADATA_KEY, value=spec_text(spec))
    onnx.save(model, path)
    return path


def objects(n: int = 1, score: float = 0.9, **changes: np.ndarray) -> Instances:
    fields = {
        "class_ids": np.ones(n, np.int32),
        "scores": np.full(n, score, np.float32),
        "boxes": np.tile(np.array([10, 20, 30, 40], np.float32), (n, 1)),
        "masks": np.ones((n, 4, 4), np.float32),
        "track_ids": np.full(n, -1, np.int32),
    }
    return Instances(**{**fields, **changes})


def test_a_network_for_objects_runs_like_any_other(tmp_path: Path) -> None:
    segment = load_segmenter(str(write_model(tmp_path / "objects.onnx"))).make(1)
    (found,) = segment([Frame(np.zeros((120, 240, 3), np.uint8), 3, 0.5, 0.0)])
    segment.close()
    assert found.instances is not None
    # The frame is 3.75 times as large as its place in the input, which begins 16 px from the top.
    assert found.instances.boxes.tolist() == [[60, 30, 120, 90], [75, 30, 135, 90]]
    assert found.instances.scores.tolist() == pytest.approx([0.9, 0.8])
    assert found.labels.shape == (32, 64)
    assert found.labels.sum() == 20 * 16
    assert (found.frame_index, found.classes.names) == (3, ("background", "disc"))


def test_what_is_no_object_is_left_out() -> None:
    boxes = np.array([[0, 0, 9, 9], [np.nan, 0, 9, 9], [0, 0, 9, 9], [70, 0, 90, 9], [9, 9, 3, 3]], np.float32)
    ids = np.array([1, 1, 7, 1, 1])
    fit = make_fit("stretch", (64, 64), (64, 64))
    found = read_instances(boxes, np.ones(5), ids, np.ones((5, 2, 2)), fit, 0.5, 2)
    assert found.boxes.tolist() == [[0, 0, 9, 9]]


def test_objects_are_painted_where_their_boxes_are() -> None:
    labels = paint(objects(), (50, 60), (50, 60), 0)
    assert labels[20:40, 10:30].all()
    assert labels.sum() == 400
    half = paint(objects(), (50, 60), (25, 30), 0)
    assert half[10:20, 5:15].all()
    assert half.sum() == 100


def test_a_mask_is_cut_where_it_is_half() -> None:
    masks = np.zeros((1, 4, 4), np.float32)
    masks[:, :, 2:] = 1
    labels = paint(objects(masks=masks), (50, 60), (50, 60), 0)
    assert labels[20:40, 20:30].all()
    assert labels.sum() == 200


def test_the_surest_object_lies_on_top_and_none_leaves_the_picture() -> None:
    boxes = np.array([[-20, -20, 30, 30], [20, 20, 90, 90]], np.float32)
    both = objects(2, boxes=boxes, scores=np.array([0.6, 0.9], np.float32))
    plane = np.zeros((50, 60), np.uint16)
    draw_masks(plane, both, (50, 60), np.array([700, 800]))
    assert plane[0, 0] == 700
    assert plane[25, 25] == plane[49, 59] == 800


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"outputs": {"boxes": "boxes"}}, "needs scores"),
        ({"background": None}, "needs `background`"),
        ({"least_score": 1.5}, "least_score"),
        ({"outputs": {**SPEC.outputs, "labels": "labels"}}, "no role 'labels'"),
    ],
)
def test_a_spec_that_is_not_whole_is_refused(change: dict[str, object], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        msgspec.convert({**msgspec.to_builtins(SPEC), **change}, ModelSpec)


def test_outputs_of_other_shapes_are_one_line(tmp_path: Path) -> None:
    path = write_model(tmp_path / "objects.onnx", boxes=np.ones((3, 5), np.float32))
    with pytest.raises(InputError, match=r"boxes expected as \(N, K, 4\), found \(1, 3, 5\)"):
        load_segmenter(str(path))
