"""Who decodes, where FFmpeg's own code for NVIDIA's decoder runs over the driver that stands in.

In a process of its own, by test_real_parts.py.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from streamseg.capture import hardware, open_source, stream, video
from streamseg.capture.packets import Packets
from streamseg.capture.stream import StreamSource
from streamseg.options import SourceOptions
from streamseg.pyav import open_input
from tests.infer.tensorrt.over_stand_in import film, frames
from tests.parts import clips
from tests.parts.gpu_machine import Machine

__all__ = ["film"]
CUDA = SourceOptions(decode="cuda")


def piped(film: Path, *, live: bool) -> StreamSource:
    """As from a pipe, or from a camera."""
    container = open_input(str(film), {}, hwaccel=hardware.accelerator("cuda", "-"))
    return StreamSource(Packets(container, "-", 100.0), "-", CUDA, live=live)


def test_a_machine_of_many_cores_decodes_there_as_well(
    machine: Machine, film: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for module in (video, stream):
        monkeypatch.setattr(module, "available_cores", lambda: 64)
    with caplog.at_level(logging.INFO, "streamseg"):
        for found in (frames(film, "cuda"), piped(film, live=False), piped(film, live=True)):
            assert [frame.on_gpu is not None for frame in found] == [True] * 6
    assert caplog.messages == [f"{name}: h264 is decoded by cuda" for name in ("film.mp4", "-", "-")]


def test_where_the_gpu_knows_the_codec_and_not_the_video_a_line_says_that_the_cpu_decodes(
    machine: Machine, film: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    plain = frames(film, "cpu")
    monkeypatch.setenv("STAND_IN_REFUSES", "1")
    for live in (None, False, True):
        caplog.clear()
        with caplog.at_level(logging.INFO, "streamseg"):
            found = frames(film, "cuda") if live is None else list(piped(film, live=live))
        name = "film.mp4" if live is None else "-"
        assert caplog.messages == [f"{name}: cuda does not decode this h264; the CPU does"]
        assert all(np.array_equal(one.image, other.image) for one, other in zip(found, plain, strict=True))


def test_what_an_encoder_there_would_read_wrongly_is_not_given_to_it(machine: Machine, film: Path) -> None:
    """1080 rows are 1088 to a decoder, so that colours do not begin where those of 1080 rows do."""
    (frame, *_) = frames(film, "cuda")
    assert frame.planes is not None and frame.on_gpu is not None
    assert frame.on_gpu.uv - frame.on_gpu.y == 1088 * frame.on_gpu.y_pitch
    assert frame.planes.there() is None


def test_while_the_gpu_is_gone_the_cpu_decodes_and_a_line_says_so(
    machine: Machine, film: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """As where its driver is replaced, or a laptop takes its current away."""
    assert all(frame.on_gpu for frame in frames(film, "cuda"))
    for there in (0, 1):
        monkeypatch.setattr(machine.gpu._driver.state, "count", there)
        caplog.clear()
        with caplog.at_level(logging.INFO, "streamseg"):
            assert [frame.on_gpu is not None for frame in frames(film, "cuda")] == [bool(there)] * 6
        said = "h264 is decoded by cuda" if there else "cuda decodes nothing here, as its driver or GPU is not there"
        assert caplog.messages == [f"film.mp4: {said}{'' if there else '; the CPU does'}"]


def test_ten_bits_come_down_as_the_cpu_has_them(
    machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deep, pictures = tmp_path / "deep.mp4", tmp_path / "pictures"
    rising = np.arange(256 * 320, dtype=np.uint16).reshape(256, 320)
    with av.open(str(deep), "w") as container:
        stream: Any = container.add_stream("libx265", rate=30, options={"bf": "0", "x265-params": "log-level=none"})
        stream.width, stream.height, stream.pix_fmt = 320, 256, "yuv420p10le"
        for i in range(3):
            planes = [rising % 877 + i, rising[:128, :160] % 500 + 200, rising[:128, :160] % 300 + 400]
            frame = av.VideoFrame(320, 256, "yuv420p10le")
            for plane, values in zip(frame.planes, planes, strict=True):
                wide = np.zeros((plane.height, plane.line_size // 2), np.uint16)
                wide[:, : plane.width] = values
                plane.update(wide.tobytes())
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    with av.open(str(deep)) as container, pictures.open("wb") as out:
        out.write(b"320 256\n")
        for frame in container.decode(video=0):
            for plane in frame.reformat(format="p010le").planes:
                rows = np.frombuffer(plane, np.uint8).reshape(plane.height, plane.line_size)
                out.write(np.ascontiguousarray(rows[:, :640]).tobytes())
    monkeypatch.setenv("STAND_IN_PICTURES", str(pictures))
    with av.open(str(deep), hwaccel=hardware.accelerator("cuda", "deep.mp4")) as container:
        assert [frame.sw_format.name for frame in container.decode(video=0)] == ["p010le"] * 3
    for one, other in zip(frames(deep, "cuda"), frames(deep, "cpu"), strict=True):
        assert one.on_gpu is None
        assert np.array_equal(one.image, other.image)


def test_packets_that_are_damaged_are_passed_over_however_many_and_the_gpu_goes_on(
    machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = {"bf": "0", "x264-params": "keyint=60:min-keyint=60:scenecut=0"}  # the second one is behind the damage
    whole = clips.clip(tmp_path / "whole.mp4", frames=90, size=(64, 48), options=options)
    film, pictures = tmp_path / "film.mp4", tmp_path / "pictures"
    with av.open(str(whole)) as container, av.open(str(film), "w") as out:
        stream = out.add_stream_from_template(container.streams.video[0])
        for number, packet in enumerate(container.demux(video=0)):
            kept = bytes(packet)
            if packet.size and 10 <= number < 40:
                kept = kept[:4] + b"\xff" * (len(kept) - 4)
            written = av.Packet(kept)
            written.pts, written.dts, written.time_base, written.stream = (
                packet.pts,
                packet.dts,
                packet.time_base,
                stream,
            )
            if packet.size:
                out.mux(written)
    pictures.write_bytes(b"64 48\n" + bytes(64 * 48 * 3 // 2 * 90))
    monkeypatch.setenv("STAND_IN_PICTURES", str(pictures))
    there, here = (open_source(str(film), SourceOptions(decode=who)) for who in ("cuda", "cpu"))
    assert len(list(there)) == len(list(here)) > 50
    assert there.counters == here.counters == {"decode_errors": 30}
