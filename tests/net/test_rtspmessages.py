"""What arrives on an RTSP connection, in pieces of any size."""

from __future__ import annotations

import pytest

from streamseg.net.rtspmessages import Message, Parser

PACKETS = [b"$\0\0\x05hello", b"$\x01\0\0", b"$\0\x01\x2c" + bytes(range(256)) + bytes(44)]
ANSWER = b"RTSP/1.0 200 OK\r\nCSeq: 3\r\nContent-Length: 4\r\nX: a: b\r\n\r\nbody"
BARE = b"RTSP/1.0 200 OK\nCSeq: 4\n\n"
STREAM = PACKETS[0] + PACKETS[1] + ANSWER + PACKETS[2] + b"\r\n" + BARE + b"\x00\x07" + PACKETS[0]


@pytest.mark.parametrize("step", [1, 2, 3, 7, 64, 10_000])
def test_messages_and_packets_come_out_whole_and_in_order(step: int) -> None:
    parser, media, messages = Parser(), b"", []
    for at in range(0, len(STREAM), step):
        for item in parser.feed(STREAM[at : at + step]):
            if isinstance(item, bytes):
                media += item
            else:
                messages.append((len(media), item))
    assert media == PACKETS[0] + PACKETS[1] + PACKETS[2] + PACKETS[0]
    (at, first), (_, second) = messages
    assert at == len(PACKETS[0] + PACKETS[1])
    assert (first.status, first.get("cseq"), first.get("x"), first.body) == (200, "3", "a: b", b"body")
    assert (second.status, second.get("cseq"), second.body) == (200, "4", b"")


def test_packets_that_arrive_together_go_on_together() -> None:
    assert list(Parser().feed(b"".join(PACKETS))) == [b"".join(PACKETS)]


@pytest.mark.parametrize("sent", [b"SSH-2.0-x\r\n", b"HTTP/1.1 400 Bad\r\n\r\n", b"R" * 600_000])
def test_what_is_no_rtsp_ends_the_connection(sent: bytes) -> None:
    with pytest.raises(ConnectionError):
        list(Parser().feed(sent))


def test_a_body_of_endless_length_is_not_waited_for() -> None:
    with pytest.raises(ConnectionError, match="endless"):
        list(Parser().feed(b"RTSP/1.0 200 OK\r\nContent-Length: 9999999999\r\n\r\n"))


@pytest.mark.parametrize("number", ["²", "٣" * 3, "2" * 5000, "-1", "1_0"])
def test_numbers_that_are_none_are_passed_over(number: str) -> None:
    (message,) = Parser().feed(f"RTSP/1.0 {number} OK\r\nContent-Length: {number}\r\n\r\n".encode())
    assert isinstance(message, Message)
    assert (message.status, message.body) == (None, b"")


def test_a_message_is_written_as_it_was_read() -> None:
    (message,) = Parser().feed(ANSWER)
    assert isinstance(message, Message)
    assert message.encode() == ANSWER
    message.put("CSeq", "9")
    message.put("Session", "1")
    assert message.encode() == ANSWER.replace(b"CSeq: 3", b"CSeq: 9").replace(b"a: b\r\n", b"a: b\r\nSession: 1\r\n")
