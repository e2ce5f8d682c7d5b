from __future__ import annotations

from streamseg.metrics import Explanation, Meter


def test_every_frame_is_in_exactly_one_counter() -> None:
    meter = Meter()
    for _ in range(10):
        meter.captured()
    meter.inferred(7)
    for i in range(4):
        meter.shown({"infer": float(i)}, now_s=i * 0.5)
    meter.dropped("newer", 2)
    meter.dropped("stopped")
    meter.failed()
    read = meter.read()
    assert read.in_flight == 10 - 4 - 3 - 1
    assert read.dropped == {"newer": 2, "stopped": 1}


def test_the_rate_is_that_of_the_last_two_seconds() -> None:
    meter = Meter()
    for i in range(100):
        meter.shown({}, now_s=i * 1.0)
    for i in range(100):
        meter.shown({}, now_s=100 + i * 0.1)
    assert abs(meter.read().fps - 10) < 0.01


def test_percentiles_are_of_the_recent_frames() -> None:
    meter = Meter()
    for i in range(1000):
        meter.shown({"infer": 1000.0 if i < 500 else float(i % 80)}, now_s=i * 0.01)
    p50, p95 = meter.read().latency_ms["infer"]
    assert 37 <= p50 <= 43
    assert 73 <= p95 <= 79


def test_nothing_shown_reads_as_nothing() -> None:
    read = Meter().read()
    assert (read.fps, read.latency_ms, read.in_flight) == (0.0, {}, 0)


def test_a_reading_is_one_short_line() -> None:
    meter = Meter()
    for i in range(500):
        meter.captured()
        meter.shown({"infer": i % 7 + 0.123456, "draw": 2.0}, now_s=i / 30)
    for _ in range(3):
        meter.captured()
    meter.dropped("newer", 2)
    read = meter.read(explanation=Explanation("fixed", "every 2nd frame"))
    assert repr(read) == (
        "Metrics(captured=503, shown=500, fps=30.0, dropped={'newer': 2}, in_flight=1, pace='every 2nd frame', "
        "latency_ms={'infer': (3.1, 6.1), 'draw': (2.0, 2.0)})"
    )
    assert repr(Meter().read()) == "Metrics(captured=0, shown=0, fps=0.0)"
