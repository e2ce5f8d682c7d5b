from __future__ import annotations

import logging
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from streamseg.contracts import Controls
from streamseg.sinks import open_sink
from streamseg.sinks.delivery.sender import DeliverySink
from tests.parts.certificates import own_certificate
from tests.parts.events import event, frame_with, later
from tests.parts.fakes import LIVE
from tests.parts.mosquitto import Listener, Mosquitto
from tests.parts.patience import until
from tests.parts.program import PROGRAM, environment, hears_signals


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STREAMSEG_STATE", str(tmp_path / "state"))


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    (tmp_path / "broker").mkdir()
    with Mosquitto(tmp_path / "broker") as made:
        yield made


def opened(broker: Mosquitto, more: str = "", login: str = "", scheme: str = "mqtt") -> DeliverySink:
    sink = open_sink(f"{scheme}://{login}127.0.0.1:{broker.port}/site/door{more}", LIVE, Controls())
    assert isinstance(sink, DeliverySink)
    return sink


def test_a_broker_that_is_killed_and_comes_back_gets_each_start_and_end_once(broker: Mosquitto) -> None:
    one, other = event(), event()
    with Listener(broker) as listener:
        sink = opened(broker)
        sink.write(frame_with([one]))
        until(lambda: listener.told == [(one.id, "start")])
        until(lambda: not sink.waiting)
        broker.kill()
        sink.write(frame_with([later(one, "end"), other]))
        until(lambda: sink.waiting == 2)
        broker.start()
        until(lambda: len(listener.told) >= 3)
        sink.write(frame_with([later(other, "end")]))
        until(lambda: len(listener.told) >= 4)
        sink.close()
        assert listener.told == [(one.id, "start"), (one.id, "end"), (other.id, "start"), (other.id, "end")]
        assert listener.kept()["site/door/rules/long_crack_3797"] == b"OFF"


def test_a_broker_that_hangs_is_given_up_and_told_when_it_is_back(
    broker: Mosquitto, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("streamseg.sinks.delivery.broker._TIMEOUT_S", 1.0)
    one = event()
    sink = opened(broker)
    sink.write(frame_with([one]))
    until(lambda: not sink.waiting)
    broker.stall()
    for index in range(500):
        sink.write(frame_with([later(one, "end")] if index == 250 else [], index=index))
    until(lambda: "does not confirm" in caplog.text or "does not answer" in caplog.text)
    assert sink.waiting == 1
    broker.go_on()
    until(lambda: not sink.waiting)
    sink.close()


_RUN = """
import sys, time
from streamseg.contracts import Controls
from streamseg.sinks import open_sink
from tests.parts.events import event, frame_with, later
from tests.parts.fakes import LIVE
sink = open_sink(sys.argv[1], LIVE, Controls())
one = event(id=sys.argv[2])
sink.write(frame_with([one]))
while "wait" in sys.argv and sink.waiting:
    time.sleep(0.01)
print("told", flush=True)
sys.stdin.readline()
"""


def test_a_process_that_is_killed_has_its_event_ended_by_the_next_run(broker: Mosquitto, tmp_path: Path) -> None:
    uri = f"mqtt://127.0.0.1:{broker.port}/site/door"
    env = environment(STREAMSEG_STATE=str(tmp_path / "state"))
    with Listener(broker) as listener:
        for id, wait in (("a" * 32, "wait"), ("b" * 32, "")):
            if not wait:
                broker.kill()
            command = [sys.executable, "-c", _RUN, uri, id, wait]
            with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=env) as child:
                assert child.stdout is not None and child.stdout.readline() == b"told\n"
                child.send_signal(signal.SIGKILL)
            if wait:
                until(lambda: listener.kept().get("site/door/available") == b"offline", "the last will")
        broker.start()
        sink = opened(broker)
        until(lambda: len(listener.told) >= 4)
        until(lambda: not sink.waiting)
        sink.close()
        until(lambda: listener.kept().get("site/door/available") == b"offline")
        assert listener.told == [(id * 32, kind) for id in "ab" for kind in ("start", "end")]
        assert [each["ended_by"] for each in listener.events if each["kind"] == "end"] == ["restart"] * 2
        assert listener.kept()["site/door/rules/long_crack_3797"] == b"OFF"


