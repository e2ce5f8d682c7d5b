"""What rules and classes gave: the events of this run in memory, and those that outputs have kept on disk."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Collection, Iterable, Iterator
from datetime import datetime, timedelta
from pathlib import Path, PurePath
from typing import Any, NamedTuple
from urllib.parse import quote

import msgspec

from streamseg.errors import InputError
from streamseg.files import natural
from streamseg.rules.event import Event, read_time, written
from streamseg.serve.api import EventRow
from streamseg.serve.stored_files import names_of, opened
from streamseg.serve.stream import Stream
from streamseg.sinks.events import EVENTS
from streamseg.sinks.watches import ClassMetadata, RuleMetadata
from streamseg.validation import MisfitError, fit

_MOST_FILES = 2000  # of an output, that one request reads
_LARGEST = 1 << 20  # bytes of a record
_LOST_PLUS = re.compile(r"(:\d\d(?:\.\d+)?) (\d\d:\d\d)$")
_IN_NAME = re.compile(r"-(\d{8}-\d{6})(?:-\d+)?\.mp4")


class EventQuery(msgspec.Struct, frozen=True):
    """Which events; "" for all."""

    stream: str = ""
    rule: str = ""
    class_name: str = ""
    since: str = ""
    """UTC, as events have it; those that had ended by then are left out."""
    until: str = ""
    limit: int = 100

    def wants(self, row: EventRow, *, lasts: bool = False) -> bool:
        """Whether `row` is one of them; one that `lasts` has not ended, others without an end were cut short."""
        return (
            self.rule in ("", row.rule)
            and (not self.class_name or self.class_name in row.classes)
            and (lasts or not self.since or (row.ended or row.began) >= self.since)
            and (not self.until or row.began <= self.until)
        )


class _Found(NamedTuple):
    """An event, and where its files are; whether they are there is looked up for those alone that are listed."""

    row: EventRow
    """Without its files."""
    folders: Collection[Path]
    """Those that outputs of its stream keep clips in."""
    clip: str
    """Its path; empty where it has none."""

    def whole(self) -> EventRow:
        """With its files."""
        path, stream = Path(self.clip), self.row.stream
        if not self.clip or path.parent not in self.folders:
            return self.row
        snapshot, clip = (_url(stream, each) for each in (path.with_suffix(".jpg"), path))
        return msgspec.structs.replace(self.row, snapshot=snapshot, clip=clip)


def listed(streams: Iterable[Stream], asked: EventQuery) -> list[EventRow]:
    """The newest first."""
    found: dict[tuple[str, str], _Found] = {}  # by stream and id: clips of a class have the names of their files
    for stream in streams:
        if asked.stream in ("", stream.name):
            for each in _kept(stream, asked):  # one that goes on in a further clip is there twice, first how it ended
                newer = found.get((stream.name, each.row.id), each)
                found[stream.name, each.row.id] = each._replace(row=newer.row)
            for each in _of_this_run(stream, asked):
                found[stream.name, each.row.id] = each
    newest = sorted(found.values(), key=lambda each: (each.row.began, each.row.id), reverse=True)
    return [each.whole() for each in newest[: asked.limit]]


def folder_of(stream: Stream, file: str) -> Path:
    """The folder in which an output keeps the clip or picture `file`.

    Raises:
        KeyError: no output calls a file so.
    """
    clip = f"{file[: -len(PurePath(file).suffix)]}.mp4" if PurePath(file).suffix in (".jpg", ".mp4") else ""
    for _, names in names_of(stream, EVENTS):
        if names.own().fullmatch(clip) and _there(names.folder, file):
            return names.folder
    raise KeyError(file)


def _of_this_run(stream: Stream, asked: EventQuery) -> Iterator[_Found]:
    folders = [names.folder for _, names in names_of(stream, EVENTS)]
    for event in stream.latest.events.all():
        if asked.wants(row := _row(stream, event), lasts=event.kind != "end"):
            yield _Found(row, folders, stream.clips.of(event))


def _kept(stream: Stream, asked: EventQuery) -> Iterator[_Found]:
    # A day more on either side: clocks are set, and events last.
    first, last = _name(asked.since, -1) or "", _name(asked.until, 1) or "99999999"
    for output, names in names_of(stream, EVENTS):
        if asked.rule and asked.rule != EVENTS.asked_rule(output):
            continue
        own, wanted = names.own(), 0
        clips = (f"{record.removesuffix('.json')}.mp4" for record in _records(names.folder))
        # Several outputs may share a folder: those of the others do not count.
        found = (clip for clip in clips if own.fullmatch(clip) and first <= _when(clip) <= last)
        for clip in sorted(found, key=lambda each: natural(PurePath(each)), reverse=True)[:_MOST_FILES]:
            for row in filter(asked.wants, _rows(stream, names.folder, clip)):
                wanted += 1
                yield _Found(row, (names.folder,), str(names.folder / clip))
            if wanted >= asked.limit:
                break


def _when(clip: str) -> str:
    """Date and time in the name of a clip, by this machine's clock."""
    found = _IN_NAME.search(clip)
    return found[1] if found else ""


