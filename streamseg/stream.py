"""A stream opened from Python: any mixture of names and objects in, an iterator of what is shown out."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import weakref
from collections.abc import AsyncIterator, Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal, TypeAlias

import msgspec

from streamseg.assembly import assemble, load_model, share_cores
from streamseg.capture.iterable import is_source, named
from streamseg.config import DEFAULT_MODEL, RunOptions, make_options
from streamseg.contracts import Controls, SegmenterFactory, Shown, SimpleSink, Source, ViewLike
from streamseg.ending import close_at_exit
from streamseg.errors import InputError
from streamseg.frame import StreamInfo
from streamseg.infer import load_segmenter
from streamseg.metrics import Metrics
from streamseg.model import ModelLike, load, name_of
from streamseg.options import Codec, Decoder, Effort
from streamseg.pipeline.pipeline import Pipeline
from streamseg.pipeline.scheduler import Target
from streamseg.reading import Reading
from streamseg.render import check_opacity, find_view
from streamseg.rules.shapes import Points
from streamseg.said import Said
from streamseg.sinks.function import own_sink
from streamseg.switch import ModelSwitch
from streamseg.validation import plain

Name: TypeAlias = str | os.PathLike[str]
SourceLike: TypeAlias = Name | int | Sequence[Name] | Source
"""A camera's number, a name, several files, or an object that is a `Source`."""
OutputLike: TypeAlias = Name | SimpleSink | Callable[[Shown], object]
"""A name, an object that is a `SimpleSink`, or a function that is called with every frame shown."""


