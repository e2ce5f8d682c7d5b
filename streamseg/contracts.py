"""Every contract between the rooms, on one screen: what a source, segmenter, renderer and sink must offer."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, NamedTuple, Protocol, TypeAlias, runtime_checkable

from streamseg.frame import Frame, Image, Pixels, StreamInfo, as_image
from streamseg.metrics import Metrics
from streamseg.options import Codec, Effort, RenderOptions
from streamseg.prompts import Prompts
from streamseg.rules.event import MOST_WAITING, NOTHING_FOUND, Clips, Event, Findings, RuleReading, ZoneReading
from streamseg.segmentation import Classes, Segmentation
from streamseg.yuv import Planes


@dataclass(frozen=True, slots=True)
class Inputs:
    """What is known of a source's files before it is opened; nothing where it is no file."""

    stem: str = ""
    """What outputs call the source: a file's name without its suffix, or a folder's."""
    files: tuple[Path, ...] = ()
    """All that are read."""
    names: tuple[str, ...] = ()
    """Of pictures, `Frame.file` of each of `files`."""
    folder: Path | None = None
    """The folder that was named as the source."""
    many: bool = False
    """Whether it is a folder or pattern of pictures, and each a result of its own."""


class Source(Protocol):
    """Where frames come from."""

    @property
    def info(self) -> StreamInfo: ...

    @property
    def counters(self) -> Mapping[str, int]:
        """What went wrong without ending the stream, by reason: `decode_errors`, `reconnects`."""

    def __iter__(self) -> Iterator[Frame]: ...

    def close(self) -> None:
        """Ends the iteration; may be called twice, and from any thread."""


@runtime_checkable
class Heartbeat(Protocol):
    """A source that tells when something last arrived, be it without a frame. It may be closed while it reads."""

    @property
    def heard_s(self) -> float:
        """In seconds of `time.monotonic`."""

    @property
    def waits_for(self) -> str:
        """What a frame comes with, in words."""

    @property
    def patience_s(self) -> float:
        """For how long no frame may come of what arrives."""


class SimpleSegmenter(Protocol):
    """The least that an object must offer to be a model; called by one thread at a time, which may change."""

    @property
    def classes(self) -> Classes: ...

    def __call__(self, frames: Sequence[Frame], /) -> list[Segmentation]: ...

    def close(self) -> None: ...


class Segmenter(SimpleSegmenter, Protocol):
    """Finds what is in frames; called by one thread at a time, which need not be the one that made it."""

    scale: float
    """Of its usual input side, above 0 to 1; set between calls. One that has no smaller input ignores it."""


@dataclass(frozen=True, slots=True)
class Workers:
    """How a model is run: how many segmenters side by side, with how many threads each, and what makes one."""

    count: int
    threads: int
    make: Callable[[int], Segmenter]
    """Takes the number of threads."""


@dataclass(frozen=True, slots=True)
class SegmenterFactory:
    """A model that has been found and checked, ready to be made in the thread that will use it."""

    name: str
    classes: Classes
    make: Callable[[int], Segmenter]
    """Takes the number of threads one segmenter may use."""
    parallel: bool
    """True: several may share a stream. False: it remembers earlier frames, so one sees them all, in order."""
    chooses: bool = False
    """Whether it remembers which network suits the stream, and no mask: its masks are steadied and carried then."""
    workers: int | None = None
    """How many pay on a file; None: as many as there are cores."""
    batch: int = 1
    """How many frames a call takes best; any number is accepted."""
    most: int | None = None
    """How many frames one run of the network holds; None where there is no network."""
    shared: bool = False
    """Whether other streams use what `make` gives as well."""
    instances: bool = False
    """Whether it finds objects, each by itself."""
    asked: bool = False
    """Whether it looks for what is pointed at while it runs."""
    licence: str = ""
    """Of the weights; empty where there are none."""
    side: int | None = None
    """Pixels of the longer side that the network sees; None where there is no network."""
    tuned: Mapping[str, Workers] = field(default_factory=dict)
    """What was measured to be quickest on this machine for a source that is `live`, and for a `file`."""


class MaskPropagator(Protocol):
    """Carries what was found in one frame to others of the same stream, along the picture's own motion.

    Belongs to one thread, and writes into nothing that it is given. With no `effort` nothing is steadied.
    """

    effort: Effort | None

    def observe(self, frame: Frame) -> None:
        """The next frame of the stream; indices may have gaps, sizes may change."""

    def carry(self, segmentation: Segmentation) -> Segmentation:
        """`segmentation` of an observed frame, brought to the newest observed one; steadied where it is that one's."""

    def between(
        self, frames: Sequence[Frame], before: Segmentation | None, after: Segmentation | None
    ) -> Iterable[Segmentation]:
        """One for each of `frames`, all observed, behind that of `before`; the last is `after`'s. Both may be None."""


class Cover(Protocol):
    """Hides what must not be seen; belongs to one thread."""

    def __call__(self, frame: Frame, segmentation: Segmentation) -> Frame:
        """`frame`, or another one with the same place in time whose pixels are covered: in part, or all of them."""


