"""How good a network is on pictures that it has not learnt from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from streamseg.evaluation.scores import Scores, confusion, scores
from streamseg.training.data import Labels, Pairs
from streamseg.training.network import as_input, as_run
from streamseg.training.plan import Plan


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
    total = np.zeros((n, n), np.int64)
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
        total += confusion(labels, found, n)
    return scores(total)


def find_labels(logits: Tensor, shape: tuple[int, ...]) -> Labels:
    """(H, W) u8 from (1, C, h, w) logits; a single channel is the logit of class 1."""
    logits = functional.interpolate(logits, size=shape, mode="bilinear", align_corners=False)
    found = logits[0, 0] > 0 if logits.shape[1] == 1 else logits[0].argmax(0)
    labels: Labels = found.to(torch.uint8).numpy()
    return labels
