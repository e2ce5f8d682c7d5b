from __future__ import annotations

import streamseg
from streamseg.contracts import Shown
from streamseg.sinks.null import NullSink
from tests.parts.fakes import frame, segmentation


def test_a_frame_is_taken_with_its_picture_drawn_and_without_a_thread() -> None:
    sink, one = NullSink(), frame(0)
    assert sink.needs_image
    assert not sink.blocking
    sink.write(Shown(one, segmentation(one), one.pixels, 0, {}))
    sink.close()
    sink.close()


def test_a_run_into_nothing_draws_every_frame() -> None:
    stream = streamseg.open("test://?frames=5&size=64x48", "null", model="otsu")
    stream.run()
    metrics = stream.metrics()
    assert metrics.shown == 5
    assert len(metrics.recent_ms["render"]) == 5
