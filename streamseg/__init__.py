"""Live video segmentation: cameras, streams and files in, masks over every frame out.

import streamseg

for shown in streamseg.open("dashcam.mp4", model="person"):
    print(shown.frame.time_s, shown.segmentation.areas())
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamseg.errors import BackendError, InputError, OutputError, SourceError, StreamsegError

if TYPE_CHECKING:
    from streamseg.pipeline import Pipeline

__version__ = "0.1.0"
__all__ = ["BackendError", "InputError", "OutputError", "SourceError", "StreamsegError", "__version__", "open"]


def open(source: str | int, *outputs: str, **options: object) -> Pipeline:
    """Opens a source, a model and any outputs; iterate over the result for every frame it shows.

    Args:
        source: a camera's number or device, a URL, a file, a folder or glob of pictures, or `test://`.
        outputs: `window`, a video file or segments, `events:FOLDER`, `rtsp://…`, `hls:FOLDER`, pictures,
            `masks:FOLDER`, `NAME.jsonl`, `null`.
        options: the fields of `streamseg.config.RunOptions`: model, settings, view, opacity, size, fps, ...

    Raises:
        InputError: an option, file or model is wrong.
        SourceError: the source cannot be reached.
        OutputError: an output cannot be opened.
        BackendError: the model cannot run on this machine.
    """
    # Here, because these import half a second of libraries that `streamseg --help` can do without.
    from streamseg.assembly import assemble
    from streamseg.config import make_options

    return assemble(make_options({**options, "source": source, "outputs": outputs}))
