"""Traces, read by a receiver that knows the protocol's own types."""

from __future__ import annotations

import base64
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from streamseg.errors import InputError
from streamseg.sinks import check_addresses
from streamseg.sinks.trace import read_trace
from tests.parts.program import run_program
from tests.parts.rtsp import free_port

pytest.importorskip("opentelemetry.sdk", reason="needs OpenTelemetry: pip install '.[trace]'")
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


class Collector:
    """What was sent to `port`: spans, paths and logins."""

    def __init__(self, status: int) -> None:
        self.spans: list[Any] = []
        self.resources: list[Any] = []
        self.asked: list[tuple[str, str | None]] = []
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                request = ExportTraceServiceRequest()
                request.ParseFromString(self.rfile.read(int(self.headers["Content-Length"])))
                collector.asked.append((self.path, self.headers["Authorization"]))
                for each in request.resource_spans:
                    collector.resources.append(each.resource)
                    collector.spans += [span for scope in each.scope_spans for span in scope.spans]
                self.send_response(status)
                self.end_headers()

            def log_message(self, format: str, *words: Any) -> None:
                """Nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_port


@contextmanager
def collector(status: int = 200) -> Iterator[Collector]:
    made = Collector(status)
    thread = threading.Thread(target=made.server.serve_forever)
    thread.start()
    try:
        yield made
    finally:
        made.server.shutdown()
        made.server.server_close()
        thread.join()


def traced(address: str, frames: int = 12) -> str:
    done = run_program("run", f"test://?frames={frames}&size=64x48", address, "--model", "otsu")
    assert done.returncode == 0, done.stderr
    assert f"{frames} shown" in done.stderr and "Traceback" not in done.stderr
    return done.stderr


def attributes(span: Any) -> dict[str, Any]:
    return {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in span.attributes}


def test_a_frames_way_is_a_trace() -> None:
    with collector() as received:
        traced(f"trace:http://me:secret@127.0.0.1:{received.port}?every=0.001s")
    assert {*received.asked} == {("/v1/traces", f"Basic {base64.b64encode(b'me:secret').decode()}")}
    roots = [span for span in received.spans if span.name == "frame"]
    assert 1 <= len(roots) <= 12
    assert [attributes(span)["streamseg.frame"] for span in roots] == sorted(
        attributes(span)["streamseg.frame"] for span in roots
    )
    for root in roots:
        parts = {span.name: span for span in received.spans if span.parent_span_id == root.span_id}
        assert {"render"} <= {*parts} <= {"wait", "infer", "render"}
        for part in parts.values():
            assert part.trace_id == root.trace_id
            assert root.start_time_unix_nano <= part.start_time_unix_nano <= part.end_time_unix_nano
            assert part.end_time_unix_nano <= root.end_time_unix_nano + 1_000_000
    assert any(span.name == "infer" for span in received.spans)
    names = {each.key: each.value.string_value for each in received.resources[0].attributes}
    assert names["service.name"] == "streamseg"


def test_one_frame_in_a_while_is_enough() -> None:
    with collector() as received:
        traced(f"trace:http://127.0.0.1:{received.port}/own/path?every=1h")
    assert [span.name for span in received.spans].count("frame") == 1
    assert {path for path, _ in received.asked} == {"/own/path"}


@pytest.mark.parametrize("status", [401, 503, None], ids=str)
def test_a_collector_that_takes_none_is_a_line_and_no_more(status: int | None) -> None:
    if status is None:
        said = traced(f"trace:http://127.0.0.1:{free_port()}")
    else:
        with collector(status) as received:
            said = traced(f"trace:http://me:secret@127.0.0.1:{received.port}")
    assert said.count("no traces arrive there") <= 1 and "secret" not in said
    if status == 401:
        assert "no traces arrive there" in said and "401" in said


@pytest.mark.parametrize("uri", ["trace:", "trace:localhost:4318", "trace:ftp://a", "trace:http://a?often=1s"])
def test_what_is_no_collector_is_refused_in_words(uri: str) -> None:
    with pytest.raises(InputError):
        check_addresses([uri])


def test_a_frame_a_second_unless_told_otherwise() -> None:
    assert read_trace("trace:http://127.0.0.1:4318")[1] == 1.0
    assert read_trace("trace:http://127.0.0.1:4318?every=2m")[1] == 120.0
