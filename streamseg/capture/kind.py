"""What a kind of source has to say of itself; `streamseg.capture.SOURCES` is the table of all."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from streamseg.capture.media import Uri
from streamseg.contracts import Inputs, Source
from streamseg.options import SourceOptions

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")


def scheme_of(uri: Uri) -> str:
    """What stands before `://`, as it is written; empty where nothing does."""
    found = _SCHEME.match(uri) if isinstance(uri, str) else None
    return found[1] if found else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceKind:
    """A kind of source: how its names look, and what opens one."""

    forms: str
    """Names of it, for people, such as `0, /dev/video0`."""
    means: Callable[[Uri], bool]
    """Whether a name, or those of several files, ask for it; opens nothing."""
    open: Callable[[Uri, SourceOptions], Source]
    """Raises `InputError` where the name is wrong, `SourceError` where there is nothing to reach."""
    check: Callable[[Uri], object] = lambda uri: None
    """Looks at the name alone, and raises `InputError` where it can be no source, here and now or later."""
    inputs: Callable[[Uri], Inputs] = lambda uri: Inputs()
    """The files that will be read."""
    in_turn: bool = False
    """Whether several of them make one run, one after the other."""
