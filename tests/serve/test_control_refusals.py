"""Changes over HTTP that are refused."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from streamseg.serve.requests import LARGEST_BODY
from tests.parts.patience import PATIENCE_S
from tests.parts.service import Service
from tests.serve.test_control import JSON, OPERATOR, SITE, VIEWER, bearer, changing


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    env = {"STREAMSEG_OPERATOR_TOKEN": OPERATOR, "STREAMSEG_TOKEN": VIEWER}
    with Service(tmp_path_factory.mktemp("closed"), SITE, env=env) as made:
        made.until(lambda: made.get("/readyz", bearer(VIEWER))[0] == 200)
        yield made


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"source": 0, "opasity": 1}, "unknown key 'opasity' (did you mean opacity?)"),
        ({"source": 0, "opacity": 7}, "opacity: expected a number from 0 to 1"),
        ({"source": 0, "opacity": "7"}, "opacity: expected a number from 0 to 1"),
        ({"view": "blur"}, "'source' is missing"),
        ({"source": 0, "model": "otzu"}, "no model 'otzu'"),
        ({"source": "ftp://x/y"}, "source"),
        ({"source": "rtsp://u:hunter2@h:99999/1"}, "rtsp://***@h:99999/1: not understood"),
        ({"source": "-"}, "a service has no standard input"),
        ({"source": 0, "outputs": ["window"]}, "a service has no window"),
        ({"source": 0, "overwrite": True}, "a service begins again"),
        ({"source": 0, "rules": {"r": "person.count in nowhere > 1"}}, "nowhere"),
        ({"source": "a\0b"}, "NUL"),
        ({"source": "a\ud800b"}, "half a character"),
    ],
    ids=str,
)
def test_what_the_file_would_refuse_is_refused_in_its_words(closed: Service, options: object, says: str) -> None:
    status, told = closed.send("POST", "/streams", OPERATOR, {"name": "c", "options": options})
    assert (status, says in told["error"]) == (422, True), told
    assert "hunter2" not in json.dumps(told) + closed.log()
    assert closed.config.read_text() == SITE


@pytest.mark.parametrize("name", ["../a", "a/b", "", ".", "a b", "ä", "a\n", "x" * 65, "\0", "a: {source: 1}\n  x", 5])
def test_a_name_is_a_name_and_no_path(closed: Service, name: object) -> None:
    assert closed.send("POST", "/streams", OPERATOR, {"name": name, "options": {"source": 0}})[0] == 422
    assert closed.config.read_text() == SITE


def test_a_path_in_the_place_of_a_name_leads_nowhere(closed: Service) -> None:
    for name in ("..", "%2e%2e", "..%2f..%2fetc%2fpasswd", "%00", "a%2f..%2fb", "/etc/passwd", "%0d%0aX:1"):
        for method, path in (("DELETE", ""), ("PATCH", ""), ("GET", ""), ("POST", "/stop"), ("POST", "/restart")):
            assert closed.send(method, f"/streams/{name}{path}", OPERATOR, {})[0] in (404, 405), (method, name)


@pytest.mark.parametrize(
    ("method", "path", "token", "allowed"),
    [
        ("PUT", "/streams", OPERATOR, "GET,HEAD,POST"),
        ("GET", "/streams/a/stop", OPERATOR, "POST"),
        ("PATCH", "/streams/a/whep/1", VIEWER, "DELETE"),  # players ask whether they may add candidates
        ("PATCH", "/streams/a/whep/1", OPERATOR, "DELETE"),
    ],
)
def test_another_method_is_told_which_there_are(
    closed: Service, method: str, path: str, token: str, allowed: str
) -> None:
    with closed.open(path, {**JSON, **bearer(token)}, method) as response:
        assert (response.status, response.getheader("Allow")) == (405, allowed)


def test_only_an_operator_can_change_anything(closed: Service, tmp_path: Path) -> None:
    for method, path in changing(tmp_path):
        for token, status in (("", 401), (f"{OPERATOR}x", 401), (OPERATOR[:-1], 401), (VIEWER, 403)):
            assert closed.get(path, {**JSON, **bearer(token)}, method)[0] == status, (method, path, token)
        assert closed.get(f"{path}?token={OPERATOR}", JSON, method)[0] == 401
        assert closed.get(path, {**JSON, "Cookie": f"token={OPERATOR}"}, method)[0] == 401
    assert closed.get("/streams/a", bearer(VIEWER))[0] == 403
    assert closed.get("/streams", bearer(OPERATOR))[0] == 200
    assert closed.config.read_text() == SITE
    assert OPERATOR not in closed.log()


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 415),
        ({"Content-Type": "text/plain"}, 415),
        ({"Content-Type": "application/x-www-form-urlencoded"}, 415),
        ({"Content-Type": "multipart/form-data; boundary=x"}, 415),
        ({**JSON, "Origin": "http://evil.example"}, 403),
        ({**JSON, "Origin": "null"}, 403),
        ({**JSON, "Sec-Fetch-Site": "cross-site"}, 403),
        ({**JSON, "Host": "evil.example"}, 403),
    ],
    ids=str,
)
def test_a_page_of_another_site_changes_nothing_even_with_the_token(
    closed: Service, tmp_path: Path, headers: dict[str, str], status: int
) -> None:
    for method, path in changing(tmp_path):
        with closed.open(path, {**bearer(OPERATOR), **headers}, method, b"{}") as response:
            assert response.status == status, (method, path)
    assert closed.config.read_text() == SITE


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"5", b"\xff", b'{"opacity": NaN}', b'{"opacity": 1, "opacity": 0}', b"[" * 60_000, b"{}{}"],
    ids=lambda body: str(body[:20]),
)
def test_what_is_no_object_of_json_is_refused(closed: Service, body: bytes) -> None:
    for method, path in (("PATCH", "/streams/a"), ("POST", "/streams")):
        with closed.open(path, {**JSON, **bearer(OPERATOR)}, method, body) as response:
            assert response.status == 422
            assert set(json.loads(response.read())) == {"error"}
    assert "Traceback" not in closed.log()


def test_a_body_that_is_too_large_is_refused(closed: Service) -> None:
    for method, path in (("PATCH", "/streams/a"), ("POST", "/streams")):
        with closed.open(path, {**JSON, **bearer(OPERATOR)}, method, b" " * (LARGEST_BODY + 1)) as response:
            assert response.status == 413


def test_a_body_that_does_not_come_holds_nobody_up(closed: Service) -> None:
    head = f"PATCH /streams/a HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {OPERATOR}\r\n"
    head += "Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n{"
    with socket.create_connection(("127.0.0.1", closed.port), PATIENCE_S) as slow:
        slow.sendall(head.encode())
        assert closed.send("PATCH", "/streams/b", OPERATOR, {"opacity": 0.5})[0] == 200
        answer = http.client.HTTPResponse(slow)
        answer.begin()
        assert answer.status == 408
        while slow.recv(4096):
            pass


def test_a_client_that_leaves_with_half_a_body_is_no_error_in_the_log(closed: Service) -> None:
    head = f"PATCH /streams/a HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {OPERATOR}\r\n"
    head += "Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n{"
    with socket.create_connection(("127.0.0.1", closed.port), PATIENCE_S) as leaving:
        leaving.sendall(head.encode())
        assert closed.send("PATCH", "/streams/b", OPERATOR, {"opacity": 0.5})[0] == 200  # it is waited for
    for opacity in (0.25, 0.5):
        assert closed.send("PATCH", "/streams/b", OPERATOR, {"opacity": opacity})[0] == 200  # it has left
    assert "ConnectionResetError" not in closed.log()
