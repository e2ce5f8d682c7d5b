"""A network in 8-bit integers: measured on pictures, written as QDQ, compared with the original.

Jacob et al., "Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference", CVPR
2018. The weights take a quarter of the space; how much quicker it is depends on the processor.
"""

from __future__ import annotations

import contextlib
import logging
import platform
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import msgspec
from numpy.typing import NDArray

from streamseg.convert.graph import opset_of
from streamseg.errors import BackendError, InputError
from streamseg.files import refuse_existing, same_file, whole
from streamseg.frame import Frame, Image
from streamseg.infer.backends import open_backend
from streamseg.infer.instances import alike
from streamseg.infer.memory import refuse_states
from streamseg.infer.model.catalogue import load_spec
from streamseg.infer.model.constant_folding import fold_constants
from streamseg.infer.model.geometry import input_size, sized
from streamseg.infer.model.onnxfile import external_files, inspect_onnx
from streamseg.infer.model.spec import METADATA_KEY, ModelSpec, spec_text
from streamseg.infer.model.validate import input_info
from streamseg.infer.network import Network
from streamseg.infer.preprocess import Preprocessor
from streamseg.infer.targets import check_beside, check_target

Runtime = Literal["cpu", "tensorrt"]
_NEEDED_OPSET = 13
"""From there on each channel has a scale of its own."""
_LAYERS = ["Conv", "Gemm", "Add", "Clip", "Relu", "AveragePool", "GlobalAveragePool"]
_WEIGHTED = {"Conv", "Gemm"}
_FEATURES_THROUGH = {
    "Add", "AveragePool", "BatchNormalization", "Clip", "Concat", "ConvTranspose", "Flatten", "GlobalAveragePool",
    "HardSigmoid", "HardSwish", "LeakyRelu", "MaxPool", "Mul", "PRelu", "ReduceMax", "ReduceMean", "Relu", "Reshape",
    "Resize", "Sigmoid", "Transpose", "Where",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Quantised:
    """What was made."""

    file: Path
    agreement: float
    """Share of the pixels, 0..1, that get the label that the original gives, on the pictures measured."""
    objects: float | None
    """Share of the objects that one of both finds, 0..1, that both find; None where there are none."""
    bytes_before: int
    """With weights that lie beside it."""
    bytes_after: int


def quantise(
    file: Path, target: Path, images: Sequence[Image], runtime: Runtime, *, overwrite: bool = False
) -> Quantised:
    """Writes `file` in 8 bits to `target`; the ranges of its values are measured on `images`, (H, W, 3) u8 BGR.

    For `tensorrt` all values are signed and symmetric around 0, the only form that it builds. For `cpu` activations
    are unsigned, which ONNX Runtime has the quicker kernels for. Weights keep 7 of the 8 bits: processors without
    VNNI add two products in 16 bits, which overflow with 8.

    Raises:
        InputError: the model cannot be read or quantised, would be overwritten itself, or not be run from `target`.
        OutputError: `target` exists and is not to be overwritten, or cannot be written.
    """
    spec = load_spec(file)
    refuse_states(spec, file, "`quantise`")
    check_target(target)
    if same_file(target, file):
        raise InputError(f"{target}: would overwrite the model itself", "name another file")
    refuse_existing(target, overwrite=overwrite)
    with tempfile.TemporaryDirectory() as folder:
        plain, made = Path(folder, "plain.onnx"), Path(folder, "made.onnx")
        fold_constants(file, plain)
        _make_ready(plain)
        _quantise(plain, made, _feeds(spec, file, images), runtime)
        if _steps_to_bytes(made) <= _steps_to_bytes(plain):
            raise InputError(f"{file}: nothing to quantise: no layer in floats has another one with weights behind it")
        _describe(made, msgspec.structs.replace(spec, name=target.stem, score=""))
        check_beside(made, target)
        agreement, objects = _agreement(file, made, images)
        with whole(target, overwrite=overwrite) as part:
            part.write_bytes(made.read_bytes())
    before = sum(each.stat().st_size for each in (file, *external_files(file)))
    return Quantised(target, agreement, objects, before, target.stat().st_size)


def _feeds(spec: ModelSpec, file: Path, images: Sequence[Image]) -> Iterator[dict[str, NDArray[Any]]]:
    info = input_info(spec, inspect_onnx(file).inputs)
    batch = (info.shape[0] if info.shape else None) or 1
    preprocess = Preprocessor(spec.input)
    for image in images:
        tensor, _ = preprocess([image], input_size(sized(spec.input, info.shape), image.shape[:2]), batch)
        yield {info.name: tensor.copy()}


def _quantise(plain: Path, made: Path, feeds: Iterator[dict[str, NDArray[Any]]], runtime: Runtime) -> None:
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

    class Reader(CalibrationDataReader):  # type: ignore[misc]
        def get_next(self) -> dict[str, NDArray[Any]] | None:
            return next(feeds, None)

    signed = runtime == "tensorrt"
    try:
        with _quiet():
            quantize_static(
                plain,
                made,
                Reader(),
                quant_format=QuantFormat.QDQ,
                op_types_to_quantize=_LAYERS,
                nodes_to_exclude=_left_in_floats(plain),
                activation_type=QuantType.QInt8 if signed else QuantType.QUInt8,
                weight_type=QuantType.QInt8,
                per_channel=True,
                reduce_range=not signed and _adds_in_16_bits(),
                # TensorRT adds biases as they are.
                extra_options={"ActivationSymmetric": signed, "WeightSymmetric": True, "QuantizeBias": not signed},
            )
    except Exception as error:  # it names no classes
        raise InputError(f"cannot be quantised: {' '.join(str(error).split())[:200]}") from None


def _adds_in_16_bits() -> bool:
    """Whether this processor adds two products of bytes in 16 bits, which overflow unless weights have seven.

    True of x86 before its VNNI instructions; the eighth bit is worth a point of mIoU to some networks.
    """
    if platform.machine().lower() not in ("x86_64", "amd64"):
        return False
    try:
        return "vnni" not in Path("/proc/cpuinfo").read_text()
    except OSError:
        return True


def _make_ready(plain: Path) -> None:
    """Gives the graph the opset that it needs, and every node a name, which is how the quantiser is told of it."""
    import onnx
    import onnx.version_converter

    model = onnx.load(plain)
    if (opset := opset_of(model)) < _NEEDED_OPSET:
        try:
            model = onnx.version_converter.convert_version(model, _NEEDED_OPSET)
        except Exception:  # it names no classes
            raise InputError(
                f"cannot be quantised in opset {opset}", f"export it again in opset {_NEEDED_OPSET} or later"
            ) from None
    for index, node in enumerate(model.graph.node):
        node.name = f"{node.op_type}_{index}"
    onnx.save(model, plain)


def _left_in_floats(plain: Path) -> list[str]:
    """Names of nodes that 8 bits would spoil.

    The last layers, whose scores decide and whose box corners are worth more than 256 steps; whatever computes with
    those; and sums with a constant, because TensorRT takes quantised constants as weights of layers alone.
    """
    import onnx

    graph = onnx.load(plain).graph
    weights = {tensor.name for tensor in graph.initializer}
    inner: set[str] = set()  # tensors that lead to another layer with weights
    for node in reversed(graph.node):
        if node.op_type in _WEIGHTED or (node.op_type in _FEATURES_THROUGH and inner & set(node.output)):
            inner |= set(node.input)
    features: set[str] = set()  # tensors that come from one
    left = []
    for node in graph.node:
        with_constant = bool(weights & set(node.input))
        if node.op_type in _WEIGHTED:
            kept = bool(inner & set(node.output))
        else:
            from_features = all(name in features for name in node.input if name and name not in weights)
            kept = node.op_type in _FEATURES_THROUGH and from_features and bool(inner & set(node.output))
            kept = kept and not (node.op_type == "Add" and with_constant)
        if kept:
            features |= set(node.output)
        else:
            left.append(node.name)
    return left


def _steps_to_bytes(file: Path) -> int:
    import onnx

    return sum(node.op_type == "QuantizeLinear" for node in onnx.load(file).graph.node)


def _describe(made: Path, spec: ModelSpec) -> None:
    import onnx

    model = onnx.load(made)
    del model.metadata_props[:]
    model.metadata_props.add(key=METADATA_KEY, value=spec_text(spec))
    onnx.save(model, made)


def _agreement(file: Path, made: Path, images: Sequence[Image]) -> tuple[float, float | None]:
    """Of the labels, and of the objects."""
    if not images:
        raise BackendError("no picture to compare on")
    before, after = (Network(load_spec(each), open_backend(each, 1, "ort-cpu")) for each in (file, made))
    frames = (Frame(image, index, 0.0, 0.0) for index, image in enumerate(images))
    found = alike((after([frame])[0], before([frame])[0]) for frame in frames)
    before.close()
    after.close()
    return found


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keeps advice for programmers off a person's screen."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
