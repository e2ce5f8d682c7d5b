"""The running average of a network's weights, which scores better than the weights of any one step.

Polyak and Juditsky, "Acceleration of Stochastic Approximation by Averaging", SIAM J. Control Optim. 30 (1992); the
exponential form as usual in deep learning.
"""

from __future__ import annotations

import copy

import torch
from torch import nn


class Average:
    """`network` is the averaged one, always in inference mode."""

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.network = copy.deepcopy(network).train(False).requires_grad_(False)
        self._decay = decay

    @torch.no_grad()
    def add(self, network: nn.Module, step: int) -> None:
        """Moves towards `network`; faster in the first steps, which are worth the least."""
        decay = min(self._decay, (1 + step) / (10 + step))
        for mine, theirs in zip(self.network.state_dict().values(), network.state_dict().values(), strict=True):
            if mine.is_floating_point():
                mine.lerp_(theirs, 1 - decay)
            else:
                mine.copy_(theirs)
