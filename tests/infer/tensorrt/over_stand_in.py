"""FFmpeg's own decoding on a GPU, over the driver that stands in: in a process of its own, by test_real_parts.py."""

from __future__ import annotations

import gc
import itertools
import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from streamseg.assembly import assemble
from streamseg.capture import hardware, open_source
from streamseg.capture.video import VideoSource
from streamseg.config import make_options
from streamseg.cuda.driver import open_cuda
from streamseg.cuda.memory import Pool
from streamseg.dlpack import GpuPlane
from streamseg.frame import Frame
from streamseg.gpu import brought_down, frame_of
from streamseg.infer.backends import open_backend
from streamseg.infer.backends.ort import OrtBackend
from streamseg.infer.backends.tensorrt.gpu_preprocess import TensorRtImageBackend
from streamseg.infer.model.catalogue import load_spec
from streamseg.infer.network import Network
from streamseg.motion import comparison
from streamseg.motion.flow import look_at
from streamseg.options import SourceOptions
from streamseg.sinks import nvenc, video
from streamseg.sinks.codecs import ENCODINGS
from tests.parts import clips
from tests.parts.fake_nvenc import Nvenc
from tests.parts.gpu_machine import Machine
from tests.parts.patience import until
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


def test_what_makes_frames_small_goes_when_their_source_ends(machine: Machine, film: Path) -> None:
    source = open_source(str(film), SourceOptions(decode="cuda"))
    for count, frame in enumerate(source, 1):
        look_at(frame)
        assert machine.gpu.downloaded_bytes == count * SMALL
        assert (machine.gpu._state.modules, machine.gpu._state.pages) == (1, 1)
    del frame
    gc.collect()
    assert (machine.gpu._state.modules, machine.gpu._state.pages) == (0, 0)
    source.close()


def test_what_has_to_be_turned_comes_down(machine: Machine, film: Path) -> None:
    from streamseg.capture.filters import graph_of

    (frame, *_) = frames(film, "cuda")
    assert frame.planes is not None
    raw = hardware.in_three_planes(frame.planes._frame)
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


@pytest.fixture
def values(film: Path, tmp_path: Path) -> dict[str, Any]:
    """Of a run of the film through a network and an overlay, into a file."""
    (tmp_path / "toy.yaml").write_text("classes: [a, b, c, d, e]\noutputs: {logits: scores}\ninput: {std: [255]}\n")
    model = segmenter(tmp_path / "toy.onnx", size=(288, 512))
    return {"source": str(film), "model": str(model), "workers": 1, "steady": False}


def films(values: dict[str, Any], decode: str, out: Path) -> list[Frame]:
    made = {**values, "decode": decode, "outputs": (str(out),), "backend": "tensorrt"}
    for _ in assemble(make_options(made)):
        pass
    return frames(out, "cpu")


@pytest.fixture(autouse=True)
def one_mask_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    """To show that the GPU carries as the CPU does: in so few frames little changes."""
    monkeypatch.setattr(comparison, "_CHANGED", 0.0)
    monkeypatch.setattr(comparison, "_UNLIKE", 1.0)


LABELS = 288 * 512
FRAME = SIZE[0] * SIZE[1] * 3 // 2
SMALL = 480 * 270 * 3 // 2
CARRIED = 16 + 2 * LABELS  # and how sure each is, and whether motion led there
ZEROS = 16
WARM_UP = LABELS * 3, LABELS  # up and down, of the generated picture that every network sees first


@pytest.fixture
def encoder(monkeypatch: pytest.MonkeyPatch) -> None:
    """That of the GPU is there."""
    began = video._start

    def start(container: Any, encoding: Any, size: Any, colours: Any, options: Any, *, on_gpu: bool) -> Any:
        if not on_gpu:
            return began(container, encoding, size, colours, options, on_gpu=False)
        assert options == encoding.recorded_there
        return Nvenc(began(container, encoding, size, colours, dict(encoding.recorded), on_gpu=False))

    monkeypatch.setattr(Nvenc, "frames", 0)
    monkeypatch.setattr(nvenc, "encodes", lambda pixels, name, encoding: pixels.there() is not None)
    monkeypatch.setattr(video, "_start", start)


@pytest.mark.usefixtures("encoder")
@pytest.mark.parametrize("codec", ENCODINGS)
@pytest.mark.parametrize(
    ("steady", "up", "down"), [(False, 0, 6 * LABELS), (True, ZEROS, 6 * LABELS + 5 * CARRIED + 2 * SMALL)]
)
def test_of_a_1080p_film_that_is_decoded_looked_at_drawn_and_encoded_on_the_gpu_labels_cross_the_bus(
    machine: Machine, values: dict[str, Any], tmp_path: Path, codec: str, steady: bool, up: int, down: int
) -> None:
    """And how sure each is, where they are steadied; and two small pictures: the CPU makes the first one as well."""
    values |= {"steady": steady, "codec": codec}
    expected = films(values, "cpu", tmp_path / "cpu.mp4")
    machine.gpu.uploaded_bytes = machine.gpu.downloaded_bytes = 0
    found = films(values, "cuda", tmp_path / "gpu.mp4")
    came_down = machine.gpu.downloaded_bytes - Nvenc.frames * FRAME
    assert Nvenc.frames == 6
    assert (machine.gpu.uploaded_bytes, came_down) == (WARM_UP[0] + up, WARM_UP[1] + down)
    for one, other in zip(found, expected, strict=True):
        assert one.time_s == other.time_s
        assert np.abs(one.image.astype(int) - other.image).mean() < 1


