"""The command line: reads options, wires them up, prints, and turns errors into one line and an exit code."""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import sys
import typing
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType

from streamseg import __version__
from streamseg.config import RunOptions, make_options, read_config
from streamseg.errors import BackendError, InputError, StreamsegError

if typing.TYPE_CHECKING:
    from streamseg.contracts import Controls

_POSITIONAL = ("source", "outputs")
_EXAMPLES = """examples:
  streamseg run 0                                   webcam, in a window
  streamseg run 0 --view blur                       webcam with a blurred background
  streamseg run rtsp://camera/1 record.mp4          a network camera, recorded with its masks
  streamseg run dashcam.mp4 out.mp4 masks:labels    a file to a video and to label pictures
  streamseg run dashcam.mp4 - --model own.onnx      JSON lines on the standard output
  streamseg run test:// --model kmeans --set k=4    a generated scene, a classical method
  streamseg run --config configs/webcam.yaml        the same from a file

sources:  0  /dev/video0  rtsp://…  rtsps://…  http(s)://…  FILE  PICTURE  FOLDER  'GLOB'  test://  -
outputs:  window  FILE.mp4|mkv  FILE.png|jpg  masks:FOLDER  FILE.jsonl  -  null
exit codes:  0 done or stopped, 1 a defect of streamseg, 2 wrong usage, file, model or configuration,
             3 source not reachable, 4 output not writable, 5 model cannot run here"""

