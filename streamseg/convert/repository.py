"""A folder that an inference server loads a network from: Triton's model repository, and that of OpenVINO's server."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from streamseg.convert.ensemble import jpeg_models, pbtxt_text
from streamseg.errors import InputError, OutputError, printable
from streamseg.files import make_folder
from streamseg.infer.memory import refuse_states
from streamseg.infer.model.catalogue import load_spec
from streamseg.infer.model.onnxfile import OnnxFile, external_files, inspect_onnx
from streamseg.infer.model.spec import ModelSpec, spec_classes
from streamseg.infer.model.tensors import TensorInfo
from streamseg.infer.network import MOST_AT_ONCE

Server = Literal["triton", "ovms"]
_VERSION = "1"
_MOUNTED = "/models"  # where OpenVINO's server usually has its repository
_QUEUE_DELAY_US = 2000  # how long a request waits for company: less than a frame lasts
_LONGEST_QUEUE = 64
_TYPES = {
    np.dtype(np.bool_): "TYPE_BOOL",
    np.dtype(np.uint8): "TYPE_UINT8",
    np.dtype(np.int8): "TYPE_INT8",
    np.dtype(np.int32): "TYPE_INT32",
    np.dtype(np.int64): "TYPE_INT64",
    np.dtype(np.float16): "TYPE_FP16",
    np.dtype(np.float32): "TYPE_FP32",
    np.dtype(np.float64): "TYPE_FP64",
}


class Written(NamedTuple):
    """What a server is given."""

    folder: Path
    """Of the model, inside the repository."""
    most: int
    """Pictures that the server puts together in one run; 1: the graph leaves no room for more."""


def write_repository(
    file: Path, folder: Path, server: Server, plan: Path | None = None, *, jpeg: bool = False
) -> Written:
    """Adds the network in `file` to the repository `folder`, whole or not at all.

    Args:
        plan: a TensorRT engine of the same network, which Triton runs instead of the ONNX file.
        jpeg: also, for Triton, a model `NAME-jpeg` that takes the pictures as files, and one that decodes them for it.

    Raises:
        InputError: the network remembers earlier frames, is none, or takes no pictures as a file holds them; or there
            is no such plan.
        OutputError: a model of that name is there, or nothing can be written.
    """
    found, spec = inspect_onnx(file), load_spec(file)
    refuse_states(spec, file, "a server")
    if plan is not None and not plan.is_file():
        raise InputError(f"{plan}: no such file")
    most = MOST_AT_ONCE if _batch_is_free(found) else 1
    parts: dict[str, Callable[[Path], None]] = {
        spec.name: lambda part: _fill(part, found, spec, server, plan, most),
    }
    if jpeg:
        parts |= jpeg_models(file, found, spec, most, _tensor)
    for name in parts:
        if os.path.lexists(folder / name):
            raise OutputError(f"{folder / name}: exists", "take it away, or name another folder")
    make_folder(folder)
    with tempfile.TemporaryDirectory(prefix=f".{spec.name}.", dir=folder) as work:
        try:
            for name, fill in parts.items():
                part = Path(work, name)
                part.mkdir(0o755)  # the server is another user
                fill(part)
            for name in parts:
                Path(work, name).rename(folder / name)
        except OSError as error:
            raise OutputError(f"{folder / spec.name}: {error.strerror or error}") from None
    return Written(folder / spec.name, most)


def _fill(part: Path, found: OnnxFile, spec: ModelSpec, server: Server, plan: Path | None, most: int) -> None:
    version = part / _VERSION
    version.mkdir()
    (part / "labels.txt").write_text(
        "".join(f"{printable(name)}\n" for name in spec_classes(spec).names), encoding="utf-8"
    )
    if plan is not None:
        shutil.copyfile(plan, version / "model.plan")
    else:
        shutil.copyfile(found.path, version / "model.onnx")
        for weights in external_files(found.path):
            inside = version / weights.relative_to(found.path.parent)
            inside.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(weights, inside)
    if server == "triton":
        config = triton_config(spec, found.inputs, found.outputs, most, "onnxruntime" if plan is None else "tensorrt")
        (part / "config.pbtxt").write_text(config, encoding="utf-8")
    else:
        config_list = [{"config": {"name": spec.name, "base_path": f"{_MOUNTED}/{spec.name}"}}]
        (part / "config.json").write_text(json.dumps({"model_config_list": config_list}, indent=2) + "\n", "utf-8")


def triton_config(
    spec: ModelSpec, inputs: Sequence[TensorInfo], outputs: Sequence[TensorInfo], most: int, backend: str
) -> str:
    """The text of `config.pbtxt`, as Triton's `model_config.proto` has it."""
    batched = most > 1
    labels = spec.outputs.get("labels")
    lines = [
        f"name: {pbtxt_text(spec.name)}",
        f"backend: {pbtxt_text(backend)}",
        f"max_batch_size: {most if batched else 0}",
        *(_tensor("input", info, batched) for info in inputs),
        *(_tensor("output", info, batched, labels) for info in outputs),
        "# One a GPU, or one where there is none; more where the GPU is not busy with one.",
        "instance_group [ { count: 1 } ]",
    ]
    if batched:
        policy = f"{{ max_queue_size: {_LONGEST_QUEUE} }}"
        lines += [
            "# Pictures of several cameras go through the network together; a longer queue is refused at once.",
            "dynamic_batching {",
            f"  max_queue_delay_microseconds: {_QUEUE_DELAY_US}",
            f"  default_queue_policy {policy}",
            "}",
        ]
    return "\n".join(lines) + "\n"


def _tensor(kind: str, info: TensorInfo, batched: bool, labels: str | None = None) -> str:
    if info.shape is None or info.dtype not in _TYPES:
        raise InputError(f"{kind} '{info.name}' has no shape or type that a server could be told")
    sides = ", ".join(str(side or -1) for side in info.shape[batched:])
    named = ', label_filename: "labels.txt"' if info.name == labels else ""
    return f"{kind} [ {{ name: {pbtxt_text(info.name)}, data_type: {_TYPES[info.dtype]}, dims: [ {sides} ]{named} }} ]"


def _batch_is_free(found: OnnxFile) -> bool:
    return all(info.shape is not None and info.shape[:1] == (None,) for info in (*found.inputs, *found.outputs))
