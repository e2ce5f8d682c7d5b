"""What a training learns: labels for pixels, or objects. The loop is the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

SCORES = {"miou": "mIoU", "right": "objects right"}
"""Scores that the best epoch is picked by: their key in a row, after the name of the set, and how people call them."""


def main_scores(row: Mapping[str, float]) -> dict[str, float]:
    """Those of a row: `validation mIoU` -> 0..1. Behind a mIoU come its classes, of which one may be called `right`."""
    found = {}
    checks = tuple(key.removesuffix("miou") for key in row if key.endswith(" miou"))
    for key, value in row.items():
        check, _, name = key.rpartition(" ")
        if check and name in SCORES and not (name == "right" and key.startswith(checks)):
            found[f"{check} {SCORES[name]}"] = value
    return found


class Task(Protocol):
    """Pictures with their truth, a loss, and scores; made for one plan."""

    @property
    def checks(self) -> Sequence[str]:
        """Names of the sets that are scored, what is held out first; none where nothing is."""

    def __len__(self) -> int:
        """How many pictures an epoch shows."""

    def order(self, random: np.random.Generator) -> NDArray[np.int64]:
        """Which pictures those are, (len(self),) indices, one after the other."""

    def loss(self, network: nn.Module, views: Sequence[tuple[int, np.random.Generator]], epoch: int) -> Tensor:
        """The loss on random views of some pictures, given by index, each with its own source of chance."""

    def score(self, network: nn.Module, check: str) -> dict[str, float]:
        """Scores of `network`, which is in inference mode, on one of `checks`; the one to pick by comes first."""

    def score_sealed(self, network: nn.Module) -> dict[str, float]:
        """The same on what was neither learnt from nor chosen by; empty where there is nothing."""
