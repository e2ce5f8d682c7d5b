"""The address of a served network, and what comes back from what is no such server."""

from __future__ import annotations

import contextlib
import http.server
import time

import numpy as np
import pytest

from streamseg.errors import BackendError, InputError
from streamseg.infer.backends import check_wanted
from streamseg.infer.backends.kserve import wire
from streamseg.infer.backends.kserve.grpc import _output
from streamseg.infer.backends.kserve.http import HttpTransport
from streamseg.infer.backends.kserve.place import read_places
from tests.parts.http_server import http_server


def test_each_server_has_an_address_of_its_own() -> None:
    places = read_places("kserve:grpc://a:9001,b,[::1]:9003/street?timeout=0.5")
    assert [place.address.place for place in places] == [("a", 9001), ("b", 8001), ("::1", 9003)]
    assert [place.name for place in places] == ["grpc://a:9001/street", "grpc://b/street", "grpc://[::1]:9003/street"]
    assert {place.model for place in places} == {"street"} and places[0].timeout_s == 0.5


def test_a_login_or_token_becomes_a_header_and_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("T", "a+b/c==")
    (one,) = read_places("kserve:https://host/street?token=${T}")
    (other,) = read_places("kserve:https://user:pass@host/street")
    (plain,) = read_places("kserve:https://host/street?token=a+b/c==")
    assert one.authorization == plain.authorization == "Bearer a+b/c=="
    assert other.authorization == "Basic dXNlcjpwYXNz"
    assert "a+b" not in repr(one) and "pass" not in repr(other)


@pytest.mark.parametrize(
    "backend",
    [
        "kserve:", "kserve:street", "kserve:ftp://host/street", "kserve:grpc://host", "kserve:grpc://host/a/b",
        "kserve:grpc:///street", "kserve:grpc://host:99999/street", "kserve:http://host/street?retries=3",
        "kserve:http://host/street?timeout=0", "kserve:http://host/street?timeout=soon", "kserve:grpc://a,,b/street",
        "kserve:grpcs://host/street?ca=nothing.pem", "kserve:http://host/street?token=${NOT_THERE}",
        "kserve:http://host/street?token=", "kserve:http://host/street?token=a%0Ab",
    ],
)  # fmt: skip
def test_what_is_no_address_is_refused_in_a_line(backend: str) -> None:
    with pytest.raises(InputError) as refused:
        check_wanted(backend)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("word", "shape", "data"),
    [
        ("UINT8", (2, 2), b"123"),
        ("BYTES", (1,), b"1"),
        ("UINT8", (-1, 2), b""),
        ("UINT8", (10**6, 10**6), b""),
        ("FP32", (2**62, 0), b""),
        ("FP32", (2**64 - 1, 0), b""),
        ("UINT8", (1,) * 100, b"1"),
    ],
)
def test_a_tensor_that_is_not_what_it_says_is_refused(word: str, shape: tuple[int, ...], data: bytes) -> None:
    with pytest.raises(InputError, match="output 'y'"):
        wire.tensor("y", word, shape, data)


BINARY = b'{"outputs":[{"name":"y","datatype":"UINT8","shape":[2,2],"parameters":{"binary_data_size":4}}]}'
DEEP = b"[" * 100_000
LENGTH = b"Inference-Header-Content-Length: "
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n40\r\n"
LISTED = b'{"outputs":[{"name":"y","datatype":"INT32","shape":[2,2],"data":[1,2,3,4]}]}'


