"""Trains the network that fits carried masks (streamseg/motion/refit.onnx).

    python tools/train_refit.py DATA WORK [--pairs 12000] [--samples 256000] [--before FILE]

DATA holds people/, road/ and nuclei/ (images/ and masks/, or instances/). Scenes are drawn of them (refit_scenes.py),
and their masks are carried by streamseg itself, so that its errors are real (refit_pairs.py). In WORK lie the pairs of
what the network sees and the true mask, and a checkpoint: run again, it continues where it was. The same seed, numbers
and network that fitted masks on the way (--before) give the same pairs; the weights agree as far as PyTorch's sums do.
"""

from __future__ import annotations

import argparse
from math import cos, pi
from pathlib import Path

import cv2
import numpy as np
import onnx
import onnxruntime
import torch
from onnxruntime.quantization import CalibrationDataReader, QuantType, quantize_static
from refit_graph import side_by_side
from refit_pairs import BLOCK, Bytes, pairs
from torch import Tensor, nn
from torch.nn import functional

from streamseg.motion.refit_colours import SIZE
from streamseg.motion.refit_network import FILE

BATCH, RATE, AVERAGE = 32, 3e-3, 0.995
_SAVED = 200  # batches between checkpoints


# What it learns from.


def batch(known: list[Bytes], random: np.random.Generator) -> tuple[Tensor, Tensor]:
    """What the network sees, (n, 6, h, w) 0..255, and the truth, (n, 1, h, w) 0..1; mirrored and in other light."""
    chosen = []
    for at in random.integers(BLOCK * len(known), size=BATCH):
        pair = known[at // BLOCK][at % BLOCK]
        pair = pair[..., ::-1] if random.random() < 0.5 else pair
        chosen.append(pair[:, ::-1] if random.random() < 0.1 else pair)
    planes = torch.from_numpy(np.stack(chosen)).float()
    if random.random() < 0.4:
        planes = _nearer(planes, random)
    gain, offset = 1 + 0.2 * torch.randn(BATCH, 3, 1, 1), 16 * torch.randn(BATCH, 3, 1, 1)
    picture = ((planes[:, :3] - 128) * gain + 128 + offset).clamp(0, 255)
    if random.random() < 0.15:  # without any colour
        picture[:, 1:] = 128
    return torch.cat([picture, planes[:, 3:6]], 1).contiguous(memory_format=torch.channels_last), planes[:, 6:] / 255


def _nearer(planes: Tensor, random: np.random.Generator) -> Tensor:
    """A part of each around its object, as objects are seen in windows."""
    share = torch.from_numpy(random.uniform(0.4, 1.0, (len(planes), 2))).float()
    true = planes[:, 6]
    middle = [
        (true.sum(2 - axis) * torch.linspace(-1, 1, true.shape[1 + axis])).sum(1) / true.sum((1, 2)).clamp(min=1)
        for axis in (1, 0)
    ]
    at = torch.stack(middle, 1) + 0.3 * share * torch.from_numpy(random.standard_normal((len(planes), 2))).float()
    at = torch.minimum(torch.maximum(at, share - 1), 1 - share)
    ways = torch.cat([torch.diag_embed(share), at[..., None]], 2)
    there = functional.affine_grid(ways, list(planes.shape), align_corners=False)
    return functional.grid_sample(planes, there, padding_mode="border", align_corners=False)


# The network.


def _convolution(i: int, o: int, kernel: int = 3, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(i, o, kernel, stride, kernel // 2, bias=False), nn.BatchNorm2d(o), nn.ReLU(True))


class _Block(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = _convolution(width, width)
        self.second = nn.Sequential(nn.Conv2d(width, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width))

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu(x + self.second(self.first(x)))


class Network(nn.Module):
    """A small U-Net of four scales; what it finds is added to the carried mask. (n, 6, h, w) 0..255 to logits."""

    def __init__(self, widths: tuple[int, int, int, int] = (16, 32, 64, 96)) -> None:
        super().__init__()
        a, b, c, d = widths
        self.down = nn.ModuleList(
            [_convolution(6, a, stride=2)]
            + [nn.Sequential(_convolution(i, o, stride=2), _Block(o)) for i, o in ((a, b), (b, c), (c, d))]
        )
        self.narrow = nn.ModuleList([nn.Conv2d(d, c, 1), nn.Conv2d(c, b, 1), nn.Conv2d(b, a, 1)])
        self.up = nn.ModuleList([_convolution(c, c), _convolution(b, b), _convolution(a, a)])
        self.out = nn.Conv2d(a, 4, 3, 1, 1)

    def forward(self, seen: Tensor) -> Tensor:
        seen = seen / 255
        carried, x, scales = seen[:, 3:4], seen - 0.5, []
        for down in self.down:
            x = down(x)
            scales.append(x)
        x = scales.pop()
        for narrow, up in zip(self.narrow, self.up, strict=True):
            x = up(scales.pop() + functional.interpolate(narrow(x), scale_factor=2.0, mode="nearest"))
        out: Tensor = functional.pixel_shuffle(self.out(x), 2) + 6 * (carried - 0.5)
        return out


class _Shipped(nn.Module):
    """Takes bytes, gives how likely each pixel is the object's."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network

    def forward(self, seen: Tensor) -> Tensor:
        return torch.sigmoid(self.network(seen.float()))


def loss(found: Tensor, true: Tensor) -> Tensor:
    """Cross entropy, that of small objects weighted more, and what is missing of the IoU."""
    wrong = functional.binary_cross_entropy_with_logits(found, true, reduction="none").mean((1, 2, 3))
    likely = torch.sigmoid(found)
    both, either = (likely * true).sum((1, 2, 3)), (likely + true - likely * true).sum((1, 2, 3))
    size = true.mean((1, 2, 3)).clamp(0.01, 0.5)
    return 3 * (wrong / size.sqrt()).mean() + (1 - (both + 1) / (either + 1)).mean()


# Training.


def train(known: list[Bytes], work: Path, samples: int, seed: int) -> Network:
    """The mean of the last batches' weights."""
    torch.manual_seed(seed)
    network, mean = Network().to(memory_format=torch.channels_last), Network()
    mean.load_state_dict(network.state_dict())
    weights = list(network.parameters())
    kinds = [
        {"params": [each for each in weights if each.ndim > 1], "weight_decay": 1e-2},
        {"params": [each for each in weights if each.ndim <= 1], "weight_decay": 0.0},
    ]
    optimiser = torch.optim.AdamW(kinds, lr=RATE)
    checkpoint, done, last = work / f"checkpoint-{seed}.pt", 0, samples // BATCH
    if checkpoint.exists():
        kept = torch.load(checkpoint, weights_only=True)
        done = kept["done"]
        for part, name in ((network, "network"), (mean, "mean"), (optimiser, "optimiser")):
            part.load_state_dict(kept[name])
    while done < last:
        random = np.random.default_rng((seed, done))
        torch.manual_seed(seed * 1_000_000 + done)
        rate = RATE * (min(1.0, done / 60) * (0.5 + 0.5 * cos(pi * done / last)) + 0.01)
        for group in optimiser.param_groups:
            group["lr"] = rate
        seen, true = batch(known, random)
        with torch.autocast("cpu", torch.bfloat16):
            found = network(seen)
        amiss = loss(found.float(), true)
        optimiser.zero_grad()
        amiss.backward()
        nn.utils.clip_grad_norm_(weights, 2.0)
        optimiser.step()
        done += 1
        _average(mean, network, min(AVERAGE, done / (done + 19)))
        if done % 50 == 0:
            print(f"{done} of {last} batches, loss {amiss.item():.3f}", flush=True)
        if done % _SAVED == 0:
            kept = {"network": network.state_dict(), "mean": mean.state_dict(), "optimiser": optimiser.state_dict()}
            torch.save({"done": done, **kept}, checkpoint.with_suffix(".new"))
            checkpoint.with_suffix(".new").replace(checkpoint)
    return mean.eval()


@torch.no_grad()
def _average(mean: Network, network: Network, share: float) -> None:
    for kept, new in zip(mean.state_dict().values(), network.state_dict().values(), strict=True):
        if kept.dtype.is_floating_point:
            kept.mul_(share).add_(new, alpha=1 - share)
        else:
            kept.copy_(new)


def write(network: Network, file: Path, known: list[Bytes]) -> None:
    """The network as ONNX in 8 bits, which is quicker; of `known` it is shown some for their range.

    Of the weights' 8 bits 7 are used: processors without VNNI add two products of bytes in 16 bits.
    """
    seen, names = torch.zeros(1, 6, *SIZE, dtype=torch.uint8), {"input_names": ["seen"], "output_names": ["likely"]}
    whole, plain = file.with_suffix(".whole.onnx"), file.with_suffix(".plain.onnx")
    torch.onnx.export(_Shipped(network).eval(), (seen,), whole, opset_version=17, dynamo=False, **names)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.optimized_model_filepath = str(plain)
    onnxruntime.InferenceSession(str(whole), options, providers=["CPUExecutionProvider"])
    kinds = ["Conv", "Add", "Relu"]
    quantize_static(
        plain, whole, _Shown(known), per_channel=True, reduce_range=True, op_types_to_quantize=kinds,
        activation_type=QuantType.QUInt8,
    )  # fmt: skip
    onnx.save(side_by_side(onnx.load(whole)), file)
    whole.unlink()
    plain.unlink()


class _Shown(CalibrationDataReader):
    """Some of the pairs, one by one."""

    def __init__(self, known: list[Bytes]) -> None:
        self._pairs = (pair[None, :6] for block in known[::5] for pair in block[::40])

    def get_next(self) -> dict[str, Bytes] | None:
        pair = next(self._pairs, None)
        return None if pair is None else {"seen": np.ascontiguousarray(pair)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="pictures")
    parser.add_argument("work", type=Path, help="for what is made on the way")
    parser.add_argument("--pairs", type=int, default=12000, help="thousands of them")
    parser.add_argument("--samples", type=int, default=256000, help="pairs shown in all")
    parser.add_argument("--before", type=Path, default=FILE, help="the network that masks were fitted by on the way")
    parser.add_argument("--processes", type=int, default=1, help="that make pairs")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, default=FILE)
    asked = parser.parse_args()
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    asked.work.mkdir(parents=True, exist_ok=True)
    known = pairs(asked.data, asked.work, asked.pairs, asked.seed, asked.before, asked.processes)
    network = train(known, asked.work, asked.samples, asked.seed)
    write(network, asked.out, known)
    print(f"{asked.out}: {asked.out.stat().st_size} bytes")


if __name__ == "__main__":
    main()
