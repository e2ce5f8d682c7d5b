"""Outputs of a service that has so many files open that `select` knows no further ones."""

from __future__ import annotations

import resource
import sys
from pathlib import Path

import pytest

from tests.parts.mosquitto import Listener, Mosquitto
from tests.parts.patience import finished, until
from tests.parts.program import environment
from tests.parts.rtsp import Recorder

_FILES = """
import os, resource, sys
resource.setrlimit(resource.RLIMIT_NOFILE, (1500, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
files = [os.open(os.devnull, os.O_RDONLY) for _ in range(1100)]
"""
_MQTT = """
from streamseg.net.urls import read_address
from streamseg.sinks.delivery.broker import Broker, Publication
broker = Broker(read_address(sys.argv[1]), "door/available")
broker.connect()
broker.publish([Publication("door/state", b"on", True)])
broker.listen()
broker.close()
"""
_RTSP = """
from streamseg.sinks.publish import PublishSink
from tests.sinks.test_video import shown
sink = PublishSink(sys.argv[1])
for number in range(10):
    sink.write(shown(number, number / 25))
sink.close()
"""


@pytest.fixture(autouse=True)
def may_have_them() -> None:
    if resource.getrlimit(resource.RLIMIT_NOFILE)[1] < 1500:
        pytest.skip("this machine allows a process no more than a thousand files")


def run(program: str, address: str) -> None:
    done = finished([sys.executable, "-c", _FILES + program, address], env=environment())
    assert done.returncode == 0, done.stderr


def test_a_broker_of_mqtt_is_published_to(tmp_path: Path) -> None:
    with Mosquitto(tmp_path) as broker:
        run(_MQTT, f"mqtt://127.0.0.1:{broker.port}/door")
        with Listener(broker) as listener:
            until(lambda: listener.kept().get("door/state") == b"on")


def test_a_server_of_rtsp_is_published_to(tmp_path: Path) -> None:
    with Recorder(tmp_path) as server:
        run(_RTSP, server.url)
