"""What a receiver is told of an event, in our own words and in those that automations for Frigate know."""

from __future__ import annotations

from typing import Any

import msgspec

from streamseg.rules.event import Event, read_time

_TYPES = {"start": "new", "update": "update", "end": "end"}


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """One event at one moment."""

    event: Event
    before: Event | None = None
    """What was told of it last; None at its start."""

    @property
    def key(self) -> str:
        """The same however often it is sent, and of no other message."""
        event = self.event
        return f"{event.id}-{event.kind}" + (f"-{event.at}" if event.kind == "update" else "")


def plain(message: Message) -> dict[str, Any]:
    """The fields of the event."""
    return dict(msgspec.to_builtins(message.event))


def frigate(message: Message, camera: str) -> dict[str, Any]:
    """The same with `type`, `before` and `after` as Frigate sends them; what it knows and we do not is left out."""
    after = _tracked(message.event, camera)
    before = _tracked(message.before, camera) if message.before else after
    return {"type": _TYPES[message.event.kind], "before": before, "after": after, **plain(message)}


def _tracked(event: Event, camera: str) -> dict[str, Any]:
    over = event.kind == "end"
    zones = [event.zone] if event.zone else []
    return {
        "id": event.id,
        "camera": camera,
        "label": event.classes[0] if event.classes else event.rule,
        "sub_label": None,
        "frame_time": _epoch_s(event.at),
        "start_time": _epoch_s(event.began),
        "end_time": _epoch_s(event.at) if over else None,
        "false_positive": False,
        "active": not over,
        "current_zones": [] if over else zones,
        "entered_zones": zones,
        "score": max(event.scores.values(), default=None),
        "has_snapshot": True,
        "has_clip": bool(event.clip),
        "rule": event.rule,
        "value": event.value,
        "peak": event.peak,
        "unit": event.unit,
    }


def _epoch_s(text: str) -> float:
    """Seconds since 1970; 0 of what is no time."""
    try:
        return read_time(text).timestamp()
    except ValueError:
        return 0.0
