"""U-Nets: an encoder that halves the picture step by step, a decoder that joins every step's detail on the way back.

Ronneberger, Fischer and Brox, "U-Net: Convolutional Networks for Biomedical Image Segmentation", MICCAI 2015.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from streamseg.training.blocks import conv_norm, double_conv, grow, separable
from streamseg.training.encoder import Lite, Size, widths


class TinyUNet(nn.Module):
    """The smallest one, known from Keras tutorials: two 3x3 convolutions, one pooling, two more, a 1x1 at the end."""

    def __init__(self, channels: int, out: int, *, width: int = 64) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            *_conv_relu(channels, width),
            *_conv_relu(width, width),
            nn.MaxPool2d(2),
            nn.Upsample(scale_factor=2),
            *_conv_relu(width, width),
            *_conv_relu(width, width),
            nn.Conv2d(width, out, 1),
        )

    def forward(self, x: Tensor) -> list[Tensor]:
        """(N, C, H, W) -> [logits (N, out, H, W)]; H and W are even."""
        return [self.layers(x)]


class UNet(nn.Module):
    """The paper's: `depth` halvings, widths doubling from `width`, skips concatenated; padded, so nothing is cut off.

    With batch normalisation, which the paper predates; 64 and 4 are its sizes.
    """

    def __init__(self, channels: int, out: int, *, width: int = 64, depth: int = 4) -> None:
        super().__init__()
        widths = [width << level for level in range(depth + 1)]
        self.first = double_conv(channels, width)
        self.downs = nn.ModuleList(double_conv(a, b) for a, b in zip(widths, widths[1:], strict=False))
        self.ups = nn.ModuleList(nn.ConvTranspose2d(2 * a, a, 2, 2) for a in widths[:-1])
        self.joins = nn.ModuleList(double_conv(2 * a, a) for a in widths[:-1])
        self.pool = nn.MaxPool2d(2)
        self.head = nn.Conv2d(width, out, 1)

    def forward(self, x: Tensor) -> list[Tensor]:
        """(N, C, H, W) -> [logits (N, out, H, W)]; H and W are multiples of 2 ** depth."""
        features = [self.first(x)]
        for down in self.downs:
            features.append(down(self.pool(features[-1])))
        y = features.pop()
        for up, join in zip(reversed(self.ups), reversed(self.joins), strict=True):
            y = join(torch.cat([features.pop(), up(y)], 1))
        return [self.head(y)]


class FastUNet(nn.Module):
    """EfficientNet-Lite encoder and a depthwise decoder that adds the skips.

    `depth` 4 gives logits at 1/4 of the picture; 5 at 1/2, for what is only a few pixels wide, in twice the time. In
    training it also gives logits at 1/16, for a second loss that shortens the way to the deep layers.
    """

    def __init__(self, out: int, *, width: int = 96, depth: int = 4, size: Size = 0) -> None:
        super().__init__()
        levels = widths(size)[-depth:]
        self.encoder = Lite(size)
        self.sides = nn.ModuleList(nn.Sequential(*conv_norm(channels, width, 1)[:2]) for channels in levels)
        self.context = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(levels[-1], width, 1))
        self.joins = nn.ModuleList(nn.Sequential(nn.ReLU6(inplace=True), *separable(width, width)) for _ in levels)
        self.head = nn.Conv2d(width, out, 1)
        self.coarse_head = nn.Conv2d(width, out, 1)

    def forward(self, x: Tensor) -> list[Tensor]:
        """(N, 3, H, W) -> [logits (N, out, H/4, W/4)], and in training (N, out, H/16, W/16) after them."""
        features = self.encoder(x)[-len(self.sides) :]
        steps: list[Tensor] = []
        for side, join, feature in zip(reversed(self.sides), reversed(self.joins), reversed(features), strict=True):
            y = side(feature)
            steps.append(join(y + (grow(steps[-1], y) if steps else self.context(feature))))
        logits = self.head(steps[-1])
        return [logits, self.coarse_head(steps[1])] if self.training else [logits]


def _conv_relu(channels: int, out: int) -> list[nn.Module]:
    return [nn.Conv2d(channels, out, 3, padding=1), nn.ReLU(inplace=True)]
