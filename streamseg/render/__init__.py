"""What a person sees: a view fills the picture, then outlines, boxes, legend and figures are drawn over it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from streamseg.buffers import Pool
from streamseg.contracts import Controls, Renderer
from streamseg.errors import InputError
from streamseg.frame import Frame, Image
from streamseg.metrics import Metrics
from streamseg.render import contours
from streamseg.render.background import Blur, Replace
from streamseg.render.hud import Hud, Legend
from streamseg.render.objects import Objects
from streamseg.render.overlay import ColoursOnly, Overlay, SideBySide, source
from streamseg.segmentation import Segmentation

Draw = Callable[[Image, Frame, Segmentation, float], None]
"""Fills a picture from a frame, its segmentation and an opacity of 0..1."""


class View(NamedTuple):
    """A way to show a frame."""

    draw: Draw
    columns: int = 1
    """Widths of the frame side by side."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderOptions:
    """What is drawn."""

    view: str = "overlay"
    opacity: float = 0.5
    outline: bool = False
    legend: bool = False
    hud: bool = False
    boxes: bool = True
    background: str | None = None
    """For the view `replace`: a picture's path or '#rrggbb'."""


VIEWS: dict[str, Callable[[RenderOptions], View]] = {
    "overlay": lambda options: View(Overlay()),
    "mask": lambda options: View(ColoursOnly()),
    "side-by-side": lambda options: View(SideBySide(), columns=2),
    "blur": lambda options: View(Blur()),
    "replace": lambda options: View(Replace(options.background)),
    "objects": lambda options: View(Objects()),
    "boxes": lambda options: View(source),
    "source": lambda options: View(source),
}


def make_renderer(options: RenderOptions, controls: Controls) -> Renderer:
    """A renderer for one stream; `controls.view` and `controls.opacity` are looked at anew for every frame.

    Raises:
        InputError: there is no such view, or its background cannot be read.
    """
    if options.view not in VIEWS:
        raise InputError(f"no view '{options.view}'", f"one of {', '.join(VIEWS)}")
    controls.view, controls.opacity, controls.views = options.view, options.opacity, tuple(VIEWS)
    return _Drawing(options, controls)


class _Drawing:
    def __init__(self, options: RenderOptions, controls: Controls) -> None:
        self._options, self._controls = options, controls
        self._views = {name: make(options) for name, make in VIEWS.items()}
        self._hud, self._legend = Hud(), Legend()
        self._pool = Pool()

    def __call__(self, frame: Frame, segmentation: Segmentation, metrics: Metrics) -> Image:
        options, view = self._options, self._views[self._controls.view]
        picture = self._pool.take(frame.height, frame.width * view.columns)
        view.draw(picture, frame, segmentation, self._controls.opacity)
        last = picture[:, -frame.width :]
        if options.outline:
            contours.outline(last, segmentation)
        if options.boxes and self._controls.view != "source":
            contours.boxes(last, segmentation)
        if options.legend:
            self._legend(last, segmentation, time.monotonic())
        if options.hud:
            self._hud(picture, metrics, time.monotonic())
        return picture
