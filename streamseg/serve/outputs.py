"""Names of outputs for a service, which begins again and again and never writes over what it wrote before."""

from __future__ import annotations

import itertools
from pathlib import Path

from streamseg.sinks import sink_kind

_ONE_FILE = ("video", "jsonl")


def fresh(output: str) -> str:
    """`output`, or where that file is there already, the first free of NAME-2, NAME-3 and so on."""
    head, colon, name = output.rpartition(":") if output.startswith("jsonl:") else ("", "", output)
    path = Path(name)
    if sink_kind(output) not in _ONE_FILE or not path.is_file():
        return output
    names = (path.with_name(f"{path.stem}-{number}{path.suffix}") for number in itertools.count(2))
    return f"{head}{colon}{next(name for name in names if not name.exists())}"
