"""What requests name and carry, and how they are answered."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import msgspec
from aiohttp import web

from streamseg.errors import InputError, legible
from streamseg.serve.stream import Stream
from streamseg.serve.supervisor import Streams

LARGEST_BODY = 1 << 16
"""Bytes; a longer one is refused unread."""
_SLOWEST_S = 5.0
"""A body that has not come by then is dropped."""


def stream_of(request: web.Request, streams: Streams) -> Stream:
    """The stream in the path.

    Raises:
        HTTPNotFound: there is none.
    """
    stream = streams.find(request.match_info["name"])
    if stream is None:
        raise web.HTTPNotFound
    return stream


def answer(value: msgspec.Struct | list[Any], status: int = 200) -> web.Response:
    """`value` as JSON."""
    try:
        body = msgspec.json.encode(value)
    except UnicodeEncodeError:  # a file of the disk has a name that is no text
        body = msgspec.json.encode(legible(msgspec.to_builtins(value)))
    return web.Response(body=body, status=status, content_type="application/json")


async def read_body(request: web.Request) -> bytes:
    """What a request carries.

    Raises:
        HTTPRequestTimeout: it does not come.
        HTTPBadRequest: it is not packed as it says, or the client has left.
    """
    try:
        return await asyncio.wait_for(request.read(), _SLOWEST_S)
    except (asyncio.TimeoutError, TimeoutError):
        raise web.HTTPRequestTimeout from None
    except (web.RequestPayloadError, ConnectionError):
        raise web.HTTPBadRequest from None


async def read_json(request: web.Request) -> Any:
    """What a request carries; its keys are there once each, as in the file.

    Raises:
        InputError: it is no JSON.
    """
    raw = await read_body(request)
    try:
        return json.loads(raw.decode(), object_pairs_hook=_once, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise InputError(f"not JSON: {reason}") from None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key is there twice")
    return found


def _no_number(word: str) -> Any:
    raise ValueError(f"{word} is no number")
