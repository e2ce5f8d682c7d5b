"""The long runs behind docs/reliability.md: each row by its name, at full length; prints what was found.

python tools/soak.py                 all of them, an hour and a half on two cores
python tools/soak.py memory stall    some of them
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.soak import Row, leaks, load, mutants, signals, storm, streams

ROWS: dict[str, Callable[[], Row]] = {
    "memory": lambda: leaks.memory(10_000),
    "reconnects": lambda: leaks.reconnects(200),
    "starts": lambda: leaks.starts(50),
    "overload": lambda: load.overload(60, busy=2),
    "unread": lambda: load.unread(30),
    "closed-pipe": load.closed_pipe,
    "sigterm": lambda: signals.sigterm(40),
    "server-back": lambda: streams.server_back(10, 8.0),
    "stall": lambda: streams.stall(5, 5.0),
    "storm": lambda: storm.storm(200, warm_up=200),
    "mutants": lambda: mutants.mutants(260),
    "models": lambda: mutants.mutants(200, only=".onnx"),
    "idle": lambda: load.idle(600),
    "memory-nightly": lambda: leaks.memory(200_000),
}
"""Name to the run; none takes over half an hour."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("rows", nargs="*", metavar="ROW", help=f"some of {', '.join(ROWS)}; default: all")
    wanted = parser.parse_args().rows or list(ROWS)
    unknown = [name for name in wanted if name not in ROWS]
    if unknown:
        parser.error(f"no row {', '.join(unknown)}; there are {', '.join(ROWS)}")
    print("| row | found | kept | seconds | day |\n| --- | --- | --- | --- | --- |")
    return 0 if all([_run(name) for name in wanted]) else 1


def _run(name: str) -> bool:
    started_s = time.monotonic()
    try:
        row = ROWS[name]()
    except Exception as error:
        row = Row(f"{type(error).__name__}: {error}", kept=False)
    seconds = time.monotonic() - started_s
    print(
        f"| {name} | {row.found} | {'yes' if row.kept else 'NO'} | {seconds:.0f} | {time.strftime('%F')} |", flush=True
    )
    return row.kept


if __name__ == "__main__":
    sys.exit(main())
