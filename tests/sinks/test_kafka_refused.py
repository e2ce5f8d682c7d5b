"""What a cluster of brokers answers where it does not take a message: librdkafka's own, which is for tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

pytest.importorskip("confluent_kafka", reason="confluent-kafka is not installed")

from streamseg.errors import OutputError
from streamseg.sinks.delivery.message import Message
from streamseg.sinks.delivery.sender import RefusedError
from streamseg.sinks.kafka import Kafka, read_place
from tests.parts.events import event
from tests.parts.kafka_cluster import Brokers
from tests.sinks.test_kafka import read

NOT_LEADER, MESSAGE_TOO_LARGE, UNKNOWN_TOPIC, TOO_FEW_REPLICAS, OUT_OF_ORDER, INVALID_RECORD = 6, 10, 3, 19, 45, 87


@pytest.fixture
def brokers() -> Iterator[Brokers]:
    try:
        made = Brokers()
    except (ValueError, OSError, AttributeError) as error:
        pytest.skip(f"librdkafka is not where its wheel has it: {error}")
    yield made
    made.close()


def sender(brokers: Brokers) -> Kafka:
    return Kafka(read_place(f"kafka://127.0.0.1:{brokers.port}/events"))


def test_a_leader_that_changes_and_replicas_that_lag_cost_nothing(brokers: Brokers) -> None:
    made, sent = sender(brokers), [event() for _ in range(4)]
    made.send(Message(event=sent[0]))
    brokers.lead(2)
    made.send(Message(event=sent[1]))
    for code, each in ((NOT_LEADER, sent[2]), (TOO_FEW_REPLICAS, sent[3])):
        brokers.refuse_next(code)
        made.send(Message(event=each))
    assert [key for key, _ in read(brokers.port, 4)] == [each.id for each in sent]
    made.close()


@pytest.mark.parametrize("code", [MESSAGE_TOO_LARGE, INVALID_RECORD])
def test_what_the_topic_never_takes_is_refused_and_the_next_is_written(code: int, brokers: Brokers) -> None:
    made, two = sender(brokers), event()
    brokers.refuse_next(code)
    with pytest.raises(RefusedError, match="Broker: "):
        made.send(Message(event=event()))
    made.send(Message(event=two))
    assert [key for key, _ in read(brokers.port, 1)] == [two.id]
    made.close()


def test_a_topic_that_is_not_there_is_said(brokers: Brokers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streamseg.sinks.kafka._TIMEOUT_S", 4.0)
    brokers.refuse_topic(UNKNOWN_TOPIC)
    with pytest.raises(OutputError, match="Unknown topic"):
        sender(brokers).send(Message(event=event()))


def test_a_producer_that_is_at_its_end_is_one_line_and_another_one_goes_on(
    brokers: Brokers, capfd: pytest.CaptureFixture[str]
) -> None:
    made, one, two = sender(brokers), event(), event()
    made.send(Message(event=one))
    capfd.readouterr()
    brokers.refuse_next(OUT_OF_ORDER)
    with pytest.raises(OutputError, match="out of order|desynchronization"):
        made.send(Message(event=two))
    made.send(Message(event=two))
    made.close()
    assert [key for key, _ in read(brokers.port, 2)] == [one.id, two.id]
    assert capfd.readouterr().err == ""
