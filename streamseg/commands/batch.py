"""`streamseg batch`: an archive of films, each a run of its own, by several processes, into one folder."""

from __future__ import annotations

import argparse
import contextlib
import functools
import re
import typing
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from streamseg.commands.failure import say
from streamseg.commands.flags import count, moment
from streamseg.commands.given import given_by
from streamseg.commands.helptext import Rare
from streamseg.commands.option_flags import add_options
from streamseg.config import OPTIONS, RunOptions, make_options, read_config, rule_problems
from streamseg.errors import InputError
from streamseg.redaction import redact
from streamseg.rules.check import refuse

if typing.TYPE_CHECKING:
    from streamseg.archive.driver import Run
    from streamseg.archive.folder import ResultFolder
    from streamseg.archive.row import Row
    from streamseg.archive.task import Job, Outcome, Task
    from streamseg.contracts import Controls

    RunJobs = Callable[[Iterable[Job], Task, int, Callable[[], bool]], Iterator[Outcome]]

_OWN = ("source", "outputs", "overwrite", "workers", "threads")
_DEFAULT = "{stem}.jsonl"
_TRIES = 3  # of a film whose worker dies
_EXAMPLES = """examples:
  streamseg batch dash/ --out results --model street
  streamseg batch 'dash/**/*.mp4' @more.txt --out results --write '{stem}.mp4'
  streamseg batch dash/ --out results --write '{stem}.csv' --write 'sheets/{stem}.jpg?every=10s'"""


def add_flags(command: argparse.ArgumentParser) -> None:
    """The films, where results go, who does it; and what is done with each film, as `run` has it."""
    command.usage = "streamseg batch SOURCE ... --out FOLDER [FLAG ...]"
    command.epilog = _EXAMPLES
    command.add_argument(
        "sources",
        metavar="SOURCE",
        nargs="+",
        help="a film, a folder with those below it, a 'PATTERN', an address (s3://…), @LIST.txt",
    )
    archive = command.add_argument_group("archive")
    archive.add_argument("--out", type=Path, metavar="FOLDER", required=True, help="where results and the summary go")
    archive.add_argument(
        "--write",
        action="append",
        metavar="OUTPUT",
        help=f"a result of each film, named below the folder; may be repeated (default: {_DEFAULT})",
    )
    archive.add_argument("--workers", type=count, metavar="N", help="processes (default: one a core, one a GPU)")
    archive.add_argument(
        "--pieces",
        type=moment,
        metavar="LENGTH",
        help="look at longer films in pieces of that length, side by side (10:00, 15000f)",
    )
    archive.add_argument(
        "--ray",
        nargs="?",
        const="auto",
        metavar="ADDRESS",
        help="on a Ray cluster: this machine's, HOST:6379, or local",
    )
    archive.add_argument("--quiet", action="store_true", help="say only what failed")
    groups = add_options(command, OPTIONS, without=_OWN)
    groups["model"].add_argument(
        "--trust-engine", action="store_true", help=Rare("run a TensorRT engine that another person built")
    )
    groups["source"].add_argument("--config", type=Path, metavar="FILE.yaml", help="read options from a file")


def run(arguments: argparse.Namespace) -> int:
    """Runs every film that is not done yet, and writes the summary."""
    from streamseg.archive.driver import unfinished
    from streamseg.archive.finding import find
    from streamseg.archive.folder import ResultFolder
    from streamseg.archive.task import Task, check_outputs
    from streamseg.commands.progress import set_up_logging

    set_up_logging(debug=arguments.debug, quiet=arguments.quiet)
    outputs = tuple(arguments.write or [_DEFAULT])
    check_outputs(outputs)
    if re.match(r"\w+:/", str(arguments.out)):
        raise InputError(f"--out {redact(str(arguments.out))}: results go to a disk", "a folder")
    options = _options(arguments)
    folder = ResultFolder(arguments.out)
    folder.check()
    jobs = find(arguments.sources, arguments.out)
    with folder.held(_asked(options, outputs)):
        todo = unfinished(jobs, folder.rows())
        before = len(jobs) - len(todo)
        try:
            if todo:
                task = Task(options, outputs, str(folder.path.absolute()), trust_engine=arguments.trust_engine)
                _run(arguments, task, folder, todo, before)
        except KeyboardInterrupt:
            _write_summary(folder, folder.rows().values())
            raise
        return _finish(arguments, folder, jobs, before)


def _options(arguments: argparse.Namespace) -> RunOptions:
    make = functools.partial(read_config, arguments.config) if arguments.config else make_options
    options = make({**given_by(arguments), "source": "", "outputs": (), "overwrite": False})
    refuse(rule_problems(options))
    return options


