"""ONNX files from anybody, looked at before a runtime may load them."""

from __future__ import annotations

import hashlib
import math
import re
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import TYPE_CHECKING

import numpy as np

from streamseg.errors import InputError
from streamseg.infer.model.foreign import what_it_is
from streamseg.infer.model.tensors import TensorInfo

if TYPE_CHECKING:
    import onnx

MAX_ELEMENTS = 1 << 29
"""Most numbers a tensor may hold: 2 GiB of fp32, enough for 256 classes of a full-HD picture."""
MAX_FILE_BYTES = (1 << 31) - 1
"""Protobuf reads no larger message."""
_NUMBER = re.compile(r"[0-9]{1,18}")
_USUAL_OPSET = 17
_LARGE_WEIGHTS_BYTES = 1 << 12


@dataclass(frozen=True, slots=True)
class OnnxFile:
    """A model file that was looked at: where it is, what goes in and out, what it says of itself."""

    path: Path
    inputs: tuple[TensorInfo, ...]
    outputs: tuple[TensorInfo, ...]
    metadata: dict[str, str]


def inspect_onnx(path: Path) -> OnnxFile:
    """Reads and checks `path` without running it.

    Raises:
        InputError: no ONNX model, data outside its folder, or tensors over `MAX_ELEMENTS`.
    """
    model = inferred(load_onnx(path))
    _check_values(path, model)
    weights = {tensor.name for tensor in model.graph.initializer}
    try:
        return OnnxFile(
            path,
            tuple(_info(path, value) for value in model.graph.input if value.name not in weights),
            tuple(_info(path, value) for value in model.graph.output),
            {entry.key: entry.value for entry in model.metadata_props},
        )
    except UnicodeDecodeError:
        raise InputError(f"{path}: not an ONNX model: names that are no text") from None


def check_outputs(path: Path, outputs: Sequence[TensorInfo]) -> None:
    """Raises InputError where a runtime, which follows more shapes, found an output to be over `MAX_ELEMENTS`."""
    for output in outputs:
        if math.prod(side or 1 for side in output.shape or ()) > MAX_ELEMENTS:
            raise InputError(f"{path}: output '{output.name}' of {output.shape} is beyond what streamseg runs")


def source_for_ort(path: Path) -> str | bytes:
    """What ONNX Runtime is given of the file `path`: its name, or its bytes where the name is not text."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return _read(path)
    return str(path)


def load_onnx(path: Path) -> onnx.ModelProto:
    """The checked model, its external data not yet read; raises as `inspect_onnx` does."""
    import onnx

    model = onnx.ModelProto()
    raw = _read(path)
    try:
        model.ParseFromString(raw)
    except Exception:  # protobuf's own class, which has moved between its versions
        raise _no_model(path, ", or one that is cut short") from None
    if not model.graph.node:
        raise _no_model(path, ", or one without nodes")
    if all(entry.domain not in ("", "ai.onnx") for entry in model.opset_import):  # others' operators alone
        model.opset_import.add(domain="", version=_USUAL_OPSET)
    for tensor in _tensors(model):
        _check_size(path, f"tensor '{tensor.name}'", list(tensor.dims))
        if tensor.data_location == onnx.TensorProto.EXTERNAL:
            entries = {entry.key: entry.value for entry in tensor.external_data}
            _check_external(path, entries.get("location", ""), entries.get("offset", "0"), entries.get("length", "0"))
    _check_values(path, model)
    return model


def inferred(model: onnx.ModelProto) -> onnx.ModelProto:
    """The graph with every shape that follows from the others: a hundred bytes can ask for any amount of memory.

    The large weights of `model` are let go first; only small ones, such as target shapes, have a say.
    """
    import onnx

    for tensor in model.graph.initializer:
        if len(tensor.raw_data) > _LARGE_WEIGHTS_BYTES:
            tensor.ClearField("raw_data")
    try:
        return onnx.shape_inference.infer_shapes(model, data_prop=True)
    except Exception:  # what it cannot follow is the runtime's to judge
        return model


def external_files(path: Path) -> tuple[Path, ...]:
    """The files beside the model in which its weights lie, each once; raises as `inspect_onnx` does."""
    import onnx

    external = (tensor for tensor in _tensors(load_onnx(path)) if tensor.data_location == onnx.TensorProto.EXTERNAL)
    names = {entry.value for tensor in external for entry in tensor.external_data if entry.key == "location"}
    return tuple(path.parent / name for name in sorted(names))


def model_sha256(path: Path) -> str:
    """Of the model's bytes and those of its weights beside it; raises as `inspect_onnx` does, and OSError."""
    digests = [file_sha256(file) for file in (path, *external_files(path))]
    return digests[0] if len(digests) == 1 else hashlib.sha256("".join(digests).encode()).hexdigest()


