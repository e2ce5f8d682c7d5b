"""A connection to an MQTT broker, of which a publication is only over when the broker has confirmed it."""

from __future__ import annotations

import contextlib
import hashlib
import secrets
import selectors
import socket
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

from streamseg.errors import InputError, OutputError
from streamseg.installing import extra
from streamseg.net.connection import trouble
from streamseg.net.tls import checked_context
from streamseg.net.urls import Address

if TYPE_CHECKING:
    from paho.mqtt.client import Client, DisconnectFlags
    from paho.mqtt.properties import Properties
    from paho.mqtt.reasoncodes import ReasonCode

_TIMEOUT_S = 10.0
_KEEPALIVE_S = 20  # the broker tells of a death after one and a half of these
_STEP_S = 0.1
MENDED_BY_HAND_S = 30.0
"""Least wait where a person has to change something: some brokers lock an account after wrong passwords."""
TOO_LARGE = 149
_MOST_AT_ONCE, _MOST_BYTES = 20, 2**28  # unconfirmed; of a packet: unless the broker takes fewer
# Of MQTT 5, to whose reason codes paho translates those of 3.1.1: bad user name or password, not authorised; …
_WRONG_LOGIN, _OLD_BROKER = (134, 135), 132
_NOT_UNDERSTOOD, _NOT_CONNECTED = 2, 4  # of paho: what came is no packet of this version; …
_AROUND = 11  # bytes of a packet at most beside topic and payload


class Publication(NamedTuple):
    """What is published: topic, bytes, and whether the broker keeps it for those who come later."""

    topic: str
    payload: bytes
    retain: bool = False


class Refusal(NamedTuple):
    """What the broker did not take, and why: its reason code, and the same in words."""

    topic: str
    code: int
    words: str


class _UnansweredError(OutputError):
    """The broker ended the connection, was silent, or does not know this version of the protocol."""


