"""Boxes as a network handles them: static shapes and plain operators, so that every runtime builds them.

Boxes are (..., 4): left, top, right, bottom in pixels. No operator here has a result whose size hangs on the values,
and none needs a plugin: non-maximum suppression is arithmetic on a matrix, RoIAlign one GridSample, or four Gathers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

_MOST_GROWTH = math.log(64)


def make_anchors(height: int, width: int, strides: Sequence[int], scale: float, ratios: Sequence[float]) -> Tensor:
    """(A, 4): `len(ratios)` boxes of area (scale * stride)**2 around every cell of every level, finest level first.

    `ratios` are height / width. `height` and `width` are the picture's; each level has their halves, rounded up.
    """
    levels = []
    for stride in strides:
        rows, columns = -(-height // stride), -(-width // stride)
        y, x = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
        centre = torch.stack([x, y], 2).reshape(-1, 1, 2) * stride + stride / 2
        half = torch.tensor([[scale * stride / ratio**0.5, scale * stride * ratio**0.5] for ratio in ratios]) / 2
        levels.append(torch.cat([centre - half, centre + half], 2).reshape(-1, 4))
    return torch.cat(levels)


def encode(boxes: Tensor, anchors: Tensor) -> Tensor:
    """(N, 4): how `boxes` differ from `anchors`, both (N, 4): shift in widths and heights, log of growth."""
    centre, size = _centre_size(boxes)
    anchor_centre, anchor_size = _centre_size(anchors)
    return torch.cat([(centre - anchor_centre) / anchor_size, (size / anchor_size).log()], -1)


def decode(deltas: Tensor, anchors: Tensor) -> Tensor:
    """The boxes that `encode` gave `deltas` for; shapes as far as they broadcast."""
    centre, size = _centre_size(anchors)
    shift, growth = deltas[..., :2], deltas[..., 2:].clamp(-_MOST_GROWTH, _MOST_GROWTH)
    centre, half = centre + shift * size, size * growth.exp() / 2
    return torch.cat([centre - half, centre + half], -1)


def clip(boxes: Tensor, height: int, width: int) -> Tensor:
    """The part of each box that lies in the picture."""
    x, y = boxes[..., 0::2].clamp(0, width), boxes[..., 1::2].clamp(0, height)
    return torch.stack([x[..., 0], y[..., 0], x[..., 1], y[..., 1]], -1)


def pairwise_iou(left: Tensor, right: Tensor) -> Tensor:
    """(..., N, M): intersection over union of (..., N, 4) with (..., M, 4) boxes, 0..1."""
    a, b = left.unsqueeze(-2), right.unsqueeze(-3)
    width = (torch.minimum(a[..., 2], b[..., 2]) - torch.maximum(a[..., 0], b[..., 0])).clamp(min=0)
    height = (torch.minimum(a[..., 3], b[..., 3]) - torch.maximum(a[..., 1], b[..., 1])).clamp(min=0)
    both = width * height
    return both / (_area(a) + _area(b) - both).clamp(min=1e-6)


def suppress(boxes: Tensor, iou_threshold: float, rounds: int = 6) -> Tensor:
    """(..., N) f32, 1 for the boxes that stay of (..., N, 4) boxes with the best first.

    Greedy non-maximum suppression as a fixed number of matrix steps (Zheng et al., "Enhancing Geometric Factors in
    Model Learning and Inference for Object Detection and Instance Segmentation", 2020: cluster NMS). Each step lets
    only boxes that stay suppress others; `rounds` steps are exact for chains of that length, and an even number
    never drops a box that the greedy one keeps.
    """
    over = (pairwise_iou(boxes, boxes).triu(1) > iou_threshold).float()
    stay = torch.ones_like(boxes[..., 0])
    for _ in range(rounds):
        stay = 1 - (over * stay.unsqueeze(-1)).amax(-2)
    return stay


def roi_align(features: Tensor, boxes: Tensor, side: int, samples: int = 2) -> Tensor:
    """(N * R, C, side, side): what (N, C, H, W) `features` hold inside (N, R, 4) `boxes`, in cells of the features.

    He et al., "Mask R-CNN", 2017: `samples` x `samples` bilinear samples a cell, averaged. All boxes of a picture are
    one grid, so that the features are read where they are and never copied for each box.
    """
    points = side * samples
    steps = (torch.arange(points, dtype=boxes.dtype, device=boxes.device) + 0.5) / points
    x = boxes[..., 0:1] + (boxes[..., 2:3] - boxes[..., 0:1]) * steps
    y = boxes[..., 1:2] + (boxes[..., 3:4] - boxes[..., 1:2]) * steps
    found = _gathered(features, x, y) if torch.onnx.is_in_onnx_export() else _sampled(features, x, y)
    return functional.avg_pool2d(found, samples) if samples > 1 else found


def _sampled(features: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """(N * R, C, P, P): `features` at the columns `x` and rows `y` of each grid, both (N, R, P), as one GridSample."""
    (n, r, points), (c, height, width) = x.shape, features.shape[1:]
    x = (x * (2 / width) - 1).unsqueeze(2).expand(n, r, points, points)
    y = (y * (2 / height) - 1).unsqueeze(3).expand(n, r, points, points)
    grid = torch.stack([x, y], 4).reshape(n, r * points, points, 2)
    found = functional.grid_sample(features, grid, mode="bilinear", padding_mode="border", align_corners=False)
    return found.reshape(n, c, r, points, points).transpose(1, 2).reshape(n * r, c, points, points)


def _gathered(features: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """The same for one picture, channels last, so that each corner of a sample is one row to copy.

    A quarter of the time of ONNX Runtime's GridSample on a CPU; backwards it would be the slower one.
    """
    _, r, points = (int(side) for side in x.shape)
    c, height, width = (int(side) for side in features.shape[1:])
    x, y = (x[0] - 0.5).clamp(0, width - 1), (y[0] - 0.5).clamp(0, height - 1)
    left, top = x.floor().clamp(max=width - 2), y.floor().clamp(max=height - 2)
    right_share, low_share = (x - left).reshape(r, 1, points, 1), (y - top).reshape(r, points, 1, 1)
    corner = (top.reshape(r, points, 1) * width + left.reshape(r, 1, points)).to(torch.int64).reshape(-1)
    cells = features.reshape(c, height * width).t()
    a, b, d, e = (cells[corner + step].reshape(r, points, points, c) for step in (0, 1, width, width + 1))
    above, below = a + (b - a) * right_share, d + (e - d) * right_share
    return (above + (below - above) * low_share).permute(0, 3, 1, 2)


def _centre_size(boxes: Tensor) -> tuple[Tensor, Tensor]:
    low, high = boxes[..., :2], boxes[..., 2:]
    return (low + high) / 2, high - low


def _area(boxes: Tensor) -> Tensor:
    return (boxes[..., 2] - boxes[..., 0]) * (boxes[..., 3] - boxes[..., 1])
