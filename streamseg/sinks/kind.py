"""What a kind of output has to say of itself; `streamseg.sinks.SINKS` is the table of all."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from streamseg.contracts import Controls, Existing, Inputs, Sink
from streamseg.frame import StreamInfo
from streamseg.sinks.names import Names
from streamseg.sinks.query import without_query


def suffix_of(uri: str) -> str:
    """What the name of a file ends in, in small letters; empty for an address."""
    return "" if "://" in uri else Path(without_query(uri)).suffix.lower()


def folder_of(uri: str) -> str:
    """The folder in `masks:FOLDER` and the like."""
    return without_query(uri).partition(":")[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputKind:
    """A kind of output: how its names look, what opens one, and which files it writes, so that none is lost."""

    forms: str
    """Names of it, for people, such as `masks:FOLDER`."""
    means: Callable[[str], bool]
    """Whether a name asks for it; opens nothing."""
    open: Callable[[str, StreamInfo, Controls, Existing], Sink]
    """Raises `InputError` where the name is wrong, `OutputError` where nothing can be written there."""
    check: Callable[[str], object] = lambda uri: None
    """Looks at the name alone, and raises `InputError` where it can be no output, here and now or later."""
    asked_class: Callable[[str], str | None] = lambda uri: None
    """The class that a name asks for, which the model must have."""
    asked_rule: Callable[[str], str | None] = lambda uri: None
    """The rule that a name asks for, which the run must have."""
    compares: Callable[[str], bool] = lambda uri: False
    """Whether it asks for `Segmentation.disagreement`."""
    reach: Callable[[str], object] | None = None
    """Connects to where it would send, and leaves without having said anything there; raises `OutputError`, in time."""
    names: Callable[[str, Inputs], Names | None] = lambda uri, inputs: None
    """What it calls its files; None where it writes none."""
    images: bool = False
    """Whether each file is made from one frame; of a folder that is read each keeps its own name."""
    patterns: bool = False
    """Whether a `%` in a name stands for a number or a time."""
    many_sources: bool = False
    """Whether several sources may write there, one after the other, because its names never meet."""
    joined: bool = False
    """Whether one sink writes several sources, one after the other, into one file: it has a `next_source()`."""
    target: Callable[[str], object] | None = lambda uri: uri
    """Where a name leads, however it is written: two outputs of one target would write over each other. None: it keeps
    apart what several streams send there."""
    also_replaced: Callable[[Path], Iterable[Path]] = lambda folder: ()
    """Files in its folder that it replaces or deletes, whatever they are called."""
    lost: Callable[[Path, bool], Path | None] | None = None
    """A file in its folder that would be lost; told whether the source is live. None: any that has one of its names."""