def open(
    source: SourceLike,
    *outputs: OutputLike,
    model: ModelLike = DEFAULT_MODEL,
    settings: Mapping[str, object] | None = None,
    backend: str | None = None,
    tiles: int | Literal["auto"] | None = None,
    target: Target | None = None,
    steady: bool = True,
    effort: Effort | None = None,
    workers: int | None = None,
    threads: int | None = None,
    view: ViewLike = "overlay",
    opacity: float = 0.5,
    background: Name | None = None,
    outline: bool = False,
    boxes: bool = True,
    legend: bool = False,
    hud: bool | None = None,
    zones: Mapping[str, Points] | None = None,
    lines: Mapping[str, Points] | None = None,
    ground: Points | None = None,
    rules: Mapping[str, str] | None = None,
    hide: str | Sequence[str] = (),
    hide_all_but: str | Sequence[str] = (),
    hide_with: str = "pixels",
    overwrite: bool = False,
    codec: Codec = "h264",
    every: int = 1,
    start: float | str | None = None,
    end: float | str | None = None,
    pixel_size: str | float | None = None,
    size: str | tuple[int, int] | None = None,
    fps: float | None = None,
    pixel_format: str | None = None,
    transport: Literal["tcp", "udp"] = "tcp",
    decode: Decoder = "cpu",
    gpu: int | None = None,
    wait: bool = True,
    stall_timeout: float = 5.0,
    max_megapixels: float = 64.0,
) -> Stream:
    """Opens a source, a model and any outputs; iterate over the result for every frame that is shown.

    Args:
        source: a camera's number or device, a URL, a file, a folder or pattern of pictures, several pictures,
            `test://`, or an object: `streamseg.frames(…)`, `streamseg.PushSource()`, your own. Closed at the end.
        outputs: `window`, video or segments, `events:FOLDER`, `rtsp://…`, `hls:FOLDER`, `mqtt://…`, `kafka://…`,
            `webhook:…`, pictures, `masks:…`, `.jsonl`, `.csv`, `coco:…`, `null`; functions of `Shown`; objects.
        model: a name, an .onnx file, what `streamseg.load` gave, or your own object; the last two stay open.
        settings: of a classical method, such as `{"value": 128}`.
        backend: this one instead of the best that is here.
        tiles: looks closer at large pictures: overlapping tiles, `auto` or how many along the longer side.
        target: what matters most: `fps` (default of live sources), `latency`, `quality` (of files) or `power`.
        steady: takes the flicker out of masks, along the motion of the picture.
        effort: on carrying and steadying masks: `quick` (in files), `usual` or `fine`; live as time is left.
        workers: networks side by side, for a file; as many as there are cores.
        threads: of each network.
        view: `overlay`, `mask`, `side-by-side`, `blur`, `replace`, `objects`, `boxes`, `source`, or your own function.
        opacity: of the colours over the picture, 0..1.
        background: for the view `replace`: a picture's path, or a colour as `#rrggbb`.
        outline: draws the borders of the masks.
        boxes: draws the boxes of instances.
        legend: draws the classes with their share of the picture.
        hud: draws frames a second, latency and drops; by default in a window.
        zones: areas by name, each by its corners: `{"belt": [(0, 0.5), (1, 0.5), (1, 1), (0, 1)]}`.
        lines: lines by name, each by its two ends; what crosses them is counted.
        ground: four points of the ground, x and y in the picture and in metres, for speeds in m/s.
        rules: conditions by name, such as `{"crack": "crack.area in belt > 0.5 % for 2 s"}`; they fill `Shown.events`.
        hide: a class, or several, to be covered before anything is drawn, shown or written, `Shown.frame` included.
        hide_all_but: covers everything but these classes.
        hide_with: what lies over what is hidden: `pixels`, `blur`, or a colour as `#rrggbb`.
        overwrite: replaces outputs that exist.
        codec: of video files, segments, clips and RTSP: `h264`, or `hevc` (H.265).
        every: takes only every n-th frame.
        start: where to begin: seconds, `1:30`, or a frame as `250f`.
        end: where to stop, likewise.
        pixel_size: what the side of a pixel stands for, as `0.325um`, or in micrometres; for tables.
        size: width and height to ask of a camera, as (1280, 720) or `1280x720`.
        fps: frames a second to ask of a camera.
        pixel_format: four letters to ask of a camera, such as MJPG.
        transport: of RTSP packets.
        decode: what decodes videos and streams: `cpu`, or a GPU where it can, `cuda` or `vaapi`.
        gpu: the NVIDIA GPU that runs the network, and decodes, by its number in `streamseg doctor`; else the first.
        wait: waits for a live source that is away at the start.
        stall_timeout: seconds of silence before a live source is reconnected.
        max_megapixels: of pictures and videos, up to 1000; larger ones are refused before they are decoded.

    Raises:
        InputError: an option, file or model is wrong.
        SourceError: the source cannot be reached.
        OutputError: an output cannot be opened.
        BackendError: the model cannot run on this machine.
    """
    own = source if is_source(source) else None
    names = [os.fspath(output) for output in outputs if isinstance(output, str | os.PathLike)]
    options = make_options(
        plain({
            "source": getattr(getattr(own, "info", None), "name", "") if own is not None else named(source),
            "outputs": names, "model": name_of(model), "settings": settings or {}, "backend": backend, "tiles": tiles,
            "target": target, "steady": steady, "effort": effort, "view": view if isinstance(view, str) else "overlay",
            "background": os.fspath(background) if isinstance(background, os.PathLike) else background,
            "opacity": opacity, "outline": outline, "boxes": boxes, "legend": legend, "hud": hud,
            "overwrite": overwrite, "zones": zones or {}, "lines": lines or {}, "ground": ground, "rules": rules or {},
            "pixel_size": pixel_size,
            "every": every, "start": start, "end": end, "size": size, "fps": fps, "pixel_format": pixel_format,
            "transport": transport, "wait": wait, "stall_timeout": stall_timeout, "max_megapixels": max_megapixels,
            "hide": hide, "hide_all_but": hide_all_but, "hide_with": hide_with, "workers": workers, "threads": threads,
            "decode": decode, "gpu": gpu, "codec": codec,
        })
    )  # fmt: skip
    switch, controls, said = ModelSwitch(), Controls(), Said()
    pipeline = assemble(
        options,
        controls,
        load=lambda *asked, **more: switch.recipe(_recipe(model, options, *asked, **more)),
        source=own,  # type: ignore[arg-type]
        view=None if isinstance(view, str) else view,
        more_sinks=[own_sink(output) for output in outputs if not isinstance(output, str | os.PathLike)],
        said=said,
    )
    return Stream(pipeline, options, switch, said)


