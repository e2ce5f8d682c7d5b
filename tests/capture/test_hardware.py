"""Decoders of GPUs, of which there is none here: what is done without one, and with one that fails."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import av
import numpy as np
import pytest
from av.codec.hwaccel import HWAccel

from streamseg.capture import hardware, open_source
from streamseg.capture.decode import decode_packets
from streamseg.capture.hardware import Watch, accelerator, in_three_planes, usable
from streamseg.errors import SourceError
from streamseg.options import Decoder, SourceOptions
from tests.parts.clips import clip


@pytest.fixture(autouse=True)
def afresh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hardware, "_failed", set())


@pytest.fixture
def film(tmp_path: Path) -> Path:
    return clip(tmp_path / "a.mp4", frames=5)


def pictures(film: Path, decode: Any) -> list[Any]:
    return [frame.image for frame in open_source(str(film), SourceOptions(decode=decode))]


@pytest.mark.parametrize("decode", ["cuda", "vaapi"])
def test_without_a_gpu_the_cpu_decodes_the_same_and_a_line_says_so(
    decode: Decoder, film: Path, caplog: pytest.LogCaptureFixture
) -> None:
    if not hardware._missing(decode):
        pytest.skip(f"there is a GPU for {decode}")
    plain = pictures(film, "cpu")
    assert not caplog.records
    assert np.array_equal(pictures(film, decode), plain)
    (line,) = (record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING)
    assert line.startswith(f"a.mp4: {decode} decodes nothing here, as ") and line.endswith("; the CPU does")


def test_a_driver_without_what_decodes_is_told_from_none_at_all(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def absent(name: str) -> object:
        raise OSError(f"{name}: cannot open shared object file: No such file or directory")

    monkeypatch.setattr(hardware, "_accelerator", lambda *_: SimpleNamespace(create=lambda codec: None))
    monkeypatch.setattr("ctypes.CDLL", absent)
    assert accelerator("cuda", "a.mp4") is None
    why = "its driver's libnvcuvid is not there (a container has it by NVIDIA_DRIVER_CAPABILITIES=compute,video)"
    assert caplog.messages == [f"a.mp4: cuda decodes nothing here, as {why}; the CPU does"]
    assert accelerator("vaapi", "a.mp4") is not None


def test_what_a_gpu_does_not_decode_the_cpu_does(
    film: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    plain = pictures(film, "cpu")
    monkeypatch.setattr(hardware, "_missing", lambda *_: "")
    # one that FFmpeg knows and this decoder does not: as a GPU is for a codec that it has not
    monkeypatch.setattr(hardware, "_accelerator", lambda *_: HWAccel("qsv", allow_software_fallback=True))
    assert np.array_equal(pictures(film, "cuda"), plain)
    assert caplog.messages == ["a.mp4: cuda does not decode h264; the CPU does"]


@pytest.mark.parametrize(("decode", "gpu", "device"), [("cuda", 1, "1"), ("cuda", None, None), ("vaapi", 1, None)])
def test_cuda_decodes_on_the_gpu_that_was_asked_for(
    film: Path, monkeypatch: pytest.MonkeyPatch, decode: Any, gpu: int | None, device: str | None
) -> None:
    opened: list[tuple[str, str | None]] = []

    def noting(kind: str, device: str | None = None, **more: Any) -> HWAccel:
        opened.append((kind, device))
        return HWAccel("qsv", **more)

    monkeypatch.setattr(hardware, "_missing", lambda *_: "")
    monkeypatch.setattr("av.codec.hwaccel.HWAccel", noting)
    assert len(list(open_source(str(film), SourceOptions(decode=decode, gpu=gpu)))) == 5
    assert set(opened) == {(decode, device)}


@pytest.mark.parametrize(("down", "planes"), [("nv12", "yuv420p"), ("p010le", "yuv420p10le")])
def test_what_comes_down_from_a_gpu_is_what_the_cpu_has(down: str, planes: str) -> None:
    frame = av.VideoFrame(64, 48, planes)
    deep, random = planes.endswith("le"), np.random.default_rng(0)
    for plane in frame.planes:
        size = plane.buffer_size // (2 if deep else 1)
        plane.update(random.integers(0, 1023 if deep else 255, size, np.uint16 if deep else np.uint8).tobytes())
    frame.pts, frame.colorspace, frame.color_range = 7, 1, 1
    back = in_three_planes(frame.reformat(format=down))
    assert [bytes(plane) for plane in back.planes] == [bytes(plane) for plane in frame.planes]
    assert (back.format.name, back.pts, back.colorspace, back.color_range) == (planes, 7, 1, 1)
    assert in_three_planes(frame) is frame


@pytest.mark.parametrize(("said", "meant"), [(10, 9), (8, 6)])
def test_what_comes_down_in_colours_that_ffmpeg_does_not_convert_counts_as_the_nearest(said: int, meant: int) -> None:
    frame = av.VideoFrame(64, 48, "nv12")
    frame.colorspace = said
    assert (usable(frame).format.name, usable(frame).colorspace) == ("yuv420p", meant)


class Failing:
    """A stream whose packets a GPU's decoder gives back as errors, after the first `good` of them."""

    def __init__(self, good: int = 0) -> None:
        self.codec_context = SimpleNamespace(is_hwaccel=True, name="h264", sample_aspect_ratio=None)
        self.sample_aspect_ratio = None
        self.container = SimpleNamespace(format=SimpleNamespace(name="mpegts"))
        self._packets = [SimpleNamespace(size=1, decode=self._frames if i < good else self._fail) for i in range(40)]

    def demux(self, stream: object) -> Iterator[Any]:
        yield from self._packets

    def _frames(self) -> list[av.VideoFrame]:
        return []

    def _fail(self) -> list[av.VideoFrame]:
        raise av.error.ExternalError(1, "failed")


def test_a_gpu_that_fails_as_it_decodes_is_given_up_and_the_cpu_decodes_what_is_opened_next(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hardware, "_missing", lambda *_: "")
    stream, counters = Failing(good=3), {"decode_errors": 0}
    with pytest.raises(SourceError, match=r"door: cuda decodes no more \(--decode cpu\)"):
        list(decode_packets(stream, stream, counters, Watch("cuda", stream, "door")))  # type: ignore[arg-type]
    assert counters["decode_errors"] == 16
    caplog.clear()
    assert accelerator("cuda", "door") is None
    assert caplog.messages == ["door: cuda decodes nothing here, it failed before; the CPU does"]
    assert accelerator("vaapi", "door") is not None
    assert accelerator("cuda", "yard") is not None
