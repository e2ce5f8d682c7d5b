"""SegNet: the decoder puts every value back where its maximum came from, and learns to fill the gaps.

Badrinarayanan, Kendall and Cipolla, "SegNet: A Deep Convolutional Encoder-Decoder Architecture for Image
Segmentation", TPAMI 2017.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from streamseg.training.blocks import conv_norm, double_conv, separable
from streamseg.training.encoder import WIDTHS, Lite


class SegNet(nn.Module):
    """`depth` halvings with `width` channels at first, doubling up to eightfold; two convolutions at each step."""

    def __init__(self, channels: int, out: int, *, width: int = 64, depth: int = 5) -> None:
        super().__init__()
        widths = [width << min(level, 3) for level in range(depth)]
        self.downs = nn.ModuleList(double_conv(a, b) for a, b in zip([channels, *widths], widths, strict=False))
        self.ups = nn.ModuleList(double_conv(b, a) for a, b in zip([width, *widths], widths, strict=False))
        self.head = nn.Conv2d(width, out, 1)

    def forward(self, x: Tensor) -> list[Tensor]:
        """(N, C, H, W) -> [logits (N, out, H, W)]; H and W are multiples of 2 ** depth."""
        places = []
        for down in self.downs:
            x, place = pool(down(x))
            places.append(place)
        for up in reversed(self.ups):
            x = up(unpool(x, places.pop()))
        return [self.head(x)]


class FastSegNet(nn.Module):
    """The same decoder, depthwise, on an EfficientNet-Lite0 encoder: nothing but indices goes across, down to 1/4.

    The encoder shrinks by strides, so the indices are those of pooling its features; they repeat where the decoder
    is wider.
    """

    def __init__(self, out: int, *, width: int = 64) -> None:
        super().__init__()
        self.encoder = Lite()
        shared = WIDTHS[1:-1]
        self._repeats = [max(1, round(width / channels)) for channels in shared]
        widths = [channels * times for channels, times in zip(shared, self._repeats, strict=True)]
        self.sides = nn.ModuleList(
            nn.Sequential(*conv_norm(a, b, 1)) for a, b in zip([*widths[1:], WIDTHS[-1]], widths, strict=True)
        )
        self.fills = nn.ModuleList(nn.Sequential(*separable(a, a), *separable(a, a)) for a in widths)
        self.head = nn.Conv2d(widths[0], out, 1)
        self.coarse_head = nn.Conv2d(widths[-1], out, 1)

    def forward(self, x: Tensor) -> list[Tensor]:
        """(N, 3, H, W) -> [logits (N, out, H/4, W/4)], and in training (N, out, H/16, W/16) after them."""
        _, *shared, y = self.encoder(x)
        steps: list[Tensor] = []
        for side, fill, feature, times in reversed(
            list(zip(self.sides, self.fills, shared, self._repeats, strict=True))
        ):
            places = pool(feature)[1].repeat(1, times, 1, 1)
            y = fill(unpool(side(y), places))
            steps.append(y)
        logits = self.head(y)
        return [logits, self.coarse_head(steps[0])] if self.training else [logits]


def pool(x: Tensor) -> tuple[Tensor, Tensor]:
    """2x2 maxima of (N, C, H, W), and where they were: something that `unpool` takes.

    No runtime builds max-unpooling, so an export writes it with reshapes and comparisons that every runtime has; the
    values are the same, bit for bit.
    """
    if not torch.onnx.is_in_onnx_export():
        return functional.max_pool2d(x, 2, return_indices=True)
    cells = _cells(x)
    return cells.amax(4), cells.argmax(4)


def unpool(x: Tensor, place: Tensor) -> Tensor:
    """(N, C, h, w) -> (N, C, 2h, 2w): each value at its place of the four, zero at the others."""
    if not torch.onnx.is_in_onnx_export():
        return functional.max_unpool2d(x, place, [2, 2])
    n, c, h, w = x.shape
    here = place.unsqueeze(4) == torch.arange(4)
    cells = torch.where(here, x.unsqueeze(4), torch.zeros(()))
    return cells.reshape(n, c, h, w, 2, 2).permute(0, 1, 2, 4, 3, 5).reshape(n, c, h * 2, w * 2)


def _cells(x: Tensor) -> Tensor:
    """(N, C, 2h, 2w) -> (N, C, h, w, 4)."""
    n, c, h, w = x.shape
    return x.reshape(n, c, h // 2, 2, w // 2, 2).permute(0, 1, 2, 4, 3, 5).reshape(n, c, h // 2, w // 2, 4)
