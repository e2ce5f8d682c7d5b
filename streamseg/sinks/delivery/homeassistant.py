"""MQTT discovery of Home Assistant: a device for a stream, and an entity for each of its states.

https://www.home-assistant.io/integrations/mqtt/#mqtt-discovery; one message an entity, which every version knows.
"""

from __future__ import annotations

from typing import Any

import msgspec

from streamseg import __version__
from streamseg.sinks.delivery.broker import Publication
from streamseg.sinks.delivery.states import State, level


def described(state: State, *, prefix: str, topic: str, stream: str) -> Publication:
    """What tells Home Assistant of `state`, which is kept below `topic`.

    Args:
        prefix: where Home Assistant listens, `homeassistant` unless it was changed there.
        stream: name of the device, for people.
    """
    node = _joined([level(part) for part in topic.split("/")])
    object_id = _joined(state.topic.split("/"))
    config: dict[str, Any] = {
        "name": state.name,
        "unique_id": f"streamseg_{node}_{object_id}",
        "availability_topic": f"{topic}/available",
        "device": {
            "identifiers": [f"streamseg_{node}"],
            "name": stream,
            "manufacturer": "streamseg",
            "model": "Segmented video stream",
            "sw_version": __version__,
        },
        "origin": {"name": "streamseg", "sw_version": __version__},
    }
    if state.kind == "camera":
        config["topic"] = f"{topic}/{state.topic}"
    else:
        config["state_topic"] = f"{topic}/{state.topic}"
    if state.kind == "binary_sensor":
        config["payload_on"], config["payload_off"] = "ON", "OFF"
    if state.kind == "sensor":
        config["state_class"] = "total_increasing" if state.total else "measurement"
    if state.unit:
        config["unit_of_measurement"] = state.unit
    place = f"{prefix}/{state.kind}/streamseg_{node}/{object_id}/config"
    return Publication(place, msgspec.json.encode(config), retain=True)


def _joined(levels: list[str]) -> str:
    """One word of `levels`, none of which begins or ends with `_`, that no others give: `a/b_c` is not `a_b/c`."""
    return "_".join(each.replace("_", "__") for each in levels)
