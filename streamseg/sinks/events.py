"""Clips around what matters: from some seconds before a class is seen or a rule holds until some seconds after."""

from __future__ import annotations

import contextlib
import re
from datetime import datetime
from pathlib import Path

import cv2
import msgspec

from streamseg.contracts import Controls, Shown
from streamseg.errors import InputError, OutputError, printable
from streamseg.files import Folder, write_whole, writing
from streamseg.moment import ROUNDING_S
from streamseg.pyav import failures
from streamseg.rules.event import Clips
from streamseg.sinks.codecs import encoding
from streamseg.sinks.crash_safe_file import VideoFile, check_room, free_name, recover_parts
from streamseg.sinks.encoder_alone import encoder_alone
from streamseg.sinks.kind import OutputKind
from streamseg.sinks.names import Names
from streamseg.sinks.part import reason
from streamseg.sinks.preroll import EncodedPacket, Preroll
from streamseg.sinks.query import percent, seconds, split_query, without_query
from streamseg.sinks.video import CLOCK, Encoder
from streamseg.sinks.watches import ClassWatch, ClipMetadata, RuleWatch, Watch

OPTIONS = ("class", "rule", "area", "before", "after")
_LONGEST_S = 600.0  # an event that does not end goes on in a further clip
_MOST_BYTES = 64_000_000  # of video in memory, whatever `before` asks for


class EventsSink:
    """Writes `FOLDER/NAME-DATE-TIME.mp4` and a `.json` beside it for each time that `class` is seen or `rule` holds.

    `class` counts as seen in a frame of which it covers `area` percent or more, by default 1. Of a rule the first
    picture lies beside the clip as `.jpg`. `before` and `after` are 5 seconds each.

    Everything is encoded all the time, and what came before waits in memory as packets.
    """

    blocking = True
    needs_image = True

    def __init__(self, uri: str, controls: Controls | None = None, fps: float | None = None) -> None:
        controls = controls or Controls()
        asked, self._clips, self._encoding = _asked(uri), controls.clips, encoding(controls.codec, fps)
        self._names, self._watch = clip_names(uri), _watch(asked, self._clips)
        self._folder = self._names.folder
        self._after_s = seconds(asked, "after", 5.0)
        self._before = Preroll(seconds(asked, "before", 5.0), _MOST_BYTES)
        self._encoder: Encoder | None = None
        self._clip: _Clip | None = None
        self.unwritten = 0
        """Frames that were in an open fragment when it could not be written."""
        self._home = Folder(self._folder)
        with writing(self._folder):
            recover_parts(self._folder, self._names.own())

    def write(self, shown: Shown) -> None:
        """Takes one picture; what is kept of it is decided later.

        Raises:
            OutputError: a clip cannot be written; what was written until then stays playable.
        """
        seen = self._watch.seen(shown)
        try:
            encoder = self._encoder_for(shown)
            packets = [EncodedPacket.of(packet) for packet in encoder.write(shown.pixels, shown.frame.time_s)]
        except failures() as error:
            self._encoder = None
            raise self._lost(error) from None
        for unit in packets:
            self._before.add(unit)
        try:
            self._follow(shown, seen, packets, encoder)
        except failures() as error:
            raise self._lost(error) from None

    def close(self) -> None:
        """Ends the clip that is open, and what is told of in it.

        Raises:
            OutputError: its end cannot be written.
        """
        self._watch.end()
        if self._clip is not None:
            self._watch.tell(self._clip.story, self._clip.path)
        try:
            self._finish()
        except failures() as error:
            raise self._lost(error) from None

    def _follow(self, shown: Shown, seen: bool, packets: list[EncodedPacket], encoder: Encoder) -> None:
        if self._clip is not None:
            self._clip.add(packets)
        elif seen:
            self._begin(shown, encoder)
        if self._clip is None:
            return
        self._watch.tell(self._clip.story, self._clip.path)
        time_s = shown.frame.time_s
        if seen:
            self._clip.last_seen_s = time_s
        if time_s - self._clip.last_seen_s >= self._after_s - ROUNDING_S or self._clip.story.length_s >= _LONGEST_S:
            self._finish()

    def _begin(self, shown: Shown, encoder: Encoder) -> None:
        self._home.make()
        check_room(self._folder)
        clip = self._clip = self._new_clip(encoder, self._watch.story(shown))
        clip.add(list(self._before))
        if self._watch.snapshot:
            write_whole(clip.path.with_suffix(".jpg"), cv2.imencode(".jpg", shown.image)[1].tobytes(), replace=False)

    def _new_clip(self, encoder: Encoder, story: ClipMetadata) -> _Clip:
        while True:
            with contextlib.suppress(BlockingIOError):  # another run was quicker: the name is taken now
                path = free_name(self._names.path(at=datetime.now().astimezone()), ".json", ".jpg")
                return _Clip(path, encoder, story)

    def _finish(self) -> None:
        if (clip := self._clip) is not None:
            clip.finish()
            self._clip = None  # it is whole, whatever becomes of its story: FFmpeg would crash on another packet
            clip.write_story()

    def _lost(self, error: Exception) -> OutputError:
        if self._clip is not None:
            self.unwritten += self._clip.pending
            self._clip.abandon()
            self._clips.remove(printable(str(self._clip.path)))
            self._clip = None
        return OutputError(f"events:{self._folder}: {reason(error)}")

    def _encoder_for(self, shown: Shown) -> Encoder:
        if self._encoder is None or not self._encoder.takes(shown) or self._encoder.pauses(shown.frame.time_s):
            self._finish()
            self._before.clear()
            self._encoder = encoder_alone(shown, str(self._folder), self._encoding, for_files=True)
        return self._encoder


