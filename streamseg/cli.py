"""The command line: runs a command, prints, and turns errors into one line and an exit code."""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import sys
import traceback
import typing
from collections.abc import Callable, Sequence
from types import FrameType

from streamseg.config import RunOptions, make_options, read_config
from streamseg.errors import BackendError, InputError, StreamsegError, printable, redact
from streamseg.words import parse, parser

if typing.TYPE_CHECKING:
    from streamseg.contracts import Controls


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command and gives its exit code."""
    arguments = parse(argv)
    try:
        return COMMANDS[arguments.command](arguments)
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
            print(redact(traceback.format_exc()), file=sys.stderr)
        _say(f"this is a defect in streamseg: {type(error).__name__}: {error} (--debug shows where)")
        return 1


def program() -> None:
    """Entry point: like `main`, then leaves without waiting for a thread that a dead camera still holds."""
    code = main()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(BrokenPipeError):
            stream.flush()
    os._exit(code)


def _run(arguments: argparse.Namespace) -> int:
    with Signals() as signals:  # before the imports, which take half a second in which somebody may think twice
        from streamseg.assembly import assemble
        from streamseg.contracts import Controls
        from streamseg.progress import follow, set_up_logging

        set_up_logging(debug=arguments.debug, quiet=arguments.quiet)
        controls = Controls()
        pipeline = assemble(_with_an_output(_options(arguments)), controls, trust_engine=arguments.trust_engine)
        signals.watch(controls)
        follow(pipeline, quiet=arguments.quiet, explain=arguments.explain)
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


class Signals:
    """Ctrl-C and SIGTERM: before the run an interruption, during it a request to quit, the second time the end."""

    def __init__(self) -> None:
        self._running: Controls | None = None
        self._asked = False

    def __enter__(self) -> Signals:
        self._before = {s: signal.signal(s, self._caught) for s in (signal.SIGINT, signal.SIGTERM)}
        return self

    def __exit__(self, *exception: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def watch(self, running: Controls) -> None:
        """From now on a signal asks `running` to quit.

        Raises:
            KeyboardInterrupt: one has come already; Python drops the interruption itself where it falls into a
                clean-up of the interpreter's own, such as the import machinery's.
        """
        self._running = running
        if self._asked:
            raise KeyboardInterrupt

    def _caught(self, number: int, stack: FrameType | None) -> None:
        if self._asked:
            os._exit(128 + number)
        self._asked = True
        if self._running is None:
            raise KeyboardInterrupt
        self._running.quit = True


def _models(arguments: argparse.Namespace) -> int:
    from streamseg.listing import print_models

    return print_models(as_json=arguments.json)


def _doctor(arguments: argparse.Namespace) -> int:
    from streamseg.doctor import print_report

    return print_report(as_json=arguments.json)


def _import(arguments: argparse.Namespace) -> int:
    from streamseg.listing import import_and_print

    return import_and_print(arguments)


def _train(arguments: argparse.Namespace) -> int:
    from streamseg.making import train_and_print

    return train_and_print(arguments)


def _export(arguments: argparse.Namespace) -> int:
    from streamseg.making import export_and_print

    return export_and_print(arguments)


def _quantise(arguments: argparse.Namespace) -> int:
    from streamseg.making import quantise_and_print

    return quantise_and_print(arguments)


def _build(arguments: argparse.Namespace) -> int:
    from streamseg.making import build_and_print

    return build_and_print(arguments)


def _tune(arguments: argparse.Namespace) -> int:
    from streamseg.tuning.command import tune_and_print

    return tune_and_print(arguments)


def _bench(arguments: argparse.Namespace) -> int:
    from streamseg.bench.command import bench_and_print

    return bench_and_print(arguments)


def _eval(arguments: argparse.Namespace) -> int:
    from streamseg.listing import evaluate_and_print

    return evaluate_and_print(arguments)


def _serve(arguments: argparse.Namespace) -> int:
    with Signals():  # before the imports; the service has handlers of its own
        try:
            from streamseg.serve.service import ServeOptions, run
        except ModuleNotFoundError as error:
            if (error.name or "").partition(".")[0] not in ("aiohttp", "prometheus_client"):
                raise
            raise InputError(f"serve needs {error.name}", "pip install 'streamseg[serve]'") from None
        options = ServeOptions(
            config=arguments.config,
            listen=arguments.listen,
            token_file=arguments.token_file,
            no_auth=arguments.no_auth,
            allow_hosts=tuple(arguments.allow_host),
        )
        run(options, as_json=arguments.log == "json", debug=arguments.debug)
    return 0


def _compare(arguments: argparse.Namespace) -> int:
    from streamseg.comparing import compare_and_print

    return compare_and_print(arguments)


def _completion(arguments: argparse.Namespace) -> int:
    import shtab

    print(shtab.complete(parser(), arguments.shell))
    return 0


COMMANDS: dict[str, Callable[[argparse.Namespace], int]] = {
    "run": _run,
    "serve": _serve,
    "models": _models,
    "doctor": _doctor,
    "import": _import,
    "train": _train,
    "export": _export,
    "quantise": _quantise,
    "build": _build,
    "tune": _tune,
    "bench": _bench,
    "eval": _eval,
    "compare": _compare,
    "completion": _completion,
}


def _say(line: str) -> None:
    print(f"streamseg: {printable(redact(' '.join(line.split())))}", file=sys.stderr)
