from __future__ import annotations

import contextlib
import errno
import logging
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from streamseg.net.connection import connect, trouble
from streamseg.net.urls import Address, read_address
from streamseg.said import Said
from tests.parts.certificates import certificate as made_certificate
from tests.parts.patience import PATIENCE_S


@pytest.fixture
def server() -> Iterator[socket.socket]:
    """A server on loopback; the system takes connections for it."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(PATIENCE_S)
        yield listening


def address(server: socket.socket, scheme: str = "rtsp") -> Address:
    return read_address(f"{scheme}://127.0.0.1:{server.getsockname()[1]}/cam")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Signed by nobody but itself, as a camera's."""
    file = tmp_path_factory.mktemp("tls") / "cam.pem"
    words = f"openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=cam -keyout {file} -out {file}.crt"
    try:
        subprocess.run(words.split(), capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("openssl is not installed: no certificate for the camera")
    file.write_text(file.read_text() + Path(f"{file}.crt").read_text())
    return file


def answer_encrypted(server: socket.socket, certificate: Path, connections: int) -> threading.Thread:
    """Takes so many connections over TLS; on each that comes about it says one word."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)

    def serve() -> None:
        for _ in range(connections):
            plain, _ = server.accept()
            try:
                with context.wrap_socket(plain, server_side=True) as line:
                    line.sendall(b"hello")
            except OSError:
                plain.close()  # the client did not like the certificate

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    return thread


def test_a_connection_waits_no_longer_than_told_and_sends_at_once(server: socket.socket) -> None:
    with connect(address(server), 7.5) as made:
        assert made.gettimeout() == 7.5
        assert made.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        assert made.getpeername() == server.getsockname()


def test_a_silent_server_ends_a_read_in_time(server: socket.socket) -> None:
    with connect(address(server), 0.05) as made, pytest.raises(TimeoutError):
        made.recv(1)


def test_a_certificate_that_cannot_be_checked_is_taken_and_said_once(
    server: socket.socket, certificate: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streamseg.net.connection._SAID", Said())
    serving = answer_encrypted(server, certificate, 4)
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            with connect(address(server, "rtsps"), PATIENCE_S) as made:
                assert made.recv(5) == b"hello"
                assert isinstance(made, ssl.SSLSocket)
    serving.join(PATIENCE_S)
    (record,) = caplog.records
    assert "its certificate cannot be checked (self" in record.getMessage()
    assert f"rtsps://127.0.0.1:{server.getsockname()[1]}:" in record.getMessage()


def test_what_speaks_no_tls_leaves_no_connection_open(server: socket.socket) -> None:
    taken: list[bytes] = []

    def serve() -> None:
        plain, _ = server.accept()
        with plain:
            plain.recv(1 << 16)
            plain.sendall(b"RTSP/1.0 400 Bad Request\r\n\r\n")
            plain.settimeout(PATIENCE_S)
            with contextlib.suppress(ConnectionError):  # that is how it ends where something was left unread
                while more := plain.recv(1 << 16):
                    taken.append(more)
            taken.append(b"closed")

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    with pytest.raises(ssl.SSLError) as caught:
        connect(address(server, "rtsps"), PATIENCE_S)
    thread.join(PATIENCE_S)
    assert taken[-1] == b"closed"
    said = trouble(caught.value, address(server, "rtsps"))
    assert said.what.startswith("TLS fails: ")
    assert not said.away


@pytest.mark.parametrize(
    ("host", "days", "why"), [("localhost", -1, "certificate has expired"), ("other", 30, "Hostname mismatch, ")]
)
def test_what_is_wrong_with_a_certificate_is_told(host: str, days: int, why: str, tmp_path: Path) -> None:
    file, key = made_certificate(tmp_path / "tls", "own", days=days)
    shows, checks = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context(cafile=file)
    shows.load_cert_chain(file, key)
    here, there = (ssl.MemoryBIO() for _ in range(2))
    client = checks.wrap_bio(there, here, server_hostname=host)
    server = shows.wrap_bio(here, there, server_side=True)
    with pytest.raises(ssl.SSLCertVerificationError) as caught:
        for side in (client, server, client):
            with contextlib.suppress(ssl.SSLWantReadError):
                side.do_handshake()
    said = trouble(caught.value, read_address("mqtts://localhost/x"))
    assert said.what.startswith(f"TLS fails: CERTIFICATE_VERIFY_FAILED: {why}")


def test_a_port_where_nobody_listens_is_told_in_words() -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        there = address(gone)
    with pytest.raises(OSError) as caught:
        connect(there, PATIENCE_S)
    assert trouble(caught.value, there) == ("connection refused", "", True)


@pytest.mark.parametrize(
    ("host", "away"),
    [("cam", True), ("cam.local", True), ("CAM.Lan", True), ("nas.home", True), ("example.com", False)],
)
def test_a_name_of_the_own_network_may_come_with_its_device(host: str, away: bool) -> None:
    said = trouble(socket.gaierror(socket.EAI_NONAME, "Name or service not known"), read_address(f"rtsp://{host}/x"))
    assert (said.what, said.away) == ("host not found", away)
    assert "network" in said.hint


def test_a_name_server_that_is_away_may_come_back() -> None:
    said = trouble(socket.gaierror(socket.EAI_AGAIN, "try again"), read_address("rtsp://example.com/x"))
    assert (said.what, said.away) == ("host not found", True)


@pytest.mark.parametrize(
    ("error", "what"),
    [
        (TimeoutError(), "does not answer"),
        (TimeoutError(errno.ETIMEDOUT, "timed out"), "does not answer"),
        (ConnectionResetError(errno.ECONNRESET, "Connection reset by peer"), "connection reset"),
        (BrokenPipeError(errno.EPIPE, "Broken pipe"), "connection reset"),
        (OSError(errno.EHOSTUNREACH, "No route to host"), "host not reachable"),
        (OSError(errno.ENETUNREACH, "Network is unreachable"), "network not reachable"),
        (OSError(errno.EMFILE, "Too many open files"), "too many open files"),
        (OSError("what a library says"), "what a library says"),
        (OSError(), "OSError"),
    ],
)
def test_each_trouble_has_its_words(error: OSError, what: str) -> None:
    said = trouble(error, read_address("rtsp://cam/x"))
    assert (said.what, said.away) == (what, True)


def test_no_answer_asks_whether_it_is_switched_on() -> None:
    assert "switched on" in trouble(TimeoutError(), read_address("rtsp://cam/x")).hint
