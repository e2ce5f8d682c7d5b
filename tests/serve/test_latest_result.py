from __future__ import annotations

import pytest

from streamseg.contracts import Shown
from streamseg.serve.latest_result import BOUNDS_S, Histogram, Latest
from tests.parts.fakes import frame, segmentation


def shown(index: int, **timings_ms: float) -> Shown:
    one = frame(index)
    return Shown(one, segmentation(one), one.pixels, 0, timings_ms)


def test_nothing_is_known_before_the_first_frame() -> None:
    latest = Latest()
    assert latest.shown is None
    assert latest.stages == {}


def test_the_newest_frame_is_kept_also_after_the_end() -> None:
    latest, newest = Latest(), shown(2)
    latest.write(shown(1))
    latest.write(newest)
    latest.close()
    assert latest.shown is newest


def test_each_stage_has_a_histogram_in_seconds() -> None:
    latest = Latest()
    latest.write(shown(1, infer=20.0, render=3.0))
    latest.write(shown(2, infer=30.0))
    assert latest.stages["infer"].sum_s == pytest.approx(0.05)
    assert latest.stages["render"].sum_s == pytest.approx(0.003)
    assert latest.stages["infer"].cumulative()[-1] == ("+Inf", 2)
    assert latest.stages["render"].cumulative()[-1] == ("+Inf", 1)


def test_a_viewer_hears_of_a_frame_once_it_is_there() -> None:
    latest, heard = Latest(), []
    listener = lambda: heard.append(latest.shown and latest.shown.frame.index)  # noqa: E731 - named, to be taken away again
    latest.listen(listener)
    latest.write(shown(7))
    latest.unlisten(listener)
    latest.unlisten(listener)
    latest.write(shown(8))
    assert heard == [7]


def test_a_bucket_holds_its_upper_end_and_all_below_it() -> None:
    histogram = Histogram()
    for seconds in (BOUNDS_S[0], BOUNDS_S[0] * 1.01, BOUNDS_S[-1], BOUNDS_S[-1] * 2):
        histogram.add(seconds)
    counts = dict(histogram.cumulative())
    assert counts[str(BOUNDS_S[0])] == 1
    assert counts[str(BOUNDS_S[1])] == 2
    assert counts[str(BOUNDS_S[-2])] == 2
    assert counts[str(BOUNDS_S[-1])] == 3
    assert counts["+Inf"] == 4


def test_buckets_rise() -> None:
    assert list(BOUNDS_S) == sorted(set(BOUNDS_S))
    assert [end for end, _ in Histogram().cumulative()] == [*map(str, BOUNDS_S), "+Inf"]
