"""What an output of clips waits for: a class that is seen, or a rule that holds; and what is told of each clip."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Protocol, TypeAlias

import msgspec

from streamseg.contracts import Shown
from streamseg.errors import printable
from streamseg.rules.event import DIGITS, Clips, Event, OpenEvents
from streamseg.segmentation import Classes, find_class


class ClassMetadata(msgspec.Struct):
    """What the JSON beside a clip of a class says."""

    stream: str
    class_name: str = msgspec.field(name="class")
    seen: str
    """Date and time at which the class was seen first."""
    first_seen_s: float
    """The same on the stream's own clock."""
    last_seen_s: float = 0.0
    largest_percent: float = 0.0
    """Of the picture that it covered."""
    begins_s: float = 0.0
    """Where the clip begins on the stream's own clock."""
    length_s: float = 0.0
    frames: int = 0


class RuleMetadata(msgspec.Struct):
    """The same of a rule that held."""

    stream: str
    rule: str
    events: list[Event]
    """Each that began, as it was told of last."""
    begins_s: float = 0.0
    length_s: float = 0.0
    frames: int = 0


ClipMetadata: TypeAlias = ClassMetadata | RuleMetadata


class Watch(Protocol):
    """Looks at one frame after the other."""

    name: str
    """Of what it waits for."""
    snapshot: bool
    """Whether a picture of the first frame is kept beside each clip."""

    def seen(self, shown: Shown) -> bool:
        """Whether it is there in the next frame."""

    def story(self, shown: Shown) -> ClipMetadata:
        """What is to be told of a clip that begins because of this frame, which was the last one seen."""

    def tell(self, story: ClipMetadata, clip: Path) -> None:
        """Adds what the last frame showed to the story of `clip`."""

    def end(self) -> None:
        """The stream has ended, and with it what was there."""


class ClassWatch:
    """Waits for a class to cover so many percent of the picture."""

    snapshot = False

    def __init__(self, name: str, least_percent: float) -> None:
        self.name, self._least_percent = name, least_percent
        self._classes: Classes | None = None
        self._class_id = 0
        self._percent, self._time_s = 0.0, 0.0

    def seen(self, shown: Shown) -> bool:
        """Whether it does."""
        classes = shown.segmentation.classes
        if classes is not self._classes:  # a stream may get another network, whose classes have other numbers
            self._classes, self._class_id = classes, find_class(classes, self.name)
        self._percent = round(float(shown.segmentation.areas()[self._class_id]) * 100, DIGITS)
        self._time_s = shown.frame.time_s
        return self._percent >= self._least_percent

    def story(self, shown: Shown) -> ClassMetadata:
        """Of a clip that begins now."""
        now = datetime.now().astimezone().isoformat(timespec="milliseconds")
        return ClassMetadata(shown.frame.stream, self.name, now, shown.frame.time_s)

    def tell(self, story: ClipMetadata, clip: Path) -> None:
        """Adds that it was seen."""
        assert isinstance(story, ClassMetadata)
        if self._percent >= self._least_percent:
            story.last_seen_s = self._time_s
            story.largest_percent = max(story.largest_percent, round(self._percent, 3))

    def end(self) -> None:
        """It is not there any more."""
        self._percent = 0.0


class RuleWatch:
    """Waits for a rule to hold."""

    snapshot = True

    def __init__(self, rule: str, clips: Clips) -> None:
        self.name, self._clips = rule, clips
        self._open = OpenEvents()
        self._news: tuple[Event, ...] = ()

    def seen(self, shown: Shown) -> bool:
        """Whether it holds, or did in a frame of which only the events came."""
        held = any(self._open)
        self._news = tuple(event for event in shown.events if event.rule == self.name)
        self._open.see(self._news, shown.frame.time_s)
        return held or bool(self._news)

    def story(self, shown: Shown) -> RuleMetadata:
        """Of a clip that begins now."""
        return RuleMetadata(shown.frame.stream, self.name, [each for each in self._open if each not in self._news])

    def tell(self, story: ClipMetadata, clip: Path) -> None:
        """Adds what was told of its events, and lets others know where they are kept."""
        assert isinstance(story, RuleMetadata)
        for event in [self._clips.add(each, printable(str(clip))) for each in self._news]:
            story.events = [each for each in story.events if each.id != event.id] + [event]

    def end(self) -> None:
        """Its events end."""
        self._news = self._open.end()
