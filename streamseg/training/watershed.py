"""Objects that touch, learnt as three maps: where there is one, where two touch, and how deep inside one a pixel lies.

Ronneberger, Fischer and Brox ("U-Net", MICCAI 2015) weigh what lies between cells that touch; Caicedo et al. ("Nucleus
segmentation across imaging experiments", Nature Methods 2019) tell of the Data Science Bowl, which networks won that
learn those borders as a class of their own.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from streamseg.evaluation.objects import Numbers
from streamseg.training.blocks import grow

MAPS = 3
_NEAR = np.ones((5, 5), np.uint8)
_NEXT = np.ones((3, 3), np.uint8)
_AROUND = np.ones((9, 9), np.uint8)
_HEAVY = 3.0  # times as much counts a pixel around a border
_BORDERS = 2.0  # borders are few pixels


def make_maps(numbers: Numbers) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """(3, H, W) of 0..1, which `infer.families.watershed` reads, and (H, W): how much each pixel counts.

    The first map is 1 in objects; the second where two objects are within 5 pixels; the third is each pixel's distance
    from the edge of its object as a share of the largest one in there.
    """
    there = numbers > 0
    highest = cv2.dilate(numbers, _NEAR)
    lowest = cv2.erode(np.where(there, numbers, np.iinfo(np.uint16).max).astype(np.uint16), _NEAR)
    border = (highest > 0) & (highest != lowest)
    inner = there & (cv2.dilate(numbers, _NEXT) == numbers) & (cv2.erode(numbers, _NEXT) == numbers)
    depth = cv2.distanceTransform(inner.view(np.uint8), cv2.DIST_L2, 3) + there
    deepest = np.ones(int(numbers.max()) + 1, np.float32)
    np.maximum.at(deepest, numbers.reshape(-1), depth.reshape(-1))
    around = cv2.dilate(border.view(np.uint8), _AROUND)
    maps = np.stack([there, border, depth / deepest[numbers]]).astype(np.float32)
    return maps, 1 + (_HEAVY - 1) * around.astype(np.float32)


def watershed_loss(logits: Sequence[Tensor], views: Sequence[Numbers], *, dice: float, coarse: float) -> Tensor:
    """Of (N, 3, h, w) logits, those at 1/16 after the others, against the objects' numbers, (H, W) each.

    Binary cross-entropy of each map, and `dice` times the Dice loss of the first two.
    """
    maps, weights = (torch.from_numpy(np.stack(each)) for each in zip(*map(make_maps, views), strict=True))
    total = torch.zeros(())
    for share, output in zip((1.0, coarse), logits, strict=False):
        scores = grow(output.float(), maps)
        losses = functional.binary_cross_entropy_with_logits(scores, maps, reduction="none") * weights[:, None]
        there, border, depth = losses.mean((0, 2, 3))
        apart = _apart(scores[:, :2].sigmoid(), maps[:, :2])
        total = total + share * (there + _BORDERS * border + depth + dice * apart)
    return total


def _apart(found: Tensor, wanted: Tensor) -> Tensor:
    """1 - mean Dice of (N, C, H, W) maps, each over the whole batch (Milletari et al., "V-Net", 2016)."""
    both, either = (found * wanted).sum((0, 2, 3)), (found + wanted).sum((0, 2, 3))
    return 1 - ((2 * both + 1) / (either + 1)).mean()
