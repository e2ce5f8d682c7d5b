"""What RTP packets hold of H.264 and H.265: against FFmpeg, against GStreamer, and by the rules."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from streamseg.sinks.publish import PublishSink
from streamseg.sinks.retry import Retrying
from streamseg.sinks.rtp import CARRIED, HEVC, Carried, description, parameter_sets, payloads, units_of
from tests.parts.patience import until
from tests.parts.rtsp import Recorder, free_port
from tests.sinks.test_publish import _LISTENER, images_of
from tests.sinks.test_video import shown


def test_a_unit_begins_behind_each_start_code() -> None:
    assert units_of(b"\0\0\0\1ab\0\0\1c\0\0\0\1\0d") == [b"ab", b"c", b"\0d"]


@pytest.mark.parametrize("carried", CARRIED.values(), ids=CARRIED)
@pytest.mark.parametrize("size", [1400, 1401, 1402, 1403, 2801, 5000])
def test_fragments_put_together_are_the_unit(carried: Carried, size: int) -> None:
    """As RFC 6184 (FU-A) and RFC 7798 (FU) say."""
    header = b"\x65" if carried.header == 1 else b"\x26\x01"
    unit = header + np.random.default_rng(0).integers(0, 256, size - len(header), np.uint8).tobytes()
    found = list(payloads([unit], carried))
    assert all(len(each) <= 1400 for each in found)
    if size <= 1400:
        assert found == [unit]
        return
    kinds = {carried.kind(each) for each in found}
    assert kinds == {28 if carried.header == 1 else 49}
    told = [each[carried.header] for each in found]
    assert [each >> 6 for each in told] == [2, *[0] * (len(found) - 2), 1]
    assert {each & 0x3F for each in told} == {carried.kind(unit)}
    assert header + b"".join(each[carried.header + 1 :] for each in found) == unit


def test_sdp_names_what_a_decoder_of_h265_needs() -> None:
    units = [bytes((kind << 1, 1, kind)) for kind in (32, 33, 34, 39, 19)]
    sets = parameter_sets(units, HEVC)
    assert sets == units[:3]
    lines = description(sets, HEVC).decode().split("\r\n")
    assert "a=rtpmap:96 H265/90000" in lines
    assert "a=fmtp:96 sprop-vps=QAEg;sprop-sps=QgEh;sprop-pps=RAEi" in lines


def test_ffmpeg_gets_h265_at_its_own_times() -> None:
    url = f"rtsp://127.0.0.1:{free_port()}/live"
    times_ms = np.cumsum([0, *[40] * 20, 300, 10, *[40] * 20])
    with subprocess.Popen([sys.executable, "-c", _LISTENER, url], stdout=subprocess.PIPE, text=True) as listener:
        assert listener.stdout is not None
        sink = Retrying(PublishSink(url, "hevc"), jitter=lambda: 0.0)

        def taken() -> bool:
            before = sink.unwritten
            sink.write(shown(0, 0.0))
            return sink.unwritten == before

        until(taken, "a listener")
        for number, time_ms in enumerate(times_ms[1:], 1):
            sink.write(shown(number, float(time_ms) / 1000))
        sink.close()
        said = listener.stdout.read().split("\n")
    found = [tuple(int(word) for word in line.split()) for line in said[1:] if line]
    assert [number for number, _ in found] == list(range(len(times_ms)))
    assert np.allclose([time_ms - found[0][1] for _, time_ms in found], times_ms, atol=2)


def test_gstreamer_gets_large_pictures_of_h265_whole(tmp_path: Path) -> None:
    """Each is cut into many packets."""
    with Recorder(tmp_path, "--codec", "h265") as server:
        sink = PublishSink(server.url, "hevc")
        for number in range(20):
            sink.write(shown(number, number / 25, 1280, 720))
        until(lambda: len(images_of(server.files[0], "hevc")) == 20, "twenty pictures")
        sink.close()
