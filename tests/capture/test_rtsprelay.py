"""What passes between FFmpeg and a camera, without a connection."""

from __future__ import annotations

import tracemalloc

import pytest

from streamseg.capture.rtsprelay import Relay
from streamseg.net.rtspmessages import Message
from streamseg.net.urls import read_address

PROXY = "rtsp://127.0.0.1:1/x"


def exchange(relay: Relay, number: int, method: str, status: str) -> None:
    """FFmpeg asks, and the camera answers."""
    relay.asked(Message(f"{method} {PROXY} RTSP/1.0", [("CSeq", str(number))]))
    relay.answered(Message(f"RTSP/1.0 {status}", [("CSeq", str(number))]))


@pytest.mark.parametrize("goodbye", ["200 OK", "454 Session Not Found"])
def test_a_goodbye_does_not_hide_what_was_refused(goodbye: str) -> None:
    relay = Relay(PROXY, read_address("rtsp://cam/1"), "127.0.0.1")
    exchange(relay, 1, "PLAY", "455 Not Valid Here")
    exchange(relay, 2, "TEARDOWN", goodbye)
    assert "the server answers 455 Not Valid Here to PLAY" in str(relay.refusal)


def test_a_camera_that_never_answers_what_keeps_the_session_costs_no_memory() -> None:
    relay = Relay(PROXY, read_address("rtsp://cam/1"), "127.0.0.1")

    def keep(first: int, last: int) -> int:
        tracemalloc.start()
        for number in range(first, last):
            relay.asked(Message(f"GET_PARAMETER {PROXY} RTSP/1.0", [("CSeq", str(number)), ("Session", "1")]))
        size, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return size

    keep(0, 100)
    assert keep(100, 2000) < 50_000
    exchange(relay, 2001, "PLAY", "455 Not Valid Here")
    assert "455 Not Valid Here to PLAY" in str(relay.refusal)
