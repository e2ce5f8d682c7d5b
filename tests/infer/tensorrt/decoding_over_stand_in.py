"""Who decodes, where FFmpeg's own code for NVIDIA's decoder runs over the driver that stands in: as over_stand_in.py, in
a process of its own, by test_real_parts.py."""

from __future__ import annotations

from pathlib import Path

import pytest

from streamseg.capture import hardware, stream, video
from streamseg.capture.packets import Packets
from streamseg.capture.stream import StreamSource
from streamseg.options import SourceOptions
from streamseg.pyav import open_input
from tests.infer.tensorrt.over_stand_in import film, frames
from tests.parts.gpu_machine import Machine

__all__ = ["film"]
CUDA = SourceOptions(decode="cuda")


def piped(film: Path, *, live: bool) -> StreamSource:
    """As from a pipe, or from a camera."""
    container = open_input(str(film), {}, hwaccel=hardware.accelerator("cuda", "-"))
    return StreamSource(Packets(container, "-", 100.0), "-", CUDA, live=live)


def test_a_machine_of_many_cores_decodes_there_as_well(
    machine: Machine, film: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (video, stream):
        monkeypatch.setattr(module, "available_cores", lambda: 64)
    for found in (frames(film, "cuda"), piped(film, live=False), piped(film, live=True)):
        assert [frame.on_gpu is not None for frame in found] == [True] * 6
