"""What training makes small: weighted cross-entropy over the hardest pixels, and Dice."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from streamseg.training.data import VOID

_SURE = 0.95


def balanced_weights(pixels: NDArray[np.int64]) -> Tensor:
    """(C,) f32 with mean 1 from pixel counts a class: 1 / ln(1.10 + share), as in ENet (Paszke et al. 2016)."""
    share = pixels / max(pixels.sum(), 1)
    weights = 1 / np.log(1.10 + share)
    return torch.from_numpy(weights / weights.mean()).float()


def segmentation_loss(
    logits: Tensor,
    labels: Tensor,
    weights: Tensor | None = None,
    *,
    hard_fraction: float = 1.0,
    dice: float = 0.0,
    groups: Sequence[Sequence[int]] = (),
) -> Tensor:
    """Loss of (N, C, h, w) `logits` against (N, H, W) int64 `labels`; void pixels count for nothing.

    One channel is the logit of class 1 against class 0 (binary cross-entropy). Logits at a lower resolution are
    resized. `hard_fraction` keeps that share of the pixels, those with the largest loss (Shrivastava et al. 2016,
    "Training Region-based Object Detectors with Online Hard Example Mining"). A label behind the classes is one of
    `groups`: any of its classes is right, so that their probabilities count together.
    """
    if logits.shape[2:] != labels.shape[1:]:
        logits = functional.interpolate(logits, size=labels.shape[1:], mode="bilinear", align_corners=False)
    if logits.shape[1] == 1:
        logits = torch.cat([torch.zeros_like(logits), logits], 1)
    chances, classes = logits.log_softmax(1), logits.shape[1]
    if groups:
        chances = torch.cat([chances, *(chances[:, list(group)].logsumexp(1, keepdim=True) for group in groups)], 1)
        if weights is not None:
            weights = torch.cat([weights, torch.stack([weights[list(group)].mean() for group in groups])])
    losses = functional.nll_loss(chances, labels, weights, ignore_index=VOID, reduction="none")
    total = _hardest(losses, labels, hard_fraction)
    return total + dice * dice_loss(logits, labels.where(labels < classes, VOID)) if dice else total


def doubt(logits: Tensor, labels: Tensor, missed: Sequence[int]) -> Tensor:
    """(N, H, W) `labels`, void where (N, C, h, w) `logits` are sure of the classes `missed` and the label is none."""
    logits = functional.interpolate(logits.detach(), size=labels.shape[1:], mode="bilinear", align_corners=False)
    if logits.shape[1] == 1:
        logits = torch.cat([torch.zeros_like(logits), logits], 1)
    sure = logits.softmax(1)[:, list(missed)].sum(1) > _SURE
    labelled = torch.isin(labels, torch.tensor(missed))
    return labels.masked_fill(sure & ~labelled, VOID)


def dice_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """1 - mean Dice over the classes that occur (Milletari et al., "V-Net", 2016); 0 where all is void."""
    known = (labels != VOID).unsqueeze(1)
    target = functional.one_hot(labels.where(known[:, 0], 0), logits.shape[1]).movedim(3, 1) * known
    found = logits.softmax(1) * known
    both, either = ((found * target).sum((0, 2, 3)), (found + target).sum((0, 2, 3)))
    occurs = target.sum((0, 2, 3)) > 0
    return 1 - ((2 * both + 1) / (either + 1))[occurs].mean() if occurs.any() else found.sum()


def _hardest(losses: Tensor, labels: Tensor, fraction: float) -> Tensor:
    known = losses[labels != VOID]
    if not len(known):
        return losses.sum()
    return known.topk(max(1, int(len(known) * fraction))).values.mean() if fraction < 1 else known.mean()
