"""What a person sees: a view fills the picture, then outlines, boxes, legend and figures are drawn over it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from numbers import Real

import numpy as np

from streamseg import entrypoints
from streamseg.bufferpool import Pool
from streamseg.contracts import Controls, Renderer, View, ViewLike
from streamseg.errors import InputError
from streamseg.frame import Frame, Pixels
from streamseg.metrics import Metrics
from streamseg.options import RenderOptions
from streamseg.render import contours
from streamseg.render.background import Blur, Replace, matte
from streamseg.render.hud import Hud, Legend
from streamseg.render.objects import Boxes, Objects
from streamseg.render.overlay import ColoursOnly, Overlay, SideBySide, source
from streamseg.render.tint import tint, tint_on_gpu
from streamseg.render.zones import Zones
from streamseg.rules.event import NOTHING_FOUND, Findings
from streamseg.rules.shapes import Line, Polygon
from streamseg.segmentation import Segmentation
from streamseg.yuv import Planes, to_bgr

VIEWS: dict[str, Callable[[RenderOptions], View]] = {
    "overlay": lambda options: View(Overlay(), on_planes=tint, on_gpu=tint_on_gpu),
    "mask": lambda options: View(ColoursOnly()),
    "side-by-side": lambda options: View(SideBySide(), columns=2),
    "blur": lambda options: View(Blur()),
    "replace": lambda options: View(Replace(options.background)),
    "matte": lambda options: View(matte),
    "objects": lambda options: View(Objects()),
    "boxes": lambda options: View(Boxes()),
    "source": lambda options: View(source),
}


def find_view(view: ViewLike, options: RenderOptions) -> View:
    """The view of that name, here or in a package that adds it, or `view` itself.

    Raises:
        InputError: there is no such view, or its background cannot be read.
    """
    if isinstance(view, str):
        if make := VIEWS.get(view):
            return make(options)
        view = entrypoints.load("views", view, ("view", VIEWS))
        view = view() if isinstance(view, type) else view
    if isinstance(view, View):
        return view
    if not callable(view):
        raise InputError(f"{type(view).__name__} is no view", "a name, or a function that fills a picture")
    return View(view)


def check_opacity(opacity: object) -> None:
    """Raises InputError where it is no number of 0 to 1."""
    if not isinstance(opacity, Real) or not 0 <= float(opacity) <= 1:
        raise InputError(f"opacity is 0 to 1, not {opacity if isinstance(opacity, Real) else repr(opacity)}")


def make_renderer(
    options: RenderOptions,
    controls: Controls,
    view: ViewLike | None = None,
    *,
    zones: Mapping[str, Polygon] | None = None,
    lines: Mapping[str, Line] | None = None,
) -> Renderer:
    """A renderer for one stream; `controls.view` and `controls.opacity` are read again for every frame.

    `view` is an object that stands for the one that the options name. Zones and lines are drawn over it, with what is
    measured there.

    Raises:
        InputError: there is no such view, its background cannot be read, or the opacity is not 0 to 1.
    """
    check_opacity(options.opacity)
    controls.view = options.view if view is None else view
    controls.opacity, controls.views = options.opacity, tuple(VIEWS)
    return _Drawing(options, controls, Zones(zones or {}, lines or {}))


class _Drawing:
    def __init__(self, options: RenderOptions, controls: Controls, zones: Zones) -> None:
        self._options, self._controls, self._zones = options, controls, zones
        self._named = {"replace": VIEWS["replace"](options)}  # its background is read before the first frame
        self._asked, self._view = controls.view, self._find(controls.view)
        self._hud, self._legend = Hud(), Legend()
        self._pool = Pool()

    def __call__(
        self, frame: Frame, segmentation: Segmentation, metrics: Metrics, found: Findings = NOTHING_FOUND, /
    ) -> Pixels:
        """Planes where the frame came as such and nothing is written over it, else a picture."""
        options, asked = self._options, self._controls.view
        if asked is not self._asked:
            self._asked, self._view = asked, self._find(asked)
        boxes = options.boxes and segmentation.instances is not None and asked != "source"
        pixels = self._fill(self._view, frame, segmentation)
        if not (options.outline or boxes or options.legend or options.hud or self._zones):
            return pixels
        image = to_bgr(pixels.wrapped()) if isinstance(pixels, Planes) else pixels
        last = image[:, -frame.width :]
        if options.outline:
            contours.outline(last, segmentation)
        if boxes:
            contours.boxes(last, segmentation)
        if self._zones:
            self._zones(last, found, segmentation.classes)
        if options.legend:
            self._legend(last, segmentation, frame)
        if options.hud:
            self._hud(image, metrics, time.monotonic())
        return image

    def _find(self, view: ViewLike) -> View:
        """Views by name keep what they remember while others are shown."""
        if not isinstance(view, str):
            return find_view(view, self._options)
        return self._named.setdefault(view, self._named.get(view) or find_view(view, self._options))

    def _fill(self, view: View, frame: Frame, segmentation: Segmentation) -> Pixels:
        opacity, height, width = self._controls.opacity, frame.height, frame.width
        if frame.planes is not None and view.on_gpu is not None:
            there = view.on_gpu(frame.planes, segmentation, opacity)
            if there is not None:
                return there
        if frame.planes is not None and view.on_planes is not None:
            buffer = self._pool.take(height * 3 // 2 + 1, width)[:-1]  # vector code may read a little past the end
            drawn = Planes.blank(buffer, frame.planes.colours)
            view.on_planes(drawn, frame.planes, segmentation, opacity)
            return drawn
        image = self._pool.take(height, width * view.columns, 3)
        given = view.draw(image, frame, segmentation, opacity)
        if isinstance(given, np.ndarray) and not np.may_share_memory(given, image):
            raise InputError("the view gave a picture instead of filling its own", "image[...] = picture")
        return image
