"""Cameras over RTSP as they are in the world: refusals, odd descriptions, long waits."""

from __future__ import annotations

import logging
import socket
import ssl
import subprocess
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from streamseg.capture import open_source
from streamseg.capture.stream import StreamSource
from streamseg.errors import InputError, SourceError
from streamseg.options import SourceOptions
from tests.parts import clips
from tests.parts.authenticator import Authenticator
from tests.parts.rtsp import free_port
from tests.parts.rtsp_socket import Answer, Request, RtspServer
from tests.parts.sources import QUICK, opened, take


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return clips.annexb(tmp_path_factory.mktemp("clips") / "small.h264")


@pytest.mark.parametrize(
    ("status", "said", "away"),
    [
        ("404 Not Found", "the server has no such stream", False),
        ("403 Forbidden", "wrong or missing password", False),
        ("453 Not Enough Bandwidth", "the server answers 453 Not Enough Bandwidth to DESCRIBE", True),
        ("503 Service Unavailable", "the server answers 503 Service Unavailable to DESCRIBE", True),
        ("400 Bad\x1b[31m", r"answers 400 Bad\\x1b", False),
    ],
)
def test_what_a_camera_refuses_is_told_in_its_words(status: str, said: str, away: bool, small: Path) -> None:
    with RtspServer(small) as camera:
        camera.answer = lambda request: (status, []) if request.method == "DESCRIBE" else None
        with pytest.raises(SourceError, match=said) as caught:
            open_source(camera.url, QUICK)
    assert caught.value.away == away


@pytest.mark.parametrize("status", ["405 Method Not Allowed", "501 Not Implemented", "551 Option not supported"])
def test_a_camera_that_does_not_know_options_is_read(status: str, small: Path) -> None:
    with RtspServer(small) as camera:
        camera.answer = lambda request: (status, []) if request.method == "OPTIONS" else None
        with opened(camera.url) as source:
            frames = take(source, 5)
    assert [clips.read_number(frame.image) for frame in frames] == [*range(5)]
    assert camera.methods[:2] == ["OPTIONS", "DESCRIBE"]


@pytest.mark.parametrize("method", ["OPTIONS", "DESCRIBE", "SETUP", "PLAY"])
def test_a_camera_that_stops_answering_while_it_is_opened_is_away(method: str, small: Path) -> None:
    done = threading.Event()

    def answer(request: Request) -> None:
        if request.method == method:
            done.wait()

    with RtspServer(small, answer=answer) as camera:
        with pytest.raises(SourceError, match="/cam: does not answer$") as caught:
            open_source(camera.url, QUICK)
        done.set()
    assert caught.value.away


ODD: dict[str, dict[str, Any]] = {
    "audio first": {"tracks": ("audio", "video")},
    "audio second": {"tracks": ("video", "audio")},
    "metadata and audio first": {"tracks": ("metadata", "audio", "video")},
    "no parameters in the description": {"sdp_lines": ("a=fmtp:96 packetization-mode=1",)},
    "no Content-Base": {"base": None},
    "a foreign Content-Base": {"base": "rtsp://192.168.77.77/abc/"},
    "other channels than asked for": {"channel": 6},
    "a clock that jumps back": {"jumps": {20: -900_000}},
    "a clock that jumps ahead": {"jumps": {20: 90_000_000}},
    "a clock that runs over": {"first_ticks": (1 << 32) - 45_000},
    "IPv6": {"host": "::1"},
    "questions in between": {
        "after_play": [b"", b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n", b"GET_PARAMETER * RTSP/1.0\r\nCSeq: 2\r\n\r\n"]
    },
    "noise in between": {"after_play": [b"", b"\x00\x00\x07", b"\r\n\r\n"]},
}


@pytest.mark.parametrize("name", ODD)
def test_odd_cameras_give_every_picture_in_order_on_one_connection(name: str, small: Path) -> None:
    with RtspServer(small, hurry=4, **ODD[name]) as camera, opened(camera.url) as source:
        frames = take(source, 40)
    assert [clips.read_number(frame.image) for frame in frames] == list(range(40))
    steps = np.diff([frame.time_s for frame in frames])
    assert (steps >= 0).all()
    assert steps.max() < 0.2
    assert camera.methods.count("PLAY") == 1
    assert [request.uri for request in camera.asked if "audio" in request.uri or "metadata" in request.uri] == []


@pytest.mark.parametrize("path", ["", "/", "/a/b?channel=1&subtype=0", "/ä b", "/live%2F1"])
def test_paths_and_queries_arrive_as_they_were_written(path: str, small: Path) -> None:
    with RtspServer(small, hurry=10) as camera, opened(camera.url_with("", path)) as source:
        take(source, 2)
    written = path.replace("ä b", "%C3%A4%20b")
    assert camera.asked[0].uri == f"rtsp://127.0.0.1:{camera.port}{written}"


def test_sound_alone_is_no_video(small: Path) -> None:
    with RtspServer(small, tracks=("audio",)) as camera, pytest.raises(InputError, match="no video in it"):
        open_source(camera.url, QUICK)


def test_a_camera_without_udp_is_read_over_tcp(small: Path) -> None:
    with (
        RtspServer(small) as camera,
        opened(camera.url, SourceOptions(stall_timeout_s=2.0, transport="udp")) as source,
    ):
        assert len(take(source, 5)) == 5
    assert camera.methods.count("SETUP") >= 2


def test_a_camera_without_tcp_is_read_over_udp(small: Path) -> None:
    def answer(request: Request) -> Answer | None:
        return ("461 Unsupported Transport", []) if "interleaved" in request.headers.get("transport", "") else None

    with RtspServer(small, udp=True, answer=answer) as camera, opened(camera.url) as source:
        frames = take(source, 10)
    assert [clips.read_number(frame.image) for frame in frames] == [*range(10)]
    assert camera.methods.count("SETUP") == 2


@pytest.mark.parametrize("refuses", [True, False], ids=["", "whatever was asked for"])
def test_a_camera_that_sends_to_a_group_alone_is_read(refuses: bool, small: Path) -> None:
    group = "239.77.1.2", free_port()

    def answer(request: Request) -> Answer | None:
        if refuses or request.method != "SETUP" or "multicast" in request.headers["transport"]:
            return None
        return "200 OK", ["Session: 1", f"Transport: RTP/AVP;multicast;destination={group[0]};port={group[1]}"]

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind(group)
            probe.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, socket.inet_aton(group[0]) + bytes(4))
            probe.settimeout(5.0)
            probe.sendto(b"", group)
            probe.recv(1)
        except OSError:
            pytest.skip("no network here takes multicast")
    with RtspServer(small, group=group, answer=answer) as camera, opened(camera.url) as source:
        frames = take(source, 10)
    assert [clips.read_number(frame.image) for frame in frames] == [*range(10)]
    assert camera.methods.count("SETUP") == 3


