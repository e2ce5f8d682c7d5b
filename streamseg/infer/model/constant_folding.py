"""A model with everything that is constant worked out: weights unpacked, shapes computed, dead ends gone."""

from __future__ import annotations

from pathlib import Path

from streamseg import runtimes
from streamseg.errors import InputError
from streamseg.infer.model.onnxfile import external_files, source_for_ort


def fold_constants(file: Path, target: Path) -> None:
    """Writes the model in `file` to `target` in standard operators alone, as ONNX Runtime simplifies it.

    Raises:
        InputError: ONNX Runtime cannot load it.
    """
    import onnx

    onnxruntime = runtimes.onnxruntime()
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.optimized_model_filepath = str(target)
    options.log_severity_level = 4
    try:
        # A file beside the model would be named by what is written as well, and `target` may lie in another folder.
        model = onnx.load(file).SerializeToString() if external_files(file) else source_for_ort(file)
        onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # the runtime's own classes
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"{file}: ONNX Runtime cannot load it: {reason}") from None
