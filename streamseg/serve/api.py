"""What goes over HTTP as JSON: the types behind the routes, of which the OpenAPI document is made."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from streamseg.measure import object_counts
from streamseg.prompts import Box, Click
from streamseg.rules.event import EndedBy, ZoneReading, written
from streamseg.serve.stream import State, Stream

_Name = Annotated[
    str,
    Meta(pattern=r"^[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}$", title="1 to 64 letters, digits, dashes, dots and underscores"),
]
_Share = Annotated[float, Meta(ge=0, le=1)]


class Frames(msgspec.Struct, frozen=True):
    """captured = shown + failed + all of dropped + in_flight."""

    captured: int
    shown: int
    failed: int
    dropped: dict[str, int]
    in_flight: int


class Messages(msgspec.Struct, frozen=True):
    """About events, for MQTT brokers and webhooks."""

    waiting: int
    lost: int


class ClassReading(msgspec.Struct, frozen=True):
    """One class in the newest frame."""

    area: Annotated[_Share, Meta(description="share of the picture")]
    objects: Annotated[int | None, Meta(description="null where the model finds no objects")]
    colour: Annotated[str, Meta(description="as overlays draw it", examples=["#2e9d4f"])]
    drawn: Annotated[bool, Meta(description="false for the background")]


class RuleRow(msgspec.Struct, frozen=True):
    """One rule, and what it says of the newest frame."""

    name: str
    rule: Annotated[str, Meta(description="as in the file")]
    since: Annotated[str, Meta(description="UTC, when it began to hold; empty while it does not")]
    value: Annotated[
        float | None,
        Meta(description="of its first condition that holds, or else the first; null while the stream does not run"),
    ]
    unit: Annotated[str, Meta(description="of the value", examples=["%"])]
    events: Annotated[int, Meta(description="how many began since the service runs the stream")]


class StreamRow(msgspec.Struct, frozen=True):
    """One stream at one moment."""

    name: str
    ready: bool
    state: State
    source: Annotated[str, Meta(description="without user and password")]
    model: str
    asked: Annotated[bool, Meta(description="whether its model looks for what is pointed at")]
    error: Annotated[str, Meta(description="why it failed last; empty once it shows a frame again")]
    began: Annotated[str, Meta(description="UTC: when the service, or a change or an operator, had it begin")]
    age_s: float | None
    fps: float
    restarts: int
    events: dict[str, int]
    messages: Messages
    frames: Frames
    latency_ms: Annotated[
        dict[str, tuple[float, float]], Meta(description="of each stage the median and the 95th percentile")
    ]
    readings: Annotated[tuple[ZoneReading, ...], Meta(description="of zones and lines in the newest frame")]
    rules: Annotated[list[RuleRow], Meta(description="in the file's order")]
    classes: Annotated[
        dict[str, ClassReading], Meta(description="in the newest frame: every class that is there, or was looked for")
    ]


class Readiness(msgspec.Struct, frozen=True):
    """Whether every stream shows a fresh frame."""

    ready: bool
    streams: list[StreamRow]


class EventRow(msgspec.Struct, frozen=True, kw_only=True):
    """An event, as it was told of last; or a clip of a class that was seen, which has no rule."""

    id: str
    stream: str
    rule: str = ""
    zone: str = ""
    classes: tuple[str, ...] = ()
    began: Annotated[str, Meta(description="UTC", examples=["2026-11-28T09:30:00.125Z"])]
    ended: Annotated[str, Meta(description="UTC; empty while it lasts")] = ""
    peak: float = 0.0
    unit: str = ""
    ended_by: EndedBy = ""
    snapshot: Annotated[str, Meta(description="path of its picture; empty where there is none, or not yet")] = ""
    clip: Annotated[str, Meta(description="path of its clip, in the same way")] = ""


class RecordingRow(msgspec.Struct, frozen=True):
    """A film that an output writes or has written, or an HLS list."""

    stream: str
    file: str
    finished: Annotated[bool, Meta(description="false while it is written, and after a crash until it is recovered")]
    bytes: int
    changed: Annotated[str, Meta(description="UTC")]
    url: Annotated[str, Meta(description="its path here; byte ranges are given")]
    download: Annotated[str, Meta(description="the path of the same as one file; of an HLS list all that it names")]


class Drawn(msgspec.Struct, frozen=True):
    """Zones and lines of a stream, each point in fractions of the picture."""

    zones: dict[str, list[tuple[float, float]]]
    lines: dict[str, list[tuple[float, float]]]
    inherited: Annotated[list[str], Meta(description="`zones`, `lines`: those that stand in the file's defaults")]


class TrialRow(msgspec.Struct, frozen=True):
    """What a zone or line would have measured of a class."""

    place: str
    class_name: str = msgspec.field(name="class")
    most: Annotated[int | None, Meta(description="objects at once; null at a line, and where none are told apart")]
    mean_area_percent: Annotated[float | None, Meta(description="of the zone; null at a line")]
    crossings: Annotated[dict[str, int], Meta(description="by direction")]


class Trial(msgspec.Struct, frozen=True):
    """Over how many seconds and frames it was measured, 60 s at most, and what."""

    seconds: float
    frames: int
    rows: list[TrialRow]


class SignIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A token, for which a browser gets a cookie."""

    token: str


