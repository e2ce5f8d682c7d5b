"""Weights out of a model that was exported, so that a training can start from one that ships."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from streamseg import runtimes
from streamseg.errors import InputError
from streamseg.infer.model.onnxfile import load_onnx
from streamseg.training.network import normalisation
from streamseg.training.plan import Plan

_SIDE = 64  # px: a picture of any size unpacks the weights
_OPERATORS = ("Conv", "ConvTranspose", "Gemm")
_LAYERS = (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)
_Layer: TypeAlias = nn.Conv2d | nn.ConvTranspose2d | nn.Linear


def start_from_model(network: nn.Module, file: Path, plan: Plan, feed: Callable[[], Any]) -> None:
    """Fills `network` from the weights in `file`, by the order in which they compute; other shapes start from scratch.

    An exported model has its normalisations inside its kernels. They are taken out again as the means and deviations
    that `feed`, which runs the network on some pictures, makes it see: the network stays the same function, and is one
    that learns as before.

    Raises:
        InputError: the file is no model of this architecture.
    """
    kernels = read_kernels(file)
    layers = layers_of(network, plan)
    if len(kernels) != len(layers):
        raise InputError(f"{file}: {len(kernels)} convolutions, but {plan.network.architecture} has {len(layers)}")
    fitting = 0
    with torch.no_grad():
        for index, ((layer, norm), (weight, bias)) in enumerate(zip(layers, kernels, strict=True)):
            if layer.weight.shape != weight.shape:
                continue
            fitting += 1
            layer.weight.copy_(weight.flip(1) if index == 0 else weight)  # exported networks take blue first
            if bias is None:
                continue
            if norm is None:
                assert layer.bias is not None
                layer.bias.copy_(bias)
            else:
                norm.running_mean.zero_()  # type: ignore[union-attr]
                norm.running_var.fill_(1 - norm.eps)  # type: ignore[union-attr]
                norm.weight.fill_(1.0)
                norm.bias.copy_(bias)
    if fitting < len(layers) // 2:
        raise InputError(f"{file}: no model of {plan.network.architecture} of this size")
    _renormalise(network, feed)


def read_kernels(file: Path) -> list[tuple[Tensor, Tensor | None]]:
    """Weight and bias of every layer that has such, in the order in which they compute, however the file keeps them.

    Raises:
        InputError: the file is no model that streamseg trained.
    """
    from onnx import ValueInfoProto

    model = load_onnx(file)
    nodes = [node for node in model.graph.node if node.op_type in _OPERATORS]
    if not nodes or any(len(node.input) < 3 for node in nodes if node.op_type == "Conv"):
        raise InputError(f"{file}: not exported from a training of streamseg")
    names = [name for node in nodes for name in node.input[1:3]]
    model.graph.output.extend(ValueInfoProto(name=name) for name in dict.fromkeys(names))
    session = runtimes.onnxruntime().InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    taken = session.get_inputs()[0]
    shape = [side if isinstance(side, int) else 1 if index == 0 else _SIDE for index, side in enumerate(taken.shape)]
    image: NDArray[Any] = np.zeros(shape, np.uint8 if "uint8" in taken.type else np.float32)
    found = zip(names, session.run(names, {taken.name: image}), strict=True)
    values = {name: torch.from_numpy(np.array(value)) for name, value in found}
    return [(values[node.input[1]], values[node.input[2]] if len(node.input) > 2 else None) for node in nodes]


def layers_of(network: nn.Module, plan: Plan) -> list[tuple[_Layer, nn.BatchNorm2d | None]]:
    """Every such layer with the normalisation behind it, in the order in which they compute."""
    ran: list[nn.Module] = []
    known = [module for module in network.modules() if isinstance(module, (*_LAYERS, nn.BatchNorm2d))]
    hooks = [module.register_forward_hook(lambda module, *_: ran.append(module)) for module in known]
    network.train(False)
    with torch.no_grad():
        network(torch.zeros(1, normalisation(plan)[0].shape[1], _SIDE, _SIDE))
    for hook in hooks:
        hook.remove()
    behind = [*ran[1:], None]
    return [
        (module, after if isinstance(after, nn.BatchNorm2d) else None)
        for module, after in zip(ran, behind, strict=True)
        if isinstance(module, _LAYERS)
    ]


def _renormalise(network: nn.Module, feed: Callable[[], Any]) -> None:
    """Gives every normalisation the mean and variance of what it sees, without changing what it gives."""
    seen: dict[nn.BatchNorm2d, list[tuple[Tensor, Tensor]]] = {}

    def look(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        assert isinstance(module, nn.BatchNorm2d)
        seen.setdefault(module, []).append((inputs[0].mean((0, 2, 3)), inputs[0].square().mean((0, 2, 3))))

    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    hooks = [norm.register_forward_pre_hook(look) for norm in norms]
    network.train(False)
    with torch.no_grad():
        feed()
        for hook in hooks:
            hook.remove()
        for norm, found in seen.items():
            mean, square = (torch.stack(values).mean(0) for values in zip(*found, strict=True))
            _move(norm, mean, (square - mean.square()).clamp(min=1e-4))


def _move(norm: nn.BatchNorm2d, mean: Tensor, variance: Tensor) -> None:
    """The same affine function around another mean and variance."""
    assert norm.running_mean is not None and norm.running_var is not None
    before, after = (norm.running_var + norm.eps).rsqrt(), (variance + norm.eps).rsqrt()
    gain = norm.weight * before
    norm.bias.copy_(norm.bias + gain * (mean - norm.running_mean))
    norm.weight.copy_(gain / after)
    norm.running_mean.copy_(mean)
    norm.running_var.copy_(variance)
