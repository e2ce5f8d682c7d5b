"""A browser signs in once with a token, and has no more rights than that; wrong tokens are slowed."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from http.cookies import SimpleCookie
from pathlib import Path

import pytest

from streamseg.serve.attempts import MOST_WRONG
from tests.parts.service import Service

VIEWER, OPERATOR, OTHER = "viewer-0123456789abcdef", "operator-0123456789abcdef", "other-0123456789abcdef"
SITE = "streams:\n  a: {source: 'test://?size=64x64&fps=20', model: otsu}\n"
JSON = {"Content-Type": "application/json"}


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("site")
    tokens(folder, f"anna {OPERATOR}\n")
    flags = ("--token-file", str(folder / "viewer"), "--operator-token-file", str(folder / "operators"))
    with Service(folder, SITE, *flags, "--proxy", "127.0.0.1") as made:
        made.until(lambda: made.get("/readyz", {"Authorization": f"Bearer {VIEWER}"})[0] == 200)
        yield made


def tokens(folder: Path, operators: str) -> None:
    (folder / "viewer").write_text(f"{VIEWER}\n")
    (folder / "operators").write_text(operators)


def sign_in(service: Service, token: str, **headers: str) -> tuple[int, str, dict[str, str]]:
    """Status, the whole Set-Cookie, and the headers that a page of the service then sends."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    body = json.dumps({"token": token}).encode()
    with service.open("/session", {**JSON, **named}, "POST", body) as response:
        said = response.getheader("Set-Cookie") or ""
        cookie = {name: morsel.value for name, morsel in SimpleCookie(said).items()}
        sent = "; ".join(f"{name}={value}" for name, value in cookie.items())
        return response.status, said, {"Cookie": sent, "Origin": f"http://127.0.0.1:{service.port}"}


def change(service: Service, headers: Mapping[str, str]) -> int:
    with service.open("/streams/a", {**JSON, **headers}, "PATCH", b'{"opacity": 0.5}') as response:
        return response.status


def test_a_cookie_takes_the_place_of_the_token_until_it_is_given_back(service: Service) -> None:
    status, said, headers = sign_in(service, VIEWER)
    assert status == 201
    assert {"HttpOnly", "SameSite=Strict", "Path=/", "Max-Age=604800"} <= set(said.split("; "))
    assert "Secure" not in said
    assert f"streamseg-{service.port}=" in said
    assert VIEWER not in said
    assert service.get("/streams", headers)[0] == service.get("/streams/a.jpg", headers)[0] == 200
    assert json.loads(service.get("/session", headers)[1]) == {"operator": "", "signed_in": True}
    assert change(service, headers) == 403
    assert service.get("/streams/a", headers)[0] == service.get("/streams/a/zones", headers)[0] == 403
    assert service.get("/streams", {"Cookie": headers["Cookie"][:-1] + "x"})[0] == 401
    assert service.get("/session", {**headers, **JSON}, "DELETE")[0] == 204
    assert service.get("/streams", headers)[0] == 401
    assert VIEWER not in service.log()