def test_a_broker_that_is_away_at_the_start_is_one_line_and_gets_what_waited(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    broker, one = Mosquitto(tmp_path), event()
    sink = opened(broker)
    sink.write(frame_with([one]))
    until(lambda: "connection refused" in caplog.text)
    with broker, Listener(broker) as listener:
        until(lambda: not sink.waiting)
        sink.write(frame_with([later(one, "end")]))
        until(lambda: (one.id, "end") in listener.told)
        sink.close()
    assert [record.getMessage().partition(";")[0].partition(", since")[0] for record in caplog.records] == [
        f"mqtt://127.0.0.1:{broker.port}/site/door: connection refused",
        f"mqtt://127.0.0.1:{broker.port}/site/door: works again",
    ]


def test_a_wrong_password_is_one_line_without_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BROKER_PASSWORD", "hunter2")
    with caplog.at_level(logging.DEBUG), Mosquitto(tmp_path, password="right") as broker:
        sink = opened(broker, login="me:${BROKER_PASSWORD}@")
        sink.write(frame_with([event()]))
        until(lambda: "user or password is wrong" in caplog.text)
        sink.close()
        assert len([record for record in caplog.records if "is wrong" in record.getMessage()]) == 1
        assert "hunter2" not in caplog.text
        monkeypatch.setenv("BROKER_PASSWORD", "right")
        with Listener(broker, "right") as listener:
            opened(broker, login="me:${BROKER_PASSWORD}@").close()
            until(lambda: [kind for _, kind in listener.told] == ["start", "end"])


def test_a_broker_that_forgot_everything_gets_the_picture_again(broker: Mosquitto, tmp_path: Path) -> None:
    sink = opened(broker)
    with Listener(broker) as listener:
        sink.write(frame_with([]))
        until(lambda: "site/door/snapshot" in listener.kept())
    broker.kill()
    (tmp_path / "broker" / "mosquitto.db").unlink(missing_ok=True)
    broker.start()
    with Listener(broker) as listener:
        until(lambda: "site/door/snapshot" in listener.kept())
        until(lambda: any(topic.startswith("homeassistant/camera/") for topic in listener.kept()))
    sink.close()


# paho leaves the socket of a handshake that failed to the garbage collector, which closes it at once.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_certificate_that_cannot_be_checked_is_refused_and_one_that_is_named_is_taken(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    certificate = own_certificate(tmp_path / "own.pem")
    with Mosquitto(tmp_path, certificate=certificate) as broker:
        sink = opened(broker, scheme="mqtts")
        sink.write(frame_with([event()]))
        until(lambda: "CERTIFICATE_VERIFY_FAILED" in caplog.text)
        sink.close()
        sink = opened(broker, f"?ca={certificate}", scheme="mqtts")
        until(lambda: not sink.waiting)
        sink.close()
        plain = opened(broker)
        plain.write(frame_with([event()]))
        until(lambda: "the connection was lost" in caplog.text or "does not answer" in caplog.text)
        plain.close()


def test_a_run_with_a_rule_that_is_killed_tells_each_start_and_end_once(broker: Mosquitto, tmp_path: Path) -> None:
    """The program itself: killed with its event open, started again without a broker, and asked to end."""
    rule = "bright=foreground.area > 1 %"
    words = ["run", "test://?size=160x120&fps=25", f"mqtt://127.0.0.1:{broker.port}/site/door", "--rule", rule]
    command = [*PROGRAM, *words, "--model", "otsu", "--quiet"]
    env = environment(STREAMSEG_STATE=str(tmp_path / "state"))

    def told(kind: str) -> list[str]:
        return [id for id, each in listener.told if each == kind]

    with Listener(broker) as listener:
        with subprocess.Popen(command, env=env, preexec_fn=hears_signals) as first:
            until(lambda: told("update"), "an update", first)
            first.send_signal(signal.SIGKILL)
        broker.kill()
        with subprocess.Popen(command, env=env, preexec_fn=hears_signals, stderr=subprocess.PIPE) as second:
            assert second.stderr is not None and b"connection refused" in second.stderr.readline()
            broker.start()
            until(lambda: len(told("start")) == 2, "the second start", second)
            second.send_signal(signal.SIGTERM)
            assert b"works again" in second.stderr.read()
        assert second.returncode == 0
        until(lambda: len(told("end")) == 2, "the second end")
        until(lambda: listener.kept().get("site/door/rules/bright") == b"OFF")
        one, other = told("start")
        assert [each for each in listener.told if each[1] != "update"] == [
            (one, "start"), (one, "end"), (other, "start"), (other, "end")
        ]  # fmt: skip
        assert [each["ended_by"] for each in listener.events if each["kind"] == "end"] == ["restart", "stop"]
