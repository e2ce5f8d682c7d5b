"""Networks that remember are imported: states are found, fed back, and the same as of the graph itself for frames."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import pytest
from numpy.typing import NDArray

from streamseg.cli import main
from streamseg.convert.importer import Hints, Imported, import_model
from streamseg.errors import InputError
from streamseg.frame import Frame
from streamseg.infer import load_segmenter
from streamseg.infer.backends import open_backend
from streamseg.infer.model.onnxfile import inspect_onnx
from tests.parts.matting import Sides, matting, node, save

H, W = 64, 96


def mean(path: Path, names: tuple[str, str], channels: int = 1) -> Path:
    """The mean of a picture's brightness and its state, as many planes of it."""
    nodes = [
        node("ReduceMean", ["src"], ["grey"], axes=[1], keepdims=1),
        node("Add", ["grey", names[0]], ["sum"]),
        node("Mul", ["sum", "half"], [names[1]]),
        node("ReduceMean", [names[1]], ["plain"], axes=[1], keepdims=1),
        node("Clip", ["plain", "low", "high"], ["matte"]),
    ]
    state: Sides = [1, channels, H, W]
    return save(path, nodes, {"src": [1, 3, H, W], names[0]: state}, {"matte": [1, 1, H, W], names[1]: state})


def imported(source: Path, **hints: Any) -> Imported:
    return import_model(source, source.with_name("made.onnx"), Hints(**hints))


def shares(file: Path, backend: str, image: NDArray[np.uint8], n: int) -> list[float]:
    segment = load_segmenter(str(file), backend=backend).make(1)
    found = segment([Frame(image.copy(), i, i / 25, 0.0) for i in range(n)])
    sure = [(each.labels, np.asarray(each.confidence, int)) for each in found]
    return [float(np.where(labels, share, 255 - share).mean()) / 255 for labels, share in sure]


@pytest.fixture(params=["ort-cpu", "openvino"])
def backend(request: pytest.FixtureRequest) -> str:
    if request.param == "openvino":
        pytest.importorskip("openvino", reason="it is an extra")
    return str(request.param)


@pytest.mark.parametrize("sides", [{}, {"height": 64, "width": 96}, {"height": 768, "width": 1024}], ids=str)
def test_a_matting_network_needs_no_flag(sides: dict[str, int], backend: str, tmp_path: Path) -> None:
    made = imported(matting(tmp_path / "rvm.onnx"), **sides)
    assert made.spec.classes == ("background", "person")
    assert made.spec.states == {f"r{i}i": f"r{i}o" for i in range(1, 5)}
    assert made.agreement == 1.0
    assert "by the names of Robust Video Matting" in made.assumed
    assert "remembers r1i from r1o" in made.assumed
    found = shares(made.file, backend, np.full((64, 96, 3), 200, np.uint8), 3)
    assert found == pytest.approx([0.5 * 200 / 255, 0.75 * 200 / 255, 0.875 * 200 / 255], abs=0.01)


def test_where_the_size_is_known_nothing_is_left_free(tmp_path: Path) -> None:
    made = imported(matting(tmp_path / "rvm.onnx"), height=768, width=1024)
    found = inspect_onnx(made.file)
    assert {info.name: info.shape for info in found.inputs} == {
        "streamseg_picture": (1, 768, 1024, 3),
        **{f"r{i}i": (1, 1, 768 >> i, 1024 >> i) for i in range(1, 5)},
    }
    assert all(info.shape and None not in info.shape for info in found.outputs)
    ratios = [tensor for tensor in onnx.load(made.file).graph.initializer if tensor.name == "downsample_ratio"]
    assert onnx.numpy_helper.to_array(ratios[0]).tolist() == [0.5]  # it looks at about 512 pixels


@pytest.mark.parametrize("names", [("h_in", "h_out"), ("state", "new_state"), ("past_h", "present_h")], ids=str)
def test_states_are_found_by_name(names: tuple[str, str], backend: str, tmp_path: Path) -> None:
    made = imported(mean(tmp_path / "toy.onnx", names), normalise="0..1")
    assert made.spec.states == {names[0]: names[1]}
    found = shares(made.file, backend, np.full((H, W, 3), 200, np.uint8), 3)
    assert found == pytest.approx([0.5 * 200 / 255, 0.75 * 200 / 255, 0.875 * 200 / 255], abs=0.01)


def test_states_are_found_by_the_only_output_of_their_shape(tmp_path: Path) -> None:
    made = imported(mean(tmp_path / "toy.onnx", ("a", "b"), channels=8), normalise="0..1")
    assert made.spec.states == {"a": "b"}


