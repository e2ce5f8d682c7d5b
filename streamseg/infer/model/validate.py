"""Whether a spec and a graph speak of the same model; everything is said before the first frame."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from streamseg.errors import InputError
from streamseg.infer.model.spec import ModelSpec
from streamseg.infer.model.tensors import TensorInfo, agree

_OBJECTS = {
    "boxes": "(N, K, 4)",
    "scores": "(N, K)",
    "class_ids": "(N, K)",
    "masks": "(N, K, m, m)",
    "anchors": "(N, 4 + C + M, A)",
    "rows": "(N, K, 6 + M)",
    "classes": "(N, K, C)",
    "prototypes": "(N, M, h, w)",
    "planes": "(N, K, h, w)",
    "maps": "(N, 3, h, w)",
}
_FIXED = {"boxes": (2, 4), "maps": (1, 3)}
"""Role to an axis and its length."""
_FLOATS = ("logits", "probability", *(_OBJECTS.keys() - {"class_ids", "maps"}))


def check_model(spec: ModelSpec, inputs: Sequence[TensorInfo], outputs: Sequence[TensorInfo]) -> None:
    """Compares names, ranks, channels, sizes and class counts as far as the graph declares them.

    Raises:
        InputError: they differ; the message tells what was expected and what was found.
    """
    picture = input_info(spec, inputs)
    _check_input(spec, picture)
    for name, pair in spec.states.items():
        _check_state(spec, _find(spec, inputs, name, "input"), _find(spec, outputs, pair, "output"))
    if spec.states and picture.shape and (picture.shape[0] or 1) > 1:
        raise InputError(f"{spec.name}: remembers frames, and takes {picture.shape[0]} at once; one can be fed back")
    for role, name in spec.outputs.items():
        info = _find(spec, outputs, name, "output")
        if role in ("labels", "class_ids") and info.dtype.kind not in "iu":
            raise InputError(f"{spec.name}: output '{name}' should hold {role}, integers; found {info.dtype}")
        if role in _FLOATS and info.dtype.kind != "f":
            raise InputError(f"{spec.name}: output '{name}' should hold {role}, floats; found {info.dtype}")
        if role == "confidence" and info.dtype != np.uint8:
            raise InputError(f"{spec.name}: output '{name}' should hold confidence, uint8; found {info.dtype}")
        if info.shape is not None:
            check_output_shape(spec, role, info.shape)


def input_info(spec: ModelSpec, inputs: Sequence[TensorInfo]) -> TensorInfo:
    """The graph's input that takes the picture.

    Raises:
        InputError: there is none of that name, or there are others to be fed as well.
    """
    for name in (*spec.states, *spec.values):
        _find(spec, inputs, name, "input")
    inputs = [info for info in inputs if info.name not in (*spec.states, *spec.values)]
    if len(inputs) != 1:
        names = ", ".join(info.name for info in inputs) or "none"
        hint = "`states` and `values` in its YAML say what else it is fed" if len(inputs) > 1 else ""
        raise InputError(f"{spec.name}: expected one input, found {len(inputs)} ({names})", hint)
    return _find(spec, inputs, spec.input.name or inputs[0].name, "input")


def check_output_shape(spec: ModelSpec, role: str, shape: Sequence[int | None]) -> None:
    """Compares one output's shape, declared (None where free) or real, with what `role` asks for."""
    n = len(spec.classes)
    rank = len(shape)
    if role in _OBJECTS:
        axis, length = _FIXED.get(role, (0, None))
        if rank != len(_OBJECTS[role].split(",")) or (length is not None and shape[axis] not in (length, None)):
            raise _mismatch(spec, role, _OBJECTS[role], shape)
    elif role == "logits":
        if rank != 4:
            raise _mismatch(spec, role, f"(N, {n}, H, W)", shape)
        channel_axis(spec, shape)
    elif rank not in (2, 3, 4) or (rank == 4 and 1 not in (shape[1] or 1, shape[3] or 1)):
        raise _mismatch(spec, role, "(N, H, W) or (N, 1, H, W)", shape)


def channel_axis(spec: ModelSpec, shape: Sequence[int | None]) -> int:
    """Where logits have their classes: 1 (NCHW) or 3 (NHWC); where both may be, as the input has its channels."""
    n = len(spec.classes)
    axes = (1, 3) if spec.input.layout == "NCHW" else (3, 1)
    for axis in axes:
        if shape[axis] == n:
            return axis
    for axis in axes:
        if shape[axis] is None:
            return axis
    raise _mismatch(spec, "logits", f"{n} channels for {n} classes", shape)


def _check_state(spec: ModelSpec, fed: TensorInfo, given: TensorInfo) -> None:
    """What is given for one frame must be able to go in with the next."""
    if fed.dtype != given.dtype:
        raise InputError(f"{spec.name}: state '{fed.name}' is {fed.dtype}, '{given.name}' {given.dtype}")
    if fed.shape is None:
        raise InputError(f"{spec.name}: state '{fed.name}' has no known number of axes")
    if not agree(fed.shape, given.shape):
        raise _mismatch(spec, f"state '{given.name}'", _told(fed.shape), given.shape or ())


def _check_input(spec: ModelSpec, info: TensorInfo) -> None:
    wanted = spec.input
    if info.dtype != np.dtype(wanted.dtype):
        raise InputError(f"{spec.name}: input '{info.name}' expected as {wanted.dtype}, found {info.dtype}")
    expected = wanted.shape(None, (wanted.height, wanted.width))
    if not agree(expected, info.shape):
        raise _mismatch(spec, f"input '{info.name}'", f"{wanted.layout} {_told(expected)}", info.shape or ())


def _find(spec: ModelSpec, infos: Sequence[TensorInfo], name: str, what: str) -> TensorInfo:
    for info in infos:
        if info.name == name:
            return info
    found = ", ".join(f"'{info.name}'" for info in infos) or "none"
    raise InputError(f"{spec.name}: expected {what} '{name}', found {found}")


def _mismatch(spec: ModelSpec, what: str, expected: str, found: Sequence[int | None]) -> InputError:
    return InputError(f"{spec.name}: {what} expected as {expected}, found {_told(found)}")


def _told(shape: Sequence[int | None]) -> str:
    return "(" + ", ".join("?" if side is None else str(side) for side in shape) + ")"
