from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator

import pytest

from streamseg.errors import InputError, OutputError
from streamseg.serve.listener import Listener, listen


@contextlib.contextmanager
def listening(text: str, *, closed: bool = True) -> Iterator[Listener]:
    listener = listen(text, closed=closed)
    try:
        yield listener
    finally:
        listener.close()


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("127.0.0.1:0", "http://127.0.0.1:"),
        ("localhost:0", "http://localhost:"),
        (":0", "http://localhost:"),
        ("[::1]:0", "http://[::1]:"),
    ],
)
def test_an_address_or_a_name_is_listened_on(text: str, url: str) -> None:
    with listening(text) as listener:
        port = int(listener.url.removeprefix(url))
        for each in listener.sockets:
            assert each.getsockname()[1] == port
            socket.create_connection(each.getsockname()[:2], timeout=10).close()


@pytest.mark.parametrize("text", ["0.0.0.0:0", "[::]:0"])
def test_other_machines_are_let_in_only_if_that_is_meant(text: str) -> None:
    with pytest.raises(InputError, match="--token-file"):
        listen(text, closed=True)
    with listening(text, closed=False) as listener:
        assert listener.sockets


@pytest.mark.parametrize(
    "text",
    ["", "everywhere", "127.0.0.1", "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:99999", "127.0.0.1:-1", "::1:80", "[::1]"]
    + ["127.0.0.1:8\u0660", "[::1]x:80", "[localhost]:80"],
)
def test_what_is_no_address_with_a_port_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="ADDRESS:PORT"):
        listen(text, closed=False)


@pytest.mark.parametrize(
    "host", ["no-such-host.invalid", "a" * 300, "a..b", "\x00", "ä" * 70, "1.2.3.4.5", "[fe80::zz]", "[127.0.0.1"]
)
def test_a_host_that_nobody_knows_is_refused(host: str) -> None:
    with pytest.raises(InputError, match="no such host"):
        listen(f"{host}:80", closed=False)


def test_a_port_in_use_and_an_address_of_another_machine_are_refused_and_leave_nothing_open() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(OutputError, match="in use"):
        listen(f"localhost:{taken.getsockname()[1]}", closed=True)
    with pytest.raises(OutputError, match="address"):
        listen("192.0.2.1:80", closed=False)
