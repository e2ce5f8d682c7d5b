"""Logging in to cameras over RTSP in every way there is, and where no login goes: to whom a camera redirects."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from streamseg.capture import open_source
from streamseg.capture.rtsp import open_rtsp
from streamseg.errors import SourceError
from streamseg.net.urls import read_address
from tests.parts import clips
from tests.parts.authenticator import DIALECTS, Authenticator
from tests.parts.rtsp_socket import Answer, Request, RtspServer
from tests.parts.sources import QUICK, opened, take


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return clips.annexb(tmp_path_factory.mktemp("clips") / "small.h264")


@pytest.mark.parametrize("name", DIALECTS)
def test_a_camera_is_read_whatever_dialect_of_logging_in_it_speaks(
    name: str, small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keeper = Authenticator(**DIALECTS[name])
    monkeypatch.setenv("CAM_USER", keeper.user)
    monkeypatch.setenv("CAM_PASSWORD", keeper.password)
    with (
        RtspServer(small, keeper, hurry=10) as camera,
        opened(camera.url_with("${CAM_USER}:${CAM_PASSWORD}")) as source,
    ):
        assert len(take(source, 5)) == 5
    assert keeper.wrong <= ("\\" in keeper.realm) + (len(camera.asked) if keeper.new_nonce else 0)


@pytest.mark.parametrize(
    "name", ["basic", "plain", "a backslash in the realm", "a nonce for each request, said to be stale"]
)
def test_a_wrong_password_is_tried_once(name: str, small: Path) -> None:
    keeper = Authenticator(**DIALECTS[name])
    with (
        RtspServer(small, keeper) as camera,
        pytest.raises(SourceError, match="wrong or missing password") as caught,
    ):
        open_source(camera.url_with("admin:hunter2"), QUICK)
    assert "hunter2" not in str(caught.value)
    assert not caught.value.away
    assert keeper.wrong == (2 if "backslash" in name else 3 if "stale" in name else 1)


@pytest.mark.parametrize("login", ["u", "u:", ":p", "u:12/34", "u:p@s/s", "u:a b", "u:%41%20b", "u:p:w"])
def test_a_login_may_be_typed_as_people_type(login: str, small: Path) -> None:
    user, _, password = login.partition(":")
    keeper = Authenticator(user, password.replace("%41%20", "A "))
    with RtspServer(small, keeper, hurry=10) as camera, opened(camera.url_with(login)) as source:
        assert len(take(source, 2)) == 2
        assert source.info.name == camera.url_with("***")


def test_a_way_to_log_in_that_is_not_known_is_named(small: Path) -> None:
    keeper = Authenticator(form=lambda challenge: ["WWW-Authenticate: Negotiate"])
    with RtspServer(small, keeper) as camera, pytest.raises(SourceError, match="asks for negotiate, unknown here"):
        open_source(camera.url_with("u:p"), QUICK)


def redirected(method: str, to: str, code: int, times: int = 1) -> Any:
    """An answer that sends `method` elsewhere, so many times."""
    left = [times]

    def answer(request: Request) -> Answer | None:
        if request.method != method or not left[0]:
            return None
        left[0] -= 1
        return f"{code} Moved", [f"Location: {to}"]

    return answer


@pytest.mark.parametrize("code", [301, 302, 303, 305, 307, 308])
@pytest.mark.parametrize("method", ["OPTIONS", "DESCRIBE", "SETUP", "PLAY"])
def test_no_login_goes_to_the_server_that_a_camera_sends_us_to(method: str, code: int, small: Path) -> None:
    with RtspServer(small, Authenticator(basic=True)) as other, RtspServer(small, Authenticator()) as camera:
        camera.answer = redirected(method, f"rtsp://localhost:{other.port}/x", code)
        with pytest.raises(SourceError, match="sends us to another server.*not followed") as caught:
            open_source(camera.url_with("admin:my%20pass"), QUICK)
        assert f"localhost:{other.port}" in str(caught.value)
        assert not caught.value.away
        assert other.asked == []


def test_a_camera_that_asks_in_the_middle_to_go_elsewhere_is_not_followed(small: Path) -> None:
    with RtspServer(small) as other, RtspServer(small, Authenticator()) as camera:
        asks = f"REDIRECT * RTSP/1.0\r\nCSeq: 7\r\nLocation: {other.url}\r\n\r\n".encode()
        camera.after_play = [b""] * 29 + [asks]
        source = open_rtsp(read_address(camera.url_with("admin:my%20pass")), QUICK)
        frames = 0
        with pytest.raises(SourceError, match="sends us to another server"):
            for _ in source:
                frames += 1
    assert frames >= 29
    assert other.asked == []


@pytest.mark.parametrize("method", ["DESCRIBE", "SETUP", "PLAY"])
@pytest.mark.parametrize("where", ["absolute", "path", "with another login"])
def test_a_redirect_within_the_camera_is_followed(method: str, where: str, small: Path) -> None:
    keeper = Authenticator()
    with RtspServer(small, keeper, hurry=10) as camera:
        to = {
            "absolute": camera.url_with("", "/other"),
            "path": "/other",
            "with another login": camera.url_with("x:y", "/other"),
        }[where]
        if method == "SETUP":
            to += "/track=video"
        camera.answer = redirected(method, to, 302)
        with opened(camera.url_with("admin:my%20pass")) as source:
            assert len(take(source, 5)) == 5
    assert keeper.wrong == 0
    assert any(request.uri.startswith(camera.url_with("", "/other")) for request in camera.asked)


def test_redirects_in_a_circle_end(small: Path) -> None:
    with RtspServer(small) as camera:
        camera.answer = redirected("DESCRIBE", "/cam", 302, times=1000)
        with pytest.raises(SourceError, match="from place to place"):
            open_source(camera.url, QUICK)
    assert len(camera.asked) < 10
