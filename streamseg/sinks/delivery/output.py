"""What the outputs for receivers of events have in common: an address to send to, and a queue of messages on disk."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol, TypeVar

from streamseg.contracts import Controls, Existing, Inputs, Sink
from streamseg.frame import StreamInfo
from streamseg.net.tls import checked_context
from streamseg.net.urls import Address, read_address
from streamseg.rules.event import Event
from streamseg.sinks.delivery.place import open_journal
from streamseg.sinks.delivery.queue import Queue
from streamseg.sinks.delivery.sender import DeliverySink, Receiver
from streamseg.sinks.kind import OutputKind
from streamseg.sinks.names import Names, literal


class Place(Protocol):
    """Where messages go, as the name of an output says it."""

    @property
    def address(self) -> Address:
        """The server."""

    @property
    def queue(self) -> str | None:
        """The file in which messages wait; None: one of the user's own folder."""


P = TypeVar("P", bound=Place)
OpenEvents = Callable[[], Iterable[Event]]
"""Gives the events of which a start was told and no end."""


def checked_address(uri: str, authority: str | None) -> Address:
    """`uri` in its parts; `authority` is a file of certificates to trust.

    Raises:
        InputError: it is not understood, the environment lacks a name in it, or that file holds none.
    """
    address = read_address(uri)
    if address.encrypted:
        checked_context(authority, address.name)
    return address


def delivery_kind(
    *,
    forms: str,
    means: Callable[[str], bool],
    read: Callable[[str], P],
    receiver: Callable[[P, OpenEvents, Controls], Receiver],
    reach: Callable[[P], object],
    target: Callable[[P], object] | None = None,
) -> OutputKind:
    """The kind of output whose names `read` takes apart, and whose messages go to a `receiver`.

    `reach` connects to it, and leaves; `target` is as in `OutputKind`, of the place that was read.
    """

    def opened(uri: str, info: StreamInfo, controls: Controls, existing: Existing) -> Sink:
        place = read(uri)
        name = place.address.name
        made = receiver(place, lambda: queue.open_events, controls)  # before a file: it may lack a package
        queue = Queue(name, open_journal(name, place.address.bare, info.name, place.queue))
        return DeliverySink(name, made, queue, controls)

    def names(uri: str, inputs: Inputs) -> Names | None:
        return literal(queue) if (queue := read(uri).queue) else None

    return OutputKind(
        forms=forms, means=means, open=opened, check=read, reach=lambda uri: reach(read(uri)), names=names,
        many_sources=True, target=target and (lambda uri: target(read(uri))), lost=lambda folder, live: None,
    )  # fmt: skip
