"""The process of a service: listens, starts the streams, heeds signals and the watchdog, ends within two seconds."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import logging
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

from streamseg.errors import InputError, StreamsegError, printable
from streamseg.infer import load_segmenter
from streamseg.net.urls import filling_from
from streamseg.serve.attempts import Network
from streamseg.serve.auth import Tokens, read_operators, read_token
from streamseg.serve.config import read_site
from streamseg.serve.connections import Connections
from streamseg.serve.guard import Access
from streamseg.serve.listener import listen
from streamseg.serve.log import set_up_logging
from streamseg.serve.secrets import read_secrets
from streamseg.serve.stream import Stream, StreamStatus
from streamseg.serve.supervisor import Streams
from streamseg.serve.systemd import notify, watchdog_s
from streamseg.serve.tls import Certificate
from streamseg.serve.trying import try_all
from streamseg.serve.turns import Threads
from streamseg.serve.web import make_app
from streamseg.signals import SIGNALS

_log = logging.getLogger(__name__)
_TICK_S = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ServeOptions:
    """What a person asks of a service besides its streams."""

    config: Path
    listen: str = "127.0.0.1:8090"
    secrets: Path | None = None
    token_file: Path | None = None
    operator_token_file: Path | None = None
    no_auth: bool = False
    allow_hosts: tuple[str, ...] = ()
    tls_cert: Path | None = None
    tls_key: Path | None = None
    proxies: tuple[str, ...] = ()


def run(options: ServeOptions, *, as_json: bool, debug: bool) -> None:
    """Serves until SIGTERM or Ctrl-C.

    Raises:
        InputError: the file or an option is wrong.
        OutputError: the address cannot be listened on.
    """
    set_up_logging(as_json=as_json, debug=debug)
    asyncio.run(_serve(options))


def check(options: ServeOptions, *, opened: bool, as_json: bool, debug: bool) -> int:
    """Says what is wrong with the file, a line for each source and output if these are to be `opened`; serves nothing.

    Gives 0, or the exit code of the first that is wrong.

    Raises:
        InputError: the file or an option is wrong.
    """
    set_up_logging(as_json=as_json, debug=debug)
    _tokens(options)
    _certificate(options)
    _networks(options.proxies)
    code = 0
    with filling_from(read_secrets(options.secrets)):
        streams = read_site(options.config, load_segmenter)
        for tried in try_all(streams) if opened else ():
            print(f"{tried.stream}  {'wrong' if tried.exit_code else 'fine'}  {tried.says}", flush=True)
            code = code or tried.exit_code
    if not code:
        count = len(streams)
        print(f"{printable(str(options.config))}: {count} stream{'' if count == 1 else 's'}, fine")
    return code


async def _serve(options: ServeOptions) -> None:
    asked, reload = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.set_default_executor(Threads())
    loop.add_signal_handler(signal.SIGHUP, reload.set)
    with SIGNALS.calling(lambda: loop.call_soon_threadsafe(asked.set)):
        await _until(asked, reload, options)


async def _until(asked: asyncio.Event, reload: asyncio.Event, options: ServeOptions) -> None:
    loop, tokens = asyncio.get_running_loop(), _tokens(options)
    closed = tokens.viewer is None and not options.no_auth
    if closed and options.proxies:
        raise InputError(
            "--proxy: others could look without being asked who they are", "--token-file FILE, or --no-auth"
        )
    certificate = _certificate(options)
    streams = Streams(options.config, options.secrets)
    scheme = "https" if certificate else "http"
    listener = listen(options.listen, closed=closed, scheme=scheme)
    connections = Connections(certificate.context if certificate else None)

    access = Access(tokens, (listener.host, *options.allow_hosts), _networks(options.proxies))

    def load() -> str:
        """Tokens and certificate first: a mistake in the file of streams holds neither back."""
        loop.call_soon_threadsafe(access.change, _tokens(options))
        renewed = [certificate.load()] if certificate else []
        return "; ".join([streams.load(), *renewed])

    app = make_app(streams, access, load)
    app.middlewares.insert(0, connections.answering)
    runner = web.AppRunner(
        app,
        access_log=None,
        handle_signals=False,
        handler_cancellation=True,
        shutdown_timeout=0.1,
        lingering_time=1.0,  # for what is left of a body that was refused
    )
    try:
        said = await asyncio.to_thread(streams.load)
        await runner.setup()
        server = runner.server
        assert server is not None, "it is set up"
        chores = [asyncio.create_task(connections.accept(each, server)) for each in listener.sockets]
        _log.info("%s: %s", listener.url, said)
        notify("READY=1")
        chores += [asyncio.create_task(_reload(load, reload)), asyncio.create_task(_watch(streams))]
        await asked.wait()
        for chore in chores:
            chore.cancel()
    finally:
        notify("STOPPING=1")
        await asyncio.to_thread(streams.end)
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(runner.cleanup(), 0.5)
        listener.close()


def _tokens(options: ServeOptions) -> Tokens:
    return Tokens(read_token(options.token_file), read_operators(options.operator_token_file))


def _networks(proxies: tuple[str, ...]) -> tuple[Network, ...]:
    try:
        return tuple(ipaddress.ip_network(each) for each in proxies)
    except ValueError as error:
        raise InputError(f"--proxy: {error}", "--proxy 127.0.0.1, or a network such as 10.0.0.0/24") from None


def _certificate(options: ServeOptions) -> Certificate | None:
    """That of the service; one that clients will refuse is told of, but cameras are watched all the same."""
    if options.tls_cert is None or options.tls_key is None:
        if options.tls_cert or options.tls_key:
            raise InputError("--tls-cert and --tls-key belong together")
        return None
    certificate = Certificate(options.tls_cert, options.tls_key)
    if problem := certificate.problem():
        _log.warning("%s: clients will refuse it", problem)
    return certificate


async def _reload(load: Callable[[], str], asked: asyncio.Event) -> None:
    while True:
        await asked.wait()
        asked.clear()
        try:
            _log.info("reloaded: %s", await asyncio.to_thread(load))
        except StreamsegError as error:
            _log.error("not reloaded, every stream runs as before: %s", error)
        except Exception:
            _log.exception("not reloaded, which is a defect in streamseg")


async def _watch(streams: Streams) -> None:
    """Tells systemd that frames keep coming: a stream that takes frames in and gives none out keeps the message back.

    A camera that is away is no reason to start the process again, so a stream without frames does not; nor does one
    that fails and is restarted, or whose network is still being loaded for its first frame.
    """
    allowed_s = watchdog_s()
    before: dict[Stream, StreamStatus] = {}
    while True:
        readings = {stream: stream.read() for stream in streams.now()}
        stuck = [stream.name for stream, now in readings.items() if stream in before and _stuck(before[stream], now)]
        before = readings
        if stuck:
            _log.warning("no frame comes out of %s", ", ".join(stuck))
        else:
            fresh = sum(reading.ready for reading in readings.values())
            notify("WATCHDOG=1", f"STATUS={fresh} of {len(readings)} streams show fresh frames; {streams.outcome}")
        await asyncio.sleep(allowed_s / 3 if allowed_s else _TICK_S)


def _stuck(before: StreamStatus, now: StreamStatus) -> bool:
    """Whether frames went in since `before`, and none came out."""
    came_out = now.metrics.shown + now.metrics.failed + now.restarts
    had_come_out = before.metrics.shown + before.metrics.failed + before.restarts
    return now.metrics.captured > before.metrics.captured and came_out == had_come_out and now.metrics.shown > 0
