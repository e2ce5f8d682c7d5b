"""What outputs will write, told before any is opened: never what is read, nothing twice, nothing that is there."""

from __future__ import annotations

import contextlib
import itertools
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from streamseg.contracts import Existing, Inputs
from streamseg.errors import InputError, OutputError
from streamseg.files import refuse_existing
from streamseg.sinks import sink_kind
from streamseg.sinks.kind import OutputKind
from streamseg.sinks.names import STEM, Names, for_source
from streamseg.sinks.part import in_use, part_of
from streamseg.sinks.query import without_query
from streamseg.sinks.retention import OPTIONS

_Key = tuple[int, int, tuple[str, ...]]
_SOME_TIME = datetime(2001, 2, 3, 4, 5, 6)


@dataclass(frozen=True, slots=True)
class _Claim:
    """The files of one output."""

    output: str
    kind: OutputKind
    names: Names
    position: int
    """Among the outputs."""

    def sample(self) -> _Key:
        """What is written for some frame: the same for two outputs that would write over one another."""
        return _key(self.names.path(number=1_234_567, file="file.png", at=_SOME_TIME))


def named(outputs: Sequence[str], source: str, inputs: Inputs) -> tuple[str, ...]:
    """`outputs` with `{stem}` replaced by the source's name; of many pictures each has its own, asked for or not.

    Raises:
        InputError: there is no such kind of output, or the source is no file that has a name.
    """
    return tuple(_named(output, source, inputs) for output in outputs)


def check_files(
    outputs: Sequence[str], source: str, inputs: Inputs, existing: Existing, also_read: Sequence[Path] = ()
) -> None:
    """Looks where the `named` outputs would write; opens and changes nothing.

    Files are told apart by what they are, not by their names: through links, other spellings and other cases.

    Raises:
        InputError: an output would write over what is read, or two would write one file.
        OutputError: one exists, and may not be replaced; or what is there may not be looked at.
    """
    if source in outputs and source != "-":
        raise InputError(f"{source}: is the source, and cannot be an output as well")
    try:
        _check(outputs, inputs, existing, also_read)
    except PermissionError as error:
        raise OutputError(f"{error.filename}: {error.strerror}") from None


def _check(outputs: Sequence[str], inputs: Inputs, existing: Existing, also_read: Sequence[Path]) -> None:
    if twice := written_twice([(output, inputs) for output in outputs]):
        one, other = (outputs[position] for position in twice)
        same = f"is the same {'place' if '://' in other else 'file'} as the output {one}"
        raise InputError(f"{other}: {same if one != other else 'named twice'}")
    claims = _claims([(output, inputs) for output in outputs])
    for claim in claims:
        _check_reads(claim, inputs, (*inputs.files, *also_read))
    for claim in claims:
        _check_existing(claim, inputs, existing)


def written_twice(outputs: Sequence[tuple[str, Inputs]]) -> tuple[int, int] | None:
    """Positions of the first two of these outputs, each of its own source, that would write one file or stream."""
    seen: dict[object, int] = {}
    for position, (output, _) in enumerate(outputs):
        target = sink_kind(output).target
        if target is not None and (first := seen.setdefault(target(output), position)) != position:
            return first, position
    claims = _claims(outputs)
    for claim in claims:
        if (first := seen.setdefault(claim.sample(), claim.position)) != claim.position:
            return first, claim.position
    series: dict[_Key, list[_Claim]] = {}
    for claim in claims:
        if not claim.names.single:
            series.setdefault(_key(claim.names.folder), []).append(claim)
    for one in (claim for claim in claims if claim.names.single and series):
        path = one.names.path()
        for many in series.get(_key(path.parent), ()):
            if many.names.own().fullmatch(path.name):
                return many.position, one.position
    return None


def for_all(output: str) -> bool:
    """Whether several sources may be written there, one after the other: a window, or clips named by class and time."""
    return sink_kind(output).many_sources or not _claims([(output, Inputs())])


