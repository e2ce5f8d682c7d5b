from __future__ import annotations

import http.server
import json
import logging
import threading
import time
from datetime import datetime, timezone
from pathlib import Path

import pytest
import standardwebhooks

from streamseg.contracts import Controls
from streamseg.errors import InputError, OutputError
from streamseg.sinks import check_addresses, open_sink
from streamseg.sinks.delivery.message import Message
from streamseg.sinks.delivery.sender import DeliverySink, RefusedError
from streamseg.sinks.webhook import Webhook, read_hook
from tests.parts.certificates import own_certificate
from tests.parts.events import event, frame_with, later
from tests.parts.fakes import FILE, LIVE
from tests.parts.hook_server import OK, HookServer, status
from tests.parts.http_proxy import http_proxy
from tests.parts.patience import until
from tests.parts.rtsp import free_port

SECRET = "whsec_c3RyZWFtc2VnLXRlc3Qtc2VjcmV0LTEyMzQ1Ng=="

FAR = f"Sat, 28 Nov 2026{'0' * 20} 10:00:00 GMT"


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STREAMSEG_STATE", str(tmp_path / "state"))


def opened(url: str) -> DeliverySink:
    sink = open_sink(f"webhook:{url}", LIVE, Controls())
    assert isinstance(sink, DeliverySink)
    return sink


def hangs(handler: object) -> None:
    time.sleep(1.5)


def test_a_server_that_fails_twice_gets_each_event_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streamseg.sinks.webhook._TIMEOUT_S", 0.5)
    one = event()
    with HookServer(status(500), hangs) as server:
        sink = opened(f"{server.url}/hook")
        sink.write(frame_with([one, later(one, "end")]))
        until(lambda: len(server.taken) == 2)
        sink.close()
        assert server.told == [(one.id, "start"), (one.id, "end")]
        assert len(server.requests) == 4
        assert len({headers["webhook-id"] for _, headers, _ in server.requests}) == 2
    assert server.taken[0]["rule"] == "long crack" and server.taken[1]["ended_by"] == "rule"


