"""A plan to train a model further on a folder of corrected pictures: all but the pictures is read from its file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from glob import escape
from pathlib import Path

import msgspec
import numpy as np
import torch
from torch import nn

from streamseg import runtimes
from streamseg.errors import InputError
from streamseg.evaluation.corrected import Corrected, held_out_of
from streamseg.infer.model.catalogue import load_spec
from streamseg.infer.model.geometry import input_size
from streamseg.infer.model.onnxfile import load_onnx
from streamseg.infer.model.spec import ModelSpec, spec_classes
from streamseg.labelmap import VOID
from streamseg.segmentation import Classes
from streamseg.training.network import ARCHITECTURES, build
from streamseg.training.plan import (
    Augment,
    ClassEntry,
    Data,
    Export,
    Folder,
    Loss,
    Network,
    Plan,
    Schedule,
    Weights,
    as_name,
)
from streamseg.training.reread import layers_of, read_kernels

_EPOCHS, _EPOCHS_ANEW = 10, 30
_DEPTHS = (None, 5, 4, 3, 2)
_STEPS, _BATCH = 20, 4  # an epoch has so many at least
_CROP_PX = 256


def retraining(model: Path, found: Corrected, epochs: int | None = None, name: str = "") -> Plan:
    """The plan: architecture, size and first weights of `model`, and pictures and classes that were `found`.

    Its name holds a part of their digest: after another correction it is another training. Classes of
    the folder's own get a last layer of their own, which takes longer.

    Args:
        model: one that streamseg trained.
        found: pictures with masks.
        epochs: None: 10, and 30 for other classes.
        name: "": the model's.

    Raises:
        InputError: `model` was not trained by streamseg.
    """
    spec = load_spec(model)
    batch = min(_BATCH, found.count)
    export, own = _export(model, spec), found.own
    if own is not None:
        export = msgspec.structs.replace(export, background=own.background, summary=_listed(own))
    return _plan(
        spec,
        own or spec_classes(spec),
        name=f"{as_name(name or spec.name or model.stem, 180)}-{found.digest[:6]}",
        data=Data(
            root=str(found.masks.parent),
            train=Folder(pictures=found.pictures.name, masks=found.masks.name),
            hold_out=[escape(name) for name in held_out_of(found.pictures)],
            ids={str(VOID): VOID} if found.void else {},
            grey=spec.input.colour == "grey",
        ),
        network=recognised(model, spec),
        export=export,
        schedule=Schedule(
            epochs=epochs or (_EPOCHS_ANEW if own else _EPOCHS),
            batch=batch,
            repeat=-(-_STEPS * batch // found.count),
            rate=1e-3 if own else 3e-4,
            ema=0.99,
            threads=torch.get_num_threads(),
        ),
    )


def _listed(classes: Classes) -> str:
    """What a model finds, for the list of models."""
    return ", ".join(name for at, name in enumerate(classes.names) if at != classes.background)


def _plan(
    spec: ModelSpec, classes: Classes, *, name: str, data: Data, network: Network, export: Export, schedule: Schedule
) -> Plan:
    entries = [
        ClassEntry(name=each, colour=f"{r:02x}{g:02x}{b:02x}")
        for each, (b, g, r) in zip(classes.names, classes.colours.tolist(), strict=True)
    ]
    size = input_size(spec.input, (_CROP_PX, _CROP_PX))
    crop = min(size[0], _CROP_PX), min(size[1], _CROP_PX)
    return Plan(
        name=name,
        classes=entries,
        data=data,
        network=network,
        augment=Augment(crop=crop, scale=(0.8, 1.25), rotate_deg=10.0, colour=0.4, noise=6.0, blur=0.1, jpeg=0.1),
        loss=Loss(class_weights="none", dice=1.0),
        schedule=schedule,
        export=export,
        licence=spec.licence,
    )


def recognised(model: Path, spec: ModelSpec) -> Network:
    """The architecture whose layers have the shapes of those in `model`, in their order; it starts from there.

    Raises:
        InputError: there is none.
    """
    shapes = [tuple(weight.shape) for weight, _ in read_kernels(model)]
    data, classes = Data(root="", train=Folder(pictures=""), grey=spec.input.colour == "grey"), spec_classes(spec)
    for network in _candidates(shapes, instances=spec.task == "instance"):
        plan = _plan(
            spec, classes, name="trial", data=data, network=network, export=Export(), schedule=Schedule(epochs=1)
        )
        if _shapes_in(plan) >= set(shapes) and _ordered(plan) == shapes:
            return Network(
                architecture=network.architecture, width=network.width, depth=network.depth, start_from=str(model)
            )
    raise InputError(f"{model}: is of no architecture that streamseg trains", "streamseg train --list")


def _candidates(shapes: list[tuple[int, ...]], *, instances: bool) -> Iterator[Network]:
    """Those that have such an encoder, or none; the usual size first, then widths that stand at the ends."""
    depthwise = any(shape[1:] == (1, 3, 3) for shape in shapes[1:8])
    ends = Counter(side for shape in (shapes[0], *shapes[-8:]) for side in shape[:2] if side > 1)
    fitting = [
        name
        for name, architecture in ARCHITECTURES.items()
        if architecture.encoder == depthwise and architecture.instances == instances
    ]
    for depth in _DEPTHS:
        for width in (None, *ends):
            for name in fitting:
                yield Network(architecture=name, width=width, depth=depth, encoder="random")


def _shapes_in(plan: Plan) -> set[tuple[int, ...]]:
    """Of all its weights, without making any; empty where there is no such network."""
    try:
        with torch.device("meta"):
            return {tuple(weight.shape) for weight in build(plan).parameters() if weight.ndim > 1}
    except (ArithmeticError, IndexError, InputError, RuntimeError, ValueError):  # of a size that it cannot have
        return set()


def _ordered(plan: Plan) -> list[tuple[int, ...]]:
    """Of its weights in the order in which they compute."""
    network: nn.Module = build(plan)
    return [tuple(layer.weight.shape) for layer, _ in layers_of(network, plan)]


def _export(model: Path, spec: ModelSpec) -> Export:
    """As `model` was exported."""
    weights = _weights(model)
    return Export(
        height=spec.input.height,
        width=spec.input.width,
        side=spec.input.side,
        largest=spec.input.largest,
        labels_stride=_labels_stride(model, spec),
        background=spec.background,
        least_score=spec.least_score,
        weights=weights,
        summary=spec.summary,
    )


def _weights(model: Path) -> Weights:
    """How its weights are kept."""
    import onnx

    kinds = {tensor.data_type for tensor in load_onnx(model).graph.initializer}
    if onnx.TensorProto.INT8 in kinds:
        return "int8"
    return "fp16" if onnx.TensorProto.FLOAT16 in kinds else "fp32"


def _labels_stride(model: Path, spec: ModelSpec) -> int:
    """Pixels of the input along the side of one label."""
    if spec.task == "instance":
        return 1
    session = runtimes.onnxruntime().InferenceSession(str(model), providers=["CPUExecutionProvider"])
    height, width = input_size(spec.input, (64, 64))
    image = np.zeros((1, height, width, spec.input.channels), np.uint8)
    (labels,) = session.run([spec.outputs["labels"]], {session.get_inputs()[0].name: image})
    return max(1, height // int(np.asarray(labels).shape[1]))
