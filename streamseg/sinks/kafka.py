"""Events of a stream for a topic of Apache Kafka."""

from __future__ import annotations

import logging
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import unquote

import msgspec

from streamseg.contracts import Shown
from streamseg.errors import InputError, OutputError, printable
from streamseg.installing import extra
from streamseg.net.tls import checked_context
from streamseg.net.urls import Address, read_addresses
from streamseg.redaction import shown
from streamseg.sinks.delivery.message import Message, plain
from streamseg.sinks.delivery.output import delivery_kind
from streamseg.sinks.delivery.sender import RefusedError
from streamseg.sinks.query import split_query, without_query

if TYPE_CHECKING:
    from confluent_kafka import KafkaError, Producer

OPTIONS = ("queue", "ca", "sasl")
_MECHANISMS = ("plain", "scram-sha-256", "scram-sha-512")
_SCHEMES = ("kafka://", "kafkas://")
_TOPIC = re.compile(r"[A-Za-z0-9._-]{1,249}")
_TIMEOUT_S = 10.0
_LOGIN_RETRY_S = 30.0
# Of librdkafka: no connection, no broker, no answer in time; authentication failed here or there; TLS.
_AWAY, _WRONG_LOGIN, _TLS = (-195, -187, -192, -185), (-169, 58), -181
_NEVER = (10, 87)  # of Kafka: larger than the topic takes, or not what it holds
_quiet = logging.Logger("librdkafka", logging.CRITICAL + 1)  # what it says is told where a message does not pass


class Place(NamedTuple):
    """An output `kafka://HOST,HOST/TOPIC`, taken apart."""

    address: Address
    """Of the first host; its name for people has them all."""
    hosts: list[Address]
    topic: str
    mechanism: str
    """How user and password are sent, as librdkafka calls it."""
    authority: str | None
    """A file of certificates to trust."""
    queue: str | None


def read_place(uri: str) -> Place:
    """`uri` in its parts.

    Raises:
        InputError: it is no address and topic, or the environment lacks a name in it.
    """
    name, asked = split_query(uri, OPTIONS)
    hosts, mechanism = read_addresses(name), asked.get("sasl", "plain").lower()
    address = hosts[0] if len(hosts) == 1 else replace(hosts[0], name=printable(shown(name)))
    if address.encrypted:
        checked_context(asked.get("ca"), address.name)
    topic = unquote(address.path).strip("/")
    if not _TOPIC.fullmatch(topic) or topic in (".", ".."):
        hint = "kafka://HOST:9092/TOPIC, of letters, digits, dots, dashes and underscores"
        raise InputError(f"{address.name}: needs a topic behind the host", hint)
    if mechanism not in _MECHANISMS:
        raise InputError(f"{address.name}: sasl={mechanism} is not known", f"sasl={', '.join(_MECHANISMS)}")
    if "sasl" in asked and not address.login:
        raise InputError(f"{address.name}: sasl= needs a user", f"{address.scheme}://USER:PASSWORD@{address.authority}")
    return Place(address, hosts, topic, mechanism.upper(), asked.get("ca"), asked.get("queue"))


class _Trouble(NamedTuple):
    code: int
    words: str


