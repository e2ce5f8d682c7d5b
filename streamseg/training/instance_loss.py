"""What Mask R-CNN's training makes small: both stages' classes and boxes, and the masks of what was found.

Sampling and weights as in Ren et al., "Faster R-CNN", 2015, and He et al., "Mask R-CNN", 2017.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from streamseg.training.boxes import encode, pairwise_iou, roi_align
from streamseg.training.maskrcnn import BOX_SCALE, MASK_SIDE, MaskRCNN, Regions

_ANCHOR_SAMPLES, _ANCHOR_POSITIVE, _ANCHOR_NEGATIVE = 192, 0.55, 0.3
_REGION_SAMPLES, _REGION_POSITIVE = 96, 0.5
_PROPOSALS = 200
_SMOOTH = 1 / 9  # where a box's error turns from squared to plain


@dataclass(frozen=True, slots=True, eq=False)
class Target:
    """The objects of one picture."""

    class_ids: Tensor
    """(G,) int64, 1 or more: 0 is the background."""
    boxes: Tensor
    """(G, 4) f32, pixels."""
    masks: Tensor
    """(G, H, W) u8, 0 or 1."""


def instance_loss(network: MaskRCNN, images: Tensor, targets: list[Target], random: torch.Generator) -> Tensor:
    """The sum of five losses of a batch of (N, 3, H, W) pictures."""
    regions = network.regions(images)
    total = torch.zeros(())
    for index, target in enumerate(targets):
        total = total + _first_stage(regions, index, target, random) / len(targets)
    return total + _second_stage(network, regions, targets, images.shape[2:], random)


def _first_stage(regions: Regions, index: int, target: Target, random: torch.Generator) -> Tensor:
    kind, nearest = _match_anchors(regions.anchors, target.boxes)
    positive = _some(kind == 1, _ANCHOR_SAMPLES // 2, random)
    negative = _some(kind == 0, _ANCHOR_SAMPLES - len(positive), random)
    chosen = torch.cat([positive, negative])
    wanted = torch.cat([torch.ones(len(positive)), torch.zeros(len(negative))])
    loss = functional.binary_cross_entropy_with_logits(regions.objectness[index, chosen], wanted)
    if len(positive):
        deltas = encode(target.boxes[nearest[positive]], regions.anchors[positive])
        loss = loss + _box_loss(regions.deltas[index, positive], deltas).sum() / len(chosen)
    return loss


def _second_stage(
    network: MaskRCNN, regions: Regions, targets: list[Target], size: torch.Size, random: torch.Generator
) -> Tensor:
    with torch.no_grad():
        proposed = network.proposals(regions, int(size[0]), int(size[1]), _PROPOSALS)
        picked = [_pick(boxes, target, random) for boxes, target in zip(proposed, targets, strict=True)]
    boxes = torch.stack([each[0] for each in picked])
    ids = torch.cat([each[1] for each in picked])
    deltas = torch.cat([each[2] for each in picked])
    logits, found = network.judge(regions.features, boxes)
    loss = functional.cross_entropy(logits, ids)
    real = ids > 0
    if not real.any():
        return loss
    loss = loss + _box_loss(found[real], deltas[real]).sum() / len(ids)
    return loss + _mask_loss(network, regions, boxes, ids, picked, targets)


def _mask_loss(
    network: MaskRCNN, regions: Regions, boxes: Tensor, ids: Tensor, picked: list[Picked], targets: list[Target]
) -> Tensor:
    n_real = [int((each[1] > 0).sum()) for each in picked]
    most = max(n_real)
    # Positives come first in every picture: the first `most` of each hold them all, and a few others to be left out.
    logits = network.masks(regions.features, boxes[:, :most])
    kept = (ids.reshape(len(boxes), -1)[:, :most] > 0).reshape(-1)
    which = ids.reshape(len(boxes), -1)[:, :most].reshape(-1)[kept] - 1
    logits = logits[kept].gather(1, which.reshape(-1, 1, 1, 1).expand(-1, 1, *logits.shape[2:])).squeeze(1)
    wanted = [
        _cut(target.masks[nearest[:n]], each_boxes[:n])
        for target, each_boxes, (_, _, _, nearest), n in zip(targets, boxes, picked, n_real, strict=True)
        if n
    ]
    return functional.binary_cross_entropy_with_logits(logits, torch.cat(wanted))


def _cut(masks: Tensor, boxes: Tensor) -> Tensor:
    """(K, 28, 28) 0..1: what (K, H, W) masks hold inside (K, 4) boxes."""
    return roi_align(masks.unsqueeze(1).float(), boxes.unsqueeze(1), 2 * MASK_SIDE, samples=1).squeeze(1)


Picked = tuple[Tensor, Tensor, Tensor, Tensor]
"""Boxes (S, 4), class ids (S,), corrections (S, 4) and the object nearest to each (S,); objects first."""


def _pick(proposed: Tensor, target: Target, random: torch.Generator) -> Picked:
    """Regions of one picture to learn from: a quarter to a half of them on objects, the objects' own boxes too."""
    boxes = torch.cat([proposed, target.boxes])
    n_real = 0
    nearest = torch.zeros(len(boxes), dtype=torch.int64)
    overlap = torch.zeros(len(boxes))
    if len(target.boxes):
        overlap, nearest = pairwise_iou(boxes, target.boxes).max(1)
    positive = _some(overlap >= _REGION_POSITIVE, _REGION_SAMPLES // 2, random)
    n_real = len(positive)
    negative = _some(overlap < _REGION_POSITIVE, _REGION_SAMPLES - n_real, random)
    while len(negative) and len(positive) + len(negative) < _REGION_SAMPLES:
        negative = torch.cat([negative, negative])[: _REGION_SAMPLES - n_real]
    chosen = torch.cat([positive, negative])
    if len(chosen) < _REGION_SAMPLES:  # nothing but objects: a picture that is covered with them
        chosen = chosen.repeat(-(-_REGION_SAMPLES // len(chosen)))[:_REGION_SAMPLES]
        n_real = _REGION_SAMPLES
    boxes, nearest = boxes[chosen], nearest[chosen]
    ids = torch.zeros(_REGION_SAMPLES, dtype=torch.int64)
    deltas = torch.zeros(_REGION_SAMPLES, 4)
    if n_real:
        ids[:n_real] = target.class_ids[nearest[:n_real]]
        deltas[:n_real] = encode(target.boxes[nearest[:n_real]], boxes[:n_real]) / boxes.new_tensor(BOX_SCALE)
    return boxes, ids, deltas, nearest


def _match_anchors(anchors: Tensor, boxes: Tensor) -> tuple[Tensor, Tensor]:
    """For each anchor 1 (object), 0 (none) or -1 (neither clearly), and the object nearest to it."""
    if not len(boxes):
        return torch.zeros(len(anchors)), torch.zeros(len(anchors), dtype=torch.int64)
    overlap = pairwise_iou(anchors, boxes)
    best, nearest = overlap.max(1)
    kind = torch.full_like(best, -1.0)
    kind[best < _ANCHOR_NEGATIVE] = 0
    kind[best >= _ANCHOR_POSITIVE] = 1
    # Every object has an anchor, however small it is.
    own = overlap.max(0)
    kind[own.indices[own.values > 0.05]] = 1
    nearest[own.indices] = torch.arange(len(boxes))
    return kind, nearest


def _box_loss(found: Tensor, wanted: Tensor) -> Tensor:
    return functional.smooth_l1_loss(found, wanted, reduction="none", beta=_SMOOTH)


def _some(chosen: Tensor, most: int, random: torch.Generator) -> Tensor:
    """At most so many of the indices where `chosen` holds."""
    indices = chosen.nonzero().squeeze(1)
    return indices[torch.randperm(len(indices), generator=random)[:most]]
