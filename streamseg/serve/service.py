"""The process of a service: listens, starts the streams, heeds signals and the watchdog, ends within two seconds."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from aiohttp import web

from streamseg.errors import StreamsegError
from streamseg.serve.auth import read_token
from streamseg.serve.listener import listen
from streamseg.serve.log import set_up_logging
from streamseg.serve.stream import Reading, Stream
from streamseg.serve.supervisor import Streams
from streamseg.serve.systemd import notify, watchdog_s
from streamseg.serve.web import make_app
from streamseg.signals import SIGNALS

_log = logging.getLogger(__name__)
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
    loop.add_signal_handler(signal.SIGHUP, reload.set)
    with SIGNALS.calling(lambda: loop.call_soon_threadsafe(asked.set)):
        await _until(asked, reload, options, token)


async def _until(asked: asyncio.Event, reload: asyncio.Event, options: ServeOptions, token: str | None) -> None:
    loop = asyncio.get_running_loop()
    streams = Streams(options.config)
    listener = listen(options.listen, closed=token is None and not options.no_auth)
    runner = web.AppRunner(
        make_app(streams, token, (listener.host, *options.allow_hosts)),
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
        for each in listener.sockets:
            await loop.create_server(
                lambda: server() if len(server.connections) < _MOST_CLIENTS else _Shut(), sock=each
            )
        _log.info("%s: %s", listener.url, said)
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
            _log.info("reloaded: %s", await asyncio.to_thread(streams.load))
        except StreamsegError as error:
            _log.error("not reloaded, everything runs as before: %s", error)
        except Exception:
            _log.exception("not reloaded, which is a defect in streamseg")


async def _watch(streams: Streams) -> None:
    """Tells systemd that frames keep coming: a stream that takes frames in and gives none out keeps the message back.

    A camera that is away is no reason to start the process again, so a stream without frames does not; nor does one
    that fails and is restarted, or whose network is still being loaded for its first frame.
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
