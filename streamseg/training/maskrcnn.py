"""Mask R-CNN: a box for every object, and a mask in every box.

He, Gkioxari, Dollár and Girshick, "Mask R-CNN", ICCV 2017, on a feature pyramid (Lin et al., CVPR 2017), small enough
to run live. Regions are read from the pyramid's finest level alone, which the levels above have been added to: one
GridSample instead of one a level.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from streamseg.training.blocks import conv_norm, grow, separable
from streamseg.training.boxes import clip, decode, make_anchors, roi_align, suppress
from streamseg.training.encoder import WIDTHS, Lite

STRIDES = (4, 8, 16, 32)
RATIOS = (0.5, 1.0, 2.0)
_ANCHOR_SCALE = 4.0  # cells: 16, 32, 64 and 128 px
BOX_SIDE, MASK_SIDE = 7, 14
"""Cells a side that regions are read with; masks come out twice as fine."""
_CANDIDATES, _REGIONS, _OBJECTS = 1000, 400, 256
_REGION_IOU, _OBJECT_IOU = 0.7, 0.5
BOX_SCALE = (0.1, 0.1, 0.2, 0.2)
"""The second stage's corrections are this much smaller than the first's (Girshick, "Fast R-CNN", 2015)."""


@dataclass(frozen=True, slots=True, eq=False)
class Regions:
    """What the first stage says about a batch."""

    features: Tensor
    """(N, C, H/4, W/4)."""
    anchors: Tensor
    """(A, 4) in pixels of the picture."""
    objectness: Tensor
    """(N, A) logits."""
    deltas: Tensor
    """(N, A, 4)."""


class MaskRCNN(nn.Module):
    """EfficientNet-Lite0, feature pyramid, region proposals, and heads for class, box and mask."""

    def __init__(self, n_classes: int, *, width: int = 64) -> None:
        """`n_classes` counts the background, which is class 0."""
        super().__init__()
        self.encoder = Lite()
        self.sides = nn.ModuleList(nn.Sequential(*conv_norm(channels, width, 1)[:2]) for channels in WIDTHS[1:])
        self.smooth = nn.ModuleList(nn.Sequential(*separable(width, width)) for _ in WIDTHS[1:])
        self.propose = nn.Sequential(*separable(width, width), nn.Conv2d(width, 5 * len(RATIOS), 1))
        self.box_layers = nn.Sequential(
            *separable(width, width),
            nn.Flatten(),
            nn.Linear(width * BOX_SIDE**2, 3 * width),
            nn.ReLU(inplace=True),
        )
        self.class_head = nn.Linear(3 * width, n_classes)
        self.box_head = nn.Linear(3 * width, 4)
        self.mask_layers = nn.Sequential(
            *separable(width, width),
            *separable(width, width),
            *separable(width, width),
            nn.ConvTranspose2d(width, width // 2, 2, 2),
            nn.ReLU6(inplace=True),
            nn.Conv2d(width // 2, n_classes - 1, 1),
        )

    def regions(self, x: Tensor) -> Regions:
        """The first stage for (N, 3, H, W) pictures, H and W multiples of 32."""
        levels = self._pyramid(x)
        n = int(x.shape[0])
        # (N, 5 * ratios, h, w) -> (N, h * w * ratios, 5), in the order of the anchors.
        said = [self.propose(level).permute(0, 2, 3, 1).reshape(n, -1, 5) for level in levels]
        found = torch.cat(said, 1)
        anchors = make_anchors(int(x.shape[2]), int(x.shape[3]), STRIDES, _ANCHOR_SCALE, RATIOS)
        return Regions(levels[0], anchors, found[..., 0], found[..., 1:])

    def proposals(self, regions: Regions, height: int, width: int, most: int = _REGIONS) -> Tensor:
        """(N, most, 4) boxes worth a closer look, best first; the rest of them are suppressed ones."""
        n_best = min(_CANDIDATES, len(regions.anchors))
        scores, best = regions.objectness.sigmoid().topk(n_best, 1)
        deltas = regions.deltas.gather(1, best.unsqueeze(2).expand(-1, -1, 4))
        boxes = clip(decode(deltas, regions.anchors[best]), height, width)
        return _best(boxes, scores * suppress(boxes, _REGION_IOU), min(most, n_best))[0]

    def judge(self, features: Tensor, boxes: Tensor) -> tuple[Tensor, Tensor]:
        """Class logits (N * R, classes) and corrections (N * R, 4) of (N, R, 4) boxes."""
        inside = self.box_layers(roi_align(features, boxes / STRIDES[0], BOX_SIDE))
        return self.class_head(inside), self.box_head(inside)

    def masks(self, features: Tensor, boxes: Tensor) -> Tensor:
        """Logits (N * R, classes - 1, 28, 28) inside (N, R, 4) boxes."""
        found: Tensor = self.mask_layers(roi_align(features, boxes / STRIDES[0], MASK_SIDE, samples=1))
        return found

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """(N, 3, H, W) -> boxes (N, K, 4), scores (N, K), class ids (N, K) and masks (N, K, 28, 28) of 0..1.

        Best first. K is fixed; what is no object has score 0.
        """
        height, width = int(x.shape[2]), int(x.shape[3])
        regions = self.regions(x)
        boxes = self.proposals(regions, height, width)
        n, r = int(boxes.shape[0]), int(boxes.shape[1])
        logits, deltas = self.judge(regions.features, boxes)
        scores, ids = logits.softmax(1)[:, 1:].reshape(n, r, -1).max(2)
        boxes = clip(decode(deltas.reshape(n, r, 4) * boxes.new_tensor(BOX_SCALE), boxes), height, width)

        scores, order = scores.topk(r, 1)
        boxes, ids = boxes.gather(1, order.unsqueeze(2).expand(-1, -1, 4)), ids.gather(1, order)
        # Classes are moved apart, so that none suppresses another.
        apart = boxes + (ids * (2 * max(height, width))).unsqueeze(2)
        boxes, scores, best = _best(boxes, scores * suppress(apart, _OBJECT_IOU), min(_OBJECTS, r))
        ids = ids.gather(1, best)
        masks = self.masks(regions.features, boxes)
        fine = 2 * MASK_SIDE
        which = ids.reshape(-1, 1, 1, 1).expand(-1, 1, fine, fine)
        return boxes, scores, ids + 1, masks.gather(1, which).sigmoid().reshape(n, -1, fine, fine)

    def _pyramid(self, x: Tensor) -> list[Tensor]:
        """Features at 1/4, 1/8, 1/16 and 1/32, each with what the coarser ones know."""
        features = self.encoder(x)[1:]
        levels: list[Tensor] = []
        for side, feature in zip(reversed(self.sides), reversed(features), strict=True):
            y = side(feature)
            levels.append(y + grow(levels[-1], y) if levels else y)
        return [smooth(level) for smooth, level in zip(self.smooth, reversed(levels), strict=True)]


def _best(boxes: Tensor, scores: Tensor, most: int) -> tuple[Tensor, Tensor, Tensor]:
    """The `most` best of (N, R, 4) boxes by (N, R) scores, their scores, and where they were."""
    scores, best = scores.topk(most, 1)
    return boxes.gather(1, best.unsqueeze(2).expand(-1, -1, 4)), scores, best