def test_what_may_be_another_picture_is_asked_for(tmp_path: Path) -> None:
    file = mean(tmp_path / "toy.onnx", ("a", "b"))
    with pytest.raises(InputError, match=r"expected one input, found 2 \(src, a\)") as caught:
        imported(file, normalise="0..1")
    assert "--state IN=OUT" in caught.value.hint
    made = imported(file, normalise="0..1", state=("a=b",))
    assert made.spec.states == {"a": "b"}
    assert made.agreement == 1.0


def test_the_command_takes_pairs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = mean(tmp_path / "toy.onnx", ("a", "b"))
    words = ["import", str(file), str(tmp_path / "made.onnx"), "--normalise", "0..1", "--state", "a=b"]
    assert main(words) == 0
    assert "remembers a from b" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("pair", "said"),
    [
        ("a=nothing", "no output 'nothing'"),
        ("nothing=b", "no input 'nothing'"),
        ("a", "no output ''"),
        ("src=b", "they are"),
    ],
)
def test_pairs_that_are_none_are_refused(pair: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=said):
        imported(mean(tmp_path / "toy.onnx", ("a", "b")), normalise="0..1", state=(pair,))


@pytest.mark.parametrize("beside", [False, True], ids=["imported", "with a YAML beside it"])
def test_what_feeds_single_pictures_refuses_it(
    beside: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = matting(tmp_path / "rvm.onnx")
    spec = "classes: [background, person]\noutputs: {probability: pha}\ninput: {name: src, std: [255], side: 96}\n"
    if beside:
        file.with_suffix(".yaml").write_text(spec)
    else:
        file = imported(file, height=H, width=W).file
    (tmp_path / "pictures").mkdir()
    cv2.imwrite(str(tmp_path / "pictures" / "a.png"), np.zeros((H, W, 3), np.uint8))
    pictures = str(tmp_path / "pictures")
    for words in (
        ["tune", str(file)],
        ["quantise", str(file), pictures, str(tmp_path / "q.onnx")],
        ["build", str(file)],
    ):
        assert main(words) != 0
        assert f"remembers earlier frames; `{words[0]}` is for networks" in capsys.readouterr().err
    assert not (tmp_path / "q.onnx").exists()


def test_a_network_may_be_fed_its_own_result(backend: str, tmp_path: Path) -> None:
    nodes = [
        node("ReduceMean", ["src"], ["grey"], axes=[1], keepdims=1),
        node("Add", ["grey", "prev_mask"], ["sum"]),
        node("Mul", ["sum", "half"], ["less"]),
        node("Clip", ["less", "low", "high"], ["mask"]),
    ]
    sides: Sides = [1, 1, H, W]
    file = save(tmp_path / "toy.onnx", nodes, {"src": [1, 3, H, W], "prev_mask": sides}, {"mask": sides})
    made = imported(file, normalise="0..1")
    assert made.spec.states == {"prev_mask": "mask"}
    found = shares(made.file, backend, np.full((H, W, 3), 200, np.uint8), 2)
    assert found == pytest.approx([0.5 * 200 / 255, 0.75 * 200 / 255], abs=0.01)


def test_a_batch_of_several_cannot_remember(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="takes 2 at once"):
        imported(matting(tmp_path / "rvm.onnx", batch=2))


def test_the_import_is_the_graph_itself_over_frames(backend: str, tmp_path: Path) -> None:
    source = matting(tmp_path / "rvm.onnx")
    made = imported(source, height=H, width=W)
    original, new = open_backend(source, 1, "ort-cpu"), open_backend(made.file, 1, backend)
    random = np.random.default_rng(0)
    old_state = {f"r{i}i": np.zeros((1, 1, 1, 1), np.float32) for i in range(1, 5)}
    new_state = {f"r{i}i": np.zeros((1, 1, H >> i, W >> i), np.float32) for i in range(1, 5)}
    for _ in range(5):
        image = random.integers(0, 256, (1, H, W, 3), dtype=np.uint8)
        source_image = (image[..., ::-1].transpose(0, 3, 1, 2) / 255).astype(np.float32)
        ratio = np.ones(1, np.float32)
        expected = original.run({"src": source_image, "downsample_ratio": ratio, **old_state})
        found = new.run({"streamseg_picture": image, **new_state})
        old_state = {f"r{i}i": expected[f"r{i}o"] for i in range(1, 5)}
        new_state = {f"r{i}i": np.array(found[f"r{i}o"]) for i in range(1, 5)}
        for name, state in new_state.items():
            assert np.abs(state - old_state[name]).max() < 1e-5
        sure = np.abs(expected["pha"][:, 0] - 0.5) > 1e-5
        assert np.array_equal(found["streamseg_labels"][sure], (expected["pha"][:, 0] > 0.5)[sure])
