"""What a scrape reads, taken from real streams by Prometheus' own parser."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

prometheus = pytest.importorskip("prometheus_client", reason="metrics need the service: pip install '.[serve]'")

from prometheus_client.parser import text_string_to_metric_families  # noqa: E402

from streamseg import __version__  # noqa: E402
from streamseg.config import RunOptions  # noqa: E402
from streamseg.infer import load_segmenter  # noqa: E402
from streamseg.metrics import Meter  # noqa: E402
from streamseg.said import Said  # noqa: E402
from streamseg.segmentation import Segmentation  # noqa: E402
from streamseg.serve.exposition import registry  # noqa: E402
from streamseg.serve.latest_result import Latest  # noqa: E402
from streamseg.serve.stream import Stream, StreamStatus  # noqa: E402
from tests.parts.fakes import CLASSES, frame  # noqa: E402
from tests.parts.patience import PATIENCE_S  # noqa: E402
from tests.serve.test_latest_result import shown  # noqa: E402

Labels = dict[str, str]


class Told(Stream):
    """A stream of which a test says what there is to read."""

    def __init__(self, name: str, reading: StreamStatus) -> None:
        self.name, self.latest, self._told = name, Latest(), reading

    def read(self) -> StreamStatus:
        return self._told


def reading(**more: object) -> StreamStatus:
    made = StreamStatus("running", True, "", 0.25, Meter().read(), {}, 0)
    return replace(made, **more)  # type: ignore[arg-type]


def scraped(streams: Sequence[Stream], viewers: int = 0) -> dict[str, list[tuple[Labels, float]]]:
    """Samples by name."""
    text = prometheus.generate_latest(registry(lambda: list(streams), lambda: viewers)).decode()
    found: dict[str, list[tuple[Labels, float]]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found.setdefault(sample.name, []).append((sample.labels, sample.value))
    return found


def one(streams: Sequence[Stream], name: str, **labels: str) -> float:
    (value,) = (value for found, value in scraped(streams)[name] if found == labels)
    return value


def test_a_service_without_streams_has_its_version_and_no_sample_of_a_stream() -> None:
    found = scraped([], viewers=3)
    assert found["streamseg_viewers"] == [({}, 3.0)]
    assert found["streamseg_build_info"] == [({"version": __version__}, 1.0)]
    assert [name for name in found if name.startswith("streamseg_")] == ["streamseg_viewers", "streamseg_build_info"]
    assert any(name.startswith("process_") for name in found)


def test_what_was_shown_of_a_real_stream_is_what_its_metrics_say() -> None:
    stream = Stream("film", RunOptions(source="test://?frames=7&size=64x48", model="otsu"), load_segmenter, Said())
    stream.start()
    assert stream.join(PATIENCE_S)
    found = scraped([stream])
    assert found["streamseg_frames_shown_total"] == [({"stream": "film"}, 7.0)]
    assert found["streamseg_frames_captured_total"] == [({"stream": "film"}, 7.0)]
    assert found["streamseg_frames_inferred_total"] == [({"stream": "film"}, 7.0)]
    assert found["streamseg_frames_in_flight"] == [({"stream": "film"}, 0.0)]
    assert found["streamseg_stream_ready"] == [({"stream": "film"}, 1.0)]
    counts = {labels["stage"]: value for labels, value in found["streamseg_stage_seconds_count"]}
    assert counts["infer"] == counts["render"] == counts["age"] == 7.0
    areas = found["streamseg_class_area_ratio"]
    assert [labels["class"] for labels, _ in areas] == ["background", "foreground"]
    assert sum(value for _, value in areas) == pytest.approx(1.0)


def test_every_frame_ends_in_one_counter() -> None:
    meter = Meter()
    for _ in range(10):
        meter.captured()
    meter.inferred(6)
    for _ in range(4):
        meter.shown({})
    meter.covered_whole()
    meter.failed(2)
    meter.dropped("newer", 3)
    stream = Told("cam", reading(metrics=meter.read(unwritten=2)))
    figures = {
        field: one([stream], f"streamseg_frames_{field}_total", stream="cam")
        for field in ("captured", "inferred", "shown", "covered_whole", "failed", "unwritten")
    }
    assert figures == {"captured": 10, "inferred": 6, "shown": 4, "covered_whole": 1, "failed": 2, "unwritten": 2}
    assert one([stream], "streamseg_frames_dropped_total", stream="cam", reason="newer") == 3
    assert one([stream], "streamseg_frames_in_flight", stream="cam") == 10 - 4 - 2 - 3


def test_what_did_not_happen_is_0_and_not_missing() -> None:
    """A rule on a rate needs the sample that comes before the first event."""
    stream = Told("cam", reading())
    dropped = scraped([stream])["streamseg_frames_dropped_total"]
    assert dropped == [({"stream": "cam", "reason": why}, 0.0) for why in ("newer", "stopped")]
    assert one([stream], "streamseg_source_events_total", stream="cam", event="reconnects") == 0
    assert one([stream], "streamseg_restarts_total", stream="cam") == 0


def test_reasons_and_events_that_nobody_thought_of_are_shown_as_well() -> None:
    meter = Meter()
    meter.dropped("lost", 5)
    stream = Told("cam", reading(metrics=meter.read(), events={"stalls": 2, "reconnects": 1}, restarts=4))
    assert one([stream], "streamseg_frames_dropped_total", stream="cam", reason="lost") == 5
    assert one([stream], "streamseg_source_events_total", stream="cam", event="stalls") == 2
    assert one([stream], "streamseg_source_events_total", stream="cam", event="reconnects") == 1
    assert one([stream], "streamseg_restarts_total", stream="cam") == 4


def test_a_stream_that_has_shown_nothing_has_no_age_and_is_not_ready() -> None:
    streams = [Told("dark", reading(age_s=None, ready=False)), Told("cam", reading(age_s=0.25))]
    found = scraped(streams)
    assert found["streamseg_frame_age_seconds"] == [({"stream": "cam"}, 0.25)]
    assert found["streamseg_stream_ready"] == [({"stream": "dark"}, 0.0), ({"stream": "cam"}, 1.0)]
    assert "streamseg_class_area_ratio" not in found
    assert "streamseg_stage_seconds_count" not in found


def test_stages_are_a_histogram_whose_buckets_rise_to_its_count() -> None:
    stream = Told("cam", reading())
    for infer_ms in (0.5, 20.0, 40.0, 9000.0):
        stream.latest.write(shown(0, infer=infer_ms))
    found = scraped([stream])
    buckets = [value for _, value in found["streamseg_stage_seconds_bucket"]]
    assert buckets == sorted(buckets)
    assert buckets[0] == 1
    assert buckets[-2:] == [3, 4]
    assert found["streamseg_stage_seconds_count"] == [({"stream": "cam", "stage": "infer"}, 4.0)]
    assert found["streamseg_stage_seconds_sum"][0][1] == pytest.approx(9.0605)


def test_the_area_of_each_class_is_that_in_the_newest_frame() -> None:
    stream, of = Told("cam", reading()), frame(3)
    labels = np.zeros((4, 5), np.uint8)
    labels[0] = 1
    stream.latest.write(replace(shown(3), segmentation=Segmentation(labels, CLASSES, of.index, of.time_s)))
    assert one([stream], "streamseg_class_area_ratio", stream="cam", **{"class": "thing"}) == pytest.approx(0.25)
    assert one([stream], "streamseg_class_area_ratio", stream="cam", **{"class": "background"}) == pytest.approx(0.75)


def test_names_of_streams_may_hold_what_the_format_uses_itself() -> None:
    name = 'the "gate"\\north\n2'
    assert one([Told(name, reading())], "streamseg_stream_ready", stream=name) == 1


def test_streams_are_those_at_the_moment_of_the_scrape() -> None:
    streams: list[Stream] = []
    made = registry(lambda: streams, lambda: 0)
    assert b"streamseg_stream_ready{" not in prometheus.generate_latest(made)
    streams.append(Told("new", reading()))
    assert b'streamseg_stream_ready{stream="new"} 1.0' in prometheus.generate_latest(made)


def test_messages_that_wait_and_those_that_are_lost_are_counted() -> None:
    told = [Told("door", reading(messages=(3, 2)))]
    assert one(told, "streamseg_messages_waiting", stream="door") == 3
    assert one(told, "streamseg_messages_lost_total", stream="door") == 2