class SignedIn(msgspec.Struct, frozen=True):
    """Who asks."""

    operator: Annotated[str, Meta(description="the name of an operator's token; empty where it may only look")]
    signed_in: Annotated[bool, Meta(description="whether by a cookie, which can be given back")]


class NewStream(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A stream to add: what stands in the file under its name."""

    name: _Name
    options: dict[str, Any]


class Pointed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A place in the picture, or a box, in fractions of it."""

    click: Annotated[tuple[_Share, _Share] | None, Meta(description="x, y: on an object, or beside it")] = None
    box: Annotated[
        tuple[_Share, _Share, _Share, _Share] | None, Meta(description="left, top, right, bottom of a whole object")
    ] = None
    adds: Annotated[bool, Meta(description="false: what is there is not part of the object")] = True

    def __post_init__(self) -> None:
        if (self.click is None) == (self.box is None):
            raise ValueError("expected either `click` or `box`")
        self.prompt(None)

    def prompt(self, frame_index: int | None) -> Click | Box:
        """The same, of the frame of that index."""
        if self.click is not None:
            return Click(*self.click, self.adds, frame_index)
        assert self.box is not None, "one of them is there"
        return Box(*self.box, frame_index)


class Written(msgspec.Struct, frozen=True):
    """What the file says of a stream, without the defaults and without secrets."""

    name: str
    options: dict[str, Any]


class Done(msgspec.Struct, frozen=True):
    """What became of a change."""

    done: Annotated[str, Meta(examples=["2 streams unchanged, 1 started"])]


class Refused(msgspec.Struct, frozen=True):
    """Why nothing has changed, in one line without secrets."""

    error: str


def row(stream: Stream) -> StreamRow:
    """What /readyz and /streams say of a stream."""
    reading = stream.read()
    metrics = reading.metrics
    return StreamRow(
        name=stream.name,
        ready=reading.ready,
        state=reading.state,
        source=stream.source,
        model=stream.options.model,
        asked=stream.asked,
        error=reading.error,
        began=written(stream.began),
        age_s=None if reading.age_s is None else round(reading.age_s, 3),
        fps=round(metrics.fps, 1) if reading.state == "running" else 0.0,
        restarts=reading.restarts,
        events=dict(reading.events),
        messages=Messages(*reading.messages),
        frames=Frames(metrics.captured, metrics.shown, metrics.failed, dict(metrics.dropped), metrics.in_flight),
        latency_ms={stage: (round(p50, 1), round(p95, 1)) for stage, (p50, p95) in metrics.latency_ms.items()},
        readings=shown.readings if (shown := stream.latest.shown) else (),
        rules=_rules(stream, reading.state),
        classes=_classes(stream),
    )


def _rules(stream: Stream, state: State) -> list[RuleRow]:
    shown, counts = stream.latest.shown, stream.latest.events.counts
    now = {each.rule: each for each in shown.rules} if shown and state in ("running", "stalled") else {}
    return [
        RuleRow(name, str(rule), one.since, one.value, one.unit, counts[name])
        if (one := now.get(name))
        else RuleRow(name, str(rule), "", None, "", counts[name])
        for name, rule in stream.options.rules.items()
    ]


def _classes(stream: Stream) -> dict[str, ClassReading]:
    if (shown := stream.latest.shown) is None:
        return {}
    found = shown.segmentation
    counts = object_counts(found)
    return {
        name: ClassReading(
            round(float(area), 5),
            None if counts is None else counts[number],
            "#{2:02x}{1:02x}{0:02x}".format(*found.classes.colours[number]),
            number != found.classes.background,
        )
        for number, (name, area) in enumerate(zip(found.classes.names, found.areas(), strict=True))
    }
