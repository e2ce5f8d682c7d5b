"""The process of a service: listens, starts the streams, heeds signals and the watchdog, ends within two seconds."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import logging
import signal
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from aiohttp import web

from streamseg.errors import InputError, OutputError, StreamsegError
from streamseg.serve.guard import read_token
from streamseg.serve.log import set_up_logging
from streamseg.serve.notify import notify, watchdog_s
from streamseg.serve.stream import Reading, Stream
from streamseg.serve.streams import Streams
from streamseg.serve.web import make_app

_log = logging.getLogger(__name__)
_SEND_BUFFER = 1 << 16  # a viewer's picture is at most as old as what fits in here
_MOST_CLIENTS = 256  # of which some may say nothing for ever; file descriptors are for cameras and outputs
_TICK_S = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ServeOptions:
    """What a person asks of a service besides its streams."""

    config: Path
    listen: str = "127.0.0.1:8090"
    token_file: Path | None = None
    no_auth: bool = False
    allow_hosts: tuple[str, ...] = ()


def run(options: ServeOptions, *, as_json: bool, debug: bool) -> None:
    """Serves until SIGTERM or Ctrl-C.

    Raises:
        InputError: the file or an option is wrong.
        OutputError: the address cannot be listened on.
    """
    set_up_logging(as_json=as_json, debug=debug)
    asyncio.run(_serve(options, read_token(options.token_file)))


async def _serve(options: ServeOptions, token: str | None) -> None:
    asked, reload = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, asked.set)
    loop.add_signal_handler(signal.SIGHUP, reload.set)
    streams = Streams(options.config)
    listener = _listen(options.listen, closed=token is None and not options.no_auth)
    runner = web.AppRunner(
        make_app(streams, token, options.allow_hosts),
        access_log=None,
        handle_signals=False,
        handler_cancellation=True,
        shutdown_timeout=0.1,
    )
    try:
        said = await asyncio.to_thread(streams.load)
        await runner.setup()
        server = runner.server
        assert server is not None, "it is set up"
        await loop.create_server(
            lambda: server() if len(server.connections) < _MOST_CLIENTS else _Shut(), sock=listener
        )
        _log.info("http://%s: %s", options.listen, said)
        notify("READY=1")
        chores = [asyncio.create_task(_reload(streams, reload)), asyncio.create_task(_watch(streams))]
        await asked.wait()
        for chore in chores:
            chore.cancel()
    finally:
        notify("STOPPING=1")
        await asyncio.to_thread(streams.end)
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(runner.cleanup(), 0.5)
        listener.close()


async def _reload(streams: Streams, asked: asyncio.Event) -> None:
    while True:
        await asked.wait()
        asked.clear()
        try:
            _log.info("read anew: %s", await asyncio.to_thread(streams.load))
        except StreamsegError as error:
            _log.error("not read anew, all goes on as before: %s", error)
        except Exception:
            _log.exception("not read anew, which is a defect in streamseg")


async def _watch(streams: Streams) -> None:
    """Tells systemd that frames go on: a stream that takes frames in and gives none out keeps the message back.

    A camera that is away is no reason to start the process again, so a stream without frames does not; nor does one
    that fails and is begun anew, or whose network is still being loaded for its first frame.
    """
    allowed_s = watchdog_s()
    before: dict[Stream, Reading] = {}
    while True:
        readings = {stream: stream.read() for stream in streams.now()}
        stuck = [stream.name for stream, now in readings.items() if stream in before and _stuck(before[stream], now)]
        before = readings
        if stuck:
            _log.warning("no frame comes out of %s", ", ".join(stuck))
        else:
            fresh = sum(reading.ready for reading in readings.values())
            notify("WATCHDOG=1", f"STATUS={fresh} of {len(readings)} streams show fresh frames")
        await asyncio.sleep(allowed_s / 3 if allowed_s else _TICK_S)


def _stuck(before: Reading, now: Reading) -> bool:
    """Whether frames went in since `before`, and none came out."""
    came_out = now.metrics.shown + now.metrics.failed + now.restarts
    had_come_out = before.metrics.shown + before.metrics.failed + before.restarts
    return now.metrics.captured > before.metrics.captured and came_out == had_come_out and now.metrics.shown > 0


class _Shut(asyncio.Protocol):
    """What a client meets who is one too many."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        cast(asyncio.Transport, transport).abort()


def _listen(listen: str, *, closed: bool) -> socket.socket:
    """The socket that clients come to; where it is `closed` other machines cannot."""
    host, _, port = listen.rpartition(":")
    host = host.strip("[]")
    try:
        address, number = ipaddress.ip_address(host), int(port)
    except ValueError:
        raise InputError(f"--listen {listen}: expected ADDRESS:PORT", "127.0.0.1:8090 or [::]:8090") from None
    if closed and not address.is_loopback:
        raise InputError(
            f"--listen {listen}: other machines could look without being asked who they are",
            "--token-file FILE, or --no-auth if that is meant",
        )
    made = socket.socket(socket.AF_INET6 if address.version == 6 else socket.AF_INET)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)
        made.bind((host, number))
        made.listen(128)
    except (OSError, OverflowError) as error:
        made.close()
        raise OutputError(f"--listen {listen}: {getattr(error, 'strerror', None) or error}") from None
    return made