def _asked(options: RunOptions, outputs: Sequence[str]) -> dict[str, object]:
    """What the results depend on, by the name of each option."""
    import msgspec

    asked: dict[str, object] = {}
    for name, value in msgspec.to_builtins(options, enc_hook=str).items():
        asked |= value if name in ("render", "privacy", "capture") else {name: value}
    del asked["gpu"]
    if asked["codec"] == "h264":  # archives were begun before there was another
        del asked["codec"]
    return {**asked, "outputs": list(outputs)}


def _run(arguments: argparse.Namespace, task: Task, folder: ResultFolder, todo: Sequence[Job], before: int) -> None:
    """Raises KeyboardInterrupt where it was asked to end, once all workers have."""
    from streamseg.archive import cluster
    from streamseg.archive.driver import run_all
    from streamseg.archive.pieces import of_pieces
    from streamseg.commands.archive_progress import Follower
    from streamseg.contracts import Controls
    from streamseg.signals import SIGNALS

    controls = Controls()
    run_once, todo = _shared(arguments, task, todo, controls)
    pieces = [piece for job in todo for piece in of_pieces(job)]
    with (
        contextlib.ExitStack() as connected,
        SIGNALS.calling(functools.partial(setattr, controls, "quit", True)),
        Follower([*pieces, *todo], before, quiet=arguments.quiet) as follower,
    ):
        if arguments.ray:
            connected.callback(cluster.disconnect)
        for jobs in (pieces, todo):
            for said in run_all(jobs, run_once, folder, lambda: controls.quit, _TRIES):
                follower.hear(said)
    if controls.quit:
        raise KeyboardInterrupt(
            f"{before + follower.done} of {before + len(todo)} films done; the same command continues"
        )


def _shared(
    arguments: argparse.Namespace, task: Task, todo: Sequence[Job], controls: Controls
) -> tuple[Run, Sequence[Job]]:
    """What runs films with as many workers as pay, and the films, long ones with their pieces.

    Raises:
        StreamsegError: there is no such model, cluster, or part of a film.
    """
    import msgspec

    from streamseg.archive import cluster, processes
    from streamseg.archive.pieces import check_pieces, in_pieces
    from streamseg.assembly import gpus_for, may_take_turns
    from streamseg.commands.films import prepare
    from streamseg.infer.classical import METHODS
    from streamseg.machine import available_cores
    from streamseg.said import Said

    options = task.options
    recipe = prepare(
        msgspec.structs.replace(options, outputs=task.outputs), controls, Said(), trust_engine=arguments.trust_engine
    )()
    if arguments.pieces:
        check_pieces(options, recipe)
        todo = list(in_pieces(todo, options, arguments.pieces))
    most = max(len(todo), sum(len(job.pieces) for job in todo))
    if arguments.ray:
        machines = cluster.connect(arguments.ray)
        on_gpus = may_take_turns(options) and (options.model not in METHODS or options.capture.decode == "cuda")
        hired = cluster.fleet(machines, most, arguments.workers, on_gpus=on_gpus)
        run_jobs: RunJobs = functools.partial(cluster.run_on_ray, gpu_cores=hired.gpu_cores)
    else:
        gpus = gpus_for(options) if recipe.workers else 0
        usual = max(1, gpus) if recipe.workers else None
        hired = cluster.fleet([cluster.Machine(available_cores())], most, arguments.workers or usual)
        run_jobs, task = processes.run_here, replace(task, gpus=gpus)
    task = replace(task, cores=hired.cores)
    return lambda jobs: run_jobs(jobs, task, hired.workers, lambda: controls.quit), todo


def _finish(arguments: argparse.Namespace, folder: ResultFolder, jobs: Sequence[Job], before: int) -> int:
    """Writes the summary and says how it ended; gives the exit code."""
    rows = folder.rows()
    code = next((row.exit_code for job in jobs if not (row := rows[job.stem]).done), 0)
    failed = sum(not rows[job.stem].done for job in jobs)
    line = f"{len(jobs) - failed} of {len(jobs)} films done" + (f", {failed} failed" if failed else "")
    earlier = f" ({before} before)" if before else ""
    written = _write_summary(folder, rows.values())
    if not arguments.quiet:
        say(f"{line}{earlier}: {written}")
    return code


def _write_summary(folder: ResultFolder, rows: Iterable[Row]) -> str:
    """The name of the table of films, for people."""
    from streamseg.archive.summary import as_csv, as_parquet, minutes, table

    rows, lacks = list(rows), ""
    for name, columns in (("minutes", minutes(rows)), ("summary", table(rows))):
        written = folder.write(f"{name}.csv", as_csv(columns))
        try:
            folder.write(f"{name}.parquet", as_parquet(columns))
        except ImportError:
            from streamseg.installing import extra

            lacks = f" (Parquet needs pyarrow: {extra('archive')})"
    return written + lacks