class Broker:
    """Speaks MQTT to `address`; while the connection stands, the topic `availability` says `online`.

    MQTT 5, whose broker tells what it refuses and why it ends a connection; 3.1.1 where the broker knows no other.

    Used by one thread, which calls `listen` at least every few seconds.
    """

    def __init__(self, address: Address, availability: str, authority: str | None = None) -> None:
        """Raises InputError where paho-mqtt is missing or `authority` is no file of certificates."""
        try:
            import paho.mqtt.client  # noqa: F401
        except ImportError:
            raise InputError(f"{address.name}: needs paho-mqtt", extra("mqtt")) from None
        self._address, self._availability = address, availability
        self._context = checked_context(authority, address.name) if address.encrypted else None
        # The same after a restart, so that the broker ends the session that a killed run left, and tells of its end
        # before it tells of the new one.
        identity = f"{socket.gethostname()} {address.authority} {availability}"
        self._identity = f"streamseg-{hashlib.sha256(identity.encode()).hexdigest()[:12]}"
        self._client: Client | None = None
        self._answer: tuple[int, str] | None = None
        self._parting = ""
        self._at_once, self._most_bytes = _MOST_AT_ONCE, _MOST_BYTES
        self._old = False
        self._refused: dict[int, tuple[int, str]] = {}

    @property
    def connected(self) -> bool:
        """Whether the connection stands, as far as is known."""
        return self._client is not None

    def connect(self) -> list[Refusal]:
        """Says `online`, and returns whether that was refused.

        Raises:
            OutputError: the broker is away, does not answer, or does not want this client.
        """
        self._client = self._logged_in(self._identity, announced=True)
        return self.publish([Publication(self._availability, b"online", True)])

    def reach(self) -> None:
        """Connects under a name of its own, publishes nothing and leaves; who else is connected does not notice.

        Raises:
            OutputError: as `connect`.
        """
        self._logged_in(f"streamseg-{secrets.token_hex(6)}", announced=False).disconnect()

    def publish(self, publications: Iterable[Publication]) -> list[Refusal]:
        """Publishes them in their order, at least once each; returns when the broker has answered for all.

        Returns:
            Those that it refused; a broker that speaks only MQTT 3.1.1 does not say.

        Raises:
            OutputError: it does not answer; the connection is closed then.
        """
        waiting: list[Publication] = []
        refused: list[Refusal] = []
        for each in publications:
            if len(each.topic.encode()) + len(each.payload) + _AROUND <= self._most_bytes:
                waiting.append(each)
            else:
                refused.append(Refusal(each.topic, TOO_LARGE, "Packet too large"))
        while waiting:
            now, waiting = waiting[: self._at_once], waiting[self._at_once :]
            refused += self._publish(now)
        return refused

    def listen(self) -> None:
        """Takes what the broker has said and shows that we are alive.

        Raises:
            OutputError: the connection is lost.
        """
        if self._client is not None and (error := _loop(self._client, 0)):
            self._client = None
            raise self._lost(error)

    def close(self) -> None:
        """Says `offline` and goodbye, where that can be had quickly."""
        if self._client is None:
            return
        with contextlib.suppress(OutputError):
            self.publish([Publication(self._availability, b"offline", True)])
        if self._client is not None:
            self._client.disconnect()
            self._client = None

    def _logged_in(self, identity: str, *, announced: bool) -> Client:
        if not self._old:
            with contextlib.suppress(_UnansweredError):
                return self._greeted(self._make(identity, announced=announced, old=False))
        return self._greeted(self._make(identity, announced=announced, old=True))

    def _publish(self, publications: list[Publication]) -> list[Refusal]:
        client = self._client
        if client is None:
            raise OutputError(f"{self._address.name}: not connected")
        sent = [client.publish(each.topic, each.payload, qos=1, retain=each.retain) for each in publications]
        try:
            self._wait(
                client, lambda: sum(each.rc != 0 or not each.is_published() for each in sent), "does not confirm"
            )
        except OutputError:
            self._client = None  # without a goodbye, so that the broker tells that we are gone
            raise
        refused, self._refused = self._refused, {}
        return [
            Refusal(each.topic, *refused[at.mid])
            for each, at in zip(publications, sent, strict=True)
            if at.mid in refused
        ]

    def _make(self, identity: str, *, announced: bool, old: bool) -> Client:
        from paho.mqtt.client import Client
        from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

        client = (
            Client(CallbackAPIVersion.VERSION2, identity, clean_session=True)
            if old
            else Client(CallbackAPIVersion.VERSION2, identity, protocol=MQTTProtocolVersion.MQTTv5)
        )
        client.connect_timeout = _TIMEOUT_S
        if announced:
            client.will_set(self._availability, b"offline", qos=1, retain=True)
        if self._address.login is not None:
            client.username_pw_set(*self._address.login)
        if self._context is not None:
            client.tls_set_context(self._context)
        self._answer, self._parting, self._refused = None, "", {}
        client.on_connect, client.on_publish, client.on_disconnect = self._connected, self._confirmed, self._parted
        return client

    def _greeted(self, client: Client) -> Client:
        name = self._address.name
        try:
            client.connect(*self._address.place, keepalive=_KEEPALIVE_S)
            self._wait(client, lambda: self._answer is None, "does not answer")
        except OSError as error:
            what, hint, _ = trouble(error, self._address)
            raise OutputError(f"{name}: {what}", hint) from None
        code, words = self._answer or (0, "")
        if code in _WRONG_LOGIN:
            raise OutputError(f"{name}: user or password is wrong, or missing", retry_s=MENDED_BY_HAND_S)
        if code:
            self._old = self._old or code == _OLD_BROKER
            kind = _UnansweredError if code == _OLD_BROKER else OutputError
            raise kind(f"{name}: the broker refuses: {words}")
        return client

    def _connected(self, client: Client, data: Any, flags: Any, code: ReasonCode, more: Properties | None) -> None:
        self._answer = code.value, str(code)
        self._at_once = min(_MOST_AT_ONCE, getattr(more, "ReceiveMaximum", _MOST_AT_ONCE))
        self._most_bytes = getattr(more, "MaximumPacketSize", _MOST_BYTES)

    def _confirmed(self, client: Client, data: Any, number: int, code: ReasonCode, more: Properties | None) -> None:
        if code.is_failure:
            self._refused[number] = code.value, str(code)

    def _parted(
        self, client: Client, data: Any, flags: DisconnectFlags, code: ReasonCode, more: Properties | None
    ) -> None:
        if flags.is_disconnect_packet_from_server:
            self._parting = str(code)

    def _wait(self, client: Client, missing: Callable[[], int], what: str) -> None:
        """Until none of the broker's answers is missing; a slow one has time as long as they come."""
        left, deadline_s = missing(), time.monotonic() + _TIMEOUT_S
        while left:
            error = _loop(client, _STEP_S)
            before, left = left, missing()
            if error and left:
                raise self._lost(error)
            if left < before:
                deadline_s = time.monotonic() + _TIMEOUT_S
            elif time.monotonic() > deadline_s:
                raise _UnansweredError(f"{self._address.name}: {what}")

    def _lost(self, error: int) -> _UnansweredError:
        if error == _NOT_UNDERSTOOD:  # a broker whose MQTT 5 is none is spoken to as of old from now on
            self._old = True
        why = self._parting and f": {self._parting}"
        return _UnansweredError(f"{self._address.name}: the connection was lost{why}")


def _loop(client: Client, timeout_s: float) -> int:
    """The client's `loop`, which by itself waits with `select`, and so for no socket behind 1,024 open files."""
    connection = client.socket()
    if connection is None:
        return _NOT_CONNECTED
    held = getattr(connection, "pending", int)()  # that TLS has read already
    with selectors.DefaultSelector() as waiting:
        waiting.register(connection, selectors.EVENT_READ | (selectors.EVENT_WRITE if client.want_write() else 0))
        ready = [events for _, events in waiting.select(0 if held else timeout_s)]
    if held or (ready and ready[0] & selectors.EVENT_READ):
        error = client.loop_read()
        if error or client.socket() is None:
            return error
    if ready and ready[0] & selectors.EVENT_WRITE and (error := client.loop_write()):
        return error
    return client.loop_misc()
