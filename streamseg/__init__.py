"""Live video segmentation: cameras, streams and files in, masks over every frame out.

import streamseg

for shown in streamseg.open("dashcam.mp4", model="person"):
    print(shown.frame.time_s, shown.segmentation.areas())

model = streamseg.load("person")
result = model(bgr)  # (H, W, 3) u8
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from streamseg.errors import BackendError, InputError, OutputError, SourceError, StreamsegError

if TYPE_CHECKING:
    from streamseg.capture.iterable import PushSource, frames
    from streamseg.contracts import Segmenter, Shown, SimpleSegmenter, SimpleSink, Sink, Source, View
    from streamseg.frame import Frame, StreamInfo
    from streamseg.metrics import Metrics
    from streamseg.model import Model, load
    from streamseg.options import SourceOptions
    from streamseg.prompts import Box, Clear, Click, Mask
    from streamseg.result import Result
    from streamseg.segmentation import Classes, Instances, Segmentation
    from streamseg.stream import Stream, open

__version__ = "0.2.0"
__all__ = [
    "BackendError",
    "Box",
    "Classes",
    "Clear",
    "Click",
    "Frame",
    "InputError",
    "Instances",
    "Mask",
    "Metrics",
    "Model",
    "OutputError",
    "PushSource",
    "Result",
    "Segmentation",
    "Segmenter",
    "Shown",
    "SimpleSegmenter",
    "SimpleSink",
    "Sink",
    "Source",
    "SourceError",
    "SourceOptions",
    "Stream",
    "StreamInfo",
    "StreamsegError",
    "View",
    "__version__",
    "frames",
    "load",
    "open",
]

# These import half a second of libraries that `streamseg --help` can do without, so they are imported when asked for.
_MODULES = {
    "streamseg.capture.iterable": ("PushSource", "frames"),
    "streamseg.contracts": (
        "Segmenter",
        "Shown",
        "SimpleSegmenter",
        "SimpleSink",
        "Sink",
        "Source",
        "View",
    ),
    "streamseg.options": ("SourceOptions",),
    "streamseg.frame": ("Frame", "StreamInfo"),
    "streamseg.metrics": ("Metrics",),
    "streamseg.model": ("Model", "load"),
    "streamseg.prompts": ("Box", "Clear", "Click", "Mask"),
    "streamseg.result": ("Result",),
    "streamseg.segmentation": ("Classes", "Instances", "Segmentation"),
    "streamseg.stream": ("Stream", "open"),
}

if not TYPE_CHECKING:  # else a type checker would take any misspelt name for one that is imported late

    def __getattr__(name: str) -> object:
        for module, names in _MODULES.items():
            if name in names:
                return getattr(importlib.import_module(module), name)
        raise AttributeError(f"module 'streamseg' has no attribute '{name}'")


def __dir__() -> list[str]:
    return __all__
