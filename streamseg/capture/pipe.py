"""Video on the standard input."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from streamseg.capture.decode import FORMATS, GOES_ON, open_error, pixel_limit
from streamseg.capture.hardware import accelerator
from streamseg.capture.packets import Packets
from streamseg.capture.stream import StreamSource
from streamseg.errors import SourceError
from streamseg.options import SourceOptions
from streamseg.pyav import STANDARD_INPUT, open_input

if TYPE_CHECKING:
    import av
    from av.video.stream import VideoStream

_OPTIONS = {"protocol_whitelist": "fd", "format_whitelist": FORMATS, **GOES_ON}


def open_pipe(options: SourceOptions) -> StreamSource:
    """What is piped in: finite, because the writer of a pipe waits for its reader. A file there may be jumped in.

    Raises:
        SourceError: nothing comes, or nothing that is video.
        InputError: there is no video in it.
    """
    import av

    try:
        container = open_input(
            STANDARD_INPUT,
            {**_OPTIONS, **pixel_limit(options.max_megapixels)},
            hwaccel=accelerator(options.decode, "-", options.gpu),
        )
    except (av.error.FFmpegError, OSError, ValueError) as error:
        raise open_error(error, "-") from None
    return StreamSource(_Piped(container, "-", options.max_megapixels), "-", options, live=False)


class _Piped(Packets):
    """Packets that were piped in; those of an MP4 may all have passed before its index came."""

    def demux(self, stream: VideoStream) -> Iterator[av.Packet[VideoStream]]:
        import av

        came = False
        try:
            for packet in super().demux(stream):
                came = True
                yield packet
        except av.error.InvalidDataError:
            if came or "mp4" not in self.container.format.name:
                raise
            hint = "streamseg run FILE, or streamseg run - < FILE"
            raise SourceError("-: its index is at its end, which is too late in a pipe", hint) from None
