from __future__ import annotations

import pytest

from streamseg.errors import BackendError, InputError, OutputError, SourceError, StreamsegError, printable, redact
from streamseg.frame import StreamInfo


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("rtsp://admin:hunter2@cam/1 failed", "rtsp://***@cam/1 failed"),
        ("rtsp://admin:p%40ss%2Fhunter2@cam/1", "rtsp://***@cam/1"),
        ("rtsp://admin:p@hunter2@cam/1", "rtsp://***@cam/1"),
        ("rtsp://hunter2@cam/1", "rtsp://***@cam/1"),
        ("a rtsps://u:hunter2@x and http://v:hunter2@y", "a rtsps://***@x and http://***@y"),
        ("http://cam/v?a=1&token=hunter2&b=2", "http://cam/v?a=1&token=***&b=2"),
        ("http://cam/v?PASSWORD=hunter2", "http://cam/v?PASSWORD=***"),
        ("http://cam/v?access_token=hunter2", "http://cam/v?access_token=***"),
        ("http://cam/v?usr=a&loginpas=hunter2: refused", "http://cam/v?usr=a&loginpas=***: refused"),
        ("(http://cam/v?api_key=hunter2)", "(http://cam/v?api_key=***)"),
        ("https://cam/v?X-Amz-Signature=hunter2&a=1", "https://cam/v?X-Amz-Signature=***&a=1"),
        ("rtsp://admin:p/hunter2@cam/1 failed", "rtsp://***@cam/1 failed"),
        ("rtsp://admin:/hunter2?#@cam/1", "rtsp://***@cam/1"),
        ("rtsp://admin:12/hunter2@[::1]:554/1", "rtsp://admin:12/hunter2@[::1]:554/1"),  # port 12, says every parser
        ("http://cam:8080/a@b", "http://cam:8080/a@b"),
        ("http://[::1]:8080/a@b", "http://[::1]:8080/a@b"),
        ("clip@home.mp4 and mail@example.org", "clip@home.mp4 and mail@example.org"),
        ("http://cam/a@b", "http://cam/a@b"),
    ],
)
def test_no_secret_survives_redaction(text: str, clean: str) -> None:
    assert redact(text) == clean


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b]0;title\x07\x1b[31mred", "\\x1b]0;title\\x07\\x1b[31mred"),
        ("a\nb\rc\td\x9b2J", "a\\nb\\rc\\td\\x9b2J"),
        ("invoice\u202efdp.exe", "invoice\\u202efdp.exe"),
        ("half\udc80", "half\\udc80"),
        ("Straße 東京 🚗", "Straße 東京 🚗"),
    ],
)
def test_what_a_terminal_would_obey_is_written_out(text: str, shown: str) -> None:
    assert printable(text) == shown
    assert str(InputError(text, hint=text)) == f"{shown} ({shown})"
    assert StreamInfo(text, 1, 1, None, live=False).name == shown


def test_an_error_is_one_line_with_its_hint_and_no_secret() -> None:
    error = SourceError("rtsp://u:hunter2@cam: refused", "is the camera on?")
    assert str(error) == "rtsp://***@cam: refused (is the camera on?)"
    assert str(InputError("bad")) == "bad"


def test_each_kind_of_error_has_its_own_exit_code() -> None:
    kinds = (StreamsegError, InputError, SourceError, OutputError, BackendError)
    assert [kind.exit_code for kind in kinds] == [1, 2, 3, 4, 5]