class Stream:
    """Frames with their masks, once: iterate with `for` or `async for`, or `run()` it to its end.

    Where the loop is left early, or with the end of a `with` block, threads end and outputs are closed.
    """

    def __init__(self, pipeline: Pipeline, options: RunOptions, switch: ModelSwitch, said: Said) -> None:
        self._pipeline, self._options, self._switch, self._said = pipeline, options, switch, said
        self._frames: weakref.ref[Generator[Shown, None, None]] | None = None
        self._closed = False

    @property
    def source(self) -> Source:
        """Where the frames come from; `source.counters` say what went wrong there."""
        return self._pipeline.source

    @property
    def controls(self) -> Controls:
        """What a window changes while the stream runs."""
        return self._pipeline.controls

    @property
    def info(self) -> StreamInfo:
        """What the source says of itself."""
        return self._pipeline.source.info

    def run(self) -> Metrics:
        """Shows every frame and gives the final reading; raises what iterating raises."""
        for _ in self:
            pass
        return self.metrics()

    def stop(self) -> None:
        """Asks the stream to end soon; from any thread or signal handler."""
        self._pipeline.stop()

    def metrics(self) -> Metrics:
        """A reading of the counters and latencies, at any time and from any thread."""
        return self._pipeline.metrics()

    def change(
        self, *, model: ModelLike | None = None, view: ViewLike | None = None, opacity: float | None = None
    ) -> None:
        """Changes what is given, while the stream runs or before; from any thread.

        A model is loaded and opened here, and used from the next frame that the network looks at; `streamseg.load` with
        settings or a backend gives one that is open already.

        Raises:
            InputError: there is no such model or view, an output names a class that the model has not, or the stream is
                closed; nothing is changed then.
            BackendError: the model cannot run on this machine; the old one stays.
        """
        if self._closed:
            raise InputError("the stream is closed", "open it again")
        check_opacity(0 if opacity is None else opacity)
        if view is not None:
            find_view(view, self._options.render)
        if model is not None:
            self._change_model(model)
        controls = self._pipeline.controls
        controls.view = controls.view if view is None else view
        controls.opacity = controls.opacity if opacity is None else opacity

    def close(self) -> None:
        """Ends the stream and closes source and outputs; may be called twice. A loop in another thread ends soon."""
        self.stop()
        self._closed = True
        frames = self._frames() if self._frames else None
        if self._frames is None:
            self._pipeline.close()
        elif frames is not None:
            with contextlib.suppress(ValueError):  # another thread is in the loop, and will see that it is to stop
                frames.close()
        self._switch.close()

    def __iter__(self) -> Iterator[Shown]:
        if self._frames is not None or self._closed:
            raise InputError(
                "the stream is closed" if self._frames is None else "a stream is read once", "open it again"
            )
        frames = self._shown()
        self._frames = weakref.ref(frames)  # so that leaving a loop early ends the stream
        close_at_exit(frames, self.close)
        return Reading(frames, lambda: self._closed)

    def _shown(self) -> Generator[Shown, None, None]:
        with contextlib.closing(self._switch):
            yield from self._pipeline

    async def __aiter__(self) -> AsyncIterator[Shown]:
        """The same without holding up the event loop: a thread of its own waits for the frames."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            raise InputError("no loop of asyncio runs here", "with another: for shown in stream") from None
        frames = iter(self)
        with ThreadPoolExecutor(1, "streamseg-async") as thread:
            try:
                while (shown := await loop.run_in_executor(thread, next, frames, None)) is not None:
                    yield shown
            finally:
                self.stop()
                await loop.run_in_executor(thread, self.close)

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Stream({self.info.name!r}, model={self._options.model!r})"

    def _change_model(self, model: ModelLike) -> None:
        name = name_of(model)
        backend = self._options.backend if isinstance(model, str | os.PathLike) else None
        options = msgspec.structs.replace(self._options, model=name, settings={}, backend=backend)
        load = functools.partial(_recipe, model, options)
        recipe = load_model(options, self.controls, load, said=self._said)
        if not recipe.parallel and self._pipeline.workers > 1:
            raise InputError(f"{name} follows the video, and several workers share this one", "open it with workers=1")
        workers = share_cores(options, self.info, recipe)
        self._switch.change(workers.make, workers.threads)
        self._pipeline.pace.another_network()
        self._options = options


def _recipe(model: ModelLike, options: RunOptions, *asked: Any, **more: Any) -> SegmenterFactory:
    """Of a name as `load_segmenter` finds it, of an object its own."""
    if isinstance(model, str | os.PathLike):
        return load_segmenter(*asked, **more)
    return load(model, settings=options.settings, backend=options.backend).recipe
