"""What a type checker and an editor know of the public names; nothing runs this."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from typing_extensions import assert_type

import streamseg

Bytes = NDArray[np.uint8]


def called(bgr: Bytes, images: list[Bytes]) -> None:
    model = assert_type(streamseg.load("street"), streamseg.Model)
    result = assert_type(model(bgr), streamseg.Result)
    assert_type(model(images), list[streamseg.Result])
    assert_type(model((bgr, bgr)), list[streamseg.Result])
    assert_type(result.labels, Bytes)
    assert_type(result.areas(), NDArray[np.float64])
    assert_type(result.instances, streamseg.Instances | None)
    assert_type(result.classes.names, tuple[str, ...])
    assert_type(result.draw(bgr, view="blur", opacity=0.5), Bytes)
    assert_type(result.to_coco(image_id=7)[0]["bbox"], list[float])
    assert_type(result.to_dict(), dict[str, object])
    assert_type(list(map(model, images)), list[streamseg.Result])


def of_opencv(path: str) -> None:
    """OpenCV's types say that anything may be in a picture."""
    image = cv2.imread(path)
    if image is not None:
        assert_type(streamseg.load(Path("own.onnx"))(image), streamseg.Result)


def opened(path: Path, images: Iterator[Bytes], segmenter: streamseg.Segmenter, sink: streamseg.Sink) -> None:
    def output(shown: streamseg.Shown) -> None: ...

    def view(picture: Bytes, frame: streamseg.Frame, segmentation: streamseg.Segmentation, opacity: float) -> None: ...

    source = streamseg.frames(images, fps=25, live=True)
    with streamseg.open(source, "out.mp4", path, output, sink, model=segmenter, view=view) as stream:
        assert_type(stream, streamseg.Stream)
        for shown in stream:
            assert_type(shown, streamseg.Shown)
            assert_type(shown.frame.time_s, float)
            assert_type(shown.image, Bytes)
        stream.change(model="street", view="mask", opacity=0.2)
        assert_type(stream.metrics(), streamseg.Metrics)
    streamseg.open(0, model=streamseg.load("person"), target="latency", size=(640, 480), transport="udp", start="1:30")
    streamseg.open(["a.png", path])


class Dark:
    """Arguments have the names that its author likes."""

    classes = streamseg.Classes(("dark", "bright"), np.zeros((2, 3), np.uint8))

    def __call__(self, batch: Sequence[streamseg.Frame]) -> list[streamseg.Segmentation]:
        return [streamseg.Segmentation(each.image[..., 0], self.classes, each.index, each.time_s) for each in batch]

    def close(self) -> None: ...


class Printer:
    def write(self, result: streamseg.Shown) -> None: ...

    def close(self) -> None: ...


def own_parts() -> None:
    assert_type(streamseg.load(Dark()), streamseg.Model)
    streamseg.open("test://", Printer(), model=Dark())


async def asynchronous() -> AsyncIterator[streamseg.Shown]:
    async for shown in streamseg.open("test://"):
        assert_type(shown, streamseg.Shown)
        yield shown


def pushed(bgr: Bytes) -> None:
    source = streamseg.PushSource(fps=30)
    assert_type(source.put(bgr, time_s=1.5), bool)
    streamseg.open(source)


def failed(error: streamseg.StreamsegError) -> None:
    assert_type((error.message, error.hint, error.exit_code), tuple[str, str, int])
