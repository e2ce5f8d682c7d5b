"""A model that is called with one's own frames."""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, NoReturn, TypeAlias, overload

from streamseg.config import make_options
from streamseg.contracts import Segmenter, SegmenterFactory, SimpleSegmenter, Workers
from streamseg.errors import InputError, StreamsegError
from streamseg.frame import Frame, ImageLike, checked_image
from streamseg.infer import load_segmenter
from streamseg.infer.batching import DynamicBatcher
from streamseg.infer.own import OwnSegmenter
from streamseg.machine import available_cores
from streamseg.result import Result
from streamseg.segmentation import Classes
from streamseg.validation import plain

if TYPE_CHECKING:
    from types import TracebackType


class Model:
    """Finds what is in images; safe to call from any thread, and open until it is closed.

    Calls that come while another is under way run together where that is quicker. The same object may be the `model`
    of any number of streams: live ones then share its network, and a file has networks of its own beside it.
    """

    def __init__(self, recipe: SegmenterFactory, threads: int | None = None) -> None:
        """Opens the network of `recipe`, with `threads` threads for each call, by default one a core.

        Raises:
            BackendError: it cannot run on this machine.
        """
        self.name = recipe.name
        self.classes: Classes = recipe.classes
        """Names and colours behind the class ids."""
        self.licence = recipe.licence
        """Of the weights; empty where there are none."""
        threads = threads or available_cores()
        network = DynamicBatcher(recipe)
        self._segmenter: Segmenter | None = network.join(threads)
        self._indices = itertools.count()
        self.recipe = _for_streams(recipe, network, threads)
        """How streams make their segmenters of it."""

    def __reduce__(self) -> NoReturn:
        """Raises TypeError: what runs a network lives in this process alone."""
        raise TypeError("a model cannot be pickled or copied: call streamseg.load in each process")

    @overload
    def __call__(self, images: ImageLike) -> Result: ...
    @overload
    def __call__(self, images: Sequence[ImageLike]) -> list[Result]: ...
    def __call__(self, images: ImageLike | Sequence[ImageLike]) -> Result | list[Result]:
        """What is in one image, (H, W, 3) u8 BGR, or in each of a list of them; neither copied nor changed.

        Of a list, images of one size run together. `map(model, generator)` takes one after the other.

        Raises:
            InputError: that is no such image, or the model is closed.
            BackendError: every backend has failed on it.
        """
        if isinstance(images, list | tuple):
            return self._segment(images)
        return self._segment([images])[0]  # type: ignore[list-item]

    def _segment(self, images: Sequence[ImageLike]) -> list[Result]:
        segmenter, now_s = self.opened(), time.monotonic()
        frames = [Frame(checked_image(image), next(self._indices), 0.0, now_s) for image in images]
        try:
            found = segmenter(frames) if frames else []
        except StreamsegError:
            self.opened()  # a thread that closes it meanwhile is the reason
            raise
        return [Result(each, frame.height, frame.width) for each, frame in zip(found, frames, strict=True)]

    def opened(self) -> Segmenter:
        """What finds; raises InputError where the model is closed."""
        if self._segmenter is None:
            raise InputError(f"model {self.name} is closed", "load it again")
        return self._segmenter

    def close(self) -> None:
        """Frees the network, once no stream uses it any more; may be called twice."""
        segmenter, self._segmenter = self._segmenter, None
        if segmenter is not None:
            segmenter.close()

    def __enter__(self) -> Model:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Model({self.name!r}, {len(self.classes)} classes)"


ModelLike: TypeAlias = str | os.PathLike[str] | SimpleSegmenter | Model
"""A model's name, the path of an .onnx file, or an object that is a `SimpleSegmenter`."""


def load(
    model: ModelLike,
    *,
    settings: Mapping[str, object] | None = None,
    backend: str | None = None,
    gpu: int | None = None,
    threads: int | None = None,
    trust_engine: bool = False,
) -> Model:
    """Loads a model to be called with frames, and opens it.

    Args:
        model: a name from `streamseg models`, the path of an .onnx file, or an object that is a `SimpleSegmenter`,
            which belongs to the result and is closed with it.
        settings: of a classical method, such as `{"value": 128}`.
        backend: this one instead of the best that is here.
        gpu: the NVIDIA GPU that runs it, by its number in `streamseg doctor`; else the first.
        threads: for each call; by default one a core.
        trust_engine: admits the path of a TensorRT engine, which can run any code.

    Raises:
        InputError: there is no such model, it is wrong in itself or closed, or an argument is wrong.
        BackendError: it cannot run on this machine.
    """
    given = {"settings": settings or {}, "backend": backend, "gpu": gpu, "threads": threads}
    wanted = make_options({"source": "", **plain(given)})
    settings, backend, gpu, threads = wanted.settings, wanted.backend, wanted.capture.gpu, wanted.threads
    if isinstance(model, str | os.PathLike):
        name = os.fspath(model)
        recipe = load_segmenter(name, settings, backend=backend, gpu=gpu, trust_engine=trust_engine)
        return Model(recipe, threads)
    if settings or backend or gpu is not None:
        raise InputError(
            "settings, backend and gpu are for a model that is named", "streamseg.load takes them with its name"
        )
    if not isinstance(model, Model):
        return Model(own_recipe(model), threads)
    model.opened()
    return model


def name_of(model: ModelLike) -> str:
    """What people call it: its name or path, or the type of an object."""
    if isinstance(model, str | os.PathLike):
        return os.fspath(model)
    return model.name if isinstance(model, Model) else type(model).__name__


def own_recipe(segmenter: SimpleSegmenter) -> SegmenterFactory:
    """A recipe of the one object `segmenter`.

    Raises:
        InputError: it is no segmenter.
    """
    offers = callable(segmenter) and callable(getattr(segmenter, "close", None))
    if isinstance(segmenter, type) or not offers or not isinstance(getattr(segmenter, "classes", None), Classes):
        said = segmenter.__name__ if isinstance(segmenter, type) else type(segmenter).__name__
        raise InputError(
            f"{said} is no model",
            "a name, an .onnx file, or an object with `classes`, `__call__(frames)` and `close()`",
        )
    return SegmenterFactory(
        name=type(segmenter).__name__,
        classes=segmenter.classes,
        make=lambda threads: OwnSegmenter(segmenter),
        parallel=True,  # one object sees the frames in order anyway, and its masks may be carried to others
        shared=True,
    )


def _for_streams(recipe: SegmenterFactory, network: DynamicBatcher, threads: int) -> SegmenterFactory:
    """The same, shared by all streams where there is one object, else by live ones: a file has networks of its own.

    A method that remembers earlier frames is made for each stream.
    """
    if recipe.shared:
        return replace(recipe, make=network.join)
    if not recipe.parallel:
        return recipe
    return replace(recipe, tuned={**recipe.tuned, "live": Workers(1, threads, network.join)})