Draw: TypeAlias = Callable[[Image, Frame, Segmentation, float], object]
"""Fills a picture, (H, W, 3) u8 BGR, from a frame, its segmentation and an opacity of 0..1."""


class View(NamedTuple):
    """A way to show a frame."""

    draw: Draw
    columns: int = 1
    """Widths of the frame side by side."""
    on_planes: Callable[[Planes, Planes, Segmentation, float], None] | None = None
    """The same for a frame that came as planes: fills the first from the second."""
    on_gpu: Callable[[Planes, Segmentation, float], Planes | None] | None = None
    """The same for one that is on a GPU with its labels: new planes there; None where they are not."""


ViewLike: TypeAlias = str | Draw | View
"""A view's name, or one of your own."""


class Renderer(Protocol):
    """Draws what a person sees."""

    def __call__(
        self, frame: Frame, segmentation: Segmentation, metrics: Metrics, findings: Findings = NOTHING_FOUND, /
    ) -> Pixels: ...


Evaluator: TypeAlias = Callable[[Frame, Segmentation], Findings]
"""Measures zones and lines and evaluates rules; takes the frames of one stream in their order, with their masks."""


@dataclass(frozen=True, slots=True, eq=False)
class Shown:
    """One frame as it is shown, with its masks."""

    frame: Frame
    segmentation: Segmentation
    pixels: Pixels = field(repr=False)
    """What the renderer drew, or the frame's own where nothing is drawn; an encoder takes planes as they are."""
    dropped: int
    """Frames let go since the one shown before."""
    timings_ms: Mapping[str, float]
    """`wait` for the network, `infer`, `render`; `age`: decoded to shown; `carried`: a mask, so far in video time."""
    events: tuple[Event, ...] = ()
    """Of the rules, in this frame; and in those before it that an output was too slow for."""
    readings: tuple[ZoneReading, ...] = ()
    """What was measured in this frame, of each zone and line and each class there."""
    active: frozenset[str] = frozenset()
    """Zones and lines of which a rule holds."""
    rules: tuple[RuleReading, ...] = ()

    @property
    def image(self) -> Image:
        """(H, W, 3) u8 BGR of `pixels`, converted the first time; do not write into it."""
        return as_image(self.pixels)

    def with_events(self, earlier: tuple[Event, ...]) -> Shown:
        """The same, with events of earlier frames before its own; of more than ten thousand the newest."""
        return replace(self, events=(earlier + self.events)[-MOST_WAITING:]) if earlier else self

    def followed_by(self, following: Shown) -> Shown:
        """What an output gets that was too slow for this one: the following, and the events of both."""
        return following.with_events(self.events)


Existing = Literal["refuse", "replace", "keep"]
"""Where files have an output's name already: the run is refused, they are replaced, or it takes names beside them."""


class SimpleSink(Protocol):
    """The least that an object must offer to be an output; what else a `Sink` has gets its default."""

    def write(self, shown: Shown, /) -> None: ...
    def close(self) -> None: ...


class Sink(SimpleSink, Protocol):
    """Where the result goes."""

    @property
    def blocking(self) -> bool:
        """True: gets a thread of its own. False (default): quick, or bound to the main thread."""

    @property
    def needs_image(self) -> bool:
        """Whether it looks at `Shown.pixels` (default); where no output does, nothing is drawn."""

    @property
    def unwritten(self) -> int:
        """How many frames of those it was given it could not write; 0 by default."""


@runtime_checkable
class Delivers(Protocol):
    """A sink that keeps messages until their receiver has them, and tries again by itself."""

    @property
    def waiting(self) -> int:
        """Messages that the receiver does not have yet."""

    @property
    def lost(self) -> int:
        """Messages that it will never have: too many waited, or it refused them."""


@runtime_checkable
class Watched(Protocol):
    """An output that tells whether anybody looks: while no output is wanted, the network of a live stream rests."""

    @property
    def wanted(self) -> bool:
        """Asked with every frame, so it must be quick; True where it cannot be told."""


@dataclass(slots=True)
class Controls:
    """What a viewer changes while a stream runs: written by a window, read by renderer, pipeline and model."""

    opacity: float = RenderOptions().opacity
    """0 (only the picture) to 1 (only the colours)."""
    view: ViewLike = RenderOptions().view
    quit_s: float = math.inf
    """`time.monotonic()` at which the run was first asked to end."""
    views: tuple[str, ...] = field(default=("overlay",))
    """What `next view` walks through."""
    prompts: Prompts = field(default_factory=lambda: deque(maxlen=64))
    """What no model has looked at yet, the newest of it: append `Click`, `Box`, `Mask`, `Clear()`, from any thread."""
    rules: tuple[str, ...] = ()
    """Names of the run's rules, for outputs that tell of them before the first event."""
    clips: Clips = field(default_factory=Clips)
    """What outputs keep of events, for those that tell of them."""
    codec: Codec = "h264"
    """Of videos that are written."""

    @property
    def quit(self) -> bool:
        """Whether the run was asked to end; True asks it, from any thread or signal handler."""
        return self.quit_s < math.inf

    @quit.setter
    def quit(self, asked: bool) -> None:
        self.quit_s = min(self.quit_s, time.monotonic()) if asked else math.inf
