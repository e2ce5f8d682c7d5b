"""The latest picture as JPEG: drawn and encoded once a frame for all who see it alike, never while nobody does."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

import cv2
from aiohttp import web

from streamseg.contracts import Shown
from streamseg.frame import Image, squared
from streamseg.serve.guard import LASTS, is_browser
from streamseg.serve.pictures import Pictures

MOST_VIEWERS = 64
SLOWEST_S = 5.0
"""A viewer who takes no byte for that long is dropped; what lies in the sockets' buffers comes on top."""

_QUALITY = 80
_BOUNDARY = "streamseg-picture"
_HEAD = f"--{_BOUNDARY}\r\nContent-Type: image/jpeg\r\n".encode()
_HEAD_AHEAD = b"\r\n" + _HEAD + b"\r\n"
"""For browsers, which show a picture once they have read the head of the next: sent right behind it, so no picture has
a length. Other programs get that: they may wait for so many bytes.
"""


def as_it_is(shown: Shown) -> Image:
    """What the stream's outputs get."""
    return shown.image


class FileImage:
    """One stream's pictures as JPEG, drawn in one way, for any number of viewers; belongs to the event loop."""

    def __init__(self, pictures: Pictures, draw: Callable[[Shown], Image] = as_it_is) -> None:
        self._pictures, self._draw = pictures, draw
        self._encoding = asyncio.Lock()
        self._encoded: tuple[Shown, bytes] | None = None

    async def now(self) -> bytes | None:
        """The newest picture; None before the first."""
        shown = self._pictures.stream.latest.shown
        return None if shown is None else await self._jpeg(shown)

    async def watch(self, send: Callable[[bytes], Awaitable[object]]) -> None:
        """Awaits `send` with every new picture until the stream is gone; a slow one gets fewer, never old ones."""
        async with contextlib.aclosing(self._pictures.each()) as pictures:
            async for shown in pictures:
                await send(await self._jpeg(shown))

    async def _jpeg(self, shown: Shown) -> bytes:
        async with self._encoding:
            if self._encoded is None or self._encoded[0] is not shown:
                self._encoded = shown, await asyncio.to_thread(_encode, shown, self._draw)
            return self._encoded[1]


class Viewers:
    """Everybody who watches, of whatever stream: no more than `MOST_VIEWERS`."""

    def __init__(self) -> None:
        self.count = 0

    async def show(self, image: FileImage, request: web.Request) -> web.StreamResponse:
        """Motion JPEG until the viewer goes, may no longer look, or takes nothing for `SLOWEST_S`."""
        if self.count >= MOST_VIEWERS:
            return full()
        self.count += 1
        response = web.StreamResponse(headers={"Content-Type": f"multipart/x-mixed-replace; boundary={_BOUNDARY}"})
        ahead = is_browser(request)

        async def send(jpeg: bytes) -> None:
            if not request[LASTS]():
                raise PermissionError
            length = f"Content-Length: {len(jpeg)}\r\n\r\n".encode()
            part = jpeg + _HEAD_AHEAD if ahead else _HEAD + length + jpeg + b"\r\n"
            await asyncio.wait_for(response.write(part), SLOWEST_S)

        try:
            await response.prepare(request)
            if request.method != "HEAD":
                if ahead:
                    await response.write(_HEAD_AHEAD)
                await image.watch(send)
        except (asyncio.TimeoutError, TimeoutError, ConnectionError):
            if request.transport is not None:
                request.transport.abort()  # closing would wait for a buffer that nobody empties
        except PermissionError:
            pass
        finally:
            self.count -= 1
        return response


def full() -> web.Response:
    """What one viewer more is told."""
    return web.Response(status=503, text=f"{MOST_VIEWERS} are watching already\n", headers={"Retry-After": "10"})


def _encode(shown: Shown, draw: Callable[[Shown], Image] = as_it_is) -> bytes:
    image = squared(draw(shown), shown.frame.pixel_aspect)
    done, encoded = cv2.imencode(".jpg", image, (cv2.IMWRITE_JPEG_QUALITY, _QUALITY))
    assert done, "JPEG holds every picture up to 65535 pixels a side"
    return encoded.tobytes()
