"""What Home Assistant is told of a stream's states."""

from __future__ import annotations

import json

import pytest

from streamseg.sinks.delivery.broker import Publication
from streamseg.sinks.delivery.homeassistant import described
from streamseg.sinks.delivery.states import State, level


def told(topic: str, *levels: str) -> Publication:
    state = State("/".join(map(level, levels)), b"1", "a name")
    return described(state, prefix="homeassistant", topic=topic, stream="door")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (
            ("site/door", "zones", "road", "traffic_light", "area"),
            ("site/door", "zones", "road_traffic", "light", "area"),
        ),
        (("site/front_door", "snapshot"), ("site_front/door", "snapshot")),
        (("site/door", "zones", "a_", "b"), ("site/door", "zones", "a", "_b")),
        (("site/door", "zones", "a__b", "c"), ("site/door", "zones", "a", "b__c")),
    ],
)
def test_two_states_are_two_entities(one: tuple[str, ...], other: tuple[str, ...]) -> None:
    first, second = told(*one), told(*other)
    assert first.topic != second.topic
    assert json.loads(first.payload)["unique_id"] != json.loads(second.payload)["unique_id"]
