"""No failure, log line or output shows a password or token, however it is written into the URL."""

from __future__ import annotations

import http.server
import subprocess
import time
from pathlib import Path
from typing import IO

import cv2
import pytest

from tests.parts import clips
from tests.parts.authenticator import Authenticator
from tests.parts.http_server import http_server
from tests.parts.patience import PATIENCE_S, output_of, until
from tests.parts.program import PROGRAM, environment
from tests.parts.rtsp import Camera, free_port
from tests.parts.rtsp_socket import RtspServer

SECRET = "hunter2"
LOGINS = [
    f"admin:{SECRET}", f"admin:%68unter2{SECRET}%40", f"{SECRET}", f"admin:a/{SECRET}", f"admin:a@{SECRET}?b#c",
    f"admin:12/{SECRET}", f"admin:my {SECRET}", f"admin:12 {SECRET}", f"admin:p@{SECRET}/s", f"admin:'{SECRET}\"\\",
    f"admin:ß→{SECRET}", f"admin:x:{SECRET}",
]  # fmt: skip


def said(*words: str, **env: str) -> str:
    """All that a run says, on both its outputs."""
    return output_of(started(*words, into=subprocess.PIPE, **env))[0]


def started(*words: str, into: int | IO[str], **env: str) -> subprocess.Popen[str]:
    """A run that says all it does into one place."""
    env = environment(COLUMNS="400", **env)
    return subprocess.Popen([*PROGRAM, *words], stdout=into, stderr=subprocess.STDOUT, text=True, env=env)


def test_the_word_that_is_looked_for_would_be_found() -> None:
    assert SECRET in said("run", f"{SECRET}.mp4", "null")


@pytest.mark.parametrize("login", LOGINS)
def test_a_refused_connection_shows_no_secret(login: str) -> None:
    for scheme, debug in (("rtsp", ["--debug"]), ("http", [])):
        url = f"{scheme}://{login}@127.0.0.1:{free_port()}/cam?token={SECRET}"
        words = said("run", url, "null", "--no-wait", *debug)
        assert SECRET not in words
        assert "127.0.0.1" in words
        assert "Traceback" not in words


@pytest.mark.parametrize(
    "words",
    [
        ["run", "rtsp://admin:hunter2@no-such-camera.invalid/1", "null"],
        ["run", "ftp://admin:hunter2@cam/1", "null"],
        ["run", "test://", "ftp://admin:hunter2@cam/1"],
        ["run", "test://", "webhook:https://admin:hunter2${NOWHERE}@cam/1?sign=hunter2"],
        ["run", "test://", "webhook:ftp://admin:hunter2@cam/1?sign=hunter2"],
        ["run", "test://", "mqtt://admin:hunter2@cam/#"],
        ["run", "test://", "kafka://admin:hunter2@cam/a/b"],
        ["rtsp://admin:hunter2@cam/1", "null", "--no-wait"],
        ["run", "test://", "null", "--size", "rtsp://admin:hunter2@cam/1"],
        ["run", "test://", "null", "--model", "rtsp://admin:hunter2@cam/1"],
        ["run", "test://", "null", "--background", "rtsp://admin:hunter2@cam/1", "--view", "replace"],
        ["run", "test://?token=hunter2", "null"],
        ["run", "test://", "null", "--unknown", "rtsp://admin:hunter2@cam/1"],
        ["run", "test://", "null", "--unknown=rtsp://admin:hunter2@cam/1"],
        ["run", "rtsp://admin:hunter2${NOWHERE}@cam/1", "null"],
        ["run", "rtsp://admin:12/hunter2@cam/1", "null"],
        ["run", "rtsp://admin:p@x/hunter2@cam/1", "null"],
        ["run", "ftp://admin:my hunter2@cam/1", "null"],
        ["run", "test://", "ftp://admin:12/hunter2@cam/1"],
        ["run", "test://", "rtsp://admin:12/hunter2@cam/1"],
        ["run", "test://", "null", "--unknown", "rtsp://admin:my 'hunter2\"\\@cam/1"],
        ["run", "test://", "null", "--unknown=rtsp://admin:12/hunter2@cam/1"],
        ["rtsp://admin:my 'hunter2\"\\@cam/1", "null", "--no-wait"],
        ["run", "http://cam/?token=my hunter2", "--no-wait", "null", "--opacity", "7"],
    ],
    ids=" ".join,
)
def test_a_mistake_with_a_url_in_it_shows_no_secret(words: list[str]) -> None:
    told = said(*words)
    assert told
    assert SECRET not in told