def written_over(outputs: Sequence[tuple[str, Inputs]], files: Sequence[Path]) -> Iterator[tuple[int, Path]]:
    """Positions of these outputs, each of its own source, that would write over one of `files`; and which one."""
    read = {_key(file): file for file in files}
    for claim in _claims(outputs):
        for path in _touched(claim, outputs[claim.position][1]):
            if file := read.get(_key(path)):
                yield claim.position, file


def _named(output: str, source: str, inputs: Inputs) -> str:
    kind = sink_kind(output)
    if STEM in output and not inputs.stem:
        raise InputError(f"{output}: {source} is no file, so it has no name to put in the place of {STEM}")
    each = kind.images and kind.patterns and inputs.many
    output = for_source(output, inputs.stem, escaped=kind.patterns, kept=each)
    name = without_query(output)
    if each and Names(name).single:
        head, dot, suffix = name.rpartition(".")
        output = f"{head}-{STEM}{dot}{suffix}{output[len(name) :]}"
    return output


def _claims(outputs: Sequence[tuple[str, Inputs]]) -> list[_Claim]:
    claims = []
    for position, (output, inputs) in enumerate(outputs):
        kind = sink_kind(output)
        if names := kind.names(output, inputs):
            claims.append(_Claim(output, kind, names, position))
    return claims


def _check_reads(claim: _Claim, inputs: Inputs, files: Sequence[Path]) -> None:
    into = claim.names.folder
    if claim.kind.images and inputs.folder is not None and _key(into) == _key(inputs.folder):
        raise InputError(f"{claim.output}: would write into the folder that is read", "name another folder")
    touched = list(_touched(claim, inputs)) if files else []
    read = {_key(path): path for path in files} if touched else {}
    for path in touched:
        if source := read.get(_key(path)):
            raise InputError(f"{claim.output}: would write over {source}, which is read", "name another output")


def _check_existing(claim: _Claim, inputs: Inputs, existing: Existing) -> None:
    if existing == "keep":
        return
    if claim.names.single and not claim.kind.lost:
        path = claim.names.path()
        refuse_existing(path, overwrite=existing == "replace")
        with contextlib.suppress(OSError):
            if in_use(part_of(path)):
                raise OutputError(f"{path}: another run is writing it")
    if existing == "refuse" and (lost := _lost(claim, inputs)):
        one = claim.names.single
        raise OutputError(f"{lost}: exists", f"--overwrite replaces {'it' if one else 'files of the same name'}")


def _lost(claim: _Claim, inputs: Inputs) -> Path | None:
    """A file that is there and would be lost; names with a time and a live HLS list only ever grow."""
    if claim.kind.lost:
        return claim.kind.lost(claim.names.folder, not inputs.files)
    return None if claim.names.timed else next(_touched(claim, inputs), None)


def _touched(claim: _Claim, inputs: Inputs) -> Iterator[Path]:
    """Files that are there and that it may replace or delete."""
    names = claim.names
    if names.timed and not any(f"{option}=" in claim.output[len(without_query(claim.output)) :] for option in OPTIONS):
        return iter(())  # it only adds
    return itertools.chain(claim.kind.also_replaced(names.folder), _named_so(names, inputs))


def _named_so(names: Names, inputs: Inputs) -> Iterator[Path]:
    """Files that are there under names that it gives."""
    if not (names.numbered or names.timed):
        return _exact(names, inputs)
    own, folder = names.own(), names.folder
    return (path for path in folder.iterdir() if own.fullmatch(path.name)) if folder.is_dir() else iter(())


def _exact(names: Names, inputs: Inputs) -> Iterator[Path]:
    """Of the pictures' names, or the one name, those that are taken; for a file of several pictures the first's."""
    pages = (None, 0) if inputs.names else (None,)
    paths = (names.path(file=file, page=page) for file in inputs.names or ("",) for page in pages)
    return (path for path in paths if os.path.lexists(path))


def _key(path: Path) -> _Key:
    """What a file is, whatever it is called; of one that is missing, where it will be."""
    real = Path(os.path.realpath(path))
    missing: list[str] = []
    while True:
        try:
            state = real.stat()
            return state.st_dev, state.st_ino, tuple(reversed(missing))
        except OSError:
            missing.append(real.name.casefold())  # there are disks to which large and small letters are the same
            real = real.parent
