"""Networks of families as segmenters: from a file with its spec inside to objects in pixels of the frame."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from streamseg.errors import InputError
from streamseg.frame import Frame
from streamseg.infer import load_segmenter
from streamseg.infer.model.spec import METADATA_KEY, InputSpec, ModelSpec, spec_text
from streamseg.segmentation import Segmentation
from tests.parts import toy_models

SIDE = 64
SPEC = ModelSpec(
    name="discs",
    task="instance",
    family="yolo",
    classes=("disc", "square", "background"),
    outputs={"anchors": "output0", "prototypes": "output1"},
    input=InputSpec(std=(255.0,), fit="letterbox"),
    background=2,
    least_score=0.25,
    overlap=0.7,
)
ROWS, COLUMNS = np.mgrid[:16, :16].astype(np.float32)
PROTOTYPES = np.stack([COLUMNS - 7.5, ROWS - 7.5])
"""Right of the middle, and below it."""


def columns(*objects: tuple[float, ...]) -> NDArray[np.float32]:
    found = np.zeros((1, 4 + 2 + 2, 84), np.float32)
    found[0, :, : len(objects)] = np.array(objects, np.float32).T
    return found


def segment(path: Path, outputs: dict[str, NDArray[Any]], spec: ModelSpec = SPEC, **options: Any) -> Segmentation:
    file = toy_models.constant(path / "toy.onnx", outputs, (SIDE, SIDE), {METADATA_KEY: spec_text(spec)})
    network = load_segmenter(str(file), **options).make(1)
    (found,) = network([Frame(np.zeros((120, 240, 3), np.uint8), 3, 0.5, 0.0)])
    network.close()
    return found


@pytest.mark.parametrize("backend", ["ort-cpu", "openvino"])
def test_objects_and_their_masks_are_those_of_the_frame(tmp_path: Path, backend: str) -> None:
    if backend == "openvino":
        pytest.importorskip("openvino")
    anchors = columns((32, 32, 32, 16, 0.1, 0.8, 1, 0), (32, 32, 31, 16, 0.1, 0.7, 1, 0), (70, 90, 9, 9, 0.9, 0, 1, 0))
    found = segment(tmp_path, {"output0": anchors, "output1": PROTOTYPES[None]}, backend=backend)
    objects = found.instances
    assert objects is not None and objects.class_ids.tolist() == [1]
    assert objects.scores.tolist() == pytest.approx([0.8])
    # The frame is 3.75 times as large as its place in the input, which begins 16 px from the top.
    assert objects.boxes.tolist() == [[60, 30, 180, 90]]
    mask = objects.mask(0, (120, 240))
    assert mask[30:90, 121:180].all() and not mask[:, :119].any() and not mask[:30].any() and not mask[90:].any()
    assert found.labels.shape == (32, 64)
    assert (found.labels[8:24, 32:48] == 1).all()
    assert (found.labels == 1).sum() == 16 * 16


def test_boxes_end_at_the_frame(tmp_path: Path) -> None:
    spec = msgspec.structs.replace(SPEC, outputs={"anchors": "output0"})
    anchors = columns((4, 20, 16, 16, 0.9, 0, 0, 0))[:, :6]
    objects = segment(tmp_path, {"output0": anchors}, spec).instances
    assert objects is not None and objects.boxes.tolist() == [[0, 0, 45, 45]]
    assert objects.mask(0, (120, 240)).sum() == 45 * 45


def test_planes_of_queries_may_leave_their_boxes(tmp_path: Path) -> None:
    spec = msgspec.structs.replace(
        SPEC,
        family="queries",
        outputs={"boxes": "dets", "classes": "labels", "planes": "masks"},
        input=InputSpec(std=(255.0,)),
        overlap=None,
    )
    planes = np.stack([PROTOTYPES[0], -PROTOTYPES[0]])[None]
    outputs = {
        "dets": np.array([[[0.5, 0.5, 0.1, 0.1], [0.2, 0.2, 0.1, 0.1]]], np.float32),
        "labels": np.array([[[4, -9], [-9, -9]]], np.float32),
        "masks": planes,
    }
    objects = segment(tmp_path, outputs, spec).instances
    assert objects is not None and objects.class_ids.tolist() == [0]
    assert objects.boxes[0].tolist() == pytest.approx([108, 54, 132, 66], abs=0.01)
    mask = objects.mask(0, (120, 240))
    assert mask[:, 121:].all() and not mask[:, :119].any()


def test_a_list_without_an_object_is_no_object(tmp_path: Path) -> None:
    spec = msgspec.structs.replace(
        SPEC,
        family="torchvision",
        outputs={"boxes": "boxes", "scores": "scores", "class_ids": "labels"},
        overlap=None,
    )
    outputs: dict[str, NDArray[Any]] = {
        "boxes": np.zeros((1, 0, 4), np.float32),
        "scores": np.zeros((1, 0), np.float32),
        "labels": np.zeros((1, 0), np.int64),
    }
    found = segment(tmp_path, outputs, spec)
    assert found.instances is not None and len(found.instances) == 0
    assert (found.labels == 2).all()


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"family": "yolo99"}, "no family 'yolo99'"),
        ({"family": "queries"}, "the family queries needs boxes and classes"),
        ({"outputs": {"anchors": "output1"}}, r"anchors expected as \(N, 4 \+ C \+ M, A\), found"),
    ],
)
def test_a_spec_that_does_not_fit_is_one_line(tmp_path: Path, change: dict[str, Any], complaint: str) -> None:
    with pytest.raises(InputError, match=complaint):
        segment(tmp_path, {"output0": columns(), "output1": PROTOTYPES[None]}, msgspec.structs.replace(SPEC, **change))


@pytest.mark.parametrize("change", [{"overlap": 1.5}, {"most": 0}, {"background": None}])
def test_limits_are_checked(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="must be|needs `background`"):
        msgspec.convert({**msgspec.to_builtins(SPEC), **change}, ModelSpec)
