"""Motion against a still background: what moves and nothing else."""

from __future__ import annotations

import numpy as np

from streamseg.capture.scene import SceneSource
from streamseg.frame import Frame
from streamseg.infer.classical import load
from streamseg.options import SourceOptions


def test_motion_finds_what_moves_and_nothing_else() -> None:
    scene = SceneSource("test://?frames=80&size=320x240", SourceOptions())
    segment = load("motion", {"history": 40}).make(1)
    found = [segment([frame])[0].labels > 0 for frame in scene]
    moving = [scene.labels(i) > 0 for i in range(80)]
    late = range(60, 80)
    assert np.mean([(found[i] & moving[i]).sum() / max(1, found[i].sum()) for i in late]) > 0.8
    still = load("motion", {}).make(1)
    empty = Frame(scene.image(0), 0, 0.0, 0.0)
    assert [still([empty])[0].labels.sum() for _ in range(10)][-1] == 0