def _name(moment: str, days: int) -> str:
    """The same of a clip so many days after `moment`; empty where that is none."""
    with contextlib.suppress(ValueError, OverflowError):
        then = read_time(moment) + timedelta(days=days)
        return then.astimezone().strftime("%Y%m%d-%H%M%S")
    return ""


def _records(folder: Path) -> list[str]:
    try:
        return [each.name for each in folder.iterdir() if each.suffix == ".json"]
    except OSError:
        return []


def _rows(stream: Stream, folder: Path, clip: str) -> Iterator[EventRow]:
    """What the JSON beside a clip says; nothing where it says nothing of use."""
    try:
        with opened(folder, f"{clip.removesuffix('.mp4')}.json") as file:
            told: Any = msgspec.json.decode(file.read(_LARGEST))
        if isinstance(told, dict) and "class" in told:
            yield _of_class(stream, fit(told, ClassMetadata), clip)
        else:
            yield from (_row(stream, event) for event in fit(told, RuleMetadata).events)
    except (OSError, ValueError, OverflowError, RecursionError, msgspec.DecodeError, MisfitError):
        return


def _row(stream: Stream, event: Event) -> EventRow:
    return EventRow(
        id=event.id,
        stream=stream.name,
        rule=event.rule,
        zone=event.zone,
        classes=event.classes,
        began=event.began,
        ended=event.at if event.kind == "end" else "",
        peak=event.peak,
        unit=event.unit,
        ended_by=event.ended_by,
    )


def _of_class(stream: Stream, told: ClassMetadata, clip: str) -> EventRow:
    began = datetime.fromisoformat(told.seen)
    ended = began + timedelta(seconds=told.last_seen_s - told.first_seen_s)
    return EventRow(
        id=clip,
        stream=stream.name,
        classes=(told.class_name,),
        began=written(began),
        ended=written(ended),
        peak=told.largest_percent,
        unit="%",
    )


def _url(stream: str, file: Path) -> str:
    """Where the service gives the file; "" while it is not there."""
    return f"/streams/{stream}/events/{quote(file.name)}" if _there(file.parent, file.name) else ""


def _there(folder: Path, file: str) -> bool:
    try:
        opened(folder, file).close()
    except (OSError, ValueError):
        return False
    return True


def moment(text: str) -> str:
    """`text`, a date and time in ISO 8601, as events have it; without a zone it is that of this machine.

    A space before the zone was a `+`, which in a query stands for one: `date --iso-8601=seconds` has it so.

    Raises:
        InputError: it is none.
    """
    try:
        return written(read_time(_LOST_PLUS.sub(r"\1+\2", text))) if text else ""
    except (ValueError, OverflowError):
        raise InputError(f"{text!r:.40} is no time", "2026-11-28T09:30:00Z") from None
