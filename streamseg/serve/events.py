"""What rules and classes gave: the events of this run in memory, and those that outputs have kept on disk."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path, PurePath
from typing import Any
from urllib.parse import quote

import msgspec

from streamseg.errors import InputError
from streamseg.files import natural
from streamseg.rules.event import Event, written
from streamseg.serve.api import EventRow
from streamseg.serve.stored_files import names_of, opened
from streamseg.serve.stream import Stream
from streamseg.sinks.events import EVENTS
from streamseg.sinks.query import split_query
from streamseg.sinks.watches import ClassMetadata, RuleMetadata
from streamseg.validation import MisfitError, fit

_MOST_FILES = 2000  # of an output, that one request reads
_LARGEST = 1 << 20  # bytes of a record


class Asked(msgspec.Struct, frozen=True):
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


def listed(streams: Iterable[Stream], asked: Asked) -> list[EventRow]:
    """The newest first."""
    found: dict[tuple[str, str], EventRow] = {}  # by stream and id: clips of a class have the names of their files
    for stream in streams:
        if asked.stream in ("", stream.name):
            for row in _of_this_run(stream):
                if asked.wants(row, lasts=not row.ended):
                    found[row.stream, row.id] = row
            for row in _kept(stream, asked):
                if asked.wants(row):
                    found.setdefault((row.stream, row.id), row)
    return sorted(found.values(), key=lambda row: (row.began, row.id), reverse=True)[: asked.limit]


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


def _of_this_run(stream: Stream) -> Iterator[EventRow]:
    folders = [names.folder for _, names in names_of(stream, EVENTS)]
    for event in reversed(stream.latest.events.all()):
        event = stream.clips.named(event)
        clip = PurePath(event.clip).name
        folder = next((each for each in folders if clip and each == Path(event.clip).parent), None)
        yield _row(stream, event, folder, clip)


def _kept(stream: Stream, asked: Asked) -> Iterator[EventRow]:
    for output, names in names_of(stream, EVENTS):
        options = split_query(output, ("class", "rule", "area", "before", "after"))[1]
        if asked.rule and asked.rule != options.get("rule"):
            continue
        own, wanted = names.own(), 0
        clips = (f"{record.removesuffix('.json')}.mp4" for record in _records(names.folder))
        # Several outputs may share a folder: those of the others do not count.
        found = filter(own.fullmatch, clips)
        for clip in sorted(found, key=lambda each: natural(PurePath(each)), reverse=True)[:_MOST_FILES]:
            for row in _rows(stream, names.folder, f"{clip.removesuffix('.mp4')}.json", clip):
                wanted += asked.wants(row)
                yield row
            if wanted >= asked.limit:
                break


def _records(folder: Path) -> list[str]:
    try:
        return [each.name for each in folder.iterdir() if each.suffix == ".json"]
    except OSError:
        return []


def _rows(stream: Stream, folder: Path, record: str, clip: str) -> Iterator[EventRow]:
    """What the JSON beside a clip says; nothing where it says nothing of use."""
    try:
        with opened(folder, record) as file:
            told: Any = msgspec.json.decode(file.read(_LARGEST))
        if isinstance(told, dict) and "class" in told:
            yield _of_class(stream, fit(told, ClassMetadata), folder, clip)
        else:
            yield from (_row(stream, event, folder, clip) for event in fit(told, RuleMetadata).events)
    except (OSError, ValueError, OverflowError, RecursionError, msgspec.DecodeError, MisfitError):
        return


def _row(stream: Stream, event: Event, folder: Path | None, clip: str) -> EventRow:
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
        snapshot=_url(stream, folder, f"{PurePath(clip).stem}.jpg"),
        clip=_url(stream, folder, clip),
    )


def _of_class(stream: Stream, told: ClassMetadata, folder: Path, clip: str) -> EventRow:
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
        snapshot=_url(stream, folder, f"{PurePath(clip).stem}.jpg"),
        clip=_url(stream, folder, clip),
    )


def _url(stream: Stream, folder: Path | None, file: str) -> str:
    """Where the service gives the file; "" while it is not there."""
    return f"/streams/{stream.name}/events/{quote(file)}" if folder and _there(folder, file) else ""


def _there(folder: Path, file: str) -> bool:
    try:
        opened(folder, file).close()
    except (OSError, ValueError):
        return False
    return True


def moment(text: str) -> str:
    """`text`, a date and time in ISO 8601, as events have it; without a zone it is that of this machine.

    Raises:
        InputError: it is none.
    """
    try:
        return written(datetime.fromisoformat(text.replace("Z", "+00:00")).astimezone(timezone.utc)) if text else ""
    except (ValueError, OverflowError):
        raise InputError(f"{text!r:.40} is no time", "2026-11-28T09:30:00Z") from None
