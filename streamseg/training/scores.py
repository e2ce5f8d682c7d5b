"""How good a network is on pictures that it has not learnt from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from streamseg.training.data import Labels, Pairs
from streamseg.training.network import as_input, as_run
from streamseg.training.plan import Plan


@dataclass(frozen=True, slots=True)
class Scores:
    """From one confusion matrix over all pictures; void left out."""

    confusion: NDArray[np.int64]
    """(C, C): true class, found class."""

    @property
    def iou(self) -> NDArray[np.float64]:
        """(C,) 0..1; NaN for a class that neither occurs nor is found."""
        both = np.diag(self.confusion).astype(np.float64)
        either = self.confusion.sum(0) + self.confusion.sum(1) - both
        share: NDArray[np.float64] = np.divide(both, either, out=np.full(len(both), np.nan), where=either > 0)
        return share

    @property
    def miou(self) -> float:
        """Mean over the classes present, 0..1."""
        return float(np.nanmean(self.iou))

    @property
    def accuracy(self) -> float:
        """Share of the pixels that are right, 0..1."""
        return float(np.trace(self.confusion) / max(self.confusion.sum(), 1))


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """A set to score on, which may tell fewer classes apart than the network does."""

    pairs: Pairs
    fold: Labels
    """(256,): id -> the set's own class."""
    names: Sequence[str]
    """Of the set's own classes."""
    right: NDArray[np.bool_] | None = None
    """(C, 256): whether a label that was found is right where the set's own class is; None: where that is its fold."""

    def score(self, network: nn.Module, plan: Plan) -> Scores:
        """As `score`."""
        return score(network, self.pairs, plan, self.fold, len(self.names), self.right)


def score(
    network: nn.Module,
    pairs: Pairs,
    plan: Plan,
    fold: Labels | None = None,
    n_classes: int | None = None,
    right: NDArray[np.bool_] | None = None,
) -> Scores:
    """Runs `network`, which is in inference mode, over whole pictures at the size at which it will run;
    compares at the pictures' own.

    `fold`, (256,), takes labels to the `n_classes` that are told apart; `right`, (n_classes, 256), says which labels
    are right in each of them.
    """
    n = n_classes or len(plan.classes)
    confusion = np.zeros((n, n), np.int64)
    for index in range(len(pairs)):
        image, labels = pairs[index]
        with torch.inference_mode():
            logits = network(as_input(as_run(image, plan)[None], plan))[0]
        found = find_labels(logits, labels.shape)
        if fold is not None:
            labels = fold[labels]
            known = labels < n
            good = known & right[np.where(known, labels, 0), found] if right is not None else False
            found = np.where(good, labels, fold[found])
        confusion += count_pairs(labels, found, n)
    return Scores(confusion)


def find_labels(logits: Tensor, shape: tuple[int, ...]) -> Labels:
    """(H, W) u8 from (1, C, h, w) logits; a single channel is the logit of class 1."""
    logits = functional.interpolate(logits, size=shape, mode="bilinear", align_corners=False)
    found = logits[0, 0] > 0 if logits.shape[1] == 1 else logits[0].argmax(0)
    labels: Labels = found.to(torch.uint8).numpy()
    return labels


def count_pairs(true: Labels, found: Labels, n_classes: int) -> NDArray[np.int64]:
    """(C, C): how many pixels have each true and each found class; ids beyond the classes are void."""
    known = true < n_classes
    pairs = true[known].astype(np.int64) * n_classes + found[known]
    return np.bincount(pairs, minlength=n_classes**2).reshape(n_classes, n_classes)