class Kafka:
    """Writes each event as JSON, under its id as the key, so that start and end are in one partition, in order."""

    needs_image = False

    def __init__(self, place: Place, more: dict[str, Any] | None = None) -> None:
        """Raises InputError where confluent-kafka is missing; `more` goes to librdkafka."""
        try:
            import confluent_kafka  # noqa: F401
        except ImportError:
            raise InputError(f"{place.address.name}: needs confluent-kafka", extra("kafka")) from None
        self._place, self._settings = place, {**_settings(place), **(more or {})}
        self._producer: Producer | None = None
        self._trouble: _Trouble | None = None

    def look(self, shown: Shown) -> None:
        """Nothing is told of frames."""

    def tick(self) -> None:
        """Takes what librdkafka, which keeps its connections by itself, has to say of them: it waits in memory."""
        if self._producer is not None:
            self._producer.poll(0)

    def send(self, message: Message) -> None:
        """Writes a message, and waits until all replicas have it.

        Raises:
            OutputError: they have not.
            RefusedError: the topic takes none such.
        """
        from confluent_kafka import KafkaError, KafkaException, Producer

        answers: list[_Trouble | None] = []

        def answered(error: KafkaError | None, _: object) -> None:
            answers.append(_Trouble(error.code(), error.str()) if error is not None else None)

        try:
            if self._producer is None:
                self._producer = Producer({**self._settings, "error_cb": self._heard}, logger=_quiet)
            body, key = msgspec.json.encode(plain(message)), message.event.id
            self._producer.produce(self._place.topic, body, key, on_delivery=answered)
            self._producer.flush(2 * _TIMEOUT_S)
        except (KafkaException, BufferError, SystemError) as error:
            # A SystemError comes, from within a callback, of the exception that the producer is at its end.
            what = (error.__cause__ or error).args[0]
            answers = [_Trouble(what.code(), what.str()) if isinstance(what, KafkaError) else _Trouble(0, str(what))]
        if answers != [None]:
            self._producer = None  # and with it whatever it would still try by itself
            if answers and answers[0] and answers[0].code in _NEVER:
                raise RefusedError(answers[0].words)
            raise self._failed(answers[0] if answers else None)
        self._trouble = None  # it was got over

    def reach(self) -> None:
        """Asks the brokers who they are; a topic is not named, since some would make it.

        Raises:
            OutputError: none answers, or they do not want us.
        """
        from confluent_kafka import KafkaException, Producer

        producer = Producer({**self._settings, "enable.idempotence": False, "error_cb": self._heard}, logger=_quiet)
        try:
            producer.list_topics(timeout=_TIMEOUT_S)
        except KafkaException as error:
            producer.poll(0)  # which says what it has heard of its connections
            raise self._failed(_Trouble(error.args[0].code(), error.args[0].str())) from None

    def close(self) -> None:
        """Lets go of the connections."""
        self._producer = None

    def _heard(self, error: KafkaError) -> None:
        """What librdkafka says of its connections: kept for when a message does not pass."""
        if self._trouble is None or self._trouble.code in _AWAY:
            self._trouble = _Trouble(error.code(), error.str())

    def _failed(self, error: _Trouble | None) -> OutputError:
        trouble, self._trouble = self._trouble or error, None
        name = self._place.address.name
        if trouble is None or trouble.code in _AWAY:
            return OutputError(f"{name}: does not answer", "is it switched on and in this network?")
        if trouble.code in _WRONG_LOGIN:
            hint = "?sasl=scram-sha-512 or scram-sha-256 where the brokers want it"
            return OutputError(f"{name}: user or password is wrong, or missing", hint, retry_s=_LOGIN_RETRY_S)
        if trouble.code == _TLS:
            return OutputError(f"{name}: TLS fails", "?ca=FILE names a certificate to trust")
        return OutputError(f"{name}: {trouble.words}")


def _settings(place: Place) -> dict[str, Any]:
    address, hosts = place.address, [each.place for each in place.hosts]
    settings: dict[str, Any] = {
        "bootstrap.servers": ",".join(f"[{host}]:{port}" if ":" in host else f"{host}:{port}" for host, port in hosts),
        "client.id": "streamseg",
        "acks": "all",
        "enable.idempotence": True,
        "delivery.timeout.ms": round(_TIMEOUT_S * 1000),
        # Half of it: the answer that a topic is not there comes before the time of a message is up.
        "topic.metadata.propagation.max.ms": round(_TIMEOUT_S * 500),
        "linger.ms": 0,
        "log_level": 0,  # what it says goes to the standard error as it is
        "security.protocol": f"{'SASL_' if address.login else ''}{'SSL' if address.encrypted else 'PLAINTEXT'}",
    }
    if address.login:
        user, password = address.login
        settings |= {"sasl.mechanism": place.mechanism, "sasl.username": user, "sasl.password": password}
    if place.authority:
        settings["ssl.ca.location"] = place.authority
    return settings


KAFKA = delivery_kind(
    forms="kafka(s)://HOST/TOPIC",
    means=lambda uri: without_query(uri).lower().startswith(_SCHEMES),
    read=read_place,
    receiver=lambda place, open_events, controls: Kafka(place),
    reach=lambda place: Kafka(place).reach(),
)
