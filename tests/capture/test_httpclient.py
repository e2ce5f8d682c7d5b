"""The client to an HTTP server: its connections, cookies and odd answers."""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import Any

import pytest

from streamseg.capture.httpclient import HttpClient
from streamseg.errors import SourceError
from streamseg.net.urls import read_address
from tests.parts.http_answers import by_path, moved, say, whole
from tests.parts.http_server import http_server


def client_of(url: str) -> HttpClient:
    return HttpClient(read_address(url), 5.0, 2.0)


def body_of(client: HttpClient) -> bytes:
    answer = client.get()
    return b"".join(iter(lambda: answer.read(1000), b""))


def test_one_connection_serves_many_requests_where_the_server_lets_it() -> None:
    clients: list[Any] = []

    def answer(handler: Any) -> None:
        clients.append(handler.client_address)
        whole(b"hello")(handler)

    with http_server(answer, keep_alive=True) as (url, _):
        client = client_of(url)
        assert [body_of(client) for _ in range(3)] == [b"hello"] * 3
        client.close()
    assert len(set(clients)) == 1


def test_a_connection_that_the_server_closed_meanwhile_is_opened_anew() -> None:
    def answer(handler: Any) -> None:
        whole(b"hello")(handler)
        handler.close_connection = True  # without a word about it

    with http_server(answer, keep_alive=True) as (url, asked):
        client = client_of(url)
        assert [body_of(client) for _ in range(3)] == [b"hello"] * 3
        client.close()
    assert len(asked) == 3


def test_an_answer_that_is_not_read_to_its_end_costs_its_connection_alone() -> None:
    with http_server(whole(bytes(1 << 22)), keep_alive=True) as (url, _):
        client = client_of(url)
        first = client.get()
        assert first.read(10) == bytes(10)
        first.close()
        assert len(body_of(client)) == 1 << 22
        client.close()


def test_cookies_go_back_to_their_server_and_to_no_other() -> None:
    seen: list[str | None] = []

    def answer(handler: Any) -> None:
        seen.append(handler.headers.get("Cookie"))
        say(handler, 302, {"Set-Cookie": "session=hunter2; Path=/", "Location": "/b", "Content-Length": "0"})

    def inside(handler: Any) -> None:
        seen.append(handler.headers.get("Cookie"))
        whole(b"x")(handler)

    with http_server(by_path({"/a": answer, "/b": inside})) as (url, _):
        client = client_of(f"{url}/a")
        assert body_of(client) == b"x"
        with http_server(inside) as (other, _):
            assert body_of(client_of(other)) == b"x"
        client.close()
    assert seen == [None, "session=hunter2", None]


def test_redirects_in_a_circle_end() -> None:
    with http_server(moved("/a")) as (url, asked), pytest.raises(SourceError, match="from place to place"):
        client_of(f"{url}/a").get()
    assert len(asked) < 10


def test_a_redirect_that_leads_nowhere_is_told() -> None:
    for headers in ({}, {"Location": "http://[/x"}, {"Location": "http://127.0.0.1:99999/"}):
        answer = {**headers, "Content-Length": "0"}
        refused = pytest.raises(SourceError, match="sends us to another server")
        with http_server(lambda handler, said=answer: say(handler, 302, said)) as (url, _), refused:  # type: ignore[misc]
            client_of(url).get()


def test_a_redirect_to_the_same_server_with_tls_is_followed_at_the_usual_ports_alone() -> None:
    address = read_address("http://admin:hunter2@cam/a")
    safer = address.moved("https://cam/b")
    assert safer is not None
    assert (safer.place, safer.encrypted, safer.login) == (("cam", 443), True, ("admin", "hunter2"))
    assert address.moved("https://cam:8443/b") is None
    assert safer.moved("http://cam/b") is None


ANSWERS = {
    "a number that is none": ("ICY ²00 OK\r\n\r\n".encode("latin-1"), "no answer that can be understood"),
    "a number without end": (b"ICY " + b"2" * 3000 + b" OK\r\n\r\n", "no answer that can be understood"),
    "a place in other bytes": (b"HTTP/1.1 302 F\r\nLocation: //\xff/\r\n\r\n", "sends us to another server"),
    "another protocol": (b"SSH-2.0-dropbear\r\n", "no answer that can be understood"),
    "nothing": (b"", "no answer that can be understood|connection reset"),
    "endless headers": (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200, "no answer that can be understood"),
    "a reason of control characters": (b"HTTP/1.1 400 \x1b[31m\r\n\r\n", r"the server answers 400 \\x1b\[31m"),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_strange_answers_are_one_line(name: str) -> None:
    sent, said = ANSWERS[name]
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(sent)

        thread = threading.Thread(target=answer)
        thread.start()
        with pytest.raises(SourceError, match=said):
            client_of(f"http://127.0.0.1:{server.getsockname()[1]}/").get()
        thread.join()


def test_a_size_that_is_none_is_no_size() -> None:
    def answer(handler: Any) -> None:
        say(handler, 206, {"Content-Range": f"bytes 0-4/{'9' * 5000}", "Content-Length": "5"}, b"hello")

    with http_server(answer) as (url, _):
        assert client_of(url).get().total == 5


def test_a_server_that_never_answers_is_away() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        client = HttpClient(read_address(f"http://127.0.0.1:{server.getsockname()[1]}/"), 0.2, 0.2)
        with pytest.raises(SourceError, match="does not answer") as caught:
            client.get()
    assert caught.value.away


def test_a_head_that_drips_is_given_up_in_time() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        done = threading.Event()

        def drip() -> None:
            connection, _ = server.accept()
            with connection, contextlib.suppress(OSError):
                connection.sendall(b"HTTP/1.1 200 OK\r\n")
                while not done.wait(0.05):
                    connection.sendall(b"x")

        thread = threading.Thread(target=drip)
        thread.start()
        client = HttpClient(read_address(f"http://127.0.0.1:{server.getsockname()[1]}/"), 0.5, 0.5)
        with pytest.raises(SourceError, match="does not answer"):
            client.get()
        done.set()
        thread.join()
