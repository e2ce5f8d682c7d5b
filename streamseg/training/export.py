"""A checkpoint as the ONNX file that streamseg runs: written only when it gives what PyTorch gives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from streamseg import runtimes
from streamseg.errors import InputError
from streamseg.files import refuse_existing, whole
from streamseg.frame import Image
from streamseg.infer.instances import paint, read_instances
from streamseg.infer.model.geometry import make_fit
from streamseg.infer.model.spec import OBJECT_ROLES, ModelSpec
from streamseg.infer.targets import check_beside, check_target
from streamseg.training.checkpoint import checkpoint_plan, fill, load_checkpoint
from streamseg.training.export_wrapper import PICTURE, Deployed, model_spec, trace, trial_size
from streamseg.training.network import as_run, build, without_pretraining
from streamseg.training.plan import Plan, same_training
from streamseg.training.weight_compression import packed

_LEAST_AGREEMENT = {
    "fp32": 0.999,
    "fp16": 0.995,
    "int8": 0.98,
}  # the rest are ties: sums in another order, rounded weights
_HALF = 127


@dataclass(frozen=True, slots=True)
class Exported:
    """What an export made."""

    file: Path
    spec: ModelSpec
    agreement: float
    """Share of the pixels, 0..1, to which ONNX Runtime and PyTorch give the same label."""


def export(
    checkpoint: Path,
    target: Path,
    images: Sequence[Image] = (),
    plan: Plan | None = None,
    *,
    overwrite: bool = False,
) -> Exported:
    """Writes the averaged weights of `checkpoint` to `target`, after comparing labels on `images` or generated ones.

    Size, licence and summary are as `plan` has them, or else the plan that the training went by.

    Raises:
        InputError: no checkpoint, no name of a model, or ONNX Runtime gives other labels than PyTorch.
        OutputError: `target` exists and is not to be overwritten, or cannot be written.
    """
    check_target(target)
    refuse_existing(target, overwrite=overwrite, read=[checkpoint])
    state = load_checkpoint(checkpoint)
    plan = _exported_by(checkpoint_plan(state, checkpoint), plan, checkpoint)
    network = build(without_pretraining(plan))
    fill(network, state["average"], checkpoint)
    deployed = Deployed(network, plan)
    spec = model_spec(plan)
    raw = packed(trace(deployed, plan), spec, plan.export.weights)
    agreement = compare(deployed, raw, trial_images(plan, images))
    if agreement < _LEAST_AGREEMENT[plan.export.weights]:
        raise InputError(f"{target}: ONNX Runtime gives other labels than PyTorch on {1 - agreement:.2%} of the pixels")
    with whole(target, overwrite=overwrite) as part:
        part.write_bytes(raw)
        check_beside(part, target)
    return Exported(target, spec, agreement)


def compare(deployed: Deployed, raw: bytes, images: Sequence[NDArray[np.uint8]]) -> float:
    """Share of the pixels of `images`, (H, W, C) u8, with the same label in ONNX Runtime and PyTorch.

    Objects are painted first, so that two that swap places in the list do not count as different.
    """
    onnxruntime = runtimes.onnxruntime()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(raw, options, providers=["CPUExecutionProvider"])
    same = []
    for image in images:
        with torch.inference_mode():
            expected = [output.numpy() for output in deployed(torch.from_numpy(image[None]))]
        found = session.run(None, {PICTURE: image[None]})
        same.append(np.mean(_labels(found, image.shape[:2]) == _labels(expected, image.shape[:2])))
    return float(np.mean(same))


def _labels(outputs: Sequence[NDArray[Any]], size: tuple[int, ...]) -> NDArray[Any]:
    if outputs[0].ndim == 4:
        return outputs[0] > _HALF  # maps
    if len(outputs) < len(OBJECT_ROLES):
        return outputs[0]
    height, width = size
    fit = make_fit("stretch", (height, width), (height, width))
    boxes, scores, class_ids, masks = (output[0] for output in outputs)
    instances = read_instances(boxes, scores, class_ids, masks, fit, 0.5, 256)
    return paint(instances, (height, width), (height, width), 0)


def trial_images(plan: Plan, images: Sequence[Image]) -> list[NDArray[np.uint8]]:
    """`images` as the network takes them, (H, W, C) u8; generated ones where there are none."""
    chosen = list(images) or [_blots(seed, *trial_size(plan)) for seed in range(3)]
    chosen = [as_run(image, plan) for image in chosen]
    return [_grey(image) for image in chosen] if plan.data.grey else chosen


def _grey(image: Image) -> NDArray[np.uint8]:
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), np.uint8)[..., None]


def _blots(seed: int, height: int, width: int) -> Image:
    small = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), np.uint8)
    return np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC), np.uint8)


def _exported_by(trained: Plan, wanted: Plan | None, checkpoint: Path) -> Plan:
    if wanted is not None and not same_training(trained, wanted):
        raise InputError(f"{checkpoint}: was trained by another plan than the one given")
    return wanted or trained
