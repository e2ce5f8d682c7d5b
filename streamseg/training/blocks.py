"""The few layers that several networks are made of."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional


def conv_norm(
    channels: int, out: int, kernel: int, *, stride: int = 1, dilation: int = 1, groups: int = 1
) -> list[nn.Module]:
    """Convolution, batch normalisation and ReLU6, padded so that only the stride changes the size."""
    padding = dilation * (kernel // 2)
    return [
        nn.Conv2d(channels, out, kernel, stride, padding, dilation, groups, bias=False),
        nn.BatchNorm2d(out, eps=1e-3),
        nn.ReLU6(inplace=True),
    ]


def separable(channels: int, out: int, *, dilation: int = 1) -> list[nn.Module]:
    """A 3x3 convolution of each channel, then one that mixes them: a ninth of the work of a full one."""
    return [*conv_norm(channels, channels, 3, dilation=dilation, groups=channels)[:2], *conv_norm(channels, out, 1)]


def double_conv(channels: int, out: int) -> nn.Sequential:
    """Two 3x3 convolutions with their normalisation."""
    return nn.Sequential(*conv_norm(channels, out, 3), *conv_norm(out, out, 3))


def grow(x: Tensor, like: Tensor) -> Tensor:
    """`x` resized bilinearly to the height and width of `like`."""
    return functional.interpolate(x, size=like.shape[2:], mode="bilinear", align_corners=False)
