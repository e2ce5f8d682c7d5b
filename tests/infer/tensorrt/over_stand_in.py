"""FFmpeg's own decoding on a GPU, over the driver that stands in: in a process of its own, by test_real_parts.py."""

from __future__ import annotations

import logging
from pathlib import Path

import av
import numpy as np
import pytest

from streamseg.capture import hardware, open_source
from streamseg.frame import Frame
from streamseg.infer.backends import open_backend
from streamseg.infer.backends.ort import OrtBackend
from streamseg.infer.model.catalogue import load_spec
from streamseg.infer.network import Network
from streamseg.options import SourceOptions
from tests.parts import clips
from tests.parts.gpu_machine import Machine
from tests.parts.toy_models import segmenter

SIZE = (1920, 1080)


@pytest.fixture
def film(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A 1080p film, which the decoder that stands in has the pictures of."""
    file = clips.clip(tmp_path / "film.mp4", frames=6, size=SIZE, options={"bf": "0"})
    pictures = tmp_path / "pictures"
    with av.open(str(file)) as container, pictures.open("wb") as out:
        out.write(f"{SIZE[0]} {SIZE[1]}\n".encode())
        for frame in container.decode(video=0):
            out.write(frame.reformat(format="nv12").to_ndarray().tobytes())
    monkeypatch.setenv("STAND_IN_PICTURES", str(pictures))
    return file


def frames(film: Path, decode: str) -> list[Frame]:
    options = SourceOptions(decode="cuda" if decode == "cuda" else "cpu")
    return list(open_source(str(film), options))


def test_decoded_frames_stay_there_and_come_down_once_as_the_cpu_has_them(
    machine: Machine, film: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "streamseg"):
        there = frames(film, "cuda")
    assert "film.mp4: h264 is decoded by cuda" in caplog.messages
    assert (machine.gpu.uploaded_bytes, machine.gpu.downloaded_bytes) == (0, 0)
    for frame, plain in zip(there, frames(film, "cpu"), strict=True):
        assert frame.on_gpu is not None and frame.planes is not None and plain.planes is not None
        assert frame.planes.colours == plain.planes.colours
        assert frame.time_s == plain.time_s
        machine.gpu.downloaded_bytes = 0
        for plane in ("y", "u", "v", "image"):
            assert np.array_equal(getattr(frame.planes, plane), getattr(plain.planes, plane))
        assert machine.gpu.downloaded_bytes == SIZE[0] * SIZE[1] * 3 // 2


def test_a_1080p_film_through_a_network_has_no_byte_go_up_and_labels_come_down(
    machine: Machine, film: Path, tmp_path: Path
) -> None:
    (tmp_path / "toy.yaml").write_text("classes: [a, b, c, d, e]\noutputs: {logits: scores}\ninput: {std: [255]}\n")
    file = segmenter(tmp_path / "toy.onnx", size=(288, 512))
    network = Network(load_spec(file), open_backend(file, 1, "tensorrt"))
    plain = Network(load_spec(file), OrtBackend(file, 1))
    machine.gpu.uploaded_bytes = machine.gpu.downloaded_bytes = 0
    for number, frame in enumerate(open_source(str(film), SourceOptions(decode="cuda")), 1):
        (found,) = network([frame])
        assert machine.gpu.uploaded_bytes == 0
        assert machine.gpu.downloaded_bytes == number * found.labels.size == number * 288 * 512
        before = machine.gpu.downloaded_bytes
        assert np.mean(found.labels == plain([frame])[0].labels) > 0.97
        machine.gpu.downloaded_bytes = before
    assert number == 6
    network.close()


def test_what_has_to_be_turned_comes_down(machine: Machine, film: Path) -> None:
    from streamseg.capture.filters import graph_of

    (frame, *_) = frames(film, "cuda")
    assert frame.on_gpu is not None
    raw = hardware.in_three_planes(frame.on_gpu.owner)  # type: ignore[arg-type]
    assert raw.format.name == "yuv420p"
    graph = graph_of((("transpose", "clock"),), raw)
    graph.push(raw)
    turned = graph.vpull()
    assert (turned.width, turned.height) == SIZE[::-1]


def test_where_something_else_began_cuda_its_own_way_frames_come_down_and_a_line_says_so(
    machine: Machine, film: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    plain = frames(film, "cpu")
    driver = machine.gpu._driver
    monkeypatch.setattr(driver.state, "waits_asleep", 0)
    monkeypatch.setattr(driver.state, "retained", driver.state.retained + 1)
    hardware._kept_there.cache_clear()
    with caplog.at_level(logging.INFO, "streamseg"):
        found = frames(film, "cuda")
    assert f"film.mp4: h264 is decoded by cuda{hardware._COMES_DOWN}" in caplog.messages
    assert [frame.on_gpu for frame in found] == [None] * 6
    assert all(np.array_equal(one.image, other.image) for one, other in zip(found, plain, strict=True))
    hardware._kept_there.cache_clear()
