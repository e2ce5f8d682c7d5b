"""Makes the models `person` and `person-wide` out of MediaPipe's selfie segmentation networks.

    pip download --no-deps --only-binary=:all: --python-version 3.11 mediapipe==0.10.21
    python tools/make_person.py mediapipe-0.10.21-*.whl [--check]

Reads the two TFLite files from the wheel, converts and imports them into streamseg/infer/models. `--check` runs the
shipped models against a TFLite runtime on real pictures instead and prints how far they differ. Needs `tflite`, and
for the check `ai-edge-litert` and `scikit-image`.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
from numpy.typing import NDArray
from tflite_to_onnx import Converter

from streamseg.frame import Frame
from streamseg.infer import load_recipe
from streamseg.infer.importer import Hints, import_model

MODELS = Path(__file__).parents[1] / "streamseg" / "infer" / "models"
PARTS = {"person": "selfie_segmentation.tflite", "person-wide": "selfie_segmentation_landscape.tflite"}
_FOLDER = "mediapipe/modules/selfie_segmentation"
_SUMMARIES = {
    "person": "people before a camera, up to about two metres away; any aspect",
    "person-wide": "the same for wide pictures at about half the work",
}
_PICTURES = ("astronaut", "cat", "coffee", "rocket")


@dataclass(frozen=True)
class Difference:
    """How far a shipped model is from the TFLite original on one picture."""

    picture: str
    mask: float
    """Share of pixels, 0..1, on the other side of one half."""
    probability: float
    """Largest difference of the probability, 0..1; the shipped model gives it in steps of 1/255."""


def tflite_bytes(wheel: Path, name: str) -> bytes:
    """The original network of the model `name`, out of the wheel."""
    with zipfile.ZipFile(wheel) as archive:
        return archive.read(f"{_FOLDER}/{PARTS[name]}")


def make(wheel: Path, name: str, folder: Path) -> Path:
    """Writes the model `name` into `folder`."""
    hints = Hints(
        name=name,
        normalise="0..1",
        classes=("background", "person"),
        colours=("#000000", "#00c896"),
        licence="Apache-2.0",
        source="MediaPipe 0.10.21, " + PARTS[name],
        summary=_SUMMARIES[name],
    )
    with tempfile.TemporaryDirectory() as scratch:
        plain = Path(scratch) / f"{name}.onnx"
        onnx.save(Converter(tflite_bytes(wheel, name)).convert(), plain)
        made = import_model(plain, folder / f"{name}.onnx", hints)
    print(f"{made.file}: {made.file.stat().st_size} bytes, {made.agreement:.4%} of the labels as in the reference")
    return made.file


def differences(wheel: Path, name: str) -> list[Difference]:
    """The shipped model against the TFLite runtime, one entry a picture."""
    original = _Original(tflite_bytes(wheel, name))
    network = load_recipe(name).make(1)
    found = []
    for title, image in _pictures():
        expected = original(image)
        (segmentation,) = network([Frame(image, 0, 0.0, 0.0)])
        assert segmentation.confidence is not None
        sure = segmentation.confidence / 255
        probability = np.where(segmentation.labels == 1, sure, 1 - sure)
        mask = float(np.mean((expected > 0.5) != segmentation.labels))
        found.append(Difference(title, mask, float(np.abs(probability - expected).max())))
    return found


class _Original:
    """The TFLite network itself; MediaPipe's own operator is the standard one under another name."""

    def __init__(self, raw: bytes) -> None:
        from ai_edge_litert.interpreter import Interpreter

        self._interpreter = Interpreter(model_content=_standard(raw), num_threads=1)
        self._interpreter.allocate_tensors()

    def __call__(self, image: NDArray[np.uint8]) -> NDArray[np.float32]:
        entry = self._interpreter.get_input_details()[0]
        _, height, width, _ = (int(side) for side in entry["shape"])
        picture = cv2.cvtColor(cv2.resize(image, (width, height)), cv2.COLOR_BGR2RGB).astype(np.float32) / 255
        self._interpreter.set_tensor(entry["index"], picture[None])
        self._interpreter.invoke()
        plane: NDArray[np.float32] = self._interpreter.get_tensor(self._interpreter.get_output_details()[0]["index"])
        return plane[0, ..., 0]


def _standard(raw: bytes) -> bytes:
    """The network with TRANSPOSE_CONV, which every runtime has, where MediaPipe's own operator was."""
    import flatbuffers  # type: ignore[import-untyped]
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT.InitFromObj(schema.Model.GetRootAsModel(raw, 0))
    graph = model.subgraphs[0]
    for operator in graph.operators:
        code = model.operatorCodes[operator.opcodeIndex]
        if code.builtinCode == schema.BuiltinOperator.CUSTOM:
            code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.TRANSPOSE_CONV
            code.customCode, code.version = None, 3
            _replace(schema, model, graph, operator)
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def _replace(schema: Any, model: Any, graph: Any, operator: Any) -> None:
    buffer, sides = schema.BufferT(), schema.TensorT()
    buffer.data = np.asarray(graph.tensors[operator.outputs[0]].shape, np.int32).view(np.uint8)
    model.buffers.append(buffer)
    sides.name, sides.type, sides.shape = b"sides", schema.TensorType.INT32, np.array([4], np.int32)
    sides.buffer = len(model.buffers) - 1
    graph.tensors.append(sides)
    picture, weights, bias = operator.inputs
    operator.inputs = np.array([len(graph.tensors) - 1, weights, picture, bias], np.int32)
    options = schema.TransposeConvOptionsT()
    options.padding, options.strideW, options.strideH = schema.Padding.VALID, 2, 2
    operator.builtinOptions, operator.customOptions = options, None
    operator.builtinOptionsType = schema.BuiltinOptions.TransposeConvOptions


def _pictures() -> list[tuple[str, NDArray[np.uint8]]]:
    """Real photographs, BGR, and one of them in the middle of a wide frame."""
    from skimage import data

    pictures = [(title, np.ascontiguousarray(getattr(data, title)()[..., ::-1])) for title in _PICTURES]
    wide = np.full((512, 910, 3), 90, np.uint8)
    wide[:, 199:711] = pictures[0][1]
    return [*pictures, ("astronaut in 16:9", wide)]


def main() -> int:
    """Makes both models, or checks both."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("wheel", type=Path)
    parser.add_argument("--check", action="store_true", help="compare the shipped models with the originals")
    options = parser.parse_args()
    for name in PARTS:
        if not options.check:
            make(options.wheel, name, MODELS)
            continue
        for found in differences(options.wheel, name):
            print(f"{name}, {found.picture}: mask {found.mask:.3%} apart, probability at most {found.probability:.4f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
