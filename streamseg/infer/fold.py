"""A model with everything that is constant worked out: weights unpacked, shapes computed, dead ends gone."""

from __future__ import annotations

from pathlib import Path

from streamseg.errors import InputError


def fold(file: Path, target: Path) -> None:
    """Writes the model in `file` to `target` in standard operators alone, as ONNX Runtime simplifies it.

    Raises:
        InputError: ONNX Runtime cannot load it.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.optimized_model_filepath = str(target)
    options.log_severity_level = 4
    try:
        onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # the runtime's own classes
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"{file}: ONNX Runtime cannot load it: {reason}") from None
