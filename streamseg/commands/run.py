"""`streamseg run`: segments a camera, stream, files or pictures."""

from __future__ import annotations

import argparse
import functools
import logging
import shlex
import typing
from collections.abc import Callable, Sequence
from pathlib import Path

from streamseg.commands.failure import say, told
from streamseg.commands.given import given_by
from streamseg.commands.helptext import Rare
from streamseg.commands.option_flags import add_options
from streamseg.config import OPTIONS, RunOptions, make_options, read_config
from streamseg.errors import InputError

if typing.TYPE_CHECKING:
    from streamseg.contracts import Controls, SegmenterFactory, Sink
    from streamseg.said import Said

_log = logging.getLogger(__name__)
_EXAMPLES = """examples:
  streamseg run 0                                   webcam, in a window
  streamseg run rtsp://camera/1 record.mp4          a network camera, recorded with its masks
  streamseg run dashcam.mp4 out.mp4 masks:labels    a file to a video and to label pictures
  streamseg run dash/ 'out/{stem}.mp4'              every film in a folder, one after the other
  streamseg run test:// --model kmeans --set k=4    a generated scene, a classical method"""
_MORE_EXAMPLES = """streamseg run 0 --view blur                       webcam with a blurred background
streamseg run dashcam.mp4 - --model own.onnx      JSON lines on the standard output
streamseg run film.mp4 --start 1:30 --end 2:00    half a minute of a film
streamseg run --config configs/webcam.yaml        the same from a file"""
_NAMES = """SOURCE  0  /dev/video0  rtsp(s)://…  http(s)://…  FILE …  PICTURE …  FOLDER  'GLOB'  test://  -
        files that exist are sources, never outputs; names behind -- may begin with a dash
OUTPUT  window  FILE.mp4|mkv  'NAME-%Y%m%d-%H%M%S.mp4?segment=60&keep=7d'  rtsp://…  hls:FOLDER  -
        'events:FOLDER?class=NAME'  FILE.png|jpg  NAME-%d.png  'sheet.jpg?every=10s'  FILE.jsonl
        mqtt(s)://…  webhook:https://…  kafka://…  trace:http://…  camera:  labels.tif  null
        FILE|objects.csv  coco|labelstudio:FILE.json  cvat:FILE.xml  masks|yolo|dataset:FOLDER"""
_EXIT_CODES = """0 done or stopped, 1 a defect of streamseg, 2 wrong usage, file, model or configuration,
3 source not reachable, 4 output not writable, 5 model cannot run here, 130 or 143 interrupted"""


def add_flags(command: argparse.ArgumentParser) -> None:
    """A flag for each option, and what concerns the terminal alone."""
    command.usage = "streamseg run [SOURCE ...] [OUTPUT ...] [FLAG ...]"
    command.epilog = _EXAMPLES
    groups = add_options(command, OPTIONS)
    groups["source"].add_argument(
        "--config", type=Path, metavar="FILE.yaml", help="read options from a file; flags override it"
    )
    groups["output"].add_argument("--quiet", action="store_true", help="no progress, no summary")
    groups["speed"].add_argument("--explain", action="store_true", help=Rare("say how often the network runs, and why"))
    groups["model"].add_argument(
        "--trust-engine",
        action="store_true",
        help=Rare("run a TensorRT engine that another person built; it can run any code"),
    )
    command.add_argument_group("sources and outputs", _NAMES)
    command.add_argument_group("further examples", Rare(_MORE_EXAMPLES))
    command.add_argument_group("exit codes", Rare(_EXIT_CODES))


def run(arguments: argparse.Namespace) -> int:
    """Runs it to its end, or each of several films, one after the other."""
    from streamseg.commands.films import name_of, prepare, run_each, runs
    from streamseg.commands.joined import joined
    from streamseg.commands.progress import set_up_logging
    from streamseg.contracts import Controls
    from streamseg.infer import load_segmenter
    from streamseg.said import Said

    set_up_logging(debug=arguments.debug, quiet=arguments.quiet)
    options, controls, said = _with_an_output(_options(arguments)), Controls(), Said()
    films = runs(options)
    if len(films) == 1:
        _run_one(arguments, controls, said, load_segmenter, films[0])
        return 0
    load = prepare(options, controls, said, trust_engine=arguments.trust_engine)
    _remark(options)
    with joined(options, films, controls) as tables:

        def run_film(film: RunOptions, title: str) -> None:
            name = name_of(film.source_text, options)
            _run_one(arguments, controls, said, load, film, title=title, name=name, more_sinks=tables)

        code, line = run_each(films, run_film, functools.partial(told, debug=arguments.debug), lambda: controls.quit)
    if not arguments.quiet:
        say(line)
    return code


def _run_one(
    arguments: argparse.Namespace,
    controls: Controls,
    said: Said,
    load: Callable[..., SegmenterFactory],
    options: RunOptions,
    title: str = "",
    name: str = "",
    more_sinks: Sequence[Sink] = (),
) -> None:
    from streamseg.assembly import assemble
    from streamseg.commands.progress import follow
    from streamseg.signals import SIGNALS

    pipeline = assemble(
        options, controls, load=load, more_sinks=more_sinks, trust_engine=arguments.trust_engine, said=said, name=name
    )
    if not title:
        _remark(options)
    with SIGNALS.calling(pipeline.stop):
        follow(pipeline, quiet=arguments.quiet, explain=arguments.explain, title=title)


def _remark(options: RunOptions) -> None:
    """What was asked for and will not be seen."""
    if options.render.background and options.render.view != "replace" and "window" not in options.outputs:
        _log.info("--background is only shown by --view replace")


def _options(arguments: argparse.Namespace) -> RunOptions:
    from streamseg.commands.films import told_apart

    _check_source(arguments)
    given = given_by(arguments)
    make = functools.partial(read_config, arguments.config) if arguments.config else make_options
    options = make(given)
    if not arguments.outputs:
        return options
    given["source"], outputs = told_apart([arguments.source, *arguments.outputs], overwrite=options.overwrite)
    return make({**given, "outputs": outputs} if outputs else {key: given[key] for key in given if key != "outputs"})


def _check_source(arguments: argparse.Namespace) -> None:
    """What people name as the source before they know what one is.

    Raises:
        InputError: it is a model or a configuration, or there is none.
    """
    if arguments.source is None:
        if arguments.config is None:
            raise InputError("no source is named", "streamseg run 0 for a webcam, streamseg run film.mp4 for a film")
        return
    name, suffix = shlex.quote(arguments.source), Path(arguments.source).suffix.lower()
    if suffix in (".yaml", ".yml"):
        raise InputError(f"{arguments.source}: is a configuration, not a source", f"streamseg run --config {name}")
    if suffix == ".onnx":
        raise InputError(f"{arguments.source}: is a model, not a source", f"streamseg run SOURCE --model {name}")
    from streamseg.infer import check_format

    check_format(arguments.source)


def _with_an_output(options: RunOptions) -> RunOptions:
    """No output named means a window; where none can be shown, the status line alone."""
    if options.outputs:
        return options
    import msgspec

    from streamseg.sinks.window import display_problem

    problem = display_problem()
    if problem is None:
        return msgspec.structs.replace(options, outputs=("window",))
    say(f"no window: {problem}; name an output, such as out.mp4, to keep the result")
    return options
