from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from streamseg.contracts import Controls, Shown
from streamseg.errors import OutputError
from streamseg.sinks.delivery.journal import Journal
from streamseg.sinks.delivery.message import Message
from streamseg.sinks.delivery.queue import Queue
from streamseg.sinks.delivery.sender import DeliverySink, RefusedError
from tests.parts.events import event, frame_with, later
from tests.parts.patience import until


class FakeReceiver:
    needs_image = False

    def __init__(self, work: Callable[[Message], object] = lambda _: None) -> None:
        self.told: list[tuple[str, str]] = []
        self.messages: list[Message] = []
        self.looked = self.closed = 0
        self._work = work

    def look(self, shown: Shown) -> None:
        self.looked += 1

    def tick(self) -> None:
        pass

    def send(self, message: Message) -> None:
        self._work(message)
        self.told.append((message.event.id, message.event.kind))
        self.messages.append(message)

    def close(self) -> None:
        self.closed += 1


def sink_to(receiver: FakeReceiver, queue: Queue | None = None, controls: Controls | None = None) -> DeliverySink:
    return DeliverySink("hook", receiver, queue or Queue("hook", None), controls or Controls(), jitter=lambda: 0.0)


def test_events_of_frames_are_sent_and_the_open_ones_are_ended_at_the_close() -> None:
    receiver, one, other = FakeReceiver(), event(), event()
    sink = sink_to(receiver)
    sink.write(frame_with([one, other]))
    sink.write(frame_with())
    sink.write(frame_with([later(one, "end")]))
    sink.close()
    assert receiver.told == [(one.id, "start"), (other.id, "start"), (one.id, "end"), (other.id, "end")]
    assert (receiver.looked, receiver.closed, sink.waiting, sink.lost) == (3, 1, 0, 0)


def test_messages_name_the_clip_as_soon_as_it_is_known_and_the_streams_time_of_the_end() -> None:
    receiver, controls, one = FakeReceiver(), Controls(), event()
    sink = sink_to(receiver, controls=controls)
    sink.write(frame_with([one]))
    controls.clips.add(one, "clips/long.mp4")
    sink.write(frame_with(index=75))
    sink.close()
    start, end = (message.event for message in receiver.messages)
    assert (start.clip, end.clip, end.snapshot) == ("", "clips/long.mp4", "clips/long.jpg")
    assert (end.at_s, end.ended_by) == (3.0, "stop")


def test_a_receiver_that_fails_is_tried_again_in_order_with_one_line(caplog: pytest.LogCaptureFixture) -> None:
    failures = [OutputError("hook: away", retry_s=0.0)] * 2

    def work(_: Message) -> None:
        if failures:
            raise failures.pop()

    receiver, one = FakeReceiver(work), event()
    sink = sink_to(receiver)
    sink.write(frame_with([one, later(one, "end")]))
    until(lambda: len(receiver.told) == 2)
    sink.close()
    assert receiver.told == [(one.id, "start"), (one.id, "end")]
    assert [record.getMessage() for record in caplog.records] == [
        "hook: away; the stream continues, and messages wait until it works",
        "hook: works again, since: hook: away",
    ]


def test_a_receiver_that_comes_and_goes_is_not_a_line_each_time(caplog: pytest.LogCaptureFixture) -> None:
    failed: list[Message] = []

    def work(message: Message) -> None:
        if message.event.kind == "start" and message not in failed:
            failed.append(message)
            raise OutputError("hook: away")

    receiver, events = FakeReceiver(work), [event() for _ in range(3)]
    sink = sink_to(receiver)
    for each in events:
        sink.write(frame_with([each]))
        until(lambda: not sink.waiting)
    sink.close()
    assert (len(failed), len(receiver.told)) == (3, 6)
    assert [record.getMessage() for record in caplog.records] == [
        "hook: away; the stream continues, and messages wait until it works",
        "hook: works again, since: hook: away",
    ]


