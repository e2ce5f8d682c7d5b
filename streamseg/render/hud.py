"""Figures of the run in the upper left corner, and the classes in the lower left."""

from __future__ import annotations

import math

import numpy as np

from streamseg.frame import Frame, Image
from streamseg.metrics import Metrics
from streamseg.render.text import blend_panel, make_panel, text_scale
from streamseg.segmentation import Segmentation

_REFRESH_S = 0.25  # figures that change faster cannot be read
_MAX_LEGEND = 12


class Hud:
    """Frames a second, age of the picture, pace of the network, drops."""

    def __init__(self) -> None:
        self._due_s = 0.0
        self._panel: Image = np.zeros((1, 1, 3), np.uint8)

    def __call__(self, image: Image, metrics: Metrics, now_s: float) -> None:
        """Draws into `image`; `now_s` is any monotonic clock."""
        if now_s >= self._due_s:
            self._due_s = now_s + _REFRESH_S
            self._panel = make_panel([(text, None) for text in hud_lines(metrics)], text_scale(image))
        blend_panel(image, self._panel, 0, 0)


def hud_lines(metrics: Metrics) -> list[str]:
    """The text of the HUD."""
    age_ms = metrics.latency_ms.get("age", (0.0, 0.0))[0]
    infer_ms = metrics.latency_ms.get("infer", (0.0, 0.0))[0]
    lines = [f"{metrics.fps:.1f} fps", f"{age_ms:.0f} ms old, network {infer_ms:.1f} ms"]
    if metrics.explanation:
        lines += metrics.explanation.decision.split(", ")  # a line each, as pictures may be small
    dropped = sum(metrics.dropped.values())
    return [*lines, f"{dropped} dropped"] if dropped else lines


class Legend:
    """The classes in view with their share of the picture, largest first."""

    def __init__(self) -> None:
        self._drawn_s = -math.inf
        self._of: tuple[str, int | None] = "", None
        self._panel: Image = np.zeros((1, 1, 3), np.uint8)

    def __call__(self, image: Image, segmentation: Segmentation, frame: Frame) -> None:
        """Draws into `image`: by the time of `frame`, so that a film read quickly has the shares of its frames, and of
        pictures each its own."""
        of = frame.file, frame.page
        if abs(frame.time_s - self._drawn_s) >= _REFRESH_S or of != self._of:
            self._drawn_s, self._of = frame.time_s, of
            self._panel = self._drawn(image, segmentation)
        blend_panel(image, self._panel, 0, image.shape[0] - self._panel.shape[0])

    @staticmethod
    def _drawn(image: Image, segmentation: Segmentation) -> Image:
        classes, areas = segmentation.classes, segmentation.areas()
        order = [i for i in np.argsort(-areas, kind="stable") if i != classes.background and areas[i] > 0]
        found = segmentation.instances
        counts = None if found is None else np.bincount(found.class_ids, minlength=len(classes))
        lines = [
            (_told(classes.names[i], areas[i], None if counts is None else counts[i]), (int(b), int(g), int(r)))
            for i in order[:_MAX_LEGEND]
            for b, g, r in [classes.colours[i]]
        ]
        return make_panel(lines, text_scale(image) * 0.9) if lines else np.zeros((1, 1, 3), np.uint8)


def _told(name: str, share: float, count: int | None) -> str:
    """A class with its share of the picture, in more decimals the smaller that is, and how many objects there are."""
    percent = share * 100
    decimals = next((places for places, least in enumerate((9.95, 0.995, 0.0995)) if percent >= least), 3)
    share_text = f"{percent:.{decimals}f} %" if percent >= 0.0005 else "< 0.001 %"
    return f"{name} {share_text}" if count is None else f"{count} {name} {share_text}"
