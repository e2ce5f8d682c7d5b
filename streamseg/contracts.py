"""Every contract between the rooms, on one screen: what a source, segmenter, renderer and sink must offer."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol, runtime_checkable

from streamseg.frame import MAX_MEGAPIXELS, Frame, Image, Pixels, StreamInfo, as_image
from streamseg.metrics import Metrics
from streamseg.segmentation import Classes, Segmentation


@dataclass(frozen=True, slots=True)
class SourceOptions:
    """What a person may ask of a source; a source that has no use for one ignores it."""

    size: tuple[int, int] | None = None
    """Width, height to ask of a camera or a generated scene."""
    fps: float | None = None
    """Frames a second to ask of a camera or a generated scene; the rate given to pictures."""
    pixel_format: str | None = None
    """Four letters to ask of a camera: MJPG, YUYV, NV12."""
    transport: Literal["tcp", "udp"] = "tcp"
    """How RTSP packets travel."""
    stall_timeout_s: float = 5.0
    """A live source that is silent for longer is opened anew."""
    max_megapixels: float = MAX_MEGAPIXELS
    """Larger pictures are refused before they are decoded."""


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


class Segmenter(Protocol):
    """Finds what is in frames; called by one thread at a time, which need not be the one that made it."""

    @property
    def classes(self) -> Classes: ...

    def __call__(self, frames: Sequence[Frame]) -> list[Segmentation]: ...

    def close(self) -> None: ...


@runtime_checkable
class Scalable(Protocol):
    """A segmenter that can look at a smaller picture."""

    scale: float
    """Of its usual input side, above 0 to 1."""


@dataclass(frozen=True, slots=True)
class Tuned:
    """How a model was measured to run quickest on this machine."""

    workers: int
    threads: int
    make: Callable[[int], Segmenter]


@dataclass(frozen=True, slots=True)
class Recipe:
    """A model that has been found and checked, ready to be made in the thread that will use it."""

    name: str
    classes: Classes
    make: Callable[[int], Segmenter]
    """Takes the number of threads one segmenter may use."""
    parallel: bool
    """True: several may share a stream. False: it remembers earlier frames, so one sees them all, in order."""
    batch: int = 1
    """How many frames a call takes best; any number is accepted."""
    most: int | None = None
    """How many frames one run of the network holds; None where there is no network."""
    shared: bool = False
    """Whether other streams use what `make` gives as well."""
    instances: bool = False
    """Whether it finds objects, each by itself."""
    licence: str = ""
    """Of the weights; empty where there are none."""
    tuned: Mapping[str, Tuned] = field(default_factory=dict)
    """What to do instead for a source that is `live`, and for a `file`."""


class Mover(Protocol):
    """Carries what was found in one frame to others of the same stream, along the picture's own motion.

    Belongs to one thread, and writes into nothing that it is given.
    """

    def observe(self, frame: Frame) -> None:
        """The next frame of the stream; indices may have gaps, sizes may change."""

    def carry(self, segmentation: Segmentation) -> Segmentation:
        """`segmentation` of an observed frame, brought to the newest observed one; steadied where it is that one's."""

    def between(
        self, frames: Sequence[Frame], before: Segmentation | None, after: Segmentation | None
    ) -> Iterable[Segmentation]:
        """One segmentation for each of `frames`, all observed: they follow the frame of `before`, and the last of
        them is that of `after`. Either is None at an end of the stream."""


class Renderer(Protocol):
    """Draws what a person sees."""

    def __call__(self, frame: Frame, segmentation: Segmentation, metrics: Metrics) -> Pixels: ...


@dataclass(frozen=True, slots=True, eq=False)
class Shown:
    """One frame at the end of its walk."""

    frame: Frame
    segmentation: Segmentation
    pixels: Pixels
    """What the renderer drew, or the frame's own where nothing is drawn; an encoder takes planes as they are."""
    dropped: int
    """Frames let go since the one shown before."""
    timings_ms: Mapping[str, float]
    """`wait` for the network, `infer`, `render`; `age`: from decoded to shown; `carried`: how far in video time the
    mask was brought."""

    @property
    def picture(self) -> Image:
        """(H, W, 3) u8 BGR of `pixels`, converted the first time; do not write into it."""
        return as_image(self.pixels)


class Sink(Protocol):
    """Where the result goes; one with an attribute `unwritten` says how many frames it could not take."""

    @property
    def blocking(self) -> bool:
        """True: gets a thread of its own. False: quick, or bound to the main thread."""

    @property
    def needs_picture(self) -> bool: ...

    def write(self, shown: Shown) -> None: ...

    def close(self) -> None: ...


@dataclass(slots=True)
class Controls:
    """What a viewer changes while a stream runs: written by a window, read by renderer and pipeline."""

    opacity: float = 0.5
    """0 (only the picture) to 1 (only the colours)."""
    view: str = "overlay"
    quit: bool = False
    pace: bool = False
    """True for a file in a window: each picture waits until its time has come."""
    views: tuple[str, ...] = field(default=("overlay",))
    """What `next view` walks through."""