_IMPORT_FLAGS = {
    "name": "what --model will call it; default: the file's name",
    "classes": "names separated by commas, or a .txt file with one a line",
    "colours": "one '#rrggbb' for each class, separated by commas",
    "background": "number of the class that overlays leave undrawn",
    "normalise": "what the model was trained on: imagenet, 0..1, -1..1 or none",
    "mean": "instead: numbers in 0..255, separated by commas",
    "std": "instead: numbers in 0..255, separated by commas",
    "colour": "channel order the model was trained on: rgb, bgr or grey",
    "fit": "letterbox, stretch or crop; default stretch",
    "layout": "NCHW or NHWC",
    "output": "name of the output to use",
    "role": "what that output holds: labels, logits or probability",
    "height": "pixels, where the model leaves it free",
    "width": "pixels, where the model leaves it free",
    "stride": "free sides are rounded to a multiple of this",
    "licence": "of the weights, shown by `streamseg models`",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command and gives its exit code."""
    arguments = _parse(argv)
    try:
        return int(arguments.command(arguments))
    except StreamsegError as error:
        _say(str(error))
        return error.exit_code
    except KeyboardInterrupt:
        return 0
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # so that flushing at exit does not complain
        return 0
    except ImportError as error:
        _say(f"a library cannot be loaded: {error} (on Debian `apt-get install libgl1 libglib2.0-0` mends OpenCV)")
        return BackendError.exit_code
    except Exception as error:
        if arguments.debug:
            raise
        _say(f"this is a defect in streamseg: {type(error).__name__}: {error} (--debug shows where)")
        return 1


def program() -> None:
    """Entry point: like `main`, then leaves without waiting for a thread that a dead camera still holds."""
    code = main()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(BrokenPipeError):
            stream.flush()
    os._exit(code)


def parser() -> argparse.ArgumentParser:
    """The whole command line; `streamseg completion` is made from it."""
    top = argparse.ArgumentParser(prog="streamseg", description="Live video segmentation: masks over every frame.")
    top.add_argument("--version", action="version", version=f"streamseg {__version__}")
    commands = top.add_subparsers(title="commands", metavar="COMMAND", required=True)
    run = _command(commands, "run", _run, "segment a camera, stream, file or pictures")
    run.formatter_class = argparse.RawDescriptionHelpFormatter
    run.epilog = _EXAMPLES
    _add_run_options(run)
    models = _command(commands, "models", _models, "list what --model can name")
    models.add_argument("--json", action="store_true", help="as JSON")
    doctor = _command(commands, "doctor", _doctor, "show what this machine has and what run would use")
    doctor.add_argument("--json", action="store_true", help="as JSON")
    _add_import_options(_command(commands, "import", _import, "make a fast, self-describing model of any ONNX file"))
    _add_eval_options(_command(commands, "eval", _eval, "score a model on labelled pictures, as it will run"))
    completion = _command(commands, "completion", _completion, "print the completion script of a shell")
    completion.add_argument("shell", choices=("bash", "zsh", "tcsh"))
    return top


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """Like parse_args, but outputs may also stand after flags: `run FILE --model NAME OUT`."""
    line = parser()
    arguments, rest = line.parse_known_args(argv)
    unknown = [word for word in rest if word.startswith("-") and word != "-"]
    if unknown or (rest and not hasattr(arguments, "outputs")):
        line.error(f"unrecognised: {' '.join(unknown or rest)}")
    if rest:
        arguments.outputs += rest
    return arguments


def _command(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    name: str,
    command: Callable[[argparse.Namespace], int],
    summary: str,
) -> argparse.ArgumentParser:
    made = commands.add_parser(name, help=summary, description=summary)
    made.set_defaults(command=command)
    made.add_argument("--debug", action="store_true", help="show every log line, and where an error comes from")
    return made


def _add_run_options(run: argparse.ArgumentParser) -> None:
    """A flag for each field of RunOptions; values stay text, the config module checks them."""
    run.add_argument("source", nargs="?", help="where frames come from, see below")
    run.add_argument("outputs", nargs="*", metavar="output", help="where the result goes; default: a window")
    run.add_argument("--config", type=Path, metavar="FILE.yaml", help="read options from a file; flags go before it")
    run.add_argument("--quiet", action="store_true", help="no progress, no summary")
    for name, kind in typing.get_type_hints(RunOptions, include_extras=True).items():
        if name in _POSITIONAL:
            continue
        base, meta = kind.__origin__, kind.__metadata__[-1]
        flag = "--" + name.replace("_", "-")
        if name == "settings":
            run.add_argument("--set", dest=name, action="append", metavar="KEY=VALUE", help=meta.description)
        elif base is bool or bool in typing.get_args(base):
            run.add_argument(flag, action=argparse.BooleanOptionalAction, help=meta.description)
        else:
            flags = (flag, "--show") if name == "view" else (flag,)
            run.add_argument(*flags, metavar=name.upper(), help=meta.description.replace("%", "%%"))


def _add_import_options(command: argparse.ArgumentParser) -> None:
    """A flag for what the file cannot tell; anything left out is guessed, or asked for in the error."""
    command.add_argument("model", type=Path, help="any semantic segmentation ONNX file")
    command.add_argument("target", type=Path, nargs="?", help="where to write it; default: among your models")
    for flag, text in _IMPORT_FLAGS.items():
        command.add_argument(f"--{flag}", metavar=flag.upper(), help=text)


def _add_eval_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("model", help="a name from `streamseg models`, or a file MODEL.onnx")
    command.add_argument("pictures", type=Path, help="folder of pictures")
    command.add_argument(
        "masks",
        type=Path,
        help="folder of masks of the same names: class ids, 255 is void; for objects their numbers, or COCO's JSON",
    )
    command.add_argument("--parts", metavar="CLASS", help="also compare the connected parts of a class, as cells are")
    command.add_argument(
        "--video", action="store_true", help="the pictures are a video's frames: also how steady it is"
    )
    command.add_argument("--ids", action="append", default=[], metavar="OLD=NEW", help="rename an id of the masks")
    command.add_argument("--json", action="store_true", help="as JSON")
    command.add_argument("--sheet", type=Path, metavar="FILE.png", help="write the worst pictures side by side")


def _run(arguments: argparse.Namespace) -> int:
    with _Signals() as signals:  # before the imports, which take half a second in which somebody may think twice
        from streamseg.assembly import assemble
        from streamseg.contracts import Controls
        from streamseg.progress import follow, set_up_logging

        set_up_logging(debug=arguments.debug, quiet=arguments.quiet)
        controls = Controls()
        pipeline = assemble(_with_an_output(_options(arguments)), controls)
        signals.running = controls
        follow(pipeline, quiet=arguments.quiet)
    return 0


def _options(arguments: argparse.Namespace) -> RunOptions:
    given: dict[str, object] = {
        name: value for name in RunOptions.__struct_fields__ if (value := getattr(arguments, name)) not in (None, [])
    }
    if "settings" in given:
        given["settings"] = dict(_setting(text) for text in arguments.settings)
    return read_config(arguments.config, given) if arguments.config else make_options(given)


def _setting(text: str) -> tuple[str, object]:
    key, equals, value = text.partition("=")
    if not equals:
        raise InputError(f"--set {text}: expected KEY=VALUE")
    return key, [part.strip() for part in value.split(",")] if "," in value else value


def _with_an_output(options: RunOptions) -> RunOptions:
    """No output named means a window; where none can be shown, the status line alone."""
    if options.outputs:
        return options
    import msgspec

    from streamseg.sinks.window import display_problem

    problem = display_problem()
    if problem is None:
        return msgspec.structs.replace(options, outputs=("window",))
    _say(f"no window: {problem}; name an output, such as out.mp4, to keep the result")
    return options


class _Signals:
    """Ctrl-C and SIGTERM: before the run an interruption, during it a request to quit, the second time the end."""

    def __init__(self) -> None:
        self.running: Controls | None = None
        self._asked = False

    def __enter__(self) -> _Signals:
        self._before = {s: signal.signal(s, self._caught) for s in (signal.SIGINT, signal.SIGTERM)}
        return self

    def __exit__(self, *exception: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _caught(self, number: int, stack: FrameType | None) -> None:
        if self._asked:
            os._exit(128 + number)
        self._asked = True
        if self.running is None:
            raise KeyboardInterrupt
        self.running.quit = True


def _models(arguments: argparse.Namespace) -> int:
    from streamseg.listing import print_models

    return print_models(as_json=arguments.json)


def _doctor(arguments: argparse.Namespace) -> int:
    from streamseg.doctor import print_report

    return print_report(as_json=arguments.json)


def _import(arguments: argparse.Namespace) -> int:
    from streamseg.listing import import_and_print

    return import_and_print(arguments)


def _eval(arguments: argparse.Namespace) -> int:
    from streamseg.listing import evaluate_and_print

    return evaluate_and_print(arguments)


def _completion(arguments: argparse.Namespace) -> int:
    import shtab

    print(shtab.complete(parser(), arguments.shell))
    return 0


def _say(line: str) -> None:
    print(f"streamseg: {' '.join(line.split())}", file=sys.stderr)
