"""Against the cluster that librdkafka, the client's own library, has for tests; a real broker was not tried."""

from __future__ import annotations

import json
import logging
import time
from pathlib import Path
from typing import Any

import pytest

from streamseg.contracts import Controls
from streamseg.errors import InputError, OutputError
from streamseg.sinks import check_addresses, open_sink
from streamseg.sinks.delivery.message import Message
from streamseg.sinks.delivery.sender import DeliverySink
from streamseg.sinks.kafka import Kafka, read_place
from tests.parts.events import event, frame_with, later
from tests.parts.fakes import LIVE
from tests.parts.patience import PATIENCE_S, until
from tests.parts.rtsp import free_port

kafka: Any = pytest.importorskip("confluent_kafka", reason="confluent-kafka is not installed")


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STREAMSEG_STATE", str(tmp_path / "state"))


class Cluster:
    """One broker, and what is written to its topic `events`."""

    def __init__(self) -> None:
        self._owner = kafka.Producer({"test.mock.num.brokers": 1, "log_level": 0})
        (broker,) = self._owner.list_topics(timeout=PATIENCE_S).brokers.values()
        self.port = int(broker.port)

    def read(self, count: int) -> list[tuple[str, dict[str, Any]]]:
        """Key and JSON of the first messages."""
        consumer = kafka.Consumer(
            {
                "bootstrap.servers": f"127.0.0.1:{self.port}",
                "group.id": "test",
                "auto.offset.reset": "earliest",
                "log_level": 0,
            }  # fmt: skip
        )
        consumer.subscribe(["events"])
        found: list[tuple[str, dict[str, Any]]] = []
        end_s = time.monotonic() + PATIENCE_S
        while len(found) < count and time.monotonic() < end_s:
            message = consumer.poll(0.2)
            if message is not None and not message.error():
                found.append((message.key().decode(), json.loads(message.value())))
        consumer.close()
        return found


def test_each_start_and_end_is_written_in_order_under_its_id() -> None:
    cluster, one = Cluster(), event()
    sink = open_sink(f"kafka://127.0.0.1:{cluster.port}/events", LIVE, Controls())
    assert isinstance(sink, DeliverySink)
    sink.write(frame_with([one]))
    until(lambda: not sink.waiting)
    sink.write(frame_with([later(one, "end")]))
    sink.close()
    assert sink.waiting == 0
    found = cluster.read(2)
    assert [(key, text["id"], text["kind"]) for key, text in found] == [
        (one.id, one.id, "start"), (one.id, one.id, "end")
    ]  # fmt: skip
    assert found[1][1]["ended_by"] == "rule"


def test_a_broker_that_is_away_is_one_line(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("streamseg.sinks.kafka._TIMEOUT_S", 1.0)
    receiver = Kafka(read_place(f"kafka://me:hunter2@127.0.0.1:{free_port()}/events"))
    with pytest.raises(OutputError, match="does not answer") as found:
        receiver.send(Message(event=event()))
    receiver.close()
    assert "hunter2" not in str(found.value)
    assert capfd.readouterr() == ("", "")


def test_what_waited_for_a_broker_is_written_by_the_next_run(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    monkeypatch.setattr("streamseg.sinks.kafka._TIMEOUT_S", 1.0)
    one, place = event(), "queue=q"
    monkeypatch.chdir(tmp_path)
    with caplog.at_level(logging.WARNING):
        sink = open_sink(f"kafka://127.0.0.1:{free_port()}/events?{place}", LIVE, Controls())
        sink.write(frame_with([one]))
        until(lambda: "does not answer" in caplog.text)
        sink.close()
    cluster = Cluster()
    open_sink(f"kafka://127.0.0.1:{cluster.port}/events?{place}", LIVE, Controls()).close()
    assert [text["kind"] for _, text in cluster.read(2)] == ["start", "end"]


@pytest.mark.parametrize("uri", ["kafka://host", "kafka://host/a/b", "kafka://host/a b", "kafka://host/.."])
def test_a_topic_that_is_none_is_told_before_anything_is_opened(uri: str) -> None:
    with pytest.raises(InputError, match="needs a topic"):
        check_addresses([uri])