def file_sha256(path: Path) -> str:
    """Of the file's bytes, in hexadecimals; raises OSError."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _read(path: Path) -> bytes:
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            raise _no_model(path)
        if not stat.S_ISREG(status.st_mode):
            raise InputError(f"{path}: not a file")
        if status.st_size > MAX_FILE_BYTES:
            raise InputError(f"{path}: over 2 GiB", "keep the weights in an external data file")
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from None


def _no_model(path: Path, more: str = "") -> InputError:
    what, hint = what_it_is(path)
    return InputError(f"{path}: not an ONNX model{f' but {what}' if what else more}", hint)


def _check_values(path: Path, model: onnx.ModelProto) -> None:
    for value in (*model.graph.input, *model.graph.output, *model.graph.value_info):
        _check_size(path, f"'{value.name}'", [d.dim_value for d in value.type.tensor_type.shape.dim if d.dim_value])


def _check_size(path: Path, what: str, dims: list[int]) -> None:
    if any(dim < 0 for dim in dims) or math.prod(dims) > MAX_ELEMENTS:
        shape = "x".join(map(str, dims))
        raise InputError(f"{path}: {what} of {shape} is beyond what streamseg runs (2^29 numbers)")


def _check_external(model_path: Path, location: str, offset: str, length: str) -> None:
    """A model may name any file as its weights; only plain ones of its own folder that hold them are let through."""
    parts = PurePosixPath(location.replace("\\", "/")).parts
    absolute = PurePosixPath(location).is_absolute() or PureWindowsPath(location).drive or location[:1] in ("/", "\\")
    if not location or absolute or ".." in parts:
        raise InputError(f"{model_path}: external data '{location}' lies outside the model's folder")
    folder = model_path.parent.resolve()
    file = folder.joinpath(*parts)
    try:
        if not file.resolve().is_relative_to(folder):
            raise InputError(
                f"{model_path}: external data '{location}' is a link out of the model's folder",
                "copy the files themselves into one folder: cp -L follows links, such as those of Hugging Face's cache",
            )
        status = file.stat()
    except (OSError, ValueError):  # a name with a NUL
        raise InputError(f"{model_path}: external data '{location}' is missing") from None
    if not stat.S_ISREG(status.st_mode) or status.st_nlink > 1:
        raise InputError(
            f"{model_path}: external data '{location}' is not a plain file (hard links are refused: they may be"
            " another's file)",
            "copy it",
        )
    if not (_NUMBER.fullmatch(offset) and _NUMBER.fullmatch(length)):
        raise InputError(f"{model_path}: external data '{location}': where in it a tensor begins and ends is no number")
    if (needed := int(offset) + int(length)) > status.st_size:
        raise InputError(
            f"{model_path}: external data '{location}' is cut short: {status.st_size} of {needed} bytes or more",
            "download it again; `git lfs pull` fetches what is a pointer",
        )


def _tensors(model: onnx.ModelProto) -> Iterator[onnx.TensorProto]:
    yield from _graph_tensors(model.graph)
    for function in model.functions:
        for node in function.node:
            yield from _node_tensors(node)


def _graph_tensors(graph: onnx.GraphProto) -> Iterator[onnx.TensorProto]:
    yield from graph.initializer
    for sparse in graph.sparse_initializer:
        yield from (sparse.values, sparse.indices)
    for node in graph.node:
        yield from _node_tensors(node)


def _node_tensors(node: onnx.NodeProto) -> Iterator[onnx.TensorProto]:
    for attribute in node.attribute:
        yield from (attribute.t, *attribute.tensors)
        for sparse in (attribute.sparse_tensor, *attribute.sparse_tensors):
            yield from (sparse.values, sparse.indices)
        for graph in (attribute.g, *attribute.graphs):
            yield from _graph_tensors(graph)


def _info(path: Path, value: onnx.ValueInfoProto) -> TensorInfo:
    import onnx

    tensor = value.type.tensor_type
    try:
        dtype = np.dtype(onnx.helper.tensor_dtype_to_np_dtype(tensor.elem_type))
    except KeyError:
        raise InputError(f"{path}: '{value.name}' is not a tensor of numbers") from None
    dims = tuple(dim.dim_value or None for dim in tensor.shape.dim) if tensor.HasField("shape") else None
    return TensorInfo(value.name, dims, dtype)