def clip_names(uri: str) -> Names:
    """What an output `events:FOLDER?class=NAME` or `events:FOLDER?rule=NAME` calls its clips.

    Raises:
        InputError: folder, class or rule is missing, or an option is not known.
    """
    asked = _asked(uri)
    return Names(f"{_folder(uri)}/{_safe(asked.get('class') or asked['rule'])}-%Y%m%d-%H%M%S.mp4")


class _Clip(VideoFile):
    """A clip and its story, which is written once the clip is whole."""

    def __init__(self, path: Path, encoder: Encoder, story: ClipMetadata) -> None:
        super().__init__(path)
        self.story, self.last_seen_s = story, 0.0
        self._start: int | None = None
        try:
            self._stream = encoder.stream_in(self.container)
        except BaseException:
            self.abandon()
            raise

    def add(self, units: list[EncodedPacket]) -> None:
        import av

        for unit in units:
            if self._start is None:
                self._start = unit.ticks
                self.story.begins_s = round(float(unit.ticks * CLOCK), 6)
            packet = av.Packet(unit.data)
            packet.pts = packet.dts = unit.ticks - self._start
            packet.time_base, packet.duration, packet.is_keyframe = CLOCK, unit.duration, unit.key
            packet.stream = self._stream
            self.mux(packet)
            self.story.frames += 1
            self.story.length_s = round(float((unit.ticks - self._start + unit.duration) * CLOCK), 6)

    def write_story(self) -> None:
        """Beside the clip, whose name is known by now; OutputError where it cannot be written."""
        story = msgspec.json.format(msgspec.json.encode(self.story)) + b"\n"
        write_whole(self.path.with_suffix(".json"), story, replace=False)


def _watch(asked: dict[str, str], clips: Clips) -> Watch:
    if "rule" in asked:
        return RuleWatch(asked["rule"], clips)
    return ClassWatch(asked["class"], percent(asked, "area", 1.0))


def _asked(uri: str) -> dict[str, str]:
    asked = split_query(uri, OPTIONS)[1]
    if not _folder(uri) or bool(asked.get("class")) == bool(asked.get("rule")):
        raise InputError(f"{uri}: needs a folder, and a class or a rule", "events:clips?class=person&area=5")
    if "rule" in asked and "area" in asked:
        raise InputError(f"{uri}: how much a rule wants stands in the rule, not in `area`")
    percent(asked, "area", 1.0)
    for key in ("before", "after"):
        seconds(asked, key)
    return asked


def _folder(uri: str) -> str:
    return without_query(uri).removeprefix("events:")


def _safe(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]", "_", name)


EVENTS = OutputKind(
    forms="'events:FOLDER?class=NAME', 'events:FOLDER?rule=NAME'",
    means=lambda uri: uri.startswith("events:"),
    open=lambda uri, info, controls, existing: EventsSink(uri, controls, info.fps),
    asked_class=lambda uri: _asked(uri).get("class"),
    asked_rule=lambda uri: _asked(uri).get("rule"),
    names=lambda uri, inputs: clip_names(uri),
    many_sources=True,
)
