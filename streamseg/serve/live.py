"""A stream's pictures as H.264: encoded once however many watch, never while nobody does."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator
from dataclasses import replace
from typing import TYPE_CHECKING

import cv2
import numpy as np

from streamseg.contracts import Shown
from streamseg.frame import SQUARE, squared
from streamseg.serve.pictures import Pictures
from streamseg.sinks.encoder_alone import encoder_alone
from streamseg.sinks.video import Encoder

if TYPE_CHECKING:
    from av.packet import Packet
    from av.video.stream import VideoStream

_log = logging.getLogger(__name__)

# What every browser decodes, and within the quarter of a second that `bufsize` is of `maxrate`.
_WATCHED = {
    "preset": "superfast",
    "tune": "zerolatency",
    "profile": "baseline",
    "crf": "24",
    "maxrate": "8M",
    "bufsize": "2M",
}
_LONGEST = 1920
"""Pixels of the longer side; larger pictures are made smaller."""
_MOST_BEHIND = 15
"""Packets that wait for a viewer; one who is further behind is sent nothing before the next key frame."""


class LiveVideo:
    """One stream's pictures as H.264 in packets, each at the time when its frame arrived; belongs to the event loop."""

    def __init__(self, pictures: Pictures) -> None:
        self._pictures = pictures
        self._viewers: list[_Viewer] = []
        self._encoding: asyncio.Task[None] | None = None

    async def watch(self) -> AsyncGenerator[Packet[VideoStream], None]:
        """Packets from a key frame on until the stream is gone or its pictures cannot be encoded.

        To be closed by who takes them (`contextlib.aclosing`): with the last viewer the encoder goes.
        """
        viewer = _Viewer()
        self._viewers.append(viewer)
        if self._encoding is None:
            self._encoding = asyncio.create_task(self._encode())
        try:
            while (packet := await viewer.next()) is not None:
                yield packet
        finally:
            self._viewers.remove(viewer)
            if not self._viewers and self._encoding is not None:
                self._encoding.cancel()
                self._encoding = None

    async def _encode(self) -> None:
        encoding = _Encoding(self._pictures.stream.name)
        try:
            async with contextlib.aclosing(self._pictures.each()) as pictures:
                async for shown in pictures:
                    begins = any(viewer.begins for viewer in self._viewers)
                    for packet in await asyncio.to_thread(encoding.packets, shown, begins):
                        for viewer in self._viewers:
                            viewer.put(packet)
        except Exception as error:  # whatever it is, nobody is to wait for pictures that do not come
            _log.warning("%s: cannot be shown live: %s", self._pictures.stream.name, error)
        for viewer in self._viewers:
            viewer.end()
        self._encoding = None


class _Viewer:
    """The packets that wait for one viewer."""

    def __init__(self) -> None:
        self._waiting: asyncio.Queue[Packet[VideoStream] | None] = asyncio.Queue()
        self.begins = True
        """Whether it has had nothing yet."""
        self._lost = True  # nothing is of use before the next key frame

    def put(self, packet: Packet[VideoStream]) -> None:
        if self._waiting.qsize() >= _MOST_BEHIND:
            self._lost = True
        elif packet.is_keyframe or not self._lost:
            self._lost = self.begins = False
            self._waiting.put_nowait(packet)

    def end(self) -> None:
        self._waiting.put_nowait(None)

    async def next(self) -> Packet[VideoStream] | None:
        return await self._waiting.get()


class _Encoding:
    """The encoder for pictures of one size after the other; its calls come one at a time, from any thread."""

    def __init__(self, name: str) -> None:
        self._name, self._start_s = name, 0.0
        self._encoder: Encoder | None = None

    def packets(self, shown: Shown, key: bool) -> list[Packet[VideoStream]]:
        fitting = _fitted(shown)
        if self._encoder is None or not self._encoder.takes(fitting):
            self._start_s = self._start_s or shown.frame.arrived_s
            self._encoder = encoder_alone(fitting, self._name, options=_WATCHED)
        return self._encoder.write(fitting.pixels, shown.frame.arrived_s - self._start_s, key=key)


def _fitted(shown: Shown) -> Shown:
    """With square pixels, and no larger than what browsers decode easily."""
    height, width, _ = shown.pixels.shape
    if shown.frame.pixel_aspect == SQUARE and max(height, width) <= _LONGEST:
        return shown
    image = squared(shown.image, shown.frame.pixel_aspect)
    height, width = image.shape[:2]
    if (scale := _LONGEST / max(height, width)) < 1:
        size = max(2, round(width * scale)), max(2, round(height * scale))
        image = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
    return replace(shown, pixels=image, frame=replace(shown.frame, pixel_aspect=SQUARE))