def test_a_configuration_shows_no_secret(tmp_path: Path) -> None:
    url = f"rtsp://admin:{SECRET}@127.0.0.1:{free_port()}/1"
    for text in (f"source: {url}\n", f"source: [{url}]\n", f"source: {url}\nopacity: {url}\n", f"{url}: 1\n"):
        path = tmp_path / "site.yaml"
        path.write_text(text)
        told = said("run", "--config", str(path), "null", "--no-wait")
        assert told
        assert SECRET not in told, text


PASSWORDS = ["my pass", "12/34", "p@s/s", "p#s", "p/s", "p?s", "p%41", "a:b", "'\"\\", "pä→"]


@pytest.mark.parametrize("password", PASSWORDS)
def test_a_password_in_a_variable_opens_the_camera_and_is_shown_nowhere(password: str, tmp_path: Path) -> None:
    marked = f"{SECRET}{password}{SECRET}"
    keeper = Authenticator("u", marked)
    with RtspServer(clips.annexb(tmp_path / "a.h264"), keeper, hurry=10, pictures=60) as camera:
        words = [camera.url_with("u:${PW}"), "-", "--model", "threshold", "--debug"]
        running = subprocess.Popen(
            [*PROGRAM, "run", *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=environment(PW=marked),
        )
        with running:
            assert running.stdout is not None
            told = ""
            # The camera ends after each 60 pictures, all of which a busy machine may let go.
            while "trying again" not in told or '"stream"' not in told:
                told += running.stdout.readline()
            running.terminate()
            told += running.communicate(timeout=60)[0]
    assert keeper.wrong == 0
    assert f'"stream":"{camera.url_with("***")}"' in told
    assert SECRET not in told
    assert "frames captured" in told


def test_a_wrong_password_shows_neither_the_wrong_nor_the_right_one(tmp_path: Path) -> None:
    clip = clips.annexb(tmp_path / "a.h264")
    with Camera(clip, user="admin", password=f"right-{SECRET}") as camera:
        told = said("run", camera.url_with(f"admin:wrong-{SECRET}"), "null", "--debug")
        assert "password" in told
        assert SECRET not in told


@pytest.mark.slow
def test_a_run_shows_no_secret_in_its_lines_its_json_and_its_command(tmp_path: Path) -> None:
    """The camera breaks off again and again, so that reconnecting is told of as well."""

    def ten_pictures(handler: http.server.BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
        handler.end_headers()
        for number in range(10):
            body = cv2.imencode(".jpg", clips.numbered(number))[1].tobytes()
            handler.wfile.write(b"--frame\r\nContent-Type: image/jpeg\r\n\r\n" + body + b"\r\n")
            time.sleep(0.02)

    with http_server(ten_pictures) as (url, asked):
        source = url.replace("://", "://admin:${CAM_PASSWORD}@") + "/video?token=${CAM_PASSWORD}&size=1"
        with (tmp_path / "told").open("w+") as told:
            running = started("run", source, "-", "--model", "otsu", "--debug", into=told, CAM_PASSWORD=SECRET)
            until(lambda: "trying again" in (tmp_path / "told").read_text() and len(asked) > 1, "two requests", running)
            running.terminate()
            running.wait(PATIENCE_S)
    words = (tmp_path / "told").read_text()
    assert SECRET in asked[0]  # so it did arrive where it belongs
    assert '"stream":"http://***@127.0.0.1' in words
    assert SECRET not in words
