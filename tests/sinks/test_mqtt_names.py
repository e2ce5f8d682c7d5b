"""What is wrong with the name of a broker, before it is asked."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from streamseg.contracts import Controls
from streamseg.errors import InputError
from streamseg.sinks import check_addresses, open_sink
from tests.parts.fakes import LIVE


def test_without_its_client_a_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "paho.mqtt.client", None)
    monkeypatch.setitem(sys.modules, "confluent_kafka", None)
    with pytest.raises(InputError, match=r"needs paho-mqtt \(.*install.*\[mqtt\]"):
        open_sink("mqtt://host/door", LIVE, Controls())
    with pytest.raises(InputError, match=r"needs confluent-kafka \(.*install.*\[kafka\]"):
        open_sink("kafka://host/events", LIVE, Controls())


@pytest.mark.parametrize("uri", ["mqtt://host/door", "kafka://host/events"])
def test_an_output_that_lacks_its_client_leaves_no_file_behind(
    uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "paho.mqtt.client", None)
    monkeypatch.setitem(sys.modules, "confluent_kafka", None)
    with pytest.raises(InputError, match="install"):
        open_sink(f"{uri}?queue={tmp_path}/queue", LIVE, Controls())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("uri", "says"),
    [
        ("mqtt://host", "needs a topic"),
        ("mqtt://host/a/#", "needs a topic"),
        ("mqtt://host/a/+/b", "needs a topic"),
        ("mqtt:///door", "not understood"),
        ("mqtt://me:${NOT_THERE}@host/door", "the environment has no NOT_THERE"),
        ("mqtt://host/door?discovery=", "discovery="),
        ("mqtt://host/door?qos=2", "there is no option qos"),
        ("mqtts://host/door?ca=missing.pem", "no such file"),
    ],
)
def test_what_is_wrong_in_the_name_is_told_before_anything_is_opened(uri: str, says: str) -> None:
    with pytest.raises(InputError, match=says):
        check_addresses([uri])