def test_what_a_cookie_changes_a_page_of_the_service_has_to_ask_for(service: Service) -> None:
    headers = sign_in(service, OPERATOR)[2]
    assert json.loads(service.get("/session", headers)[1]) == {"operator": "anna", "signed_in": True}
    assert change(service, headers) == 200
    cookie = {"Cookie": headers["Cookie"]}
    assert change(service, {**cookie, "Sec-Fetch-Site": "same-origin"}) == 200
    refused: list[dict[str, str]] = [
        {},
        {"Origin": "http://evil.example"},
        {"Origin": f"http://127.0.0.1:{service.port + 1}"},  # the same site, as browsers count: another port
        {"Origin": "null"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Origin": headers["Origin"], "Sec-Fetch-Site": "same-site"},
        {"Origin": headers["Origin"], "X-Forwarded-Proto": "https"},  # a page that was not encrypted
    ]
    for each in refused:
        assert change(service, {**cookie, **each}) in (401, 403), each
        assert service.get("/session", {**JSON, **cookie, **each}, "DELETE")[0] in (401, 403), each
    assert service.get("/session", headers, "DELETE")[0] == 415
    assert change(service, {**headers, "Content-Type": "text/plain"}) == 415
    assert change(service, {**headers, "Authorization": "Bearer wrong-0123456789abcdef"}) == 401
    assert "anna: change a (opacity)" in service.log()


def test_a_page_of_another_site_signs_nobody_in(service: Service) -> None:
    for headers in (
        {"Origin": "http://evil.example"},
        {"Sec_Fetch_Site": "cross-site"},
        {"Content_Type": "text/plain"},
    ):
        assert sign_in(service, VIEWER, **headers)[0] in (403, 415), headers
    for body in (b"", b"{", b"[]", b"{}", b'{"token": 5}', b'{"token": "x", "more": 1}', b'{"token": "\\ud800"}'):
        with service.open("/session", JSON, "POST", body) as response:
            assert response.status in (400, 401, 422), body
            assert not response.getheader("Set-Cookie")
    assert "Traceback" not in service.log()


def test_over_tls_the_cookie_is_for_tls_alone(service: Service) -> None:
    _, said, headers = sign_in(service, VIEWER, X_Forwarded_Proto="https")
    assert said.startswith(f"__Host-streamseg-{service.port}=")
    assert "Secure" in said.split("; ")
    assert service.get("/streams", {"Cookie": headers["Cookie"]})[0] == 401
    assert service.get("/streams", {"Cookie": headers["Cookie"], "X-Forwarded-Proto": "https"})[0] == 200


def test_wrong_tokens_are_slowed_by_address(service: Service) -> None:
    def status(token: str, address: str) -> tuple[int, str]:
        headers = {"Authorization": f"Bearer {token}", "X-Forwarded-For": f"192.0.2.1, {address}"}
        with service.open("/streams", headers) as response:
            return response.status, response.getheader("Retry-After") or ""

    cookie = sign_in(service, VIEWER)[2]
    wrong = [status(f"{VIEWER}{number}", "198.51.100.1")[0] for number in range(MOST_WRONG - 1)]
    assert wrong == [401] * (MOST_WRONG - 1)
    assert sign_in(service, OTHER, X_Forwarded_For="198.51.100.1")[0] == 401
    code, seconds = status(VIEWER, "198.51.100.1")  # the right one is not looked at either
    assert (code, 1 <= int(seconds) <= 60) == (429, True)
    assert sign_in(service, VIEWER, X_Forwarded_For="198.51.100.1")[0] == 429
    assert service.get("/streams", {**cookie, "X-Forwarded-For": "198.51.100.1"})[0] == 200, "it has signed in before"
    assert service.get("/streams", {"X-Forwarded-For": "198.51.100.1"})[0] == 401
    assert status(VIEWER, "198.51.100.2")[0] == 200
    assert status(VIEWER, "")[0] == 200
    for _ in range(MOST_WRONG + 2):
        assert service.get("/streams", {"Authorization": f"Bearer {OTHER}"})[0] == 401  # this machine, or a proxy


def test_browsers_are_not_made_to_ask_for_a_password_themselves(service: Service) -> None:
    for agent, challenge in (("curl/8.9", "Basic "), ("Mozilla/5.0 (X11; Linux x86_64)", "Bearer ")):
        with service.open("/streams", {"User-Agent": agent}) as response:
            assert (response.getheader("WWW-Authenticate") or "").startswith(challenge)


def test_tokens_are_read_again_and_sessions_end_with_theirs(service: Service) -> None:
    folder = service.config.parent
    gone, stays = sign_in(service, OPERATOR)[2], sign_in(service, VIEWER)[2]
    tokens(folder, f"ben {OTHER}\n")
    service.reload("streams: {nonsense")  # a mistake here holds no token back
    service.until(lambda: service.get("/streams", gone)[0] == 401)
    assert service.get("/streams", {"Authorization": f"Bearer {OPERATOR}"})[0] == 401
    assert service.get("/streams", stays)[0] == 200
    assert service.send("GET", "/streams/a", OTHER)[0] == 409  # the file was edited
    (folder / "operators").write_text("short\n")
    service.reload(SITE)
    assert f"not reloaded, every stream runs as before: {folder}/operators: a token has 16 characters" in service.log()
    assert service.send("POST", "/reload", OTHER)[0] == 422
    tokens(folder, f"anna {OPERATOR}\n")
    service.reload(SITE)
    assert service.send("GET", "/streams/a", OPERATOR)[0] == 200
    assert service.get("/streams", gone)[0] == 401, "its session has ended for good"


def test_moving_pictures_end_with_the_right_to_look(service: Service) -> None:
    folder = service.config.parent
    tokens(folder, f"anna {OPERATOR}\n")
    service.reload(SITE)
    stays, gone, out = (
        {"Authorization": f"Bearer {VIEWER}"},
        {"Authorization": f"Bearer {OPERATOR}"},
        sign_in(service, VIEWER)[2],
    )
    moving = "/streams/a.mjpeg"
    with (
        service.open(moving, stays) as kept,
        service.open(moving, gone) as revoked,
        service.open(moving, out) as signed,
    ):
        assert all(each.read(200) for each in (kept, revoked, signed))
        assert service.get("/session", {**out, **JSON}, "DELETE")[0] == 204
        service.until(lambda: not signed.read(2000))
        tokens(folder, f"ben {OTHER}\n")
        service.reload(SITE)
        service.until(lambda: not revoked.read(2000))
        assert kept.read(20_000)
    tokens(folder, f"anna {OPERATOR}\n")
    service.reload(SITE)
