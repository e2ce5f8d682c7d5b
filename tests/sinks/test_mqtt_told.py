"""What is told over MQTT: events, states that are kept, and the entities that Home Assistant makes of them."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import cv2
import numpy as np

from streamseg.contracts import Controls
from streamseg.rules.event import ZoneReading
from streamseg.sinks import open_sink
from tests.parts.events import event, frame_with, later
from tests.parts.fakes import LIVE
from tests.parts.mosquitto import Listener, Mosquitto
from tests.parts.patience import until
from tests.sinks.test_mqtt import broker, opened, state

__all__ = ["broker", "state"]


def test_start_update_and_end_are_told_as_automations_for_frigate_know_them(broker: Mosquitto) -> None:
    one = event()
    with Listener(broker) as listener:
        sink = opened(broker)
        for each in (one, later(one, "update"), later(one, "end")):
            sink.write(frame_with([each]))
            until(lambda each=each: (each.id, each.kind) in listener.told)  # type: ignore[misc]
        sink.close()
        until(lambda: listener.kept().get("site/door/available") == b"offline")
        new, update, end = listener.events
    assert [each["type"] for each in (new, update, end)] == ["new", "update", "end"]
    assert new["after"]["camera"] == "door" and new["after"]["label"] == "thing"
    assert new["after"]["current_zones"] == ["belt"] and end["after"]["current_zones"] == []
    assert (new["after"]["end_time"], update["before"]) == (None, new["after"])
    assert end["after"]["end_time"] >= end["after"]["start_time"] > 1.7e9
    assert end["rule"] == "long crack" and end["ended_by"] == "rule" and end["peak"] == 2.5


def test_states_are_kept_for_those_who_come_later(broker: Mosquitto) -> None:
    readings = [
        ZoneReading("belt", "thing", area_percent=12.34, count=3),
        ZoneReading("the gate", "thing", crossings={"southwards": 7}),
        ZoneReading("", "thing", area_percent=50.0),
    ]
    one = event()
    sink = opened(broker)
    sink.write(frame_with([one], readings))
    until(lambda: not sink.waiting)
    with Listener(broker) as listener:

        def all_there() -> bool:
            kept = listener.kept()
            named = {"available", "zones/belt/thing/area", "zones/belt/thing/count", "picture/thing/area", "snapshot"}
            return {f"site/door/{each}" for each in named} <= kept.keys() and any("southwards" in each for each in kept)

        until(lambda: listener.kept().get("site/door/rules/long_crack_3797") == b"ON")
        until(all_there)
        kept = listener.kept()
        assert kept["site/door/available"] == b"online"
        assert kept["site/door/zones/belt/thing/area"] == b"12.3"
        assert kept["site/door/zones/belt/thing/count"] == b"3"
        assert kept["site/door/picture/thing/area"] == b"50.0"
        (crossings,) = (payload for topic, payload in kept.items() if topic.endswith("/thing/southwards"))
        assert crossings == b"7"
        image = cv2.imdecode(np.frombuffer(kept["site/door/snapshot"], np.uint8), cv2.IMREAD_COLOR)
        assert image is not None and image.shape == (48, 64, 3)
        assert listener.told == []
        sink.write(frame_with([later(one, "end")]))
        until(lambda: listener.kept()["site/door/rules/long_crack_3797"] == b"OFF")
        sink.close()


def test_without_zones_the_whole_picture_is_told(broker: Mosquitto) -> None:
    with Listener(broker) as listener:
        sink = opened(broker, "?discovery=no")
        sink.write(frame_with())
        until(lambda: "site/door/snapshot" in listener.kept())
        sink.close()
        kept = listener.kept()
    assert kept["site/door/picture/thing/area"] == b"100.0"
    assert not any("background" in topic or topic.startswith("homeassistant") for topic in kept)


# What the documentation of Home Assistant has of each kind of entity: keys that must be there, and those that may.
_COMMON = {"name", "unique_id", "availability_topic", "device", "origin"}
_SCHEMA: dict[str, tuple[set[str], set[str]]] = {
    "sensor": ({"state_topic"}, {"unit_of_measurement", "state_class"}),
    "binary_sensor": ({"state_topic"}, {"payload_on", "payload_off"}),
    "camera": ({"topic"}, set()),
}
_DEVICE = {"identifiers", "name", "manufacturer", "model", "sw_version"}


def check_discovery(topic: str, config: dict[str, Any]) -> None:
    """As documented at home-assistant.io/integrations/mqtt, sensor.mqtt, binary_sensor.mqtt and camera.mqtt."""
    prefix, component, node, object_id, last = topic.split("/")
    assert (prefix, last) == ("homeassistant", "config")
    assert all(sign.isascii() and (sign.isalnum() or sign in "_-") for sign in node + object_id)
    must, may = _SCHEMA[component]
    assert must <= config.keys() <= must | may | _COMMON
    assert all(isinstance(config[key], str) and config[key] for key in config.keys() - {"device", "origin"})
    assert not any(sign in config[key] for key in must for sign in "#+")
    assert config["device"].keys() == _DEVICE and config["device"]["identifiers"]
    assert config["origin"].keys() == {"name", "sw_version"}
    assert config.get("state_class") in (None, "measurement", "total_increasing")


def test_home_assistant_discovers_a_device_and_every_state_of_it(broker: Mosquitto) -> None:
    readings = [
        ZoneReading("belt", "thing", area_percent=12.34, count=3),
        ZoneReading("Straße/7", "déjà vu", crossings={"southwards": 7}),
    ]
    with Listener(broker) as listener:
        sink = opened(broker)
        sink.write(frame_with([event()], readings))
        until(lambda: "site/door/snapshot" in listener.kept() and not sink.waiting)
        sink.close()
        until(lambda: listener.kept().get("site/door/available") == b"offline")
        kept = listener.kept()
    configs = {topic: json.loads(text) for topic, text in kept.items() if topic.startswith("homeassistant/")}
    for topic, config in configs.items():
        check_discovery(topic, config)
        assert config.get("state_topic", config.get("topic")) in kept, "what is told of is there"
        assert config["availability_topic"] in kept
    assert Counter(topic.split("/")[1] for topic in configs) == {"sensor": 4, "binary_sensor": 1, "camera": 1}
    assert len({config["unique_id"] for config in configs.values()}) == len(configs)
    assert len({json.dumps(config["device"]) for config in configs.values()}) == 1


def test_rules_are_told_of_before_their_first_event(broker: Mosquitto) -> None:
    with Listener(broker) as listener:
        open_sink(f"mqtt://127.0.0.1:{broker.port}/door", LIVE, Controls(rules=("visitor",))).close()
        until(lambda: listener.kept().get("door/rules/visitor") == b"OFF")
        assert "homeassistant/binary_sensor/streamseg_door/rules_visitor/config" in listener.kept()
