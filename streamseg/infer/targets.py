"""Where a model may be written, so that it can be run from there."""

from __future__ import annotations

from pathlib import Path

from streamseg.errors import InputError
from streamseg.infer.memory import with_states
from streamseg.infer.model.onnxfile import inspect_onnx
from streamseg.infer.model.spec import spec_beside
from streamseg.infer.model.validate import check_model


def check_target(target: Path) -> None:
    """Raises InputError where a model that is written to `target` would not be taken for one."""
    if target.suffix.lower() != ".onnx":
        named = target.with_suffix(".onnx") if target.name.strip(".") else ""
        raise InputError(f"{target}: a model's name ends in .onnx", str(named))


def check_beside(part: Path, target: Path) -> None:
    """Raises InputError where the YAML beside `target`, which would count first, does not fit the model in `part`."""
    try:
        if (spec := spec_beside(target)) is not None:
            found = inspect_onnx(part)
            check_model(with_states(spec, found.inputs, found.outputs), found.inputs, found.outputs)
    except InputError as error:
        raise InputError(
            f"{target.with_suffix('.yaml')}: counts before what is written into {target.name}, and does not fit it:"
            f" {error.message}",
            "take it away, or name another file",
        ) from None
