"""From options to a pipeline: the one place where the rooms meet."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import msgspec

from streamseg.capture import inputs_of, open_source, part_of
from streamseg.config import RunOptions, rule_problems
from streamseg.contracts import (  # fmt: skip
    Controls,
    Evaluator,
    Existing,
    Inputs,
    MaskPropagator,
    SegmenterFactory,
    Sink,
    Source,
    ViewLike,
    Workers,
)
from streamseg.errors import InputError
from streamseg.frame import StreamInfo
from streamseg.infer import load_segmenter
from streamseg.infer.backends.faults import ON_NVIDIA
from streamseg.infer.tiles import tiled
from streamseg.machine import available_cores, nvidia_gpus
from streamseg.metrics import Meter
from streamseg.motion import make_propagator
from streamseg.options import RenderOptions
from streamseg.pipeline.pipeline import Pipeline
from streamseg.pipeline.scheduler import InferenceScheduler
from streamseg.privacy import check_hidden, make_cover
from streamseg.render import make_renderer
from streamseg.rules.check import class_problems, refuse
from streamseg.rules.shapes import Line, Polygon
from streamseg.said import Said
from streamseg.sinks import check_classes, check_rules, compares, open_sink, retrying
from streamseg.sinks.claims import check_files, named

_log = logging.getLogger(__name__)
_FREE = ("Apache", "BSD", "CC0", "CC-BY-4", "MIT", "Unlicense")
"""Licences under which a model may be used for anything; what others ask for is said when their model is run."""


def assemble(
    options: RunOptions,
    controls: Controls | None = None,
    *,
    load: Callable[..., SegmenterFactory] = load_segmenter,
    source: Source | None = None,
    view: ViewLike | None = None,
    more_sinks: Sequence[Sink] = (),
    meter: Meter | None = None,
    trust_engine: bool = False,
    existing: Existing | None = None,
    said: Said | None = None,
    name: str = "",
) -> Pipeline:
    """Opens source, model and outputs, in the order in which mistakes are likeliest, and joins them.

    `load` finds the model; `source` and `view` are objects that stand for what the options name; `more_sinks` get what
    the outputs get; `meter` counts on from an earlier run.
    `trust_engine` admits an engine as the model: no file may say so, only who starts the run. `existing` says what
    becomes of outputs that are there already, instead of `options.overwrite`. `said` is shared with earlier runs.
    `name` is what outputs and events call the stream, by default as the source does.

    Raises:
        StreamsegError: any of them cannot be had; what was open by then is closed again.
    """
    controls = controls or Controls()
    controls.rules, controls.codec = tuple(options.rules), options.codec
    said, meter = said or Said(), meter or Meter()
    refuse(rule_problems(options))
    check_rules(options.outputs, options.rules)
    render = make_renderer(render_options(options), controls, view, zones=options.zones, lines=options.lines)
    existing = existing or ("replace" if options.overwrite else "refuse")
    outputs = checked_outputs(options, existing, None if source is None else Inputs())
    recipe = load_model(options, controls, load, trust_engine=trust_engine, said=said)
    with contextlib.ExitStack() as opened:
        source = open_source(options.uri, options.capture) if source is None else part_of(source, options.capture)
        opened.callback(source.close)
        info = replace(source.info, name=name or source.info.name, pixel_um=options.capture.pixel_size)
        sinks: list[Sink] = []
        for output in outputs:
            sinks.append(open_sink(output, info, controls, existing=existing))
            opened.callback(sinks[-1].close)
        sinks += [retrying(sink, source.info) for sink in more_sinks]
        workers = share_cores(options, source.info, recipe)
        target = options.target or ("fps" if source.info.live else "quality")
        pace = InferenceScheduler(target, source.info, options.effort, workers.count)
        pipeline = Pipeline(
            source,
            lambda: workers.make(workers.threads),
            evaluate=make_evaluator(options, source.info),
            cover=make_cover(options.privacy, moving=source.info.moving, said=said, meter=meter),
            render=render if not sinks or any(sink.needs_image for sink in sinks) else None,
            sinks=sinks,
            workers=workers.count,
            batch=recipe.batch,
            make_propagator=_mover(options, source.info, recipe, pace),
            pace=pace,
            controls=controls,
            meter=meter,
            name=name,
        )
        opened.pop_all()
    return pipeline


def load_model(
    options: RunOptions,
    controls: Controls,
    load: Callable[..., SegmenterFactory] = load_segmenter,
    *,
    trust_engine: bool = False,
    said: Said | None = None,
) -> SegmenterFactory:
    """Finds the model, and in it every class that an output names or that is to be hidden.

    `said` remembers that its licence was named.

    Raises:
        InputError: there is no such model or class, or it cannot look at tiles.
    """
    recipe = load(
        options.model,
        options.settings,
        backend=options.backend,
        gpu=options.capture.gpu,
        trust_engine=trust_engine,
        stopped=lambda: controls.quit,
        prompts=controls.prompts,
    )
    if options.tiles is not None:
        recipe = tiled(recipe, options.tiles)
    if recipe.licence and not recipe.licence.startswith(_FREE):
        (said or Said()).once(_log, logging.WARNING, f"model {recipe.name}: {recipe.licence}")
    check_classes(options.outputs, recipe.classes)
    refuse(class_problems(options.rules, recipe.classes))
    check_hidden(options.privacy, recipe.classes)
    return recipe


def checked_outputs(options: RunOptions, existing: Existing, inputs: Inputs | None = None) -> tuple[str, ...]:
    """The outputs with the source's name in them, once it is known that they destroy nothing; opens nothing.

    `inputs` are the files that the source reads, by default those of the one that the options name.

    Raises:
        InputError: one would write over the source or another, or the source is wrong.
        OutputError: one exists.
    """
    inputs = inputs_of(options.uri) if inputs is None else inputs
    outputs = named(options.outputs, options.source_text, inputs)
    background = [Path(options.render.background)] if options.render.background else []
    check_files(outputs, options.source_text, inputs, existing, background)
    return outputs


def gpus_for(options: RunOptions) -> int:
    """How many NVIDIA GPUs runs with `options` may take in turn; 0 where they name one, or have no use for any."""
    return len(nvidia_gpus()) if may_take_turns(options) else 0


def may_take_turns(options: RunOptions) -> bool:
    """Whether runs with `options` have a use for any NVIDIA GPU that there may be: not where they name one."""
    useless = options.backend not in (None, *ON_NVIDIA) and options.capture.decode != "cuda"
    return not useless and options.capture.gpu is None


def carries(recipe: SegmenterFactory) -> bool:
    """Whether its masks may be steadied and carried to other frames: not where it follows the video itself."""
    return recipe.parallel or recipe.chooses


def _mover(
    options: RunOptions, info: StreamInfo, recipe: SegmenterFactory, pace: InferenceScheduler
) -> Callable[[], MaskPropagator] | None:
    """None where pictures do not move into one another, or the model itself follows the video."""
    compare = compares(options.outputs)
    if not info.moving or not carries(recipe) or not (options.steady or pace.carries or compare):
        return None
    hides = bool(options.privacy.classes)
    return lambda: make_propagator(steady=options.steady, compare=compare, hides=hides)


def make_evaluator(options: RunOptions, info: StreamInfo) -> Evaluator | None:
    """What measures zones and lines and evaluates rules; None where there are none.

    Raises:
        InputError: a zone or line lies outside of the picture.
    """
    if not (options.zones or options.lines or options.rules):
        return None
    from streamseg.rules.counts import outside
    from streamseg.rules.evaluate import Rules

    shapes: dict[str, Polygon | Line] = {**options.zones, **options.lines}
    if info.width and info.height and (name := outside(shapes, info.width, info.height)):
        raise InputError(f"{name}: lies outside of the picture, which has {info.width}x{info.height} pixels")
    return Rules(zones=options.zones, lines=options.lines, rules=options.rules, ground=options.ground)


def share_cores(options: RunOptions, info: StreamInfo, recipe: SegmenterFactory) -> Workers:
    """As tuned, else on a file as many one-thread workers as cores, live one with all of them.

    A file wants throughput, and one-thread workers waste nothing on waiting for each other; a live frame wants its
    mask soon. On a GPU only so many workers pay as the recipe says; they share the cores, should they step down.
    """
    cores = available_cores()
    alone = info.live or not recipe.parallel or recipe.shared
    tuned = recipe.tuned.get("live" if info.live else "file")
    if tuned and not options.workers:
        return replace(tuned, threads=options.threads or tuned.threads)
    count = 1 if alone else options.workers or recipe.workers or cores
    return Workers(count, options.threads or max(1, cores // count), (tuned or recipe).make)


def render_options(options: RunOptions) -> RenderOptions:
    """What is drawn; figures, where nothing is said of them, in a window."""
    hud = "window" in options.outputs if options.render.hud is None else options.render.hud
    return msgspec.structs.replace(options.render, hud=hud)
