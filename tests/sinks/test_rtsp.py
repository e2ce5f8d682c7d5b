"""Publishing to servers of every kind: logins, redirects, words in between."""

from __future__ import annotations

import re
import time

import pytest

from streamseg.contracts import Controls
from streamseg.errors import InputError, OutputError
from streamseg.net.urls import read_address
from streamseg.sinks import open_sink
from streamseg.sinks.publish import PublishSink
from streamseg.sinks.rtsp import Publisher
from tests.parts.authenticator import DIALECTS, Authenticator
from tests.parts.fakes import FILE
from tests.parts.rtsp_socket import Answer, Request, RtspServer
from tests.sinks.test_video import shown

PARAMETERS = [b"\x67\x42\x00\x1e", b"\x68\xce"]


def published(url: str, pictures: int = 3) -> None:
    sink = PublishSink(url)
    for number in range(pictures):
        sink.write(shown(number, number / 25))
    sink.close()


def arrived(server: RtspServer) -> bool:
    """Whether packets came, for which their way through the server's thread is waited."""
    deadline_s = time.monotonic() + 20
    while not server.packets and time.monotonic() < deadline_s:
        time.sleep(0.01)
    return server.packets > 0


@pytest.mark.parametrize("name", DIALECTS)
def test_every_dialect_of_logging_in_is_spoken(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    keeper = Authenticator(**DIALECTS[name])
    monkeypatch.setenv("OUT_USER", keeper.user)
    monkeypatch.setenv("OUT_PASSWORD", keeper.password)
    with RtspServer(keeper=keeper) as server:
        published(server.url_with("${OUT_USER}:${OUT_PASSWORD}"))
        assert arrived(server)
    assert server.methods[-1] == "TEARDOWN" or "RECORD" in server.methods


@pytest.mark.parametrize("password", ["p#s", "p/s", "p?s", "p%41", "12/34", "p@s/s", "my pass", "a:b", "'\"\\", "ß→"])
def test_a_password_in_a_variable_is_taken_as_it_is(password: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OUT_PASSWORD", password)
    with RtspServer(keeper=Authenticator("u", password)) as server:
        published(server.url_with("u:${OUT_PASSWORD}"))
        assert arrived(server)


@pytest.mark.parametrize("code", [301, 302, 303, 305, 307])
@pytest.mark.parametrize("method", ["ANNOUNCE", "SETUP", "RECORD"])
def test_no_login_goes_to_the_server_that_we_are_sent_to(method: str, code: int) -> None:
    with RtspServer(keeper=Authenticator(basic=True)) as other, RtspServer(keeper=Authenticator()) as server:

        def elsewhere(request: Request) -> Answer | None:
            moved = f"{code} Moved", [f"Location: rtsp://localhost:{other.port}/x"]
            return moved if request.method == method else None

        server.answer = elsewhere
        with pytest.raises(OutputError, match="sends us to another server.*not followed"):
            published(server.url_with("admin:my%20pass"))
        assert other.asked == []


def test_a_redirect_within_the_server_is_followed() -> None:
    with RtspServer(keeper=Authenticator()) as server:

        def within(request: Request) -> Answer | None:
            return ("302 Moved", ["Location: /other"]) if request.uri.endswith("/cam") else None

        server.answer = within
        published(server.url_with("admin:my%20pass"))
        assert arrived(server)
    assert [request.uri for request in server.asked if request.method == "RECORD"] == [server.url_with("", "/other")]


def test_a_server_that_asks_something_in_between_is_answered() -> None:
    asks = b"OPTIONS * RTSP/1.0\r\nCSeq: 77\r\n\r\n"

    with RtspServer() as server:
        publisher = Publisher(read_address(server.url), PARAMETERS)
        server._open[0].sendall(asks)
        deadline_s = time.monotonic() + 20
        while server.methods.count("RTSP/1.0") == 0 and time.monotonic() < deadline_s:
            publisher.send([b"\x65" + bytes(100)], 0)
            time.sleep(0.01)
        publisher.close()
    answers = [request for request in server.asked if request.method == "RTSP/1.0"]
    assert [(answer.uri, answer.headers["cseq"]) for answer in answers] == [("200", "77")]


def test_a_nonce_that_runs_out_meanwhile_costs_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    keeper = Authenticator(stale="true")
    monkeypatch.setattr("streamseg.sinks.rtsp._ALIVE_EVERY_S", 0.0)
    with RtspServer(keeper=keeper) as server:

        def guarded_options(request: Request) -> Answer | None:
            if request.method != "OPTIONS" or keeper.admits("OPTIONS", request.login):
                return None
            return "401 Unauthorized", keeper.challenge()

        server.answer = guarded_options
        publisher = Publisher(read_address(server.url_with("admin:my%20pass")), PARAMETERS)
        keeper.expire()
        deadline_s = time.monotonic() + 20
        good: list[str] = []
        while not good and time.monotonic() < deadline_s:
            publisher.send([b"\x65" + bytes(100)], 0)
            time.sleep(0.01)
            nonces = [re.findall(r'nonce="(\w+)"', each.login) for each in server.asked if each.method == "OPTIONS"]
            good = [nonce for found in nonces for nonce in found if nonce in keeper._nonces]
        publisher.close()
    assert good


@pytest.mark.parametrize("login", ["u:12/hunter2", "u:a@x/hunter2"])
def test_a_password_that_cannot_be_told_from_a_host_is_refused_in_words(login: str) -> None:
    with pytest.raises(InputError, match="where the password ends cannot be told") as caught:
        open_sink(f"rtsp://{login}@server/live", FILE, Controls())
    assert "hunter2" not in str(caught.value)
