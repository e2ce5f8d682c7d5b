"""Parts that streamseg finds by name once this package is installed:

streamseg run blink://5 shares:shares.csv --model brighter --view inverted
"""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamseg import Classes, Frame, Segmentation, Shown, SourceOptions, StreamInfo
from streamseg.infer.model.tensors import TensorInfo


class Blink:
    """Source `blink://N`: N frames, black and white in turn."""

    def __init__(self, uri: str, options: SourceOptions) -> None:
        width, height = options.size or (64, 48)
        self.info = StreamInfo(uri, width, height, options.fps or 25.0, live=False, frames=int(uri.partition("://")[2]))
        self.counters: Mapping[str, int] = {}

    def __iter__(self) -> Iterator[Frame]:
        for index in range(self.info.frames or 0):
            image = np.full((self.info.height, self.info.width, 3), 255 * (index % 2), np.uint8)
            yield Frame(image, index, index / (self.info.fps or 25.0), time.monotonic(), self.info.name)

    def close(self) -> None: ...


class Brighter:
    """Model `brighter`: pixels above the middle of the scale."""

    classes = Classes(("dark", "bright"), np.array([[0, 0, 0], [0, 255, 255]], np.uint8), background=0)

    def __call__(self, frames: Sequence[Frame]) -> list[Segmentation]:
        return [
            Segmentation((frame.image[..., 1] > 127).astype(np.uint8), self.classes, frame.index, frame.time_s)
            for frame in frames
        ]

    def close(self) -> None: ...


class ExampleBackend:
    """Backend `example-ort`: runs an .onnx file, here with ONNX Runtime."""

    name = "example-ort"

    def __init__(self, file: Path, threads: int, stopped: Callable[[], bool]) -> None:
        runtime: Any = importlib.import_module("onnxruntime")  # which has no types
        options = runtime.SessionOptions()
        options.intra_op_num_threads = threads
        self._session = runtime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
        self.inputs = tuple(map(_described, self._session.get_inputs()))
        self.outputs = tuple(map(_described, self._session.get_outputs()))

    def run(self, feeds: Mapping[str, NDArray[Any]]) -> Mapping[str, NDArray[Any]]:
        names = [output.name for output in self.outputs]
        return dict(zip(names, self._session.run(names, dict(feeds)), strict=True))

    def close(self) -> None: ...


def _described(tensor: Any) -> TensorInfo:
    dtypes = {"tensor(uint8)": np.uint8, "tensor(float)": np.float32, "tensor(int64)": np.int64}
    shape = tuple(side if isinstance(side, int) else None for side in tensor.shape)
    return TensorInfo(tensor.name, shape, np.dtype(dtypes[tensor.type]))


def inverted(picture: NDArray[np.uint8], frame: Frame, segmentation: Segmentation, opacity: float) -> None:
    """View `inverted`: the frame in negative."""
    np.subtract(255, frame.image, out=picture)


class Shares:
    """Output `shares:FILE`: a line a frame with the share of each class."""

    blocking = True  # gets a thread of its own
    needs_image = False

    def __init__(self, uri: str) -> None:
        self._file = Path(uri.partition(":")[2]).open("x")  # noqa: SIM115, closed with the stream

    def write(self, shown: Shown) -> None:
        print(shown.frame.index, *shown.segmentation.areas(), sep=",", file=self._file)

    def close(self) -> None:
        self._file.close()
