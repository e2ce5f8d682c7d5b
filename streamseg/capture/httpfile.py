"""The body of an HTTP response as a file that FFmpeg reads, picked up again where the connection broke."""

from __future__ import annotations

import http.client
import io
import re
import tempfile
import time
from collections import deque
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import IO

from streamseg.capture.httpclient import HttpClient, Response
from streamseg.errors import SourceError
from streamseg.net.urls import Address

_RESUME_WAITS_S = (0.0, 0.5, 1.0, 2.0, 4.0)
_SKIPPED = 1 << 18  # to read over so much is quicker than to ask again
_CHUNK = 1 << 16
_FIRST, _FIRST_S = 1 << 20, 30.0  # bytes that FFmpeg reads at most to know a format, and how long they may take
_WHOLE = {"Range": "bytes=0-"}  # all of it, and whether the server can jump; FFmpeg's own reader asks the same


class HttpFile:
    """What is at the URL that `client` leads to, or at `address` on the same server, as `headers` ask for it.

    Reading never raises, because PyAV carries an exception out of a read only to wherever it looks next: `failure` says
    why there is no more.

    Raises:
        SourceError: there is no such response.
    """

    def __init__(self, client: HttpClient, address: Address | None = None, headers: Mapping[str, str] = _WHOLE) -> None:
        self.failure: SourceError | None = None
        """Why there is no more; None where the end is the end."""
        self.ended = self.opened = False
        """Whether its end was reached; whether it is known what it is, so that it may take its time."""
        self._client, self._address = client, address
        self._response: Response | None = client.get(address, headers)
        self._kept: IO[bytes] | None = None
        self._ahead = bytearray()  # read, but not yet given
        self._arrivals: deque[tuple[int, float]] = deque()  # up to which place of these what came when
        self._end = 0  # place of the byte that comes next from the server
        self.arrived_s = self._began_s = time.monotonic()
        """When the bytes came that were given last."""
        response = self._response
        self.kind = response.header("content-type").partition(";")[0].strip().lower()
        """The content's type as the server names it; empty where it does not."""
        self.total = response.total
        """Bytes in all; None where the server does not say."""
        self._promised = response.promised
        self.part = response.status == 206
        """Whether it is a part of what is there, as it was asked for."""
        may_jump = "bytes" in response.header("accept-ranges").lower() or self.part
        self._jumps = may_jump and self.total is not None and headers is _WHOLE
        self.mark = response.header("etag")
        """What the server calls this state of it; empty where it does not."""
        self.date = response.header("last-modified")
        """When the server says that it was changed last; empty where it does not."""
        named = self.mark or self.date or response.header("content-disposition")
        fleeting = re.search("no-cache|no-store", response.header("cache-control").lower())
        self.kept = bool(named or self._jumps) and not fleeting
        """Whether the server speaks of it as of a file that it keeps."""
        suffix = PurePosixPath(client.there.path.partition("?")[0]).suffix
        self.name = f"stream{suffix if suffix.isascii() else ''}"
        """For FFmpeg, which looks at how a name ends."""

    def look(self, seconds: float, most: int) -> bytes:
        """What comes first, without taking it: all that arrives in so much time, up to `most` bytes."""
        deadline_s = time.monotonic() + seconds
        while len(self._ahead) < most and (left_s := deadline_s - time.monotonic()) > 0:
            if self._response is None or not self._response.ready(left_s) or not self._grow():
                break
        return bytes(self._ahead)

    def fetch(self) -> None:
        """Takes all of it now, into a file without a name, for a server that cannot jump.

        Raises:
            SourceError: there is no room for it.
        """
        try:
            kept = tempfile.TemporaryFile()  # noqa: SIM115  # closed by `close`
            while data := self.read(_CHUNK):
                kept.write(data)
            kept.seek(0)
        except OSError as error:
            raise self._client.error(f"cannot be kept while it is read: {(error.strerror or '').lower()}") from None
        self._kept = kept

    def peek(self, least: int) -> bytes:
        """What comes first, without taking it: so many bytes, or all that there are."""
        while len(self._ahead) < least and self._grow():
            pass
        return bytes(self._ahead)

    def read(self, most: int) -> bytes:
        """The next bytes, as many as are there; empty at the end or after a `failure`."""
        if self._kept is not None:
            return self._kept.read(most)
        if not self._ahead:
            data = self._more(most)
            self.arrived_s = time.monotonic()
            return data
        while self._arrivals[0][0] <= self.tell():
            self._arrivals.popleft()
        end, self.arrived_s = self._arrivals[0]
        data = bytes(self._ahead[: min(most, end - self.tell())])
        del self._ahead[: len(data)]
        return data

    def seekable(self) -> bool:
        """Whether the server sends from any place on."""
        return self._kept is not None or self._jumps

    def tell(self) -> int:
        """The place of the next byte that is read."""
        return self._kept.tell() if self._kept is not None else self._end - len(self._ahead)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Goes to another place; the server is asked for it once it is read."""
        if self._kept is not None:
            return self._kept.seek(offset, whence)
        to = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self.tell(), io.SEEK_END: self.total or 0}[whence]
        step = to - self.tell()
        if 0 <= step <= _SKIPPED:
            self.peek(step)
        if 0 <= step <= len(self._ahead):
            del self._ahead[:step]
        else:
            self.leave()
            self._ahead.clear()
            self._end, self.ended, self.failure = to, False, None
        return to

    @property
    def all_read(self) -> bool:
        """Whether all that the server meant to send was given, of a file that is read from its beginning."""
        return not self._ahead and (self.ended or self._end == self._promised)

    def leave(self) -> None:
        """Done with the response under way; its connection may serve the next."""
        response, self._response = self._response, None
        if response is not None:
            response.close()

    def close(self) -> None:
        """Lets the server go."""
        self.leave()
        self._client.close()
        if self._kept is not None:
            self._kept.close()

    def _grow(self) -> bool:
        """Reads ahead; whether anything came."""
        data = self._more(_CHUNK)
        self._ahead += data
        self._arrivals.append((self._end, time.monotonic()))
        return bool(data)

    def _more(self, most: int) -> bytes:
        """Bytes from the server, behind those that are ahead."""
        if self.failure is not None or self.ended:
            return b""
        try:
            data = self._received(most)
            if not self.opened and self._end < _FIRST and time.monotonic() - self._began_s > _FIRST_S:
                raise self._client.error(f"sends no more than {self._end + len(data)} bytes in {_FIRST_S:g} s")
        except SourceError as error:
            self.failure = error
            return b""
        self.ended = not data
        self._end += len(data)
        return data

    def _received(self, most: int) -> bytes:
        """The same; asks again where the connection broke, if the server can continue in the middle.

        Raises:
            SourceError: it cannot, or does not come back.
        """
        if self._response is None and self._end == self.total:
            return b""
        silent = False
        for wait_s in (None, *_RESUME_WAITS_S):
            if wait_s is not None:
                time.sleep(wait_s)
            try:
                if self._response is None:
                    self._response = self._resumed()
                data = self._response.read(most)
                if data or not self._jumps or self._end >= (self.total or 0):
                    return data
                self.leave()  # some servers give but a part to each request, however much it asks for
            except SourceError as error:
                if not error.away:
                    raise
            except (OSError, http.client.HTTPException) as error:
                silent = isinstance(error, TimeoutError)
                self.leave()
            if not self._jumps:
                break
        what = f"silent for {self._client.patience_s:g} s" if silent and self.total is None else self._told()
        raise self._client.error(what, away=self.total is None)

    def _resumed(self) -> Response:
        """The rest of the file, from the place where it is needed."""
        headers = {"Range": f"bytes={self._end}-"}
        if unchanged := self.date if self.mark.startswith("W/") else self.mark or self.date:
            headers["If-Range"] = unchanged
        response = self._client.get(self._address, headers)
        if response.status != 206 or (response.begin, response.total) != (self._end, self.total):
            response.close()
            raise self._client.error(f"{self._told()}, and the server cannot resume there")
        return response

    def _told(self) -> str:
        came = f"{self._end / 1e6:.1f} of {self.total / 1e6:.1f} MB came" if self.total else ""
        return f"broke off: {came}" if came else "disconnected"
