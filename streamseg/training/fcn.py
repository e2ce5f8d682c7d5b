"""Fully convolutional network: class scores at several steps of an encoder, upsampled by learnt kernels and summed.

Long, Shelhamer and Darrell, "Fully Convolutional Networks for Semantic Segmentation", CVPR 2015.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from streamseg.training.encoder import WIDTHS, Lite


class FCN(nn.Module):
    """EfficientNet-Lite0 in place of the paper's VGG16. `depth` 1, 2, 3 is its FCN-32s, FCN-16s, FCN-8s."""

    def __init__(self, out: int, *, depth: int = 3) -> None:
        super().__init__()
        self.encoder = Lite()
        self.scores = nn.ModuleList(nn.Conv2d(channels, out, 1) for channels in WIDTHS[::-1][:depth])
        self.ups = nn.ModuleList(_bilinear_up(out) for _ in range(depth - 1))

    def forward(self, x: Tensor) -> list[Tensor]:
        """(N, 3, H, W) -> [logits at 1/8, 1/16 or 1/32 of the picture]."""
        features = self.encoder(x)[::-1]
        y: Tensor = self.scores[0](features[0])
        for score, up, feature in zip(list(self.scores)[1:], self.ups, features[1:], strict=False):
            finer = score(feature)
            y = finer + _cut(up(y), finer)
        return [y]


def _bilinear_up(channels: int) -> nn.ConvTranspose2d:
    """Doubles height and width; learnt, but starts as bilinear interpolation of each channel by itself."""
    up = nn.ConvTranspose2d(channels, channels, 4, 2, 1, bias=False)
    line = torch.tensor([0.25, 0.75, 0.75, 0.25])
    with torch.no_grad():
        up.weight.zero_()
        for channel in range(channels):
            up.weight[channel, channel] = torch.outer(line, line)
    return up


def _cut(x: Tensor, like: Tensor) -> Tensor:
    """Odd sides come back one pixel too long; cut always, since an exported graph meets sides of both kinds."""
    return x[..., : like.shape[2], : like.shape[3]]
