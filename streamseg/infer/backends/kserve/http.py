"""The protocol over HTTP, with the binary tensor extension: a header in JSON, behind it the bytes of the tensors."""

from __future__ import annotations

import functools
import http.client
import re
import time
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

import msgspec
import numpy as np

from streamseg.errors import BackendError, InputError
from streamseg.infer.backends.forked import renew_in_forks
from streamseg.infer.backends.kserve import wire
from streamseg.infer.backends.kserve.place import Place
from streamseg.infer.model.tensors import Tensor, TensorInfo
from streamseg.net.answers import TimelyResponse
from streamseg.net.connection import trouble
from streamseg.net.tls import checked_context

_LENGTH = "Inference-Header-Content-Length"
_CHUNK = 1 << 20
_NO_JSON = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class _Described(msgspec.Struct):
    name: str
    datatype: str
    shape: list[int]


class _Model(msgspec.Struct):
    inputs: list[_Described]
    outputs: list[_Described]


class _Output(msgspec.Struct):
    name: str
    datatype: str
    shape: list[int]
    parameters: dict[str, Any] = {}
    data: list[Any] | None = None


class _Answer(msgspec.Struct):
    outputs: list[_Output]


class HttpTransport:
    """One connection, kept open."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._context = checked_context(place.authority, place.name) if place.address.encrypted else None
        self._connection: http.client.HTTPConnection | None = None
        renew_in_forks(self)

    def begin_again(self) -> None:
        """The next request opens a connection: two processes on one would get each other's answers."""
        self.close()

    def describe(self, timeout_s: float) -> tuple[tuple[TensorInfo, ...], tuple[TensorInfo, ...]]:
        """Its inputs and outputs."""
        body, _ = self._ask("GET", "", (), {}, timeout_s)
        return wire.tensor_infos(_read(body, _Model))

    def infer(self, feeds: Mapping[str, Tensor], wanted: Sequence[str], timeout_s: float) -> Mapping[str, Tensor]:
        """One request."""
        contents = [wire.content(feed) for feed in feeds.values()]
        inputs = [
            {
                "name": name,
                "datatype": wire.word_of(feed.dtype),
                "shape": feed.shape,
                "parameters": {"binary_data_size": len(content)},
            }
            for (name, feed), content in zip(feeds.items(), contents, strict=True)
        ]
        outputs = [{"name": name, "parameters": {"binary_data": True}} for name in wanted]
        head = msgspec.json.encode({"inputs": inputs, "outputs": outputs})
        headers = {_LENGTH: str(len(head)), "Content-Type": "application/octet-stream"}
        payload: list[bytes | memoryview] = [head, *contents]
        body, length = self._ask("POST", "/infer", payload, headers, timeout_s)
        return dict(_outputs(body, length))

    def close(self) -> None:
        """Ends the connection; the next request opens another."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _ask(
        self, method: str, what: str, payload: Sequence[bytes | memoryview], headers: dict[str, str], timeout_s: float
    ) -> tuple[memoryview, int | None]:
        """The body of the answer, and how much of it is JSON where that is told."""
        end_s = time.monotonic() + timeout_s
        path = f"/v2/models/{quote(self._place.model)}{what}"
        if self._place.authorization is not None:
            headers = {**headers, "Authorization": self._place.authorization}
        try:
            connection = self._connected(timeout_s)
            if payload:
                headers = {**headers, "Content-Length": str(sum(map(len, payload)))}
            connection.request(method, path, iter(payload) if payload else None, headers)
            connection.response_class = functools.partial(TimelyResponse, end_s)  # type: ignore[assignment]
            with connection.getresponse() as response:
                body = _body(response)
                length = response.getheader(_LENGTH)
        except TimeoutError:
            self.close()
            raise wire.LateError(f"no answer within {timeout_s:g} s") from None
        except OSError as error:
            self.close()
            said, hint, _ = trouble(error, self._place.address)
            raise wire.AwayError(said, hint) from None
        except (http.client.HTTPException, ValueError):  # http.client raises that of a length below 0
            self.close()
            raise wire.AwayError("what answers there is no web server") from None
        except BaseException:
            self.close()
            raise
        if response.status != 200:
            raise _refusal(response.status, _said(body) or response.reason)
        return body, int(length) if length and re.fullmatch(r"\d{1,10}", length) else None

    def _connected(self, timeout_s: float) -> http.client.HTTPConnection:
        if self._connection is None:
            host, port = self._place.address.place
            self._connection = (
                http.client.HTTPConnection(host, port, timeout=timeout_s)
                if self._context is None
                else http.client.HTTPSConnection(host, port, timeout=timeout_s, context=self._context)
            )
        if self._connection.sock is not None:
            self._connection.sock.settimeout(timeout_s)
        return self._connection


def _body(response: http.client.HTTPResponse) -> memoryview:
    if response.length is not None:
        if response.length > wire.MOST_BYTES:
            raise InputError(f"its answer has {response.length} bytes")
        body = memoryview(bytearray(response.length))
        filled = 0
        while filled < len(body):
            if not (count := response.readinto(body[filled : filled + _CHUNK])):
                raise http.client.IncompleteRead(b"", len(body) - filled)
            filled += count
        return body
    pieces = bytearray()
    while True:  # in chunks, or until the connection ends
        if not (piece := response.read(_CHUNK)):
            return memoryview(pieces)
        pieces += piece
        if len(pieces) > wire.MOST_BYTES:
            raise InputError(f"its answer has more than {wire.MOST_BYTES} bytes")


def _outputs(body: memoryview, length: int | None) -> list[tuple[str, Tensor]]:
    """Each output: those in binary stand behind the header one after the other."""
    found, at = _read(body[:length], _Answer), length or 0
    outputs = []
    for each in found.outputs:
        size = each.parameters.get("binary_data_size")
        if isinstance(size, int) and 0 <= size <= len(body) - at:
            outputs.append((each.name, wire.tensor(each.name, each.datatype, each.shape, body[at : at + size])))
            at += size
        elif each.data is not None:
            outputs.append((each.name, _listed(each)))
        else:
            raise InputError(f"output '{each.name}' is not in its answer")
    return outputs


def _listed(output: _Output) -> Tensor:
    """Numbers in JSON: servers that do not know the extension."""
    dtype = wire.tensor_info(output.name, output.datatype, output.shape).dtype
    try:
        return np.asarray(output.data, dtype).reshape(output.shape)
    except (TypeError, ValueError, OverflowError):
        raise InputError(f"output '{output.name}' is no {output.datatype} of {tuple(output.shape)}") from None


def _read(body: memoryview, kind: type[Any]) -> Any:
    try:
        return msgspec.json.decode(body, type=kind)
    except _NO_JSON as error:
        raise InputError(f"what answers there speaks no Open Inference Protocol v2: {error}") from None


def _said(body: memoryview) -> str:
    """What a server says of an error: Triton and OVMS in `error`, frameworks in `detail`."""
    try:
        found = msgspec.json.decode(body, type=dict[str, Any])
    except _NO_JSON:
        return ""
    return " ".join(str(found.get("error") or found.get("detail") or "").split())[:200]


def _refusal(status: int, says: str) -> BackendError | InputError:
    if status == 429 or (status == 503 and wire.queue_is_full(says)):
        return wire.BusyError(f"is busy: {says}")
    if status in (401, 403):
        return InputError(f"refuses the login ({status}: {says})", "?token=${NAME} of the environment gives one")
    if status in (408, 425) or status >= 500:
        return BackendError(f"answers {status}: {says}")
    return InputError(f"answers {status}: {says}")
