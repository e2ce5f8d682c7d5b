"""A checkpoint as the ONNX file that streamseg runs: written only when it gives what PyTorch gives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import msgspec
import numpy as np
import torch
from numpy.typing import NDArray

from streamseg.errors import InputError, OutputError
from streamseg.frame import Image
from streamseg.infer.instances import paint, read_instances
from streamseg.infer.preprocess import make_fit
from streamseg.infer.spec import ROLES, ModelSpec
from streamseg.training.checkpoint import checkpoint_plan, load_checkpoint
from streamseg.training.deployed import PICTURE, Deployed, model_spec, trace, trial_size
from streamseg.training.network import build, fitted, stride
from streamseg.training.pack import packed
from streamseg.training.plan import Network, Plan, same_training

_LEAST_AGREEMENT = {
    "fp32": 0.999,
    "fp16": 0.995,
    "int8": 0.98,
}  # the rest are ties: sums in another order, rounded weights


@dataclass(frozen=True, slots=True)
class Exported:
    """What an export made."""

    file: Path
    spec: ModelSpec
    agreement: float
    """Share of the pixels, 0..1, to which ONNX Runtime and PyTorch give the same label."""


def export(checkpoint: Path, target: Path, pictures: Sequence[Image] = (), plan: Plan | None = None) -> Exported:
    """Writes the averaged weights of `checkpoint` to `target`, after comparing labels on `pictures` or generated ones.

    Size, licence and summary are as `plan` has them, or else the plan that the training went by.

    Raises:
        InputError: no checkpoint, or ONNX Runtime gives other labels than PyTorch.
        OutputError: `target` cannot be written.
    """
    state = load_checkpoint(checkpoint)
    plan = _exported_by(checkpoint_plan(state), plan, checkpoint)
    network = build(without_pretraining(plan))
    network.load_state_dict(state["average"])
    deployed = Deployed(network, plan)
    spec = model_spec(plan)
    raw = packed(trace(deployed, plan), spec, plan.export.weights)
    agreement = compare(deployed, raw, trial_pictures(plan, pictures))
    if agreement < _LEAST_AGREEMENT[plan.export.weights]:
        raise InputError(f"{target}: ONNX Runtime gives other labels than PyTorch on {1 - agreement:.2%} of the pixels")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(raw)
    except OSError as error:
        raise OutputError(f"{target}: {error.strerror}") from None
    return Exported(target, spec, agreement)


def compare(deployed: Deployed, raw: bytes, pictures: Sequence[NDArray[np.uint8]]) -> float:
    """Share of the pixels of `pictures`, (H, W, C) u8, with the same label in ONNX Runtime and PyTorch.

    Objects are painted first, so that two that swap places in the list do not count as different.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(raw, options, providers=["CPUExecutionProvider"])
    same = []
    for picture in pictures:
        with torch.inference_mode():
            expected = [output.numpy() for output in deployed(torch.from_numpy(picture[None]))]
        found = session.run(None, {PICTURE: picture[None]})
        same.append(np.mean(_labels(found, picture.shape[:2]) == _labels(expected, picture.shape[:2])))
    return float(np.mean(same))


def _labels(outputs: Sequence[NDArray[Any]], size: tuple[int, ...]) -> NDArray[Any]:
    if len(outputs) < len(ROLES["instance"]):
        return outputs[0]
    height, width = size
    fit = make_fit("stretch", (height, width), (height, width))
    boxes, scores, class_ids, masks = (output[0] for output in outputs)
    instances = read_instances(boxes, scores, class_ids, masks, fit, 0.5, 256)
    return paint(instances, (height, width), (height, width), 0)


def trial_pictures(plan: Plan, pictures: Sequence[Image]) -> list[NDArray[np.uint8]]:
    """`pictures` as the network takes them, (H, W, C) u8; generated ones where there are none."""
    chosen = list(pictures) or [_blots(seed, *trial_size(plan)) for seed in range(3)]
    if plan.export.height and plan.export.width:
        size = (plan.export.width, plan.export.height)
        chosen = [np.asarray(cv2.resize(picture, size), np.uint8) for picture in chosen]
    chosen = [fitted(picture, stride(plan)) for picture in chosen]
    return [_grey(picture) for picture in chosen] if plan.data.grey else chosen


def _grey(picture: Image) -> NDArray[np.uint8]:
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY), np.uint8)[..., None]


def _blots(seed: int, height: int, width: int) -> Image:
    small = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), np.uint8)
    return np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC), np.uint8)


def _exported_by(trained: Plan, wanted: Plan | None, checkpoint: Path) -> Plan:
    if wanted is not None and not same_training(trained, wanted):
        raise InputError(f"{checkpoint}: was trained by another plan than the one given")
    return wanted or trained


def without_pretraining(plan: Plan) -> Plan:
    """The plan for a network whose weights come from a checkpoint."""
    network: Network = msgspec.structs.replace(plan.network, encoder="random")
    return msgspec.structs.replace(plan, network=network)
