from __future__ import annotations

import pytest

from streamseg.errors import BackendError, InputError, OutputError, SourceError, StreamsegError, printable
from streamseg.frame import StreamInfo


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
