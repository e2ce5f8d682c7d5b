"""Trains the network that fits carried masks (streamseg/motion/refit.onnx).

    python tools/train_refit.py DATA WORK [--pairs 5000] [--samples 60000]

DATA holds people/, road/ and nuclei/ (images/ and masks/, or instances/). Scenes are drawn of them (refit_scenes.py),
and the mask of their first frame is carried by streamseg itself, so that its errors are real. In WORK lie the pairs of
what the network sees and the true mask, and a checkpoint: run again, it continues where it was. The same seed and
numbers give the same pairs; the weights agree as far as PyTorch's sums do.
"""

from __future__ import annotations

import argparse
import io
from math import cos, pi
from pathlib import Path

import cv2
import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from refit_layers import FRAMES
from refit_scenes import Scenes
from torch import Tensor, nn
from torch.nn import functional

from streamseg.frame import Frame
from streamseg.motion import Effort
from streamseg.motion.flow import look_at
from streamseg.motion.propagator import FlowPropagator
from streamseg.motion.refit import pictures, soft
from streamseg.motion.refit_network import FILE, SIZE, inputs, likely_colours
from streamseg.segmentation import Classes, Segmentation
from streamseg.training.weight_compression import shrink

OBJECT = Classes(("background", "object"), np.array([[0, 0, 0], [0, 200, 0]], np.uint8), background=0)
BATCH, RATE, AVERAGE = 32, 3e-3, 0.995
_SAVED = 200  # batches between checkpoints
Bytes = NDArray[np.uint8]


# What it learns from.


def pairs(data: Path, work: Path, count: int, seed: int) -> Bytes:
    """(count, 6, h, w): the five planes that the network sees, and the true mask."""
    file = work / f"pairs-{seed}-{count}.npy"
    if file.exists():
        return np.asarray(np.load(file, mmap_mode="r"), np.uint8)
    begun = work / f"{file.name}.begun"
    made = np.lib.format.open_memmap(begun, "w+", np.uint8, (count, 6, *SIZE))
    scenes, random, done = Scenes(data, seed), np.random.default_rng(seed), 0
    while done < count:
        for pair in carried(*scenes(), random)[: count - done]:
            made[done], done = pair, done + 1
            if done % 200 == 0:
                print(f"{done} pairs", flush=True)
    made.flush()
    begun.rename(file)
    return made


def carried(images: list[Bytes], masks: list[Bytes], random: np.random.Generator) -> list[Bytes]:
    """Pairs of the last frame and of one before it."""
    effort: Effort = "fine" if random.random() < 0.6 else "usual"
    propagator = FlowPropagator(
        steady=False, effort=effort, refit=False
    )  # what ships has no part in what it learns from
    asked, found = {int(random.integers(1, FRAMES - 1)), FRAMES - 1}, Segmentation(masks[0], OBJECT, 0, 0.0, None)
    then = pictures(look_at(Frame(images[0], 0, 0.0, 0.0)))
    colours = likely_colours(then, soft(masks[0], 1))
    made = []
    for at, image in enumerate(images):
        frame = Frame(image, at, at / 24, at / 24)
        propagator.observe(frame)
        if at in asked:
            planes = inputs(pictures(look_at(frame)), soft(propagator.carry(found).labels, 1), colours)
            made.append(np.concatenate([planes, soft(masks[at], 1)[None]]))
    return made


def batch(known: Bytes, random: np.random.Generator) -> tuple[Tensor, Tensor]:
    """What the network sees, (n, 5, h, w) 0..255, and the truth, (n, 1, h, w) 0..1; mirrored and in other light."""
    chosen = []
    for at in random.integers(len(known), size=BATCH):
        pair = known[at][..., ::-1] if random.random() < 0.5 else known[at]
        chosen.append(pair[:, ::-1] if random.random() < 0.1 else pair)
    planes = torch.from_numpy(np.stack(chosen)).float()
    gain, offset = 1 + 0.2 * torch.randn(BATCH, 3, 1, 1), 16 * torch.randn(BATCH, 3, 1, 1)
    picture = ((planes[:, :3] - 128) * gain + 128 + offset).clamp(0, 255)
    if random.random() < 0.15:  # without any colour
        picture[:, 1:] = 128
    return torch.cat([picture, planes[:, 3:5]], 1).contiguous(memory_format=torch.channels_last), planes[:, 5:] / 255


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
    """A small U-Net of four scales; what it finds is added to the carried mask. (n, 5, h, w) 0..255 to logits."""

    def __init__(self, widths: tuple[int, int, int, int] = (16, 24, 32, 48)) -> None:
        super().__init__()
        a, b, c, d = widths
        self.down = nn.ModuleList(
            [_convolution(5, a, stride=2)]
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


def train(known: Bytes, work: Path, samples: int, seed: int) -> Network:
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
        amiss = loss(network(seen), true)
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


def write(network: Network, file: Path) -> None:
    """The network as ONNX, its weights in 16 bits."""
    raw, seen = io.BytesIO(), torch.zeros(1, 5, *SIZE, dtype=torch.uint8)
    names = {"input_names": ["seen"], "output_names": ["likely"]}
    torch.onnx.export(_Shipped(network).eval(), (seen,), raw, opset_version=17, dynamo=False, **names)
    model = onnx.load_from_string(raw.getvalue())
    shrink(model.graph, in_8_bits=False)
    onnx.save(model, file)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="pictures")
    parser.add_argument("work", type=Path, help="for what is made on the way")
    parser.add_argument("--pairs", type=int, default=5000)
    parser.add_argument("--samples", type=int, default=60000, help="pairs shown in all")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, default=FILE)
    asked = parser.parse_args()
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    asked.work.mkdir(parents=True, exist_ok=True)
    known = pairs(asked.data, asked.work, asked.pairs, asked.seed)
    network = train(known, asked.work, asked.samples, asked.seed)
    write(network, asked.out)
    print(f"{asked.out}: {asked.out.stat().st_size} bytes")


if __name__ == "__main__":
    main()
