"""What a person sees: a view fills the picture, then outlines, boxes, legend and figures are drawn over it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from streamseg.buffers import Pool
from streamseg.contracts import Controls, Renderer
from streamseg.errors import InputError
from streamseg.frame import Frame, Image, Pixels
from streamseg.metrics import Metrics
from streamseg.planes import Planes, to_bgr
from streamseg.render import contours
from streamseg.render.background import Blur, Replace
from streamseg.render.hud import Hud, Legend
from streamseg.render.objects import Objects
from streamseg.render.overlay import ColoursOnly, Overlay, SideBySide, source
from streamseg.render.tint import tint
from streamseg.segmentation import Segmentation

Draw = Callable[[Image, Frame, Segmentation, float], None]
"""Fills a picture from a frame, its segmentation and an opacity of 0..1."""


class View(NamedTuple):
    """A way to show a frame."""

    draw: Draw
    columns: int = 1
    """Widths of the frame side by side."""
    on_planes: Callable[[Planes, Planes, Segmentation, float], None] | None = None
    """The same for a frame that came as planes: fills the first from the second."""


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
    "overlay": lambda options: View(Overlay(), on_planes=tint),
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

    def __call__(self, frame: Frame, segmentation: Segmentation, metrics: Metrics) -> Pixels:
        """Planes where the frame came as such and nothing is written over it, else a picture."""
        options, view = self._options, self._views[self._controls.view]
        boxes = options.boxes and segmentation.instances is not None and self._controls.view != "source"
        pixels = self._fill(view, frame, segmentation)
        if not (options.outline or boxes or options.legend or options.hud):
            return pixels
        picture = to_bgr(pixels.wrapped()) if isinstance(pixels, Planes) else pixels
        last = picture[:, -frame.width :]
        if options.outline:
            contours.outline(last, segmentation)
        if boxes:
            contours.boxes(last, segmentation)
        if options.legend:
            self._legend(last, segmentation, time.monotonic())
        if options.hud:
            self._hud(picture, metrics, time.monotonic())
        return picture

    def _fill(self, view: View, frame: Frame, segmentation: Segmentation) -> Pixels:
        opacity, height, width = self._controls.opacity, frame.height, frame.width
        if frame.planes is not None and view.on_planes is not None:
            buffer = self._pool.take(height * 3 // 2 + 1, width)[:-1]  # vector code may read a little past the end
            drawn = Planes.blank(buffer, frame.planes.colours)
            view.on_planes(drawn, frame.planes, segmentation, opacity)
            return drawn
        picture = self._pool.take(height, width * view.columns, 3)
        view.draw(picture, frame, segmentation, opacity)
        return picture