def test_the_signature_is_what_other_peoples_library_expects(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOOK_SECRET", SECRET)
    with HookServer() as server:
        sink = opened(f"{server.url}/hook?room=7&sign=${{HOOK_SECRET}}&x=1")
        sink.write(frame_with([event()]))
        sink.close()
    (path, headers, body), _ = server.requests
    assert path == "/hook?room=7&x=1"
    assert standardwebhooks.Webhook(SECRET).verify(body, headers) == json.loads(body)
    with pytest.raises(standardwebhooks.WebhookVerificationError):
        standardwebhooks.Webhook("whsec_b3RoZXI=").verify(body, headers)
    assert SECRET not in str(server.requests)


def send(server: HookServer, path: str = "/", now: datetime | None = None) -> None:
    hook = Webhook(read_hook(f"webhook:{server.url}{path}"), now=lambda: now or datetime.now(timezone.utc))
    hook.send(Message(event=event()))


@pytest.mark.parametrize("code", [400, 410, 413, 415, 422])
def test_what_will_never_pass_is_refused(code: int) -> None:
    with HookServer(status(code)) as server, pytest.raises(RefusedError, match=f"answers {code}"):
        send(server)


@pytest.mark.parametrize(("code", "least_s"), [(401, 30), (404, 30), (408, 0), (429, 0), (500, 0), (503, 0), (304, 30)])
def test_what_may_pass_later_is_tried_again(code: int, least_s: float) -> None:
    with HookServer(status(code)) as server, pytest.raises(OutputError, match=f"answers {code}") as found:
        send(server)
    assert found.value.retry_s == least_s


@pytest.mark.parametrize(
    ("text", "wait_s"),
    [("7", 7), ("Sat, 28 Nov 2026 10:00:30 GMT", 30), ("Sat, 28 Nov 2026 09:00:00 GMT", 0), ("999999", 3600)],
)
def test_retry_after_is_honoured(text: str, wait_s: float) -> None:
    now = datetime(2026, 11, 28, 10, 0, 0, tzinfo=timezone.utc)
    with HookServer(status(503, Retry_After=text)) as server, pytest.raises(OutputError) as found:
        send(server, now=now)
    assert found.value.retry_s == wait_s


@pytest.mark.parametrize("text", ["soon", "-3", "Sat, 99 Nov", "1e9", "", FAR, f"{FAR[:16]} +{'9' * 20}"])
def test_a_retry_after_that_means_nothing_is_ignored(text: str) -> None:
    with HookServer(status(503, Retry_After=text)) as server, pytest.raises(OutputError) as found:
        send(server)
    assert found.value.retry_s == 0


@pytest.mark.parametrize("code", [100, 102, 103])
def test_a_word_on_the_way_is_no_answer(code: int) -> None:
    def answer(handler: http.server.BaseHTTPRequestHandler) -> None:
        for _ in range(2):
            handler.send_response_only(code)
            handler.send_header("Link", "</style.css>; rel=preload")
            handler.end_headers()
        handler.send_response(204)
        handler.end_headers()

    with HookServer(answer) as server:
        send(server)
        assert len(server.taken) == 1


def test_an_answer_that_drips_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streamseg.sinks.webhook._TIMEOUT_S", 0.3)

    def drip(handler: http.server.BaseHTTPRequestHandler) -> None:
        handler.send_response_only(204)
        handler.flush_headers()
        for _ in range(200):
            handler.wfile.write(b"x")
            time.sleep(0.05)
        handler.wfile.write(b": y\r\n\r\n")

    with HookServer(drip) as server, pytest.raises(OutputError, match="does not answer"):
        send(server)


def test_a_redirect_is_followed_on_the_same_server_alone() -> None:
    with HookServer(status(308, Location="/new?x=2"), OK) as server:
        send(server, "/old")
    assert [path for path, _, _ in server.requests] == ["/old", "/new?x=2"]
    with HookServer() as elsewhere:
        with HookServer(status(307, Location=f"{elsewhere.url}/x")) as server, pytest.raises(OutputError) as found:
            send(server)
        assert "another server" in str(found.value) and elsewhere.requests == []
    with HookServer(*[status(302, Location="/again")] * 9) as server, pytest.raises(OutputError, match="302"):
        send(server)


def test_a_password_is_sent_and_not_said(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setenv("HOOK_PASSWORD", "hunter2")
    with HookServer(status(401)) as server, caplog.at_level(logging.DEBUG):
        sink = opened(f"{server.url.replace('//', '//me:${HOOK_PASSWORD}@')}/?token=hunter2&sign=hunter2")
        sink.write(frame_with([event()]))
        until(lambda: server.requests)
        sink.close()
    assert server.requests[0][1]["authorization"] == "Basic bWU6aHVudGVyMg=="
    assert "answers 401" in caplog.text and "hunter2" not in caplog.text


def test_a_server_that_is_away_at_the_start_gets_what_waited(caplog: pytest.LogCaptureFixture) -> None:
    port, one = free_port(), event()
    sink = opened(f"http://127.0.0.1:{port}/")
    sink.write(frame_with([one]))
    until(lambda: "connection refused" in caplog.text)
    with HookServer(port=port) as server:
        until(lambda: server.taken)
        sink.close()
    assert server.told == [(one.id, "start"), (one.id, "end")]
    assert [record.getMessage().partition(";")[0].partition(", since")[0] for record in caplog.records] == [
        f"http://127.0.0.1:{port}/: connection refused",
        f"http://127.0.0.1:{port}/: works again",
    ]


def test_what_is_no_web_server_is_one_line() -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(b"SSH-2.0-dropbear\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        with pytest.raises(OutputError, match="no web server"):
            Webhook(read_hook(f"webhook:http://127.0.0.1:{server.getsockname()[1]}")).send(Message(event=event()))
        thread.join()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return own_certificate(tmp_path_factory.mktemp("tls") / "own.pem")


def test_a_certificate_that_cannot_be_checked_is_refused_and_one_that_is_named_is_taken(certificate: Path) -> None:
    with HookServer(certificate=certificate) as server:
        with pytest.raises(OutputError, match="CERTIFICATE_VERIFY_FAILED"):
            Webhook(read_hook(f"webhook:{server.url}")).send(Message(event=event()))
        assert server.requests == []
        Webhook(read_hook(f"webhook:{server.url}?ca={certificate}")).send(Message(event=event()))
        assert len(server.taken) == 1


PROXIED = [("http", "POST http://hooks.invalid/x?a=1"), ("https", "CONNECT hooks.invalid:443")]


@pytest.mark.parametrize(("scheme", "asked"), PROXIED)
def test_a_server_is_reached_through_the_proxy_that_the_environment_names(
    scheme: str, asked: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = own_certificate(tmp_path / "own.pem", "DNS:hooks.invalid") if scheme == "https" else None
    with HookServer(certificate=own) as server, http_proxy(server.port, "Basic bWU6aHVudGVyMg==") as proxy:
        monkeypatch.setenv(f"{scheme}_proxy", f"http://me:hunter2@{proxy.place}")
        Webhook(read_hook(f"webhook:{scheme}://hooks.invalid/x?a=1{own and f'&ca={own}' or ''}")).send(
            Message(event=event())
        )
    ((path, headers, _),) = server.requests
    assert (path, headers["host"]) == ("/x?a=1", "hooks.invalid")
    assert "proxy-authorization" not in headers
    assert [line.rpartition(" ")[0] for line in proxy.asked] == [asked]


@pytest.mark.parametrize(("scheme", "asked"), PROXIED)
def test_a_proxy_that_wants_another_password_is_told_without_it(
    scheme: str, asked: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with HookServer() as server, http_proxy(server.port, "Basic other") as proxy, caplog.at_level(logging.DEBUG):
        monkeypatch.setenv(f"{scheme}_proxy", f"http://me:hunter2@{proxy.place}")
        sink = opened(f"{scheme}://hooks.invalid/x?a=1")
        sink.write(frame_with([event()]))
        until(lambda: "407 Proxy Authentication Required" in caplog.text)
        sink.close()
    assert server.requests == [] and "hunter2" not in caplog.text
    assert f"{scheme}://hooks.invalid/x?a=1: by the proxy http://***@{proxy.place}: " in caplog.text


def test_a_proxy_that_is_away_is_told_from_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    port = free_port()
    monkeypatch.setenv("all_proxy", f"me:hunter2@127.0.0.1:{port}")
    hook = Webhook(read_hook("webhook:https://hooks.invalid/x"))
    with pytest.raises(OutputError, match=f"by the proxy http://\\*\\*\\*@127.0.0.1:{port}: connection refused"):
        hook.send(Message(event=event()))


def test_this_machine_is_reached_without_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{free_port()}")
    with HookServer() as server:
        send(server)
        assert len(server.taken) == 1


@pytest.mark.parametrize(
    ("uri", "says"),
    [
        ("webhook:ftp://host/", "needs a web address"),
        ("webhook:", "needs a web address"),
        ("webhook:https://", "not understood"),
        ("webhook:https://host/?sign=${NOT_THERE}", "the environment has no NOT_THERE"),
        ("webhook:https://host/?sign=", "needs a secret"),
        ("webhook:https://host/?sign=whsec_", "needs a secret"),
        ("webhook:https://host/?sign=whsec_!", "not base64"),
        ("webhook:https://host/?ca=missing.pem", "no such file"),
        ("webhook:https://host/?ca=pyproject.toml", "no certificate"),
    ],
)
def test_what_is_wrong_in_the_name_is_told_before_anything_is_opened(uri: str, says: str) -> None:
    with pytest.raises(InputError, match=says):
        check_addresses([uri])


def test_on_a_file_too_a_server_that_is_away_ends_nothing() -> None:
    controls = Controls()
    controls.quit = True
    sink = open_sink(f"webhook:http://127.0.0.1:{free_port()}/", FILE, controls)
    for index in range(100):
        sink.write(frame_with([event()], index=index))
    sink.close()
    assert isinstance(sink, DeliverySink) and sink.waiting == 200
