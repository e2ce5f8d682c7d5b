"""Answers byte by byte from a real socket, some of them as no library of servers would write them."""

from __future__ import annotations

import http.client
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from streamseg.capture.httpconnection import RawConnection
from streamseg.net.urls import read_address
from tests.parts.patience import PATIENCE_S

Serve = Callable[[socket.socket], object]


@contextmanager
def asked(serve: Serve, timeout_s: float = PATIENCE_S) -> Iterator[RawConnection]:
    """A connection over which a request was sent to a server that answers with `serve`."""

    def answer() -> None:
        line, _ = listening.accept()
        with line:
            while b"\r\n\r\n" not in line.recv(1 << 16):
                pass
            serve(line)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        connection = RawConnection(read_address(f"http://127.0.0.1:{listening.getsockname()[1]}/a"), timeout_s)
        connection.request("GET", "/a")
        try:
            yield connection
        finally:
            connection.close()
            thread.join(PATIENCE_S)


def says(answer: bytes) -> Serve:
    return lambda line: line.send(answer)


def test_an_answer_is_read_as_the_library_reads_it() -> None:
    with asked(says(b"HTTP/1.1 404 Not Here\r\nContent-Length: 5\r\nX: y\r\n\r\nhello")) as connection:
        response = connection.response()
        assert (response.status, response.reason, response.getheader("x"), response.version) == (
            404,
            "Not Here",
            "y",
            11,
        )
        assert response.read() == b"hello"
        assert connection.place[0] == "http"


@pytest.mark.parametrize(
    ("first", "status", "reason"),
    [(b"ICY 200 OK", 200, "OK"), (b"ICY 404 Not Found", 404, "Not Found"), (b"ICY 200", 200, "")],
)
def test_a_server_for_radio_is_understood(first: bytes, status: int, reason: str) -> None:
    with asked(says(first + b"\r\nicy-name: x\r\n\r\nsound")) as connection:
        response = connection.response()
        assert (response.status, response.reason, response.getheader("icy-name")) == (status, reason, "x")
        assert response.read() == b"sound"


@pytest.mark.parametrize("first", [b"ICY \xb2\xb2\xb2 OK", b"ICY 99 OK", b"ICY 2000 OK", b"ICY OK", b"SSH-2.0-x", b""])
def test_a_first_line_that_is_none_is_an_error_of_the_librarys(first: bytes) -> None:
    with asked(says(first + b"\r\n\r\n")) as connection, pytest.raises(http.client.HTTPException):
        connection.response()


def test_whether_there_is_something_to_read_can_be_asked_before_and_after_it_came() -> None:
    go = threading.Event()

    def serve(line: socket.socket) -> None:
        line.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        go.wait(PATIENCE_S)
        line.sendall(b"now")

    with asked(serve) as connection:
        response = connection.response()
        for _ in range(3):
            assert not response.ready(0.01)
        go.set()
        assert response.ready(PATIENCE_S)
        assert response.read() == b"now"  # also after time-outs
        assert response.ready(0.0)


def test_asking_leaves_the_time_for_reads_as_it_was() -> None:
    with asked(says(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n")) as connection:
        response = connection.response()
        connection.patient(7.5)
        response.ready(0.01)
        assert connection._socket.gettimeout() == 7.5


@pytest.mark.parametrize("code", [100, 102, 103])
def test_a_word_on_the_way_is_no_response(code: int) -> None:
    on_the_way = f"HTTP/1.1 {code} Wait\r\nLink: </a.css>\r\n\r\n".encode()
    with asked(says(2 * on_the_way + b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")) as connection:
        response = connection.response()
        assert (response.status, response.read()) == (200, b"hi")


def test_a_head_that_trickles_in_has_its_time_as_a_whole() -> None:
    stop = threading.Event()

    def serve(line: socket.socket) -> None:
        try:
            line.sendall(b"HTTP/1.1 200 OK\r\n")
            while not stop.wait(0.02):
                line.sendall(b"X: y\r\n")
        except OSError:
            pass

    with asked(serve, 0.3) as connection:
        with pytest.raises(TimeoutError):
            connection.response()
        stop.set()


def test_a_body_may_take_longer_than_its_head() -> None:
    def serve(line: socket.socket) -> None:
        line.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\na")
        go.wait(PATIENCE_S)
        line.sendall(b"b")

    go = threading.Event()
    with asked(serve, 0.2) as connection:
        response = connection.response()
        connection.patient(PATIENCE_S)
        assert response.read(1) == b"a"
        threading.Timer(0.4, go.set).start()
        assert response.read(1) == b"b"
