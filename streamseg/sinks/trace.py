"""The way of frames through the pipeline as traces for an OpenTelemetry collector (OTLP over HTTP)."""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING, Any

from streamseg import __version__
from streamseg.contracts import Shown
from streamseg.errors import InputError
from streamseg.frame import StreamInfo
from streamseg.installing import extra
from streamseg.net.urls import Address, read_address
from streamseg.said import Said
from streamseg.sinks.kind import OutputKind
from streamseg.sinks.query import seconds, split_query

if TYPE_CHECKING:
    from collections.abc import Sequence

    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

_log = logging.getLogger(__name__)
_SCHEME = "trace:"
_PATH = "/v1/traces"
_EVERY_S = 1.0
_TIMEOUT_S, _LAST_S = 5.0, 1.5
_AT_WAY_S = 5.0
_LIBRARY = "opentelemetry"


def read_trace(uri: str) -> tuple[Address, float]:
    """The collector of an output `trace:http://HOST:4318?every=1s`, and the seconds from one frame to the next.

    Raises:
        InputError: it is no web address.
    """
    name, asked = split_query(uri, ("every",))
    rest = name[len(_SCHEME) :]
    if not rest.lower().startswith(("http://", "https://")):
        raise InputError(f"{uri}: needs the web address of a collector", f"{_SCHEME}http://HOST:4318")
    return read_address(rest), seconds(asked, "every", _EVERY_S)


class TraceSink:
    """A trace of one frame in a while: from its arrival to where it is shown, with what it waited for on the way.

    The library sends them from a thread of its own; what a collector does not take is let go.
    """

    blocking = False
    needs_image = False
    unwritten = 0

    def __init__(self, uri: str, info: StreamInfo) -> None:
        """Raises InputError where `uri` is no collector's, or the library is missing."""
        address, self._every_s = read_trace(uri)
        try:
            from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
            from opentelemetry.sdk.resources import Resource
            from opentelemetry.sdk.trace import TracerProvider
            from opentelemetry.sdk.trace.export import BatchSpanProcessor
            from opentelemetry.trace import set_span_in_context
        except ImportError:
            raise InputError(f"{address.name}: needs OpenTelemetry", extra("trace")) from None
        path = address.path if address.path.strip("/") else _PATH
        login = {"authorization": address.basic} if address.basic else None
        endpoint = f"{address.scheme}://{address.authority}{path}"
        self._exporter: Any = OTLPSpanExporter(endpoint=endpoint, timeout=_TIMEOUT_S, headers=login)
        self._processor = BatchSpanProcessor(
            _exporter(self._exporter, address.name), schedule_delay_millis=_AT_WAY_S * 1e3
        )
        resource = Resource.create({"service.name": "streamseg", "service.version": __version__})
        provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        provider.add_span_processor(self._processor)
        self._tracer, self._stream, self._due_s = provider.get_tracer("streamseg", __version__), info.name, 0.0
        self._within = set_span_in_context

    def write(self, shown: Shown) -> None:
        """Keeps the way of a frame, where one is due."""
        now_s = time.monotonic()
        if now_s < self._due_s:
            return
        self._due_s = now_s + self._every_s
        began_s = time.time() - now_s  # the date at which the monotonic clock was 0
        took, frame = shown.timings_ms, shown.frame
        begun_s, ended_s = frame.arrived_s, frame.arrived_s + took["age"] / 1e3

        def ns(time_s: float) -> int:
            return round((began_s + time_s) * 1e9)

        said: dict[str, str | int | float] = {
            "streamseg.stream": self._stream,
            "streamseg.frame": frame.index,
            "streamseg.carried_ms": took["carried"],
            "streamseg.dropped_before": shown.dropped,
        }
        root = self._tracer.start_span("frame", start_time=ns(begun_s), attributes=said)
        context = self._within(root)
        parts = [("render", ended_s - took["render"] / 1e3, ended_s)]
        if shown.segmentation.frame_index == frame.index:  # else the network looked at another frame
            seen_s = begun_s + took["wait"] / 1e3
            parts = [("wait", begun_s, seen_s), ("infer", seen_s, seen_s + took["infer"] / 1e3), *parts]
        for name, start_s, end_s in parts:
            self._tracer.start_span(name, context, start_time=ns(start_s)).end(ns(end_s))
        root.end(ns(ended_s))

    def close(self) -> None:
        """Sends what is left, if that can be done in a moment."""
        last = threading.Thread(target=self._processor.shutdown, daemon=True)
        last.start()
        last.join(_LAST_S)
        if last.is_alive():
            self._exporter.shutdown()  # which ends its waiting


def _exporter(inner: SpanExporter, name: str) -> SpanExporter:
    """`inner`, whose failures are a line an hour and not the library's many."""
    from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

    words, said = _words(), Said()

    class Quiet(SpanExporter):
        def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
            result = inner.export(spans)
            if result is not SpanExportResult.SUCCESS:
                said.once(_log, logging.WARNING, f"{name}: no traces arrive there: {words.last or 'no answer'}")
            return result

        def shutdown(self) -> None:
            inner.shutdown()

    return Quiet()


class _Words(logging.Handler):
    """Keeps the newest line that is logged."""

    last = ""

    def emit(self, record: logging.LogRecord) -> None:
        self.last = record.getMessage().splitlines()[0]


def _words() -> _Words:
    """What the library says, in place of its being printed."""
    logger: Any = logging.getLogger(_LIBRARY)
    found = next((each for each in logger.handlers if isinstance(each, _Words)), None)
    if found is None:
        found = _Words()
        logger.addHandler(found)
        logger.propagate = False
    return found


TRACE = OutputKind(
    forms="trace:http://HOST:4318",
    means=lambda uri: uri.startswith(_SCHEME),
    open=lambda uri, info, controls, existing: TraceSink(uri, info),
    check=read_trace,
    target=None,
)
