"""Frames that a GPU decoded into a network that runs on it: nothing of them crosses the bus but labels."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import av
import numpy as np
import onnx
import pytest

from streamseg.frame import Frame
from streamseg.infer.backends import open_backend
from streamseg.infer.backends.ort import OrtBackend
from streamseg.infer.model.catalogue import find_model, load_spec
from streamseg.infer.network import Network
from streamseg.yuv import Planes
from tests.infer.test_network import FIVE
from tests.infer.test_network import frame as picture
from tests.parts.decoded_there import DecodedThere, both
from tests.parts.gpu_machine import Machine
from tests.parts.toy_models import segmenter


@pytest.fixture(autouse=True)
def compiler() -> None:
    if shutil.which("g++") is None:
        pytest.skip("the kernels are compiled by g++ here, which is not installed")


def decoded(height: int, width: int, index: int = 0, colours: tuple[int, int] = (1, 1)) -> av.VideoFrame:
    """As the CPU's decoder gives it."""
    frame = av.VideoFrame.from_ndarray(np.array(picture(index, height, width).image), format="bgr24")
    frame = frame.reformat(format="yuv420p", dst_colorspace=colours[0], dst_color_range=colours[1])
    frame.colorspace, frame.color_range = colours
    return frame


def networks(folder: Path, spec: str, **model: Any) -> tuple[Network, Network]:
    """On the GPU and on the CPU."""
    (folder / "toy.yaml").write_text(f"classes: [a, b, c, d, e]\n{spec}")
    file = segmenter(folder / "toy.onnx", **model)
    of = load_spec(file)
    return Network(of, open_backend(file, 1, "tensorrt")), Network(of, OrtBackend(file, 1))


SCORES = "outputs: {logits: scores}\ninput: {std: [255], fit: FIT}"
LABELS = "outputs: {labels: scores}\ninput: {layout: NHWC, dtype: uint8, fit: FIT}"


@pytest.mark.parametrize("fit", ["stretch", "letterbox", "crop"])
@pytest.mark.parametrize(
    ("spec", "model"), [(SCORES, {}), (LABELS, {"kind": "labels", "layout": "NHWC", "dtype": "uint8"})]
)
@pytest.mark.parametrize("batch", [1, 3, None])
def test_labels_are_those_of_the_cpu_and_no_byte_goes_up(
    machine: Machine, tmp_path: Path, fit: str, spec: str, model: dict[str, Any], batch: int | None
) -> None:
    on_gpu, on_cpu = networks(tmp_path, spec.replace("FIT", fit), batch=batch, **model)
    pairs = [both(machine.gpu, decoded(*size, i), i) for i, size in enumerate([(48, 64), (240, 426), (1080, 1920)])]
    machine.gpu.uploaded_bytes = machine.gpu.downloaded_bytes = 0
    found = on_gpu([there for _, there, _ in pairs])
    assert machine.gpu.uploaded_bytes == 0
    assert machine.gpu.downloaded_bytes < 10 * 3 * 24 * 32 * 8  # labels, which such a graph gives in eight bytes
    for one, expected in zip(found, on_cpu([here for here, _, _ in pairs]), strict=True):
        assert one.labels.shape == expected.labels.shape
        assert np.mean(one.labels == expected.labels) > 0.97
        assert one.frame_index == expected.frame_index
    on_gpu.close()
    for *_, there in pairs:
        there.close()
    del found, one
    assert machine.gpu.leaks() == []


def test_of_a_1080p_frame_nothing_goes_up_and_its_labels_come_down(machine: Machine, tmp_path: Path) -> None:
    on_gpu, _ = networks(tmp_path, "outputs: {logits: scores}\ninput: {std: [255]}", size=(288, 512))
    _, frame, there = both(machine.gpu, decoded(1080, 1920))
    machine.gpu.uploaded_bytes = machine.gpu.downloaded_bytes = 0
    (found,) = on_gpu([frame])
    assert (machine.gpu.uploaded_bytes, machine.gpu.downloaded_bytes) == (0, 288 * 512)
    assert found.labels.size == 288 * 512
    on_gpu.close()
    there.close()


@pytest.mark.parametrize("name", ["person", "person-parts", "nuclei"])
def test_networks_that_ship_see_the_same_in_it(machine: Machine, name: str) -> None:
    file = find_model(name)
    assert file is not None
    on_gpu, on_cpu = (
        Network(load_spec(file), each) for each in (open_backend(file, 1, "tensorrt"), OrtBackend(file, 1))
    )
    here, frame, there = both(machine.gpu, decoded(480, 640))
    machine.gpu.uploaded_bytes = 0
    (found,), (expected,) = on_gpu([frame]), on_cpu([here])
    assert machine.gpu.uploaded_bytes == 0
    assert np.mean(found.labels == expected.labels) > 0.97
    assert (found.on_gpu is None) == (name == "nuclei")
    if expected.instances is not None:
        assert found.instances is not None
        assert abs(len(found.instances) - len(expected.instances)) <= 1
    on_gpu.close()
    there.close()


