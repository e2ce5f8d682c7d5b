"""A checkpoint as the ONNX file that streamseg runs: bytes in, labels out, its contract inside, checked."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import msgspec
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from streamseg.errors import InputError, OutputError
from streamseg.frame import Image
from streamseg.infer.spec import METADATA_KEY, InputSpec, ModelSpec, spec_text
from streamseg.training.checkpoint import checkpoint_plan, load_checkpoint
from streamseg.training.network import build, fitted, normalisation, stride
from streamseg.training.plan import Network, Plan, same_training

PICTURE, LABELS, CONFIDENCE = "picture", "labels", "confidence"
_OPSET = 17
_LEAST_AGREEMENT = 0.999  # the rest are ties: the two add up in different orders
_TRIAL = (192, 256)  # height, width of generated pictures where the size is free


@dataclass(frozen=True, slots=True)
class Exported:
    """What an export made."""

    file: Path
    spec: ModelSpec
    agreement: float
    """Share of the pixels, 0..1, to which ONNX Runtime and PyTorch give the same label."""


class Deployed(nn.Module):
    """(N, H, W, C) u8 BGR or grey -> labels (N, h, w) u8, and for two classes the confidence, u8, beside them."""

    mean: Tensor
    std: Tensor

    def __init__(self, network: nn.Module, plan: Plan) -> None:
        super().__init__()
        self.network = network
        mean, std = normalisation(plan)
        self.register_buffer("mean", mean)
        self.register_buffer("std", std)
        self._labels_stride = plan.export.labels_stride
        self.train(False)

    def forward(self, picture: Tensor) -> tuple[Tensor, ...]:
        """Channels are turned round while they are bytes: a quarter of the memory."""
        x = picture.permute(0, 3, 1, 2)
        if x.shape[1] == 3:
            x = x[:, [2, 1, 0]]
        logits: Tensor = self.network((x.float() - self.mean) / self.std)[0]
        size = [side // self._labels_stride for side in picture.shape[1:3]]
        if list(logits.shape[2:]) != size or torch.onnx.is_in_onnx_export():
            logits = functional.interpolate(logits, size=size, mode="bilinear", align_corners=False)
        if logits.shape[1] > 1:
            return (logits.argmax(1).to(torch.uint8),)
        sure = torch.sigmoid(logits[:, 0])
        return (sure > 0.5).to(torch.uint8), (torch.maximum(sure, 1 - sure) * 255 + 0.5).to(torch.uint8)


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
    raw = with_metadata(trace(deployed, plan), spec)
    agreement = compare(deployed, raw, trial_pictures(plan, pictures))
    if agreement < _LEAST_AGREEMENT:
        raise InputError(f"{target}: ONNX Runtime gives other labels than PyTorch on {1 - agreement:.2%} of the pixels")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(raw)
    except OSError as error:
        raise OutputError(f"{target}: {error.strerror}") from None
    return Exported(target, spec, agreement)


def model_spec(plan: Plan) -> ModelSpec:
    """The contract that goes into the file."""
    wanted, outputs = plan.export, {LABELS: LABELS}
    if len(plan.classes) == 2:
        outputs[CONFIDENCE] = CONFIDENCE
    try:
        return ModelSpec(
            name=plan.name,
            classes=tuple(entry.name for entry in plan.classes),
            colours=tuple(f"#{entry.colour.lstrip('#')}" for entry in plan.classes),
            outputs=outputs,
            input=InputSpec(
                name=PICTURE,
                layout="NHWC",
                height=wanted.height,
                width=wanted.width,
                side=wanted.side,
                dtype="uint8",
                colour="grey" if plan.data.grey else "bgr",
                stride=stride(plan),
            ),
            background=wanted.background,
            licence=plan.licence,
            summary=wanted.summary,
        )
    except ValueError as error:
        raise InputError(f"{plan.name}: {error}") from None


def trace(deployed: Deployed, plan: Plan) -> bytes:
    """The graph, with batch and free sides left open and the batch normalisations folded into the convolutions."""
    height, width = trial_size(plan)
    example = torch.zeros(1, height, width, 1 if plan.data.grey else 3, dtype=torch.uint8)
    outputs = [LABELS, CONFIDENCE][: 2 if len(plan.classes) == 2 else 1]
    free = {0: "n"} if plan.export.height else {0: "n", 1: "height", 2: "width"}
    answer = {0: "n"} if plan.export.height else {0: "n", 1: "label_rows", 2: "label_columns"}
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # says that it is the older exporter; the newer one folds nothing
        torch.onnx.export(
            deployed,
            (example,),
            f"{folder}/model.onnx",
            dynamo=False,
            opset_version=_OPSET,
            input_names=[PICTURE],
            output_names=outputs,
            dynamic_axes={PICTURE: free, **dict.fromkeys(outputs, answer)},
        )
        return Path(folder, "model.onnx").read_bytes()


def with_metadata(raw: bytes, spec: ModelSpec) -> bytes:
    """The same model with `spec` in it."""
    import onnx

    model = onnx.load_from_string(raw)
    model.metadata_props.add(key=METADATA_KEY, value=spec_text(spec))
    packed: bytes = model.SerializeToString()
    return packed


def compare(deployed: Deployed, raw: bytes, pictures: Sequence[NDArray[np.uint8]]) -> float:
    """Share of the pixels of `pictures`, (H, W, C) u8, with the same label in ONNX Runtime and PyTorch."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(raw, options, providers=["CPUExecutionProvider"])
    same = []
    for picture in pictures:
        with torch.inference_mode():
            expected = deployed(torch.from_numpy(picture[None]))[0].numpy()
        same.append(np.mean(session.run([LABELS], {PICTURE: picture[None]})[0] == expected))
    return float(np.mean(same))


def trial_size(plan: Plan) -> tuple[int, int]:
    """Height, width of the pictures that graph and comparison are made with."""
    return plan.export.height or _TRIAL[0], plan.export.width or _TRIAL[1]


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
