"""DeepLab v3+: kernels with holes look at several distances at once, a small decoder sharpens the borders.

Chen, Zhu, Papandreou, Schroff and Adam, "Encoder-Decoder with Atrous Separable Convolution for Semantic Image
Segmentation", ECCV 2018.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from streamseg.training.blocks import conv_norm, grow, separable
from streamseg.training.encoder import WIDTHS, Lite

_RATES = (6, 12, 18)
_FINE = 48


class DeepLab(nn.Module):
    """EfficientNet-Lite0 kept at 1/16, atrous spatial pyramid pooling, decoder at 1/4; `width` is the paper's 256."""

    def __init__(self, out: int, *, width: int = 128) -> None:
        super().__init__()
        self.encoder = Lite(output_stride=16)
        self.pyramid = Pyramid(WIDTHS[-1], width)
        self.fine = nn.Sequential(*conv_norm(WIDTHS[1], _FINE, 1))
        self.decoder = nn.Sequential(*separable(width + _FINE, width), *separable(width, width))
        self.head = nn.Conv2d(width, out, 1)
        self.coarse_head = nn.Conv2d(width, out, 1)

    def forward(self, x: Tensor) -> list[Tensor]:
        """(N, 3, H, W) -> [logits (N, out, H/4, W/4)], and in training (N, out, H/16, W/16) after them."""
        features = self.encoder(x)
        coarse = self.pyramid(features[4])
        fine = self.fine(features[1])
        logits = self.head(self.decoder(torch.cat([grow(coarse, fine), fine], 1)))
        return [logits, self.coarse_head(coarse)] if self.training else [logits]


class Pyramid(nn.Module):
    """Atrous spatial pyramid pooling: one pixel, three rings around it and the whole picture, mixed."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.near = nn.Sequential(*conv_norm(channels, width, 1))
        self.rings = nn.ModuleList(nn.Sequential(*separable(channels, width, dilation=rate)) for rate in _RATES)
        # No normalisation here: a batch of one picture has a single value a channel, which has no variance.
        self.whole = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(channels, width, 1), nn.ReLU6(inplace=True))
        self.mix = nn.Sequential(*conv_norm(width * 5, width, 1))

    def forward(self, x: Tensor) -> Tensor:
        """(N, channels, h, w) -> (N, width, h, w)."""
        near = self.near(x)
        parts = [near, *(ring(x) for ring in self.rings), self.whole(x).expand_as(near)]
        mixed: Tensor = self.mix(torch.cat(parts, 1))
        return mixed