@pytest.mark.parametrize("names", [FIVE, FIVE[:3]])
def test_labels_on_the_gpu_are_those_of_the_cpu_also_where_some_have_no_name(
    machine: Machine, tmp_path: Path, names: tuple[str, ...]
) -> None:
    file = tmp_path / "bytes.onnx"
    file.with_suffix(".yaml").write_text(
        f"classes: [{', '.join(names)}]\noutputs: {{labels: bytes}}\ninput: {{std: [255]}}"
    )
    graph = onnx.load(segmenter(tmp_path / "labels.onnx", kind="labels"))
    graph.graph.node.append(onnx.helper.make_node("Cast", ["scores"], ["bytes"], to=onnx.TensorProto.UINT8))
    graph.graph.output[0].name, graph.graph.output[0].type.tensor_type.elem_type = "bytes", onnx.TensorProto.UINT8
    onnx.save(graph, file)
    network = Network(load_spec(file), open_backend(file, 1, "tensorrt"))
    _, frame, there = both(machine.gpu, decoded(240, 426))
    (found,) = network([frame])
    assert found.on_gpu is not None
    assert (found.labels == 255).any() == (len(names) < 5)
    held = found.on_gpu.holding(found.labels, found.confidence)
    rows, columns = held.size
    on_gpu = machine.gpu.view(held.labels, (rows - 1) * held.pitch + columns)
    kept = np.stack([on_gpu[row * held.pitch :][:columns] for row in range(rows)])
    np.testing.assert_array_equal(kept, found.labels)
    assert (held is found.on_gpu) == (len(names) == 5)  # only what is another one goes up
    network.close()
    there.close()
    del found, held
    assert machine.gpu.leaks() == []


def test_a_frame_comes_down_once_when_somebody_asks_for_it(machine: Machine) -> None:
    here, frame, there = both(machine.gpu, decoded(1080, 1920))
    machine.gpu.downloaded_bytes = 0
    assert frame.on_gpu is not None and here.on_gpu is None
    assert (frame.height, frame.width) == (1080, 1920)
    assert machine.gpu.downloaded_bytes == 0
    assert here.planes is not None and frame.planes is not None
    for plane in ("y", "u", "v", "image"):
        assert np.array_equal(getattr(frame.planes, plane), getattr(here.planes, plane))
        assert not getattr(frame.planes, plane).flags.writeable
    assert np.array_equal(frame.planes.wrapped().to_ndarray(), here.planes.wrapped().to_ndarray())
    assert machine.gpu.downloaded_bytes == 1080 * 1920 * 3 // 2
    there.close()


def test_a_network_on_the_cpu_sees_what_was_decoded_on_a_gpu(machine: Machine, tmp_path: Path) -> None:
    on_gpu, on_cpu = networks(tmp_path, "outputs: {logits: scores}\ninput: {std: [255]}")
    on_gpu.close()
    here, frame, there = both(machine.gpu, decoded(240, 426))
    np.testing.assert_array_equal(on_cpu([frame])[0].labels, on_cpu([here])[0].labels)
    there.close()


def test_a_frame_on_another_gpu_comes_down_for_this_one(machine: Machine, tmp_path: Path) -> None:
    on_gpu, on_cpu = networks(tmp_path, "outputs: {logits: scores}\ninput: {std: [255]}")
    here, _, first = both(machine.gpu, decoded(240, 426))
    there: Any = DecodedThere(machine.gpu, decoded(240, 426), number=1)
    frame = Frame(Planes(there), 0, 0.0, 0.0)
    assert frame.on_gpu is not None and frame.on_gpu.gpu == 1
    machine.gpu.uploaded_bytes = machine.gpu.downloaded_bytes = 0
    (found,) = on_gpu([frame])
    assert found.on_gpu is None
    assert machine.gpu.uploaded_bytes == 24 * 32 * 3
    assert machine.gpu.downloaded_bytes == 240 * 426 * 3 // 2 + 24 * 32
    assert np.mean(found.labels == on_cpu([here])[0].labels) > 0.97
    on_gpu.close()
    first.close()
    there.close()


def test_frames_of_both_kinds_go_through_one_run(machine: Machine, tmp_path: Path) -> None:
    on_gpu, on_cpu = networks(tmp_path, "outputs: {logits: scores}\ninput: {std: [255]}", batch=2)
    here, frame, there = both(machine.gpu, decoded(240, 426))
    for run in ([here, frame], [frame, here], [frame, frame]):
        for found in on_gpu(run):
            assert np.mean(found.labels == on_cpu([here])[0].labels) > 0.97
    on_gpu.close()
    there.close()


def test_a_picture_is_read_once_the_decoder_is_done_with_it(machine: Machine, tmp_path: Path) -> None:
    if machine.package:
        pytest.skip("there FFmpeg itself decodes: over_stand_in.py")
    on_gpu, on_cpu = networks(tmp_path, "outputs: {logits: scores}\ninput: {std: [255]}")
    here, frame, there = both(machine.gpu, decoded(240, 426), later=True)
    assert np.mean(on_gpu([frame])[0].labels == on_cpu([here])[0].labels) > 0.97
    on_gpu.close()
    there.close()


def test_a_frame_that_cannot_be_read_back_says_what_to_do(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    from streamseg.errors import SourceError

    def fails(self: DecodedThere, format: str) -> None:
        raise av.error.ExternalError(1, "failed")

    monkeypatch.setattr(DecodedThere, "reformat", fails)
    there: Any = DecodedThere(machine.gpu, decoded(48, 64))
    with pytest.raises(SourceError, match=r"cannot be read from there \(--decode cpu\)"):
        _ = Frame(Planes(there), 0, 0.0, 0.0).image
    there.close()
