from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from datetime import datetime, timedelta, timezone
from pathlib import Path

import msgspec
import pytest

from streamseg.rules.event import ended
from streamseg.sinks.delivery.journal import ForeignError, InUseError, Journal
from streamseg.sinks.delivery.message import Message
from streamseg.sinks.delivery.queue import OLDEST, Queue, utc
from tests.parts.events import event, later
from tests.parts.patience import PATIENCE_S


def left(path: Path) -> int:
    """How many messages an earlier run left."""
    with closing(Queue("q", Journal(path))) as queue:
        return queue.waiting


def kinds(queue: Queue) -> list[str]:
    """What waits, taken out in order."""
    found: list[str] = []
    while waits := queue.first(0):
        found.append(waits[1].event.kind)
        queue.done(waits[0])
    return found


def test_messages_come_in_order_and_are_gone_once_they_are_done() -> None:
    queue, one = Queue("q", None), event()
    for each in (one, later(one, "update"), later(one, "end")):
        queue.put(each)
    assert queue.waiting == 2, "the end stands for the update before it"
    assert kinds(queue) == ["start", "end"]
    assert queue.first(0) is None


def test_of_updates_only_the_newest_waits() -> None:
    queue, one, other = Queue("q", None), event(), event()
    queue.put(one)
    queue.put(other)
    for value in range(5):
        queue.put(later(one, "update", value))
    queue.put(later(other, "update"))
    assert queue.waiting == 4
    values = [waits[1].event.value for waits in iter(lambda: taken(queue), None) if waits[1].event.kind == "update"]
    assert values == [4, 1]


def taken(queue: Queue) -> tuple[int, Message] | None:
    if waits := queue.first(0):
        queue.done(waits[0])
    return waits


def test_a_second_start_and_the_end_of_nothing_are_left_out() -> None:
    queue, one = Queue("q", None), event()
    for each in (one, one, later(event(), "end"), later(event(), "update"), later(one, "end"), later(one, "end")):
        queue.put(each)
    assert kinds(queue) == ["start", "end"]


def test_what_was_not_done_is_there_again_in_the_next_run(tmp_path: Path) -> None:
    queue, one, other = Queue("q", Journal(tmp_path / "q")), event(), event()
    for each in (one, other, later(one, "end")):
        queue.put(each)
    taken(queue)
    queue.put(ended(other, utc(), "stop"))
    queue.close()
    again = Queue("q", Journal(tmp_path / "q"))
    found = [waits[1] for waits in iter(lambda: taken(again), None)]
    assert [(message.event.id, message.event.kind, message.event.ended_by) for message in found] == [
        (other.id, "start", ""), (one.id, "end", "rule"), (other.id, "end", "stop"),
    ]  # fmt: skip
    again.close()
    assert left(tmp_path / "q") == 0


_KILLED = """
import sys, time
from pathlib import Path
from streamseg.sinks.delivery.journal import Journal
from streamseg.sinks.delivery.queue import Queue
from tests.parts.events import event, later
queue, one = Queue("q", Journal(Path(sys.argv[1]))), event()
queue.put(event(id="a" * 32))
queue.put(one)
number, message = queue.first(0)
queue.done(number)
queue.put(later(one, "update"))
print("written", flush=True)
time.sleep(1000)
"""


