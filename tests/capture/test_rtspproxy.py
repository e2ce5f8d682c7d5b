"""The proxy between FFmpeg and a camera lets FFmpeg in, and nobody else of this machine."""

from __future__ import annotations

import socket
from urllib.parse import urlsplit

import pytest

from streamseg.capture.rtspproxy import RtspProxy
from streamseg.errors import SourceError
from streamseg.net.urls import read_address
from tests.parts.leftovers import nothing_left
from tests.parts.rtsp import free_port
from tests.parts.rtsp_socket import RtspServer


def asked(proxy: RtspProxy, url: str) -> bytes:
    """The answer to a question to the proxy."""
    parts = urlsplit(proxy.url)
    with socket.create_connection((parts.hostname, parts.port or 0), 5.0) as player:
        player.sendall(f"OPTIONS {url} RTSP/1.0\r\nCSeq: 5\r\n\r\n".encode())
        return player.recv(4096)


def test_who_does_not_know_the_path_is_shown_out_and_hears_nothing_of_the_camera() -> None:
    with RtspServer() as camera:
        proxy = RtspProxy(read_address(camera.url_with("u:p")), 5.0)
        wrong = proxy.url[:-4] + "0000"
        assert asked(proxy, wrong) == b""
        assert asked(proxy, "*") == b""
        assert asked(proxy, proxy.url).startswith(b"RTSP/1.0 200 OK\r\nCSeq: 5\r\n")
        with pytest.raises(OSError, match="refused"):
            asked(proxy, proxy.url)  # one player is all
        proxy.close()
    assert [request.uri for request in camera.asked] == [camera.url]


def test_closing_it_ends_its_thread_and_both_connections() -> None:
    with nothing_left(kept_files=1), RtspServer() as camera:
        for _ in range(3):
            proxy = RtspProxy(read_address(camera.url), 5.0)
            asked(proxy, proxy.url)
            proxy.close()
            proxy.close()
        RtspProxy(read_address(camera.url), 5.0).close()  # nobody came


def test_a_camera_that_is_not_there_is_told_at_once() -> None:
    with pytest.raises(SourceError, match="connection refused"):
        RtspProxy(read_address(f"rtsp://127.0.0.1:{free_port()}/cam"), 5.0)
