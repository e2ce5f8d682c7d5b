"""Events and states of a stream for an MQTT broker, and for Home Assistant behind it."""

from __future__ import annotations

import logging
import re
from typing import NamedTuple
from urllib.parse import unquote

import msgspec

from streamseg.contracts import Shown
from streamseg.errors import InputError, OutputError, printable
from streamseg.net.urls import Address
from streamseg.said import Said
from streamseg.sinks.delivery.broker import MENDED_BY_HAND_S, TOO_LARGE, Broker, Publication, Refusal
from streamseg.sinks.delivery.homeassistant import described
from streamseg.sinks.delivery.message import Message, frigate
from streamseg.sinks.delivery.output import OpenEvents, checked_address, delivery_kind
from streamseg.sinks.delivery.sender import RefusedError
from streamseg.sinks.delivery.states import State, States, rule
from streamseg.sinks.query import split_query, without_query

_log = logging.getLogger(__name__)
OPTIONS = ("queue", "ca", "discovery")
_SCHEMES = ("mqtt://", "mqtts://")
_NO_TOPIC = re.compile(r"[#+\x00-\x1f]|//|^\$")
_LONGEST_TOPIC = 1000  # of 65,535 bytes, so that the levels below it have room


class Place(NamedTuple):
    """An output `mqtt://HOST/TOPIC`, taken apart."""

    address: Address
    topic: str
    discovery: str
    """Where Home Assistant listens; empty where it is not to be told."""
    authority: str | None
    """A file of certificates to trust."""
    queue: str | None


def read_place(uri: str) -> Place:
    """`uri` in its parts.

    Raises:
        InputError: it is no address and topic, or the environment lacks a name in it.
    """
    name, asked = split_query(uri, OPTIONS)
    address = checked_address(name, asked.get("ca"))
    topic = unquote(address.path, errors="surrogateescape").strip("/")
    if not topic or len(topic) > _LONGEST_TOPIC or _NO_TOPIC.search(topic) or printable(topic) != topic:
        hint = "mqtt://USER:${PASSWORD}@HOST/streamseg/door, without # and +"
        raise InputError(f"{address.name}: needs a topic of its own behind the host", hint)
    discovery = asked.get("discovery", "homeassistant").strip("/")
    if discovery == "no":
        discovery = ""
    elif not discovery or _NO_TOPIC.search(discovery):
        raise InputError(f"{address.name}: discovery= names the topic that Home Assistant listens to, or is `no`")
    return Place(address, topic, discovery, asked.get("ca"), asked.get("queue"))


class Mqtt:
    """Publishes events at TOPIC/events, and states, which the broker keeps, below TOPIC."""

    needs_image = True

    def __init__(self, place: Place, open_events: OpenEvents, rules: tuple[str, ...]) -> None:
        """Raises InputError where paho-mqtt is missing."""
        self._place, self._open_events, self._stream = place, open_events, place.topic.rpartition("/")[2]
        self._broker = Broker(place.address, f"{place.topic}/available", place.authority)
        self._states, self._said = States(), Said()
        self._rules: dict[str, State | None] = dict.fromkeys(rules)  # what was published of each; None: nothing yet
        self._described: set[str] = set()
        self._picture: State | None = None  # the newest that the broker took

    def look(self, shown: Shown) -> None:
        """Takes the states of a frame."""
        self._states.look(shown)

    def tick(self) -> None:
        """Connects where that is needed, and publishes the states that changed.

        Raises:
            OutputError: the broker cannot be reached, or does not want it.
        """
        fresh = not self._broker.connected
        if fresh:
            self._say(self._broker.connect())
            self._states.forget()
            self._described.clear()
            self._rules = dict.fromkeys(self._rules)
        self._broker.listen()
        self._publish([*self._states.take(), *self._changed_rules()])
        if picture := self._states.take_picture() or (self._picture if fresh else None):
            self._picture = None  # one that the broker does not want is not tried again
            self._publish([picture])
            self._picture = picture

    def send(self, message: Message) -> None:
        """Publishes a message, and that its rule holds or no longer does.

        Raises:
            OutputError: the broker did not confirm it, or does not let this user publish it.
            RefusedError: it is too large for the broker.
        """
        body = msgspec.json.encode(frigate(message, camera=self._stream))
        for refused in self._broker.publish([Publication(f"{self._place.topic}/events", body)]):
            if refused.code == TOO_LARGE:
                raise RefusedError(f"the broker refuses it: {refused.words}")
            self._broker.close()  # it would hear nothing of us until the next try, and think that we died
            raise OutputError(self._refusal(refused), retry_s=MENDED_BY_HAND_S)
        self._rules.setdefault(message.event.rule)
        self._publish(self._changed_rules())

    def close(self) -> None:
        """Says goodbye."""
        self._broker.close()

    def _changed_rules(self) -> list[State]:
        """States of rules as they are now, whatever waits to be told."""
        holding = {event.rule for event in self._open_events()}
        changed = []
        for name in {*holding, *self._rules}:
            state = rule(name, holds=name in holding)
            if self._rules.get(name) != state:
                self._rules[name] = state
                changed.append(state)
        return changed

    def _publish(self, states: list[State]) -> None:
        topic, prefix = self._place.topic, self._place.discovery
        new = [state for state in states if state.topic not in self._described] if prefix else []
        described_now = [described(state, prefix=prefix, topic=topic, stream=self._stream) for state in new]
        values = [Publication(f"{topic}/{state.topic}", state.value, retain=True) for state in states]
        if states:
            self._say(self._broker.publish([*described_now, *values]))
            self._described.update(state.topic for state in new)

    def _say(self, refusals: list[Refusal]) -> None:
        for refused in refusals:
            self._said.once(_log, logging.WARNING, self._refusal(refused))

    def _refusal(self, refused: Refusal) -> str:
        below = next(each for each in (self._place.topic, self._place.discovery) if refused.topic.startswith(each))
        return f"{self._place.address.name}: the broker refuses what is published below {below}: {refused.words}"


MQTT = delivery_kind(
    forms="mqtt(s)://HOST/TOPIC",
    means=lambda uri: without_query(uri).lower().startswith(_SCHEMES),
    read=read_place,
    receiver=lambda place, open_events, controls: Mqtt(place, open_events, controls.rules),
    reach=lambda place: Broker(place.address, "", place.authority).reach(),
    target=lambda place: (place.address.server, place.topic),  # two streams would write one topic's states
)
