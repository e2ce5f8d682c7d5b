"""A connection to an MQTT broker, of which a publication is only over when the broker has confirmed it."""

from __future__ import annotations

import contextlib
import hashlib
import secrets
import socket
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, NamedTuple

from streamseg.errors import InputError, OutputError
from streamseg.installing import extra
from streamseg.net.connection import trouble
from streamseg.net.tls import checked_context
from streamseg.net.urls import Address

if TYPE_CHECKING:
    from paho.mqtt.client import Client

_TIMEOUT_S = 10.0
_KEEPALIVE_S = 20  # the broker tells of a death after one and a half of these
_STEP_S = 0.1
_LOGIN_RETRY_S = 30.0  # a wrong password does not become right, and some brokers lock an account
_WRONG_LOGIN = (134, 135)  # bad user name or password, not authorised: of MQTT 5, to which paho translates


class Publication(NamedTuple):
    """What is published: topic, bytes, and whether the broker keeps it for those who come later."""

    topic: str
    payload: bytes
    retain: bool = False


class Broker:
    """Speaks MQTT 3.1.1 to `address`; while the connection stands, the topic `availability` says `online`.

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
        self._answer: int | None = None
        self._words = ""

    @property
    def connected(self) -> bool:
        """Whether the connection stands, as far as is known."""
        return self._client is not None

    def connect(self) -> None:
        """Raises OutputError where the broker is away, does not answer, or does not want this client."""
        self._client = self._logged_in(self._make(self._identity, announced=True))
        self.publish([Publication(self._availability, b"online", True)])

    def reach(self) -> None:
        """Connects under a name of its own, publishes nothing and leaves; who else is connected does not notice.

        Raises:
            OutputError: as `connect`.
        """
        self._logged_in(self._make(f"streamseg-{secrets.token_hex(6)}", announced=False)).disconnect()

    def _logged_in(self, client: Client) -> Client:
        try:
            client.connect(*self._address.place, keepalive=_KEEPALIVE_S)
            self._wait(client, lambda: self._answer is not None, "does not answer")
        except OSError as error:
            what, hint, _ = trouble(error, self._address)
            raise OutputError(f"{self._address.name}: {what}", hint) from None
        if self._answer in _WRONG_LOGIN:
            what = "user or password is wrong, or missing"
            raise OutputError(f"{self._address.name}: {what}", retry_s=_LOGIN_RETRY_S)
        if self._answer:
            raise OutputError(f"{self._address.name}: the broker refuses: {self._words}")
        return client

    def publish(self, publications: Iterable[Publication]) -> None:
        """Publishes them in their order, at least once each; returns when the broker has confirmed all.

        Raises:
            OutputError: it did not; the connection is closed then.
        """
        client = self._client
        if client is None:
            raise OutputError(f"{self._address.name}: not connected")
        sent = [client.publish(each.topic, each.payload, qos=1, retain=each.retain) for each in publications]
        try:
            self._wait(client, lambda: all(each.rc == 0 and each.is_published() for each in sent), "does not confirm")
        except OutputError:
            self._client = None  # without a goodbye, so that the broker tells that we are gone
            raise

    def listen(self) -> None:
        """Takes what the broker has said and shows that we are alive.

        Raises:
            OutputError: the connection is lost.
        """
        if self._client is not None and self._client.loop(0):
            self._client = None
            raise OutputError(f"{self._address.name}: the connection was lost")

    def close(self) -> None:
        """Says `offline` and goodbye, where that can be had quickly."""
        if self._client is None:
            return
        with contextlib.suppress(OutputError):
            self.publish([Publication(self._availability, b"offline", True)])
        if self._client is not None:
            self._client.disconnect()
            self._client = None

    def _make(self, identity: str, *, announced: bool) -> Client:
        from paho.mqtt.client import Client
        from paho.mqtt.enums import CallbackAPIVersion

        client = Client(CallbackAPIVersion.VERSION2, identity, clean_session=True)
        client.connect_timeout = _TIMEOUT_S
        if announced:
            client.will_set(self._availability, b"offline", qos=1, retain=True)
        if self._address.login is not None:
            client.username_pw_set(*self._address.login)
        if self._context is not None:
            client.tls_set_context(self._context)
        self._answer, self._words = None, ""
        client.on_connect = self._connected
        return client

    def _connected(self, client: Client, data: object, flags: object, code: object, more: object) -> None:
        self._answer, self._words = int(getattr(code, "value", 0)), str(code)

    def _wait(self, client: Client, met: Callable[[], bool], what: str) -> None:
        deadline_s = time.monotonic() + _TIMEOUT_S
        while not met():
            if client.loop(_STEP_S) and not met():
                raise OutputError(f"{self._address.name}: the connection was lost")
            if time.monotonic() > deadline_s:
                raise OutputError(f"{self._address.name}: {what}")