def answer(body: bytes, length: int | None = None, status: int = 200) -> HttpTransport | dict[str, list[int]]:
    def do(handler: http.server.BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        handler.send_header("Content-Length", str(len(body)))
        if length is not None:
            handler.send_header("Inference-Header-Content-Length", str(length))
        handler.end_headers()
        handler.wfile.write(body)

    with http_server(do) as (url, _):
        (place,) = read_places(f"kserve:{url.rstrip('/')}/toy")
        transport = HttpTransport(place)
        body_read, told = transport._ask("GET", "", (), {}, 10)
        from streamseg.infer.backends.kserve.http import _outputs

        return {name: value.ravel().tolist() for name, value in _outputs(body_read, told)}


def test_outputs_come_in_binary_or_as_numbers() -> None:
    assert answer(BINARY + bytes([1, 2, 3, 4]), len(BINARY)) == {"y": [1, 2, 3, 4]}
    assert answer(LISTED) == {"y": [1, 2, 3, 4]}


@pytest.mark.parametrize(
    ("body", "length"),
    [
        (b"<html>", None),
        (BINARY + b"12", len(BINARY)),
        (BINARY, 10_000),
        (b'{"outputs":[{"name":"y","datatype":"UINT8","shape":[2],"data":[1,2,3]}]}', None),
        (b'{"outputs":[{"name":"y","datatype":"UINT8","shape":[2],"data":["a",{}]}]}', None),
        (b'{"outputs":[{"name":"y","datatype":"UINT8","shape":[2]}]}', None),
        (b'{"outputs":[{"name":"y","datatype":"UINT8","shape":[2],"data":' + DEEP, None),
        (BINARY + bytes(4), int("9" * 4000)),
    ],
)
def test_an_answer_that_is_none_is_refused(body: bytes, length: int | None) -> None:
    with pytest.raises(InputError):
        answer(body, length)


def test_an_error_without_an_end_is_one() -> None:
    with pytest.raises(BackendError, match="answers 500: "):
        answer(b'{"error":' + DEEP, status=500)


@pytest.mark.parametrize(
    "tells", [b"Transfer-Encoding: chunked\r\n\r\n-5\r\nabc", LENGTH + b"9" * 5000 + b"\r\n\r\n{}"]
)
def test_a_length_that_none_can_have_is_told_in_a_line(tells: bytes) -> None:
    def do(handler: http.server.BaseHTTPRequestHandler) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\n" + tells)

    with http_server(do) as (url, _):
        (place,) = read_places(f"kserve:{url.rstrip('/')}/toy")
        with contextlib.closing(HttpTransport(place)) as transport, pytest.raises((wire.AwayError, InputError)):
            transport.describe(10)


def test_a_word_on_the_way_is_no_answer() -> None:
    def do(handler: http.server.BaseHTTPRequestHandler) -> None:
        handler.wfile.write(b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n")
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(LISTED) + LISTED)

    with http_server(do) as (url, _):
        (place,) = read_places(f"kserve:{url.rstrip('/')}/toy")
        with contextlib.closing(HttpTransport(place)) as transport:
            assert transport._ask("GET", "", (), {}, 10)[0] == LISTED


def test_a_model_is_asked_for_by_any_name() -> None:
    with http_server() as (url, asked):
        (place,) = read_places(f"kserve:{url.rstrip('/')}/modèle")
        with contextlib.closing(HttpTransport(place)) as transport, pytest.raises(InputError, match="404"):
            transport.describe(10)
        assert asked == ["/v2/models/mod%C3%A8le"]


@pytest.mark.parametrize("data", [b"\x05\0\0\0ab", b"\x01"])
def test_files_that_are_cut_short_are_no_output(data: bytes) -> None:
    client = pytest.importorskip("tritonclient.grpc")
    response = client.service_pb2.ModelInferResponse
    output = response.InferOutputTensor(name="y", datatype="BYTES", shape=[1])
    found = client.InferResult(response(outputs=[output], raw_output_contents=[data]))
    with pytest.raises(InputError, match="output 'y' is no BYTES of"):
        _output(found, "y")


@pytest.mark.parametrize(
    ("status", "kind"), [(429, wire.BusyError), (503, wire.BusyError), (401, InputError), (404, InputError)]
)
def test_a_busy_server_is_told_from_a_wrong_one(status: int, kind: type[Exception]) -> None:
    with pytest.raises(kind):
        answer(b'{"error": "Exceeds maximum queue size"}', status=status)


@pytest.mark.parametrize(
    "begins",
    [b"HTTP/1.1 200 OK\r\nX: ", b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n", CHUNKED],
    ids=["head", "body", "chunk"],
)
def test_an_answer_that_comes_byte_by_byte_is_late(begins: bytes) -> None:
    sent: list[bytes] = []

    def do(handler: http.server.BaseHTTPRequestHandler) -> None:
        with contextlib.suppress(OSError):
            handler.wfile.write(begins)
            for _ in range(200):
                time.sleep(0.05)
                handler.wfile.write(b"x")
            sent.append(begins)

    with http_server(do) as (url, _):
        (place,) = read_places(f"kserve:{url.rstrip('/')}/toy")
        transport = HttpTransport(place)
        with contextlib.closing(transport), pytest.raises(wire.LateError):
            transport.describe(0.5)
        assert sent == []


def test_files_go_each_behind_its_length() -> None:
    files = np.array([[b"ab"], [b""], [b"c"]], np.object_)
    assert bytes(wire.content(files)) == b"\2\0\0\0ab" + bytes(4) + b"\1\0\0\0c"
    assert wire.word_of(files.dtype) == "BYTES" and wire.tensor_info("x", "BYTES", [-1, 1]).dtype == wire.ENCODED
    assert bytes(wire.content(np.array([[1, 2], [3, 4]], np.uint8).T)) == bytes([1, 3, 2, 4])
    assert wire.tensor_info("x", "WORDS", [1]).dtype == np.void


def test_words_of_types_go_both_ways() -> None:
    for dtype in (np.uint8, np.float16, np.float32, np.int64, np.bool_):
        word = wire.word_of(np.dtype(dtype))
        assert wire.tensor_info("x", word, [-1, 3]).dtype == dtype
    with pytest.raises(InputError):
        wire.word_of(np.dtype(np.complex64))
