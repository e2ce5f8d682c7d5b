"""What one viewer asks of the picture, other than what the stream's outputs get: view, opacity, classes left out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import msgspec
import numpy as np
from multidict import MultiMapping

from streamseg.assembly import render_options
from streamseg.contracts import Controls, Shown
from streamseg.errors import InputError
from streamseg.frame import Image, as_image
from streamseg.options import VIEW_NAMES
from streamseg.render import make_renderer
from streamseg.rules.event import Findings
from streamseg.segmentation import Segmentation
from streamseg.serve.stream import Stream

_NO_CLASS = 255


class PictureOptions(msgspec.Struct, frozen=True):
    """None and nothing: as the stream's own options have it."""

    view: str | None = None
    opacity: float | None = None
    hide_classes: tuple[str, ...] = ()
    """Names of classes that are not drawn."""
    zones: bool = True
    """Whether zones and lines are drawn."""


AS_IT_IS = PictureOptions()


def picture_options(query: MultiMapping[str], shown: Shown | None) -> PictureOptions:
    """What the query of a request asks for: `view`, `opacity`, `zones=off`, and `hide_classes` once or several times.

    `shown` is the newest frame, which knows the classes.

    Raises:
        InputError: there is no such view or class, or the opacity is not 0 to 1.
    """
    view, opacity = query.get("view") or None, query.get("opacity") or None
    if view is not None and view not in VIEW_NAMES:
        raise InputError(f"view: expected {', '.join(VIEW_NAMES)}")
    if query.get("zones", "on") not in ("on", "off"):
        raise InputError("zones: expected on or off")
    asked = [name for name in query.getall("hide_classes", ()) if name]
    known = shown.segmentation.classes.names if shown else ()
    names = {each for name in asked for each in ([name] if name in known else name.split(","))}
    if known and (unknown := names.difference(known)):
        raise InputError(f"hide_classes: this model has no class {min(unknown)!r:.80}")
    return PictureOptions(
        view, None if opacity is None else _share(opacity), tuple(sorted(names)), query.get("zones") != "off"
    )


def drawing(stream: Stream, asked: PictureOptions) -> Callable[[Shown], Image]:
    """What draws the pictures of `stream` as `asked`; belongs to one thread at a time.

    It has frames from `Shown` alone, in which what must not be seen is covered.

    Raises:
        InputError: the background of the stream's options cannot be read any more.
    """
    options = stream.options
    own = render_options(options)
    opacity = own.opacity if asked.opacity is None else asked.opacity
    chosen = msgspec.structs.replace(own, view=asked.view or own.view, opacity=opacity)
    zones, lines = (options.zones, options.lines) if asked.zones else ({}, {})
    render = make_renderer(chosen, Controls(), zones=zones, lines=lines)

    def draw(shown: Shown) -> Image:
        found = Findings(shown.events, shown.readings, shown.active, shown.rules)
        visible = without_classes(shown.segmentation, asked.hide_classes)
        return as_image(render(shown.frame, visible, stream.read().metrics, found))

    return draw


def without_classes(segmentation: Segmentation, names: tuple[str, ...]) -> Segmentation:
    """The same where pixels and objects of the classes `names` belong to none; those that it has not are ignored."""
    classes = segmentation.classes
    ids = [classes.names.index(name) for name in names if name in classes.names]
    if not ids:
        return segmentation
    nothing = _NO_CLASS if classes.ignore_index is None else classes.ignore_index
    table = np.arange(256, dtype=np.uint8)
    table[ids] = nothing
    objects = segmentation.instances
    return replace(
        segmentation,
        labels=table[segmentation.labels],
        classes=replace(classes, ignore_index=nothing),
        confidence=None,  # of two classes it says where their border is, and one of them is gone
        instances=None if objects is None else objects.take(np.flatnonzero(~np.isin(objects.class_ids, ids))),
    )


def _share(text: str) -> float:
    """`text` as 0..1, in hundredths, so that few pictures differ.

    Raises:
        InputError: it is none.
    """
    try:
        share = round(float(text), 2)
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise InputError("opacity: expected a number from 0 to 1")
    return share