def test_a_camera_that_refuses_every_way_is_told_with_the_flag_that_chooses_one(small: Path) -> None:
    with RtspServer(small) as camera:
        camera.answer = lambda request: ("461 Unsupported Transport", []) if request.method == "SETUP" else None
        with pytest.raises(SourceError, match="461 Unsupported Transport to SETUP") as caught:
            open_source(camera.url, QUICK)
    assert "--transport udp" in caught.value.hint


def test_packets_that_arrive_in_another_order_over_udp_make_whole_pictures(small: Path) -> None:
    with (
        RtspServer(small, udp=True) as camera,
        opened(camera.url, SourceOptions(stall_timeout_s=2.0, transport="udp")) as source,
    ):
        frames = take(source, 40)
    assert camera.methods.count("SETUP") == 1
    assert [clips.read_number(frame.image) for frame in frames] == [*range(40)]


@pytest.mark.slow
def test_a_session_is_kept_alive(small: Path) -> None:
    keeper = Authenticator()
    with RtspServer(small, keeper, keepalive_s=4) as camera, opened(camera.url_with("admin:my%20pass")) as source:
        take(source, 50)
        keeper.expire()  # also where the nonce runs out meanwhile
        take(source, 150)
    assert camera.methods.count("PLAY") == 1
    assert "reconnects" not in source.counters
    assert {"GET_PARAMETER", "OPTIONS"} & set(camera.methods[5:])


def test_what_was_sent_before_a_camera_left_is_shown(small: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Also the pictures that opening has looked at."""
    with (
        RtspServer(small, pictures=20) as camera,
        opened(camera.url) as source,
        caplog.at_level(logging.WARNING),
    ):
        frames = take(source, 40)
    assert [clips.read_number(frame.image) for frame in frames] == [*range(20), *range(20)]
    assert "disconnected; trying again" in caplog.text


@pytest.fixture(scope="module")
def rare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A key frame in four seconds."""
    options = {
        "preset": "veryfast",
        "tune": "zerolatency",
        "g": "100",
        "x264-params": "repeat-headers=1:bframes=0:slices=1",
    }
    return clips.clip(tmp_path_factory.mktemp("clips") / "rare.h264", frames=100, format="h264", options=options)


@pytest.mark.parametrize("lines", [(), ("a=fmtp:96 packetization-mode=1",)], ids=["", "no parameters"])
def test_waiting_for_a_key_frame_is_no_silence(
    lines: tuple[str, ...], rare: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A client that joins in the middle gets the first frame with the next key frame, on the first connection."""
    with (
        RtspServer(rare, begin=25, sdp_lines=lines) as camera,
        caplog.at_level(logging.INFO),
        opened(camera.url, SourceOptions(stall_timeout_s=0.8)) as source,
    ):
        frames = take(source, 3)
    assert [clips.read_number(frame.image) for frame in frames] == [0, 1, 2]
    assert (source.info.width, source.info.height) == (320, 240)
    assert camera.methods.count("PLAY") == 1
    assert not source.counters.get("stalls")
    assert caplog.text.count("waiting for the next key frame") == (0 if lines else 1)  # without them opening waits


@pytest.mark.slow
def test_packets_of_which_no_picture_ever_comes_end_in_a_line(
    rare: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(StreamSource, "patience_s", 1.0)
    cut = rare.with_name("cut.h264")
    cut.write_bytes(rare.read_bytes())
    with RtspServer(cut, begin=1) as camera, caplog.at_level(logging.WARNING):
        camera.pictures = 90  # it never comes to a key frame
        with opened(camera.url, SourceOptions(stall_timeout_s=0.8)) as source:
            threading.Timer(4.0, source.close).start()
            assert list(source) == []
    assert "no picture came of all that arrived in 1 s; trying again" in caplog.text


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Signed by nobody but itself, as a camera's."""
    file = tmp_path_factory.mktemp("tls") / "cam.pem"
    words = f"openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=cam -keyout {file} -out {file}.crt"
    if subprocess.run(words.split(), capture_output=True).returncode:
        pytest.skip("openssl is not installed: no certificate for the camera")
    file.write_text(file.read_text() + Path(f"{file}.crt").read_text())
    return file


def test_a_camera_with_a_certificate_of_its_own_is_read_and_a_line_says_so(
    certificate: Path, small: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert ssl.OPENSSL_VERSION
    keeper = Authenticator()
    with (
        RtspServer(small, keeper, certificate=certificate) as camera,
        caplog.at_level(logging.WARNING),
        opened(camera.url_with("admin:my%20pass")) as source,
    ):
        assert len(take(source, 30)) == 30
    assert "its certificate cannot be checked" in caplog.text
