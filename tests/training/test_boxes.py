from __future__ import annotations

import io

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs PyTorch: pip install '.[train]'")

import onnxruntime  # noqa: E402
from onnx import TensorProto, helper  # noqa: E402
from torch import Tensor, nn  # noqa: E402

from streamseg.training.boxes import (  # noqa: E402
    clip,
    decode,
    encode,
    make_anchors,
    pairwise_iou,
    roi_align,
    suppress,
)


def random_boxes(n: int, width: float = 30, height: float = 20) -> Tensor:
    corners = torch.rand(n, 2, 2) * torch.tensor([width, height])
    return torch.cat([corners.amin(1), corners.amax(1) + 0.5], 1)


def textbook_roi_align(features: Tensor, boxes: Tensor, side: int, samples: int) -> np.ndarray:
    """ONNX's own operator in ONNX Runtime."""
    node = helper.make_node(
        "RoiAlign", ["x", "rois", "batch"], ["y"], output_height=side, output_width=side, sampling_ratio=samples,
        spatial_scale=1.0, coordinate_transformation_mode="half_pixel",
    )  # fmt: skip
    kinds = {"x": TensorProto.FLOAT, "rois": TensorProto.FLOAT, "batch": TensorProto.INT64}
    graph = helper.make_graph(
        [node],
        "roi",
        [helper.make_tensor_value_info(name, kind, None) for name, kind in kinds.items()],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    session = onnxruntime.InferenceSession(model.SerializeToString())
    feeds = {"x": features.numpy(), "rois": boxes.numpy(), "batch": np.zeros(len(boxes), np.int64)}
    return np.asarray(session.run(None, feeds)[0])


@pytest.mark.parametrize(("side", "samples"), [(7, 2), (14, 1), (3, 3)])
def test_roi_align_is_the_textbooks(side: int, samples: int) -> None:
    torch.manual_seed(side)
    features, boxes = torch.randn(1, 5, 20, 30), random_boxes(40)
    expected = textbook_roi_align(features, boxes, side, samples)
    assert np.allclose(roi_align(features, boxes[None], side, samples), expected, atol=1e-4)


def test_roi_align_in_an_exported_graph_is_the_same() -> None:
    class Align(nn.Module):
        def forward(self, features: Tensor, boxes: Tensor) -> Tensor:
            return roi_align(features, boxes, 7)

    torch.manual_seed(0)
    features, boxes = torch.randn(1, 6, 20, 30), random_boxes(25)[None]
    file = io.BytesIO()
    with pytest.warns():  # the older exporter says that it is the older one
        torch.onnx.export(Align(), (features, boxes), file, dynamo=False, opset_version=17)
    session = onnxruntime.InferenceSession(file.getvalue())
    names = [each.name for each in session.get_inputs()]
    (found,) = session.run(None, dict(zip(names, (features.numpy(), boxes.numpy()), strict=True)))
    assert b"GridSample" not in file.getvalue()
    assert np.allclose(found, roi_align(features, boxes, 7), atol=1e-4)


def test_boxes_of_a_batch_are_read_from_their_own_picture() -> None:
    features = torch.stack([torch.zeros(2, 8, 8), torch.ones(2, 8, 8)])
    boxes = torch.tensor([[[1.0, 1, 5, 5]], [[1.0, 1, 5, 5]]])
    found = roi_align(features, boxes, 2)
    assert found[0].eq(0).all()
    assert found[1].eq(1).all()


@pytest.mark.parametrize("n", [1, 30, 300])
def test_suppression_is_the_greedy_one(n: int) -> None:
    torch.manual_seed(n)
    boxes = random_boxes(n, 100, 100)
    overlap = pairwise_iou(boxes, boxes)
    stay = np.ones(n, bool)
    for i in range(n):
        if stay[i]:
            stay[i + 1 :] &= ~(overlap[i, i + 1 :] > 0.5).numpy()
    assert (suppress(boxes, 0.5, rounds=12).numpy().astype(bool) == stay).all()


def test_overlap_is_intersection_over_union() -> None:
    boxes = torch.tensor([[0.0, 0, 2, 2], [1, 0, 3, 2], [5, 5, 6, 6]])
    assert torch.allclose(pairwise_iou(boxes, boxes)[0], torch.tensor([1, 1 / 3, 0]))


def test_decoding_undoes_encoding() -> None:
    torch.manual_seed(0)
    boxes, anchors = random_boxes(20), random_boxes(20)
    assert torch.allclose(decode(encode(boxes, anchors), anchors), boxes, atol=1e-3)


def test_a_wild_correction_stays_a_number() -> None:
    assert decode(torch.full((1, 4), 1e6), torch.tensor([[0.0, 0, 8, 8]])).isfinite().all()


def test_boxes_are_cut_at_the_picture() -> None:
    assert clip(torch.tensor([[-3.0, 2, 90, 50]]), 40, 80).tolist() == [[0, 2, 80, 40]]


def test_anchors_stand_around_every_cell_of_every_level() -> None:
    anchors = make_anchors(64, 96, (16, 32), 4, (0.5, 1.0))
    assert len(anchors) == (4 * 6 + 2 * 3) * 2
    sides = anchors[:, 2:] - anchors[:, :2]
    assert torch.allclose(sides.prod(1).sqrt()[:48], torch.tensor(64.0))
    assert sides[0, 1] / sides[0, 0] == pytest.approx(0.5)
    assert torch.allclose((anchors[1, :2] + anchors[1, 2:]) / 2, torch.tensor([8.0, 8.0]))
