"""From options to a pipeline: the one place where the rooms meet."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Sequence

import cv2

from streamseg.capture import open_source
from streamseg.config import RunOptions
from streamseg.contracts import Controls, Mover, Recipe, Segmenter, Sink, SourceOptions, Tuned
from streamseg.frame import StreamInfo
from streamseg.infer import load_recipe
from streamseg.machine import available_cores
from streamseg.metrics import Meter
from streamseg.motion import make_mover
from streamseg.pace import Pace
from streamseg.pipeline import Pipeline
from streamseg.render import RenderOptions, make_renderer
from streamseg.sinks import open_sink

_log = logging.getLogger(__name__)
_FREE = ("Apache", "BSD", "CC0", "CC-BY-4", "MIT", "Unlicense")
"""Licences under which a model may be used for anything; what others ask for is said when their model is run."""


def assemble(
    options: RunOptions,
    controls: Controls | None = None,
    *,
    load: Callable[..., Recipe] = load_recipe,
    more_sinks: Sequence[Sink] = (),
    meter: Meter | None = None,
    trust_engine: bool = False,
) -> Pipeline:
    """Opens source, model and outputs, in the order in which mistakes are likeliest, and joins them.

    `load` finds the model; `more_sinks` get what the outputs get; `meter` counts on from an earlier run.
    `trust_engine` admits an engine as the model: no file may say so, only who starts the run.

    Raises:
        StreamsegError: any of them cannot be had; what was open by then is closed again.
    """
    cv2.setNumThreads(1)  # the stages are the threads: OpenCV's own would do the same work in up to twice the time
    controls = controls or Controls()
    controls.opacity = options.opacity
    controls.view = options.view
    render = make_renderer(render_options(options), controls)
    recipe = load(
        options.model,
        options.settings,
        backend=options.backend,
        trust_engine=trust_engine,
        stopped=lambda: controls.quit,
    )
    _name_licence(recipe.name, recipe.licence)
    source = open_source(str(options.source), source_options(options))
    controls.pace = not source.info.live
    sinks: list[Sink] = []
    try:
        for output in options.outputs:
            sinks.append(open_sink(output, controls, live=source.info.live))
    except BaseException:
        source.close()
        for sink in sinks:
            sink.close()
        raise
    sinks += more_sinks
    workers, threads = share_cores(options, source.info, recipe)
    pace = Pace(options.target or ("fps" if source.info.live else "quality"), source.info)
    return Pipeline(
        source,
        _maker(_tuned(recipe, source.info) or recipe, threads),
        render=render if not sinks or any(sink.needs_picture for sink in sinks) else None,
        sinks=sinks,
        workers=workers,
        batch=recipe.batch,
        make_mover=_mover(options, source.info, recipe, pace),
        pace=pace,
        controls=controls,
        meter=meter,
    )


@functools.cache
def _name_licence(model: str, licence: str) -> None:
    """Once for each model, however many streams it serves and however often they begin."""
    if licence and not licence.startswith(_FREE):
        _log.warning("model %s: %s", model, licence)


def _mover(options: RunOptions, info: StreamInfo, recipe: Recipe, pace: Pace) -> Callable[[], Mover] | None:
    """None where pictures do not move into one another, or the model itself follows the video."""
    if not info.moving or not recipe.parallel or not (options.steady or pace.carries):
        return None
    return lambda: make_mover(steady=options.steady, effort="usual" if info.live else "quick")


def share_cores(options: RunOptions, info: StreamInfo, recipe: Recipe) -> tuple[int, int]:
    """Workers and threads for each, as tuned, else on a file as many one-thread workers as cores, live one with all.

    A file wants throughput, and one-thread workers waste nothing on waiting for each other; a live frame wants its
    mask soon.
    """
    cores = available_cores()
    alone = info.live or not recipe.parallel or recipe.shared
    tuned = _tuned(recipe, info)
    if tuned and not options.workers:
        return tuned.workers, options.threads or tuned.threads
    workers = 1 if alone else options.workers or cores
    return workers, options.threads or max(1, cores // workers)


def _tuned(recipe: Recipe, info: StreamInfo) -> Tuned | None:
    return recipe.tuned.get("live" if info.live else "file")


def source_options(options: RunOptions) -> SourceOptions:
    """The part of the options that concerns the source."""
    width, _, height = (options.size or "").partition("x")
    return SourceOptions(
        size=(int(width), int(height)) if width else None,
        fps=options.fps,
        pixel_format=options.pixel_format,
        transport=options.transport,
        stall_timeout_s=options.stall_timeout,
    )


def render_options(options: RunOptions) -> RenderOptions:
    """The part of the options that concerns what is drawn."""
    hud = "window" in options.outputs if options.hud is None else options.hud
    return RenderOptions(
        view=options.view,
        opacity=options.opacity,
        outline=options.outline,
        legend=options.legend,
        hud=hud,
        boxes=options.boxes,
        background=options.background,
    )


def _maker(recipe: Recipe | Tuned, threads: int) -> Callable[[], Segmenter]:
    return lambda: recipe.make(threads)
