from __future__ import annotations

from streamseg.contracts import Controls
from streamseg.sinks import open_sink
from streamseg.sinks.paced import Paced
from streamseg.sinks.retry import Retrying
from tests.parts.fakes import FILE, LIVE, ListSink
from tests.sinks.test_video import shown


def test_a_file_is_shown_at_its_own_speed() -> None:
    now_s, slept = [0.0], []

    def sleep(seconds: float) -> None:
        slept.append(round(seconds, 3))
        now_s[0] += seconds

    inner = ListSink()
    sink = Paced(inner, now=lambda: now_s[0], sleep=sleep)
    for number in range(4):
        sink.write(shown(number, number / 25))
    now_s[0] += 5  # a long hold-up is not made up for by a rush
    for number in range(4, 7):
        sink.write(shown(number, number / 25))
    assert slept == [0.04, 0.04, 0.04, 0.04, 0.04]
    assert len(inner.shown) == 7


def test_what_is_published_of_a_file_is_paced_and_a_live_stream_is_not() -> None:
    assert isinstance(open_sink("rtsp://host/live", FILE, Controls()), Paced)
    assert isinstance(open_sink("rtsp://host/live", LIVE, Controls()), Retrying)
