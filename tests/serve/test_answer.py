"""What a service answers can be read, whatever a disk holds."""

from __future__ import annotations

from streamseg.serve.api import Refused
from streamseg.serve.requests import answer


def test_names_that_are_no_text_are_answered_too() -> None:
    assert answer(Refused("b\udcff.mp4: no such file")).body == '{"error":"b\ufffd.mp4: no such file"}'.encode()
