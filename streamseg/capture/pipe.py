"""Video on the standard input."""

from __future__ import annotations

from streamseg.capture.decode import FORMATS, GOES_ON, open_error, pixel_limit
from streamseg.capture.hardware import accelerator
from streamseg.capture.packets import Packets
from streamseg.capture.stream import StreamSource
from streamseg.options import SourceOptions
from streamseg.pyav import open_input

_OPTIONS = {"protocol_whitelist": "pipe", "format_whitelist": FORMATS, **GOES_ON}


def open_pipe(options: SourceOptions) -> StreamSource:
    """What is piped in: finite, because the writer of a pipe waits for its reader.

    Raises:
        SourceError: nothing comes, or nothing that is video.
        InputError: there is no video in it.
    """
    import av

    try:
        container = open_input(
            "pipe:0",
            {**_OPTIONS, **pixel_limit(options.max_megapixels)},
            hwaccel=accelerator(options.decode, "-", options.gpu),
        )
    except (av.error.FFmpegError, OSError, ValueError) as error:
        raise open_error(error, "-") from None
    return StreamSource(Packets(container, "-", options.max_megapixels), "-", options, live=False)
