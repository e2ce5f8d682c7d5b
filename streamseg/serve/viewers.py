"""The latest picture as JPEG: encoded once a frame for all who look, never while nobody does."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

import cv2
from aiohttp import web

from streamseg.contracts import Shown
from streamseg.frame import squared
from streamseg.serve.stream import Stream

MOST_VIEWERS = 64
SLOWEST_S = 5.0
"""A viewer who takes no byte for that long is dropped; what lies in the sockets' buffers comes on top."""

_LOOK_UP_S = 1.0  # how often a viewer without new pictures finds out that the stream is gone
_QUALITY = 80
_BOUNDARY = "streamseg-picture"


class FileImage:
    """One stream's pictures for any number of viewers; belongs to the event loop."""

    def __init__(self, stream: Stream) -> None:
        self._stream, self._latest = stream, stream.latest
        self._loop = asyncio.get_running_loop()
        self._encoding = asyncio.Lock()
        self._encoded: tuple[Shown, bytes] | None = None
        self._new = asyncio.Event()
        self._watching = 0

    async def now(self) -> bytes | None:
        """The newest picture; None before the first."""
        shown = self._latest.shown
        return None if shown is None else await self._jpeg(shown)

    async def watch(self, send: Callable[[bytes], Awaitable[object]]) -> None:
        """Awaits `send` with every new picture until the stream is gone; a slow one gets fewer, never old ones."""
        self._watching += 1
        self._latest.on_new = self._poke
        last: Shown | None = None
        try:
            while not self._stream.gone:
                new = self._new
                if (shown := self._latest.shown) is None or shown is last:
                    with contextlib.suppress(asyncio.TimeoutError):
                        await asyncio.wait_for(new.wait(), _LOOK_UP_S)
                    continue
                last = shown
                await send(await self._jpeg(shown))
        finally:
            self._watching -= 1
            if not self._watching:
                self._latest.on_new = None

    async def _jpeg(self, shown: Shown) -> bytes:
        async with self._encoding:
            if self._encoded is None or self._encoded[0] is not shown:
                self._encoded = shown, await asyncio.to_thread(_encode, shown)
            return self._encoded[1]

    def _poke(self) -> None:
        """From the stream's thread, whose last frame may come after the loop has ended."""
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._wake)

    def _wake(self) -> None:
        waited_for, self._new = self._new, asyncio.Event()
        waited_for.set()


class Viewers:
    """Everybody who watches, of whatever stream: no more than `MOST_VIEWERS`."""

    def __init__(self) -> None:
        self.count = 0

    async def show(self, image: FileImage, request: web.Request) -> web.StreamResponse:
        """Motion JPEG until the viewer goes, or takes nothing for `SLOWEST_S`."""
        if self.count >= MOST_VIEWERS:
            return web.Response(
                status=503, text=f"{MOST_VIEWERS} are watching already\n", headers={"Retry-After": "10"}
            )
        self.count += 1
        response = web.StreamResponse(headers={"Content-Type": f"multipart/x-mixed-replace; boundary={_BOUNDARY}"})

        async def send(jpeg: bytes) -> None:
            head = f"--{_BOUNDARY}\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n".encode()
            await asyncio.wait_for(response.write(head + jpeg + b"\r\n"), SLOWEST_S)

        try:
            await response.prepare(request)
            await image.watch(send)
        except (asyncio.TimeoutError, TimeoutError, ConnectionError):
            if request.transport is not None:
                request.transport.abort()  # closing would wait for a buffer that nobody empties
        finally:
            self.count -= 1
        return response


def _encode(shown: Shown) -> bytes:
    image = squared(shown.image, shown.frame.pixel_aspect)
    done, encoded = cv2.imencode(".jpg", image, (cv2.IMWRITE_JPEG_QUALITY, _QUALITY))
    assert done, "JPEG holds every picture up to 65535 pixels a side"
    return encoded.tobytes()