@pytest.mark.usefixtures("encoder")
def test_where_masks_of_a_file_are_carried_its_frames_stay_there_as_well(
    machine: Machine, values: dict[str, Any], tmp_path: Path
) -> None:
    """Labels come down of those that the network looks at, which time decides, and of those they are carried to."""
    machine.gpu.uploaded_bytes = machine.gpu.downloaded_bytes = 0
    assert len(films({**values, "steady": True, "target": "fps"}, "cuda", tmp_path / "gpu.mp4")) == 6
    came_down = machine.gpu.downloaded_bytes - Nvenc.frames * FRAME - WARM_UP[1]
    assert Nvenc.frames == 6
    ways = itertools.product(range(1, 7), range(1, 7), range(2, 7))
    assert came_down in [looked_at * LABELS + carried * CARRIED + small * SMALL for looked_at, carried, small in ways]
    assert machine.gpu.uploaded_bytes == WARM_UP[0] + ZEROS


@pytest.mark.usefixtures("encoder")
def test_where_masks_are_carried_live_frames_stay_there_as_well(
    machine: Machine, values: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a network that is away from its second frame on until the fifth is shown, of a source that waits for each."""
    shown, turns = list[int](), list[int]()
    describe, inner, segment = VideoSource._describe, VideoSource.__iter__, TensorRtImageBackend.segment

    def paced(self: VideoSource) -> Iterator[Frame]:
        for frame in inner(self):
            yield frame
            until(lambda: frame.index in shown)  # noqa: B023

    def away(self: TensorRtImageBackend, *arguments: Any) -> Any:
        turns.append(1)
        until(lambda: len(turns) < 3 or 4 in shown)  # the first is of the warm-up
        return segment(self, *arguments)

    monkeypatch.setattr(VideoSource, "_describe", lambda self: replace(describe(self), live=True))
    monkeypatch.setattr(VideoSource, "__iter__", paced)
    monkeypatch.setattr(TensorRtImageBackend, "segment", away)
    made = {**values, "steady": True, "decode": "cuda", "outputs": (str(tmp_path / "a.mp4"),), "backend": "tensorrt"}
    machine.gpu.uploaded_bytes = machine.gpu.downloaded_bytes = 0
    for each in assemble(make_options(made)):
        shown.append(each.frame.index)
    came_down = machine.gpu.downloaded_bytes - Nvenc.frames * FRAME - WARM_UP[1] - (len(turns) - 1) * LABELS
    assert (shown, Nvenc.frames) == ([0, 1, 2, 3, 4, 5], 6)
    # The last frame's mask is its own, or carried; the CPU has two frames, or one more, until the GPU is alone.
    small = next(small for small in (2, 3) if (came_down - small * SMALL) % CARRIED == 0)
    assert (came_down - small * SMALL) // CARRIED in (5, 6)
    assert machine.gpu.uploaded_bytes == WARM_UP[0] + ZEROS + (small - 2) * LABELS


def test_a_gpu_that_does_not_encode_leaves_it_to_the_cpu_and_a_line_says_so(
    machine: Machine, values: dict[str, Any], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    expected = films(values, "cpu", tmp_path / "cpu.mp4")
    machine.gpu.uploaded_bytes = machine.gpu.downloaded_bytes = 0
    with caplog.at_level(logging.WARNING, "streamseg"):
        found = films(values, "cuda", tmp_path / "gpu.mp4")
    assert [line for line in caplog.messages if "does not encode it" in line] == [
        f"{tmp_path / 'gpu.mp4'}: the GPU does not encode it (operation not permitted); the CPU does"
    ]
    assert (machine.gpu.uploaded_bytes, machine.gpu.downloaded_bytes) == (LABELS * 3, 7 * LABELS + 6 * FRAME)
    for one, other in zip(found, expected, strict=True):
        assert np.abs(one.image.astype(int) - other.image).mean() < 1


def test_memory_that_ffmpeg_was_lent_comes_back(machine: Machine) -> None:
    cuda = open_cuda()
    with cuda.current():
        pool = Pool(cuda)
        memory = pool.take(1024 * 768)
        machine.gpu.view(memory.address, 1024 * 768)[:] = 7
        address = memory.address
        sizes = (address, (512, 1000)), (address + 1024 * 512, (256, 1000))
        planes = [GpuPlane(start, size, 1024, memory) for start, size in sizes]
        frame = frame_of(planes, (1, 1), 0)
        del memory, planes
        gc.collect()
        other = pool.take(1024 * 768)
        assert other.address != address
        assert (brought_down(frame).to_ndarray() == 7).all()
        del frame
        gc.collect()
        assert pool.take(1024 * 768).address == address
        pool.close()
    del other
    assert machine.gpu.leaks() == []
