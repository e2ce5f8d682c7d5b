"""The packets of one video stream in an open container, each a sign of life."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from streamseg.capture.decode import video_stream

if TYPE_CHECKING:
    import av
    from av.container import InputContainer
    from av.video.stream import VideoStream


class Packets:
    """Packets of the video in `container`, which it owns.

    Raises:
        InputError: there is no video in it, or it is larger than allowed.
    """

    def __init__(self, container: InputContainer, name: str, max_megapixels: float) -> None:
        self.heard_s = time.monotonic()
        """When the last packet arrived."""
        self.container = container
        try:
            self.stream = video_stream(container, name, max_megapixels)
        except BaseException:
            container.close()
            raise

    def demux(self, stream: VideoStream) -> Iterator[av.Packet[VideoStream]]:
        """As the container's own."""
        for packet in self.container.demux(stream):
            self.heard_s = time.monotonic()
            yield packet
