"""What the exporters' files share: networks of random weights that find something, and their export."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from zoo.row import MODEL

MEAN = np.array([0.485, 0.456, 0.406], np.float32)
STD = np.array([0.229, 0.224, 0.225], np.float32)


class Chosen(torch.nn.Module):
    """A network that gives some of its outputs, in a tuple."""

    def __init__(self, inner: Any, names: Sequence[str]) -> None:
        super().__init__()
        self.inner, self.names = inner, names

    def forward(self, picture: Any) -> Any:
        """`picture` (N, 3, H, W) f32."""
        outputs = self.inner(picture)
        found = tuple(outputs[name] for name in self.names)
        return found if len(found) > 1 else found[0]


def normalised(image: NDArray[np.uint8]) -> Any:
    """(H, W, 3) u8 BGR as (1, 3, H, W) f32 with ImageNet's mean and deviation."""
    values = (image[..., ::-1].astype(np.float32) / 255 - MEAN) / STD
    return torch.from_numpy(np.ascontiguousarray(values.transpose(2, 0, 1)))[None]


def calibrate(network: Any, run: Callable[[], object]) -> None:
    """Sets what normalisation by batches remembers from what `run` feeds the network; it is ready for use then."""
    layers = [m for m in network.modules() if isinstance(m, torch.nn.modules.batchnorm._BatchNorm)]
    network.eval()
    for layer in layers:
        layer.reset_running_stats()
        layer.momentum = None
        layer.train()
    with torch.no_grad():
        run()
    network.eval()


def spread(layer: Any, run: Callable[[], object], mean: float = 0.0, deviation: float = 3.0, axis: int = 1) -> None:
    """Scales the last `layer` so that each of its channels comes out so; `axis` is theirs."""
    given: list[Any] = []
    hook = layer.register_forward_hook(lambda _, __, output: given.append(output.detach().float()))
    with torch.no_grad():
        run()
        hook.remove()
        values = torch.cat([each.movedim(axis, -1).reshape(-1, each.shape[axis]) for each in given])
        scale = deviation / (values.std(0) + 1e-6)
        layer.weight.mul_(scale.view(-1, *[1] * (layer.weight.dim() - 1)))
        if layer.bias is None:
            layer.bias = torch.nn.Parameter(torch.zeros(len(scale)))
        layer.bias.mul_(scale).add_(mean - values.mean(0) * scale)


def export(network: Any, fed: tuple[Any, ...], folder: Path, names: Sequence[str], **more: Any) -> None:
    """Writes `network` as the model of `folder`, without what exporters print; `dynamo=True` takes the newer one."""
    more = {"dynamo": False, "opset_version": 17, "input_names": ["pixel_values"], "output_names": list(names)} | more
    if more["dynamo"]:
        more["opset_version"] = 18
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        torch.onnx.export(network.eval(), fed, str(folder / MODEL), **more)