def test_an_event_that_was_open_when_the_process_was_killed_is_ended_by_the_next(tmp_path: Path) -> None:
    command = [sys.executable, "-c", _KILLED, str(tmp_path / "q")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None and child.stdout.readline() == "written\n"
        with pytest.raises(InUseError):
            Journal(tmp_path / "q")
        child.send_signal(signal.SIGKILL)
    queue = Queue("q", Journal(tmp_path / "q"))
    found = [waits[1] for waits in iter(lambda: taken(queue), None)]
    assert [(message.event.kind, message.event.ended_by) for message in found] == [
        ("start", ""), ("end", "restart"), ("end", "restart")
    ]  # fmt: skip
    assert {message.event.id for message in found if message.event.ended_by} == {"a" * 32, found[0].event.id}
    queue.close()
    assert left(tmp_path / "q") == 0, "ended once"


def test_too_many_and_too_old_messages_are_dropped_counted_and_said(caplog: pytest.LogCaptureFixture) -> None:
    now_s = 1e6
    queue = Queue("hook", None, most=10, clock=lambda: now_s)
    for _ in range(15):
        queue.put(event())
    assert (queue.waiting, queue.lost) == (10, 5)
    now_s += OLDEST.total_seconds() + 1
    queue.put(later(queue.open_events[0], "end"))
    assert (queue.waiting, queue.lost) == (1, 15)
    assert [record.getMessage() for record in caplog.records] == [
        "hook: more than 10 messages wait, or one for 7 days: the oldest are dropped"
    ]


def test_a_clock_that_is_set_makes_no_message_old() -> None:
    now = datetime(1970, 1, 1, tzinfo=timezone.utc)
    queue = Queue("hook", None, now=lambda: now)
    for _ in range(2):
        queue.put(msgspec.structs.replace(event(), at="1970-01-01T00:00:05.000Z"))
    now = datetime(2026, 11, 30, tzinfo=timezone.utc)
    queue.put(event())
    assert (queue.waiting, queue.lost) == (3, 0)


@pytest.mark.parametrize(("days", "waiting"), [(-400, 3), (0, 3), (6, 3), (8, 1)])
def test_what_an_earlier_run_left_is_as_old_as_its_events(tmp_path: Path, days: int, waiting: int) -> None:
    with closing(Queue("q", Journal(tmp_path / "q"))) as queue:
        queue.put(event())
        queue.put(later(queue.open_events[0], "end"))
    then = utc() + timedelta(days=days)
    with closing(Queue("q", Journal(tmp_path / "q"), now=lambda: then)) as queue:
        queue.put(event())
        assert queue.waiting == waiting


def test_a_message_that_is_refused_is_kept_aside(tmp_path: Path) -> None:
    queue = Queue("q", Journal(tmp_path / "q"))
    queue.put(event(rule="strange"))
    waits = queue.first(0)
    assert waits
    queue.set_aside(waits[0], "answers 400")
    assert (queue.waiting, queue.lost) == (0, 1)
    queue.close()
    with closing(sqlite3.connect(tmp_path / "q")) as database, database:
        ((text, why),) = database.execute("SELECT message, why FROM set_aside").fetchall()
    database.close()
    assert "strange" in text and why == "answers 400"


class FailingJournal(Journal):
    fails = False

    def write(self, **changes: object) -> None:
        if self.fails:
            raise sqlite3.OperationalError("database or disk is full")
        super().write(**changes)  # type: ignore[arg-type]

    def rewrite(self, *everything: object) -> None:
        if self.fails:
            raise sqlite3.OperationalError("database or disk is full")
        super().rewrite(*everything)  # type: ignore[arg-type]


def test_a_disk_that_fills_up_loses_nothing_and_is_caught_up_with(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    journal = FailingJournal(tmp_path / "q")
    queue, first = Queue("q", journal), event()
    queue.put(first)
    journal.fails = True
    ids = [event().id for _ in range(3)]
    for id in ids:
        queue.put(event(id=id))
    taken(queue)
    assert "memory alone" in caplog.text and "disk is full" in caplog.text
    assert len(caplog.records) == 1
    journal.fails = False
    queue.put(later(first, "end"))
    assert "on disk again" in caplog.text
    queue.close()
    again = Queue("q", Journal(tmp_path / "q"))
    found = [waits[1].event for waits in iter(lambda: taken(again), None)]
    assert [each.id for each in found if each.kind == "start"] == ids
    assert [each.id for each in found if each.kind == "end"] == [first.id, *ids]
    again.close()


@pytest.mark.parametrize("content", [b"my own words", b"SQLite format 3\0 but no more", bytes(5000)])
def test_a_file_that_is_something_else_is_left_as_it_is(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "q").write_bytes(content)
    with pytest.raises(ForeignError):
        Journal(tmp_path / "q")
    assert (tmp_path / "q").read_bytes() == content


def test_a_database_of_others_is_left_as_it_is(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "q")) as database, database:
        database.execute("CREATE TABLE mine (x)")
    database.close()
    before = (tmp_path / "q").read_bytes()
    with pytest.raises(ForeignError):
        Journal(tmp_path / "q")
    assert (tmp_path / "q").read_bytes() == before
    assert not (tmp_path / "q-wal").exists()


def test_a_message_of_another_version_is_set_aside_and_holds_up_nothing(tmp_path: Path) -> None:
    queue = Queue("q", Journal(tmp_path / "q"))
    queue.put(event())
    queue.close()
    with closing(sqlite3.connect(tmp_path / "q")) as database, database:
        database.execute("UPDATE messages SET message='{}'")
        database.execute("UPDATE open_events SET event='[]'")
    database.close()
    assert left(tmp_path / "q") == 0


def test_first_waits_for_a_message_and_for_the_end() -> None:
    queue, found = Queue("q", None), list[object]()
    waiting = threading.Thread(target=lambda: found.append(queue.first(PATIENCE_S)))
    waiting.start()
    queue.put(event())
    waiting.join()
    assert found[0] is not None
    taken(queue)
    waiting = threading.Thread(target=lambda: found.append(queue.first(PATIENCE_S)))
    waiting.start()
    queue.close()
    waiting.join()
    assert found[1] is None
