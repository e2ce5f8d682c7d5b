"""Every route of the OpenAPI document is attacked in the same ways; a new route is by standing in the document."""

from __future__ import annotations

import contextlib
import json
import re
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from streamseg.serve.openapi import document
from streamseg.serve.requests import LARGEST_BODY
from tests.parts.patience import PATIENCE_S
from tests.parts.service import Service

VIEWER, OPERATOR = "viewer-0123456789abcdef", "operator-0123456789abcdef"
SITE = """\
streams:
  a:
    source: 'test://?size=64x64&fps=20&lanes=3'
    model: threshold
    settings: {value: 115}
    zones: {belt: [[0.45, 0], [0.55, 0], [0.55, 1], [0.45, 1]]}
    rules: {busy: foreground.count in belt >= 1}
    outputs: ['events:%s?rule=busy', '%s/a.mp4']
"""
FRAMED = {
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
EVIL: tuple[str, ...] = (
    "../a",
    "%2e%2e%2fsite.yaml",
    "..%2f..%2f..%2fetc%2fpasswd",
    "%2fetc%2fpasswd",
    "a%00.mp4",
    "%0d%0aX-Evil:%201",
)
EVIL += ("a.mp4%0d%0aX-Evil:1", "....//a", "%252e%252e%252fa", "a" * 3000, "%ff%fe", "site.yaml", "link.mp4", ".")


class Route:
    """One of the document's."""

    def __init__(self, method: str, path: str, told: dict[str, Any]) -> None:
        self.method, self.path = method.upper(), path
        kinds = told.get("requestBody", {}).get("content", {"application/json": {}})
        self.kind = next(iter(kinds))
        self.reads_body = "requestBody" in told and kinds[self.kind].get("example") != {}  # that of an empty one is not
        self.public = told["security"] == [{}]
        self.for_operators = {"look": []} not in told["security"] and not self.public

    @property
    def changes(self) -> bool:
        """Whether only an operator may, and it is no reading."""
        return self.for_operators and self.method != "GET"

    def at(self, value: str = "a") -> str:
        """Its path, with `value` in the last place where it takes one, and in others the stream's name."""
        head, brace, tail = self.path.rpartition("{")
        return re.sub(r"{\w+}", "a", head) + (value + tail.partition("}")[2] if brace else tail)

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


ROUTES = [Route(method, path, told) for path, all_ in document()["paths"].items() for method, told in all_.items()]
WITH_BODY = [route for route in ROUTES if route.reads_body]
WITH_VALUE = [route for route in ROUTES if "{" in route.path]


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("attacked")
    env = {"STREAMSEG_TOKEN": VIEWER, "STREAMSEG_OPERATOR_TOKEN": OPERATOR}
    (folder / "link.mp4").symlink_to("/etc/passwd")
    site = SITE % (folder / "clips", folder)
    with Service(folder, site, env=env) as made:
        made.until(lambda: made.get("/readyz", {"Authorization": f"Bearer {VIEWER}"})[0] == 200)
        yield made
        assert made.config.read_text() == site, "something was changed"
        assert made.get("/streams", {"Authorization": f"Bearer {VIEWER}"})[0] == 200
        assert json.loads(made.get("/streams", {"Authorization": f"Bearer {VIEWER}"})[1])[0]["restarts"] == 0
        assert "Traceback" not in made.log()
        assert VIEWER not in made.log()
        assert OPERATOR not in made.log()


@pytest.fixture(scope="module")
def cookie(service: Service) -> dict[str, str]:
    """That of a viewer, as a page of the service sends it."""
    told = json.dumps({"token": VIEWER}).encode()
    with service.open("/session", {"Content-Type": "application/json"}, "POST", told) as response:
        said = response.getheader("Set-Cookie") or ""
    return {"Cookie": said.partition(";")[0], "Origin": f"http://127.0.0.1:{service.port}"}


def status(service: Service, route: Route, headers: dict[str, str], value: str = "a", body: bytes = b"{}") -> int:
    """What a request is answered; each answer is checked for headers."""
    sent = body if route.method != "GET" else None
    with service.open(route.at(value), {"Content-Type": route.kind, **headers}, route.method, sent) as response:
        for name, expected in FRAMED.items():
            assert response.getheader(name) == expected, (str(route), name)
        policy = response.getheader("Content-Security-Policy") or ""
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert response.getheader("X-Evil") is None
        assert response.getheader("Access-Control-Allow-Origin") is None
        return response.status


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


@pytest.mark.parametrize("route", ROUTES, ids=str)
def test_a_route_is_for_those_that_it_is_for_and_pages_of_others_get_nothing(
    service: Service, cookie: dict[str, str], route: Route
) -> None:
    if not route.public:
        for nobody in ({}, bearer(f"{OPERATOR}x"), {"Cookie": f"streamseg-{service.port}=x"}, {"Cookie": "\xff;=;"}):
            assert status(service, route, nobody) == 401, nobody
    if route.for_operators:
        for viewer in (bearer(VIEWER), cookie, {**cookie, "Sec-Fetch-Site": "same-origin"}):
            assert status(service, route, viewer) == 403, viewer
    for elsewhere in ({"Host": "evil.example"}, {"Origin": "http://evil.example"}, {"Origin": "null"}):
        assert status(service, route, {**bearer(OPERATOR), **elsewhere}) == 403, elsewhere
    if route.method == "GET":
        return
    for page in ({"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}):
        assert status(service, route, {**bearer(OPERATOR), **page}) == 403, page
    if "whep/" not in route.path:
        for kind in ("text/plain", "multipart/form-data; boundary=x", "application/x-www-form-urlencoded"):
            assert status(service, route, {**bearer(OPERATOR), "Content-Type": kind}) == 415, kind


@pytest.mark.parametrize("route", WITH_VALUE, ids=str)
def test_what_is_put_into_a_path_leads_nowhere(service: Service, route: Route) -> None:
    for value in EVIL:
        if value != "." or "{file}" in route.path:
            assert status(service, route, bearer(OPERATOR), value) in (400, 404, 405, 415, 422), value


@pytest.mark.parametrize("path", ["/streams/a%2Fwhep%2Fa", "/streams/%2e%2e%2fa%2Fwhep%2Fa"])
def test_a_slash_that_is_part_of_a_name_makes_no_other_route_of_it(service: Service, path: str) -> None:
    lines = service.log().count("remove")
    with service.open(path, {**bearer(VIEWER), "Content-Type": "application/json"}, "DELETE") as response:
        assert response.status == 403, response.read()
    assert service.log().count("remove") == lines


@pytest.mark.parametrize("route", WITH_BODY, ids=str)
def test_a_body_is_small_comes_soon_and_is_what_it_says(service: Service, route: Route) -> None:
    assert status(service, route, bearer(OPERATOR), body=b" " * (LARGEST_BODY + 1)) == 413
    for body in (b"", b"\xff\xfe", b"{", b"[" * 60_000, b'"' + b"a" * 60_000, b"v=0\r\n" * 10_000, b"null", b"\0" * 99):
        refused = status(
            service, route, {**bearer(OPERATOR), "Content-Type": f"{route.kind}; charset=nonsense"}, body=body
        )
        assert refused in (400, 401, 422), body[:20]
    assert status(service, route, {**bearer(OPERATOR), "Content-Encoding": "gzip"}, body=b"not packed") == 400


@pytest.fixture(scope="module")
def slow(service: Service) -> Iterator[list[tuple[Route, socket.socket]]]:
    """To each route that takes a body, a request whose body does not come: all at once, for they wait."""
    with contextlib.ExitStack() as stack:
        yield [(route, stack.enter_context(half_sent(service, route))) for route in WITH_BODY]


def half_sent(service: Service, route: Route) -> socket.socket:
    client = socket.create_connection(("127.0.0.1", service.port), PATIENCE_S)
    head = f"{route.method} {route.at()} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {OPERATOR}\r\n"
    client.sendall(f"{head}Content-Type: {route.kind}\r\nContent-Length: 1000\r\n\r\n{{".encode())
    return client


def test_a_body_that_does_not_come_is_given_up(service: Service, slow: list[tuple[Route, socket.socket]]) -> None:
    assert len(slow) >= 4
    assert service.get("/healthz", bearer(VIEWER))[0] == 200
    for route, client in slow:
        assert client.recv(13) == b"HTTP/1.1 408 ", route


def test_clients_that_ask_for_nothing_make_room(service: Service) -> None:
    with service.open("/streams/a.mjpeg", bearer(VIEWER)) as watching:
        half = [socket.create_connection(("127.0.0.1", service.port), PATIENCE_S) for _ in range(600)]
        for number, client in enumerate(half):
            with contextlib.suppress(OSError):  # it has made room already
                client.sendall(b"GET /streams HTTP/1.1\r\nHost: localhost\r\n" if number % 2 else b"")
        assert service.get("/healthz", bearer(VIEWER))[0] == 200
        assert watching.read(20_000)
        descriptors = len(list(Path(f"/proc/{service.process.pid}/fd").iterdir()))
        assert descriptors < 400
        for client in half:
            client.close()
