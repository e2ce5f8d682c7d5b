"""A double of the GPU's encoder, over frames that are really on a GPU or on the driver that stands in."""

from __future__ import annotations

from typing import Any

import av


class Nvenc:
    """A stream of the GPU's encoder, of which there is none here: takes frames there, and has the CPU encode them.

    As the real one it is told where the brightness is, and takes colours from behind its last row. `frames` is how many
    it brings down, as the real one does not.
    """

    frames = 0

    def __init__(self, stream: Any) -> None:
        self._stream, self.codec_context = stream, stream.codec_context

    def encode(self, frame: av.VideoFrame | None) -> list[Any]:
        if frame is None:
            return list(self._stream.encode(None))
        assert frame.format.name == "cuda"
        y, uv = frame.planes
        assert uv.buffer_ptr == y.buffer_ptr + y.line_size * frame.height and uv.line_size == y.line_size
        down = frame.reformat(format="yuv420p")
        Nvenc.frames += 1
        down.pts, down.time_base, down.pict_type = frame.pts, frame.time_base, frame.pict_type
        return list(self._stream.encode(down))
