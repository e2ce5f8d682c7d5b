"""Debian's MQTT broker, which a test can stop, kill and start again, and a client that writes down what it hears."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import threading
from pathlib import Path
from types import TracebackType
from typing import Any

import pytest

from tests.parts.patience import PATIENCE_S, until
from tests.parts.rtsp import free_port

_PROGRAM = shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin")


class Mosquitto:
    """`with Mosquitto(folder) as broker:` listens at `broker.port`; with a `password`, only for the user `me`.

    `settings` are further lines of its configuration.
    """

    def __init__(self, folder: Path, *settings: str, password: str = "", certificate: Path | None = None) -> None:
        if _PROGRAM is None:
            pytest.skip("mosquitto is not installed (Debian: mosquitto)")
        self.port = free_port()
        self._folder = folder
        lines = [f"listener {self.port} 127.0.0.1", "persistence true", f"persistence_location {folder}/"]
        lines += ["autosave_interval 0"]  # when it is told to: what it was about to tell others it would tell twice
        lines += settings
        if os.geteuid() == 0:
            lines.append("user root")
        if password:
            (folder / "passwords").write_text("")
            command = ["mosquitto_passwd", "-b", str(folder / "passwords"), "me", password]
            subprocess.run(command, check=True, capture_output=True)
            lines += ["allow_anonymous false", f"password_file {folder}/passwords"]
        else:
            lines.append("allow_anonymous true")
        if certificate:
            lines += [f"certfile {certificate}", f"keyfile {certificate}"]
        (folder / "mosquitto.conf").write_text("\n".join(lines) + "\n")
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with (self._folder / "mosquitto.log").open("ab") as log:
            command = [str(_PROGRAM), "-c", str(self._folder / "mosquitto.conf")]
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        until(self._listens, "mosquitto listening", self._process)

    def kill(self) -> None:
        self._send(signal.SIGKILL)
        if self._process is not None:
            self._process.wait(PATIENCE_S)
            self._process = None

    def save(self) -> None:
        """Makes sure that its sessions and subscriptions outlive a kill."""
        file = self._folder / "mosquitto.db"
        before = file.stat().st_mtime_ns if file.exists() else 0
        self._send(signal.SIGUSR1)
        until(lambda: file.exists() and file.stat().st_mtime_ns > before, "saved")

    def read_again(self) -> None:
        """Its files of passwords and rights."""
        self._send(signal.SIGHUP)

    def stall(self) -> None:
        self._send(signal.SIGSTOP)

    def go_on(self) -> None:
        self._send(signal.SIGCONT)

    def _send(self, number: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(number)

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def __enter__(self) -> Mosquitto:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.kill()


class Listener:
    """A client that hears everything, also what is published while it is away itself."""

    def __init__(self, broker: Mosquitto, password: str = "") -> None:
        from paho.mqtt.client import Client, MQTTMessage
        from paho.mqtt.enums import CallbackAPIVersion

        self.heard: list[tuple[str, bytes, bool]] = []
        """Topic, payload, and whether it was kept."""
        self.subscribed = threading.Event()

        def connected(client: Client, *_: object) -> None:
            client.subscribe("#", qos=2)

        def received(_: Client, __: object, message: MQTTMessage) -> None:
            self.heard.append((message.topic, bytes(message.payload), message.retain))

        self._client = Client(CallbackAPIVersion.VERSION2, f"listener-{free_port()}", clean_session=False)
        self._client.reconnect_delay_set(1, 1)
        if password:
            self._client.username_pw_set("me", password)
        self._client.on_connect, self._client.on_message = connected, received
        self._client.on_subscribe = lambda *_: self.subscribed.set()
        self._broker = broker
        self._client.connect("127.0.0.1", broker.port)
        self._client.loop_start()

    @property
    def events(self) -> list[dict[str, Any]]:
        return [json.loads(payload) for topic, payload, _ in list(self.heard) if topic.endswith("/events")]

    @property
    def told(self) -> list[tuple[str, str]]:
        """Id and kind of each event, as often as it was heard."""
        return [(event["id"], event["kind"]) for event in self.events]

    def kept(self) -> dict[str, bytes]:
        """The newest payload of each topic but those of events."""
        return {topic: payload for topic, payload, _ in list(self.heard) if not topic.endswith("/events")}

    def __enter__(self) -> Listener:
        assert self.subscribed.wait(PATIENCE_S)
        self._broker.save()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._client.disconnect()
        self._client.loop_stop()
        self._client.on_message = self._client.on_subscribe = None  # they hold this, and this would hold sockets
