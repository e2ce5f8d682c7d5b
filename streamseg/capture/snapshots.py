"""Cameras that send one picture a request: asked again and again."""

from __future__ import annotations

import http.client
import math
import time
from collections.abc import Iterator

import cv2
import numpy as np

from streamseg.capture.httpclient import HttpClient, Response
from streamseg.capture.httpfile import HttpFile
from streamseg.errors import InputError, SourceError
from streamseg.frame import Frame, Image, StreamInfo
from streamseg.imagefile import check_size, decode_image, promised_size
from streamseg.options import SourceOptions

_USUAL_RATE = 1.0  # pictures a second
_NAP_S = 0.2  # how long it takes at most to hear that it is to end
LARGEST = 1 << 26
"""Bytes of a picture."""
_PADDING = 4096  # what some cameras send behind a JPEG's end


class SnapshotSource:
    """The pictures at one URL, `options.fps` a second; one that is still the same is no new frame. Owns its `client`.

    Raises:
        SourceError: what is there is no picture.
        InputError: it is larger than allowed.
    """

    waits_for = "another picture than the last"
    patience_s = math.inf

    def __init__(self, client: HttpClient, body: HttpFile, options: SourceOptions) -> None:
        self.counters = {"decode_errors": 0}
        self.heard_s = self._asked_s = time.monotonic()
        """When the camera last answered, be it with the same picture."""
        self._client, self._name, self._most = client, client.there.name, options.max_megapixels
        self._rate = options.fps or _USUAL_RATE
        self._closed = False
        self._last, self._mark = _whole(body), body.mark
        image = decoded(self._last, self._name, self._most)
        if image is None:
            client.close()
            raise SourceError(f"{self._name}: no picture that can be read")
        self._first: Image | None = image
        self.info = StreamInfo(self._name, image.shape[1], image.shape[0], self._rate, live=True)

    def __iter__(self) -> Iterator[Frame]:
        index, began_s = 0, self.heard_s
        image, self._first = self._first, None
        try:
            while not self._closed:
                if image is not None:
                    yield Frame(image, index, self.heard_s - began_s, self.heard_s, self._name)
                    index += 1
                self._rest(self._asked_s + 1 / self._rate)
                image = None if self._closed else self._next()
        finally:
            self._client.close()

    def close(self) -> None:
        """Ends the iteration soon."""
        self._closed = True

    def _rest(self, until_s: float) -> None:
        while not self._closed and (left_s := until_s - time.monotonic()) > 0:
            time.sleep(min(_NAP_S, left_s))

    def _next(self) -> Image | None:
        """The next picture; None where it is still the same, or cannot be read.

        Raises:
            SourceError: the camera is gone, or refuses.
        """
        self._asked_s = time.monotonic()
        try:
            response = self._client.get(headers={"If-None-Match": self._mark} if self._mark else {})
            data = b"" if response.status == 304 else _read(response)
            response.close()
        except (OSError, http.client.HTTPException) as error:
            raise self._client.broke(error) from None
        self.heard_s = time.monotonic()
        if not data or data == self._last:
            return None
        self._last, self._mark = data, response.header("etag")
        return decoded_or_counted(data, self._name, self._most, self.counters)


def _whole(body: HttpFile) -> bytes:
    """All of a picture that has just begun.

    Raises:
        SourceError: it broke off.
    """
    data = body.peek(LARGEST)
    if body.failure:
        raise body.failure
    return data


def _read(response: Response) -> bytes:
    parts, size = [], 0
    while size < LARGEST and (part := response.read(LARGEST)):
        parts.append(part)
        size += len(part)
    return b"".join(parts)


def decoded_or_counted(data: bytes, name: str, max_megapixels: float, counters: dict[str, int]) -> Image | None:
    """The picture in `data`; None, and another of `decode_errors`, where it cannot be read or is too large."""
    try:
        image = decoded(data, name, max_megapixels)
    except InputError:
        image = None
    counters["decode_errors"] += image is None
    return image


def decoded(data: bytes, name: str, max_megapixels: float) -> Image | None:
    """The picture in `data`; None where it is none, or only a part of one.

    Raises:
        InputError: it is larger than allowed.
    """
    width, height = promised_size(data)
    check_size(width, height, name, max_megapixels)
    cut_off = data.startswith(b"\xff\xd8") and b"\xff\xd9" not in data[-_PADDING:]
    if not width or not height or cut_off:
        return None
    image = decode_image(data, cv2.IMREAD_COLOR)
    return None if image is None else np.asarray(image, np.uint8)