def test_an_outage_is_told_at_once_where_the_receiver_had_worked_for_long(caplog: pytest.LogCaptureFixture) -> None:
    now_s, failed = [0.0], set[str]()

    def work(message: Message) -> None:
        if message.event.id not in failed:
            failed.add(message.event.id)
            raise OutputError("hook: away")

    sink = DeliverySink(
        "hook", FakeReceiver(work), Queue("hook", None), Controls(), now=lambda: now_s[0], jitter=lambda: 0.0
    )
    for _ in range(2):
        sink.write(frame_with([event()]))
        until(lambda: not sink.waiting)
        sink.write(frame_with())
        until(lambda: len(caplog.messages) % 2 == 0)
        now_s[0] += 60
    sink.close()
    assert (
        caplog.messages
        == [
            "hook: away; the stream continues, and messages wait until it works",
            "hook: works again, since: hook: away",
        ]
        * 2
    )


def test_a_refused_message_is_set_aside_and_the_next_is_sent(caplog: pytest.LogCaptureFixture) -> None:
    def work(message: Message) -> None:
        if message.event.kind == "start":
            raise RefusedError("answers 400 Bad Request")

    receiver, one = FakeReceiver(work), event()
    sink = sink_to(receiver)
    sink.write(frame_with([one, later(one, "end")]))
    sink.close()
    assert receiver.told == [(one.id, "end")]
    assert sink.lost == 1
    assert "hook: answers 400 Bad Request; the message is set aside" in caplog.text


def test_a_receiver_that_hangs_holds_up_neither_frames_nor_the_end(tmp_path: Path) -> None:
    released, controls = threading.Event(), Controls()
    controls.quit = True
    receiver, one = FakeReceiver(lambda _: released.wait()), event()
    sink = sink_to(receiver, Queue("hook", Journal(tmp_path / "q")), controls)
    for index in range(1000):
        sink.write(frame_with([one] if index == 0 else []))
    sink.close()
    again = Queue("hook", Journal(tmp_path / "q"))
    assert again.waiting == 2
    released.set()
    until(lambda: receiver.closed)
    assert again.waiting == 2, "what comes of the old run's thread afterwards changes nothing"
    again.close()


def test_a_receiver_is_not_waited_for_longer_than_all_of_them_have(monkeypatch: pytest.MonkeyPatch) -> None:
    released, controls = threading.Event(), Controls()
    sink = sink_to(FakeReceiver(lambda _: released.wait()), controls=controls)
    waits: list[float] = []
    sink.write(frame_with([event()]))
    controls.quit_s = time.monotonic() - 1.0  # those that were closed before it took as long
    with monkeypatch.context() as patch:
        patch.setattr(sink._thread, "join", lambda timeout_s: waits.append(timeout_s))
        sink.close()
    assert waits == []
    released.set()


def test_the_first_request_to_end_counts() -> None:
    controls = Controls()
    assert not controls.quit
    controls.quit_s = 5.0
    controls.quit = True
    assert (controls.quit, controls.quit_s) == (True, 5.0)


def test_what_waits_at_the_end_is_said_and_sent_by_the_next_run(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def away(_: Message) -> None:
        raise OutputError("hook: away")

    one = event()
    sink = sink_to(FakeReceiver(away), Queue("hook", Journal(tmp_path / "q")))
    sink.write(frame_with([one]))
    sink.close()
    assert f"hook: 2 messages wait in {tmp_path / 'q'} for the next run" in caplog.text
    receiver = FakeReceiver()
    sink = sink_to(receiver, Queue("hook", Journal(tmp_path / "q")))
    sink.write(frame_with())
    sink.close()
    assert receiver.told == [(one.id, "start"), (one.id, "end")]


def test_a_defect_of_a_receiver_ends_nothing_and_is_one_line(caplog: pytest.LogCaptureFixture) -> None:
    broken = [ZeroDivisionError("rtsp://me:hunter2@host")]

    def work(_: Message) -> None:
        if broken:
            raise broken.pop()

    receiver = FakeReceiver(work)
    sink = sink_to(receiver)
    with caplog.at_level(logging.INFO):
        sink.write(frame_with([event()]))
        until(lambda: receiver.told)
        sink.close()
    assert "a defect: ZeroDivisionError" in caplog.text and "hunter2" not in caplog.text
