"""What a broker does not take, and brokers that are old, small or slow."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from streamseg.contracts import Controls, Shown
from streamseg.net.urls import read_address
from streamseg.sinks import open_sink
from streamseg.sinks.delivery import broker as broker_module
from streamseg.sinks.delivery.broker import Broker, Publication
from tests.parts.events import event, frame_with, later
from tests.parts.fakes import LIVE
from tests.parts.mosquitto import Listener, Mosquitto
from tests.parts.patience import until
from tests.sinks.test_mqtt import opened, state

__all__ = ["state"]


def refusals(text: str) -> list[str]:
    return sorted(line.partition("/site/door: ")[2] for line in text.splitlines() if "refuses" in line)


def test_what_this_user_may_not_publish_waits_and_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("streamseg.sinks.mqtt.MENDED_BY_HAND_S", 0.0)
    rights, one = tmp_path / "rights", event()
    rights.write_text("topic read #\n")
    with Mosquitto(tmp_path, f"acl_file {rights}") as broker, Listener(broker) as listener:
        sink = opened(broker)
        sink.write(frame_with([one]))
        until(lambda: len(refusals(caplog.text)) == 3)
        assert (sink.waiting, sink.lost, listener.heard) == (1, 0, [])
        below = "the broker refuses what is published below"
        assert refusals(caplog.text) == [
            f"{below} homeassistant: Not authorized",
            f"{below} site/door: Not authorized",
            f"{below} site/door: Not authorized; the stream continues, and messages wait until it works",
        ]
        rights.write_text("topic readwrite #\n")
        broker.read_again()
        until(lambda: not sink.waiting)
        sink.write(frame_with([later(one, "end")]))
        until(lambda: listener.told == [(one.id, "start"), (one.id, "end")])
        sink.close()


def test_where_home_assistants_topic_alone_is_refused_events_are_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rights, one = tmp_path / "rights", event()
    rights.write_text("topic read #\ntopic write site/#\n")
    with Mosquitto(tmp_path, f"acl_file {rights}") as broker, Listener(broker) as listener:
        sink = opened(broker)
        sink.write(frame_with([one]))
        until(lambda: listener.told == [(one.id, "start")])
        sink.close()
    assert refusals(caplog.text) == ["the broker refuses what is published below homeassistant: Not authorized"]


def with_noise(shown: Shown) -> Shown:
    """The same frame, with a picture that takes more than 20 kB."""
    noise = np.random.default_rng(1).integers(0, 256, (240, 320, 3), np.uint8)
    return Shown(shown.frame, shown.segmentation, noise, 0, {}, shown.events, shown.readings)


def told_without_a_picture(folder: Path, limit: str) -> None:
    """Of an event both messages reach a broker of that `limit`, which does not take their pictures."""
    one = event()
    with Mosquitto(folder, limit) as broker, Listener(broker) as listener:
        sink = opened(broker)
        for each in (one, later(one, "end")):
            sink.write(with_noise(frame_with([each])))
            until(lambda: not sink.waiting)
        sink.close()
        until(lambda: len(listener.told) == 2)
        assert "site/door/snapshot" not in listener.kept()


def test_what_is_too_large_for_the_broker_is_left_out_and_costs_no_connection(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    told_without_a_picture(tmp_path, "max_packet_size 20000")
    assert refusals(caplog.text) == ["the broker refuses what is published below site/door: Packet too large"]
    assert "the connection was lost" not in caplog.text


def test_an_event_that_is_too_large_for_the_broker_is_set_aside(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with Mosquitto(tmp_path, "max_packet_size 400") as broker:
        sink = opened(broker, "?discovery=no")
        sink.write(frame_with([event()]))
        until(lambda: sink.lost == 1)
        sink.close()
    assert "the broker refuses it: Packet too large; the message is set aside" in caplog.text


def test_a_broker_whose_refusals_are_none_of_mqtt_5_is_spoken_to_as_of_old(tmp_path: Path) -> None:
    """Mosquitto 2.0 answers what is over `message_size_limit` with a code that MQTT 5 does not have there."""
    told_without_a_picture(tmp_path, "message_size_limit 20000")


@contextlib.contextmanager
def old_broker(broker: Mosquitto, answer: bytes) -> Iterator[tuple[int, list[int]]]:
    """A port before `broker` that gives `answer` to MQTT 5, and closes; and the versions that were asked for."""
    asked: list[int] = []
    server = socket.create_server(("127.0.0.1", 0))

    def hand_on(source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                client = server.accept()[0]
                with client:
                    greeting = client.recv(65536)
                    asked.append(greeting[greeting.index(b"MQTT") + 4])
                    if asked[-1] == 5:
                        client.sendall(answer)
                        continue
                    with socket.create_connection(("127.0.0.1", broker.port)) as behind:
                        behind.sendall(greeting)
                        back = threading.Thread(target=hand_on, args=(behind, client))
                        back.start()
                        hand_on(client, behind)
                        back.join()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield server.getsockname()[1], asked
    finally:
        with contextlib.suppress(OSError):
            server.shutdown(socket.SHUT_RDWR)
        server.close()
        thread.join()


@pytest.mark.parametrize("answer", [b"\x20\x02\x00\x01", b""], ids=["refuses", "closes"])
def test_a_broker_that_knows_no_mqtt_5_is_spoken_to_as_of_old(answer: bytes, tmp_path: Path) -> None:
    one = event()
    with Mosquitto(tmp_path) as broker, Listener(broker) as listener, old_broker(broker, answer) as (port, asked):
        sink = open_sink(f"mqtt://127.0.0.1:{port}/site/door", LIVE, Controls())
        sink.write(frame_with([one, later(one, "end")]))
        until(lambda: listener.told == [(one.id, "start"), (one.id, "end")])
        sink.close()
    assert asked == [5, 4]


@pytest.mark.parametrize(
    ("answer", "versions"),
    [(b"\x20\x02\x00\x01", [5, 4, 4]), (b"", [5, 4, 5, 4])],
    ids=["refuses", "closes"],
)
def test_a_broker_that_closed_is_asked_for_mqtt_5_again(answer: bytes, versions: list[int], tmp_path: Path) -> None:
    """It may have been about to end, or a proxy before it that had none."""
    with Mosquitto(tmp_path) as mosquitto, old_broker(mosquitto, answer) as (port, asked):
        broker = Broker(read_address(f"mqtt://127.0.0.1:{port}/door"), "door/available")
        for _ in range(2):
            assert broker.connect() == []
            broker.close()
    assert asked == versions


def test_a_slow_broker_has_time_as_long_as_it_confirms(monkeypatch: pytest.MonkeyPatch) -> None:
    """Six seconds for each confirmation, of the ten that a broker has which is silent."""
    clock = count(step=6)
    monkeypatch.setattr(broker_module, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    sent: list[SimpleNamespace] = []

    def publish(topic: str, payload: bytes, qos: int, retain: bool) -> SimpleNamespace:
        sent.append(SimpleNamespace(rc=0, mid=len(sent), confirmed=False))
        sent[-1].is_published = lambda info=sent[-1]: info.confirmed
        return sent[-1]

    def loop(client: object, timeout_s: float) -> int:
        next(info for info in sent if not info.confirmed).confirmed = True
        return 0

    monkeypatch.setattr(broker_module, "_loop", loop)
    broker = Broker(read_address("mqtt://broker/door"), "door/available")
    broker._client = cast(Any, SimpleNamespace(publish=publish))
    assert broker.publish(Publication(f"door/{number}", os.urandom(4)) for number in range(50)) == []
    assert len(sent) == 50 and broker.connected
