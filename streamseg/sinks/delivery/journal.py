"""The file behind a queue of messages: SQLite, so that what was written is there after a kill or a power cut."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import msgspec

from streamseg.rules.event import Event
from streamseg.sinks.delivery.message import Message

_OURS = 0x73736567  # "sseg": the file's application_id
_VERSION = 1
_MOST_ASIDE = 1000
# Exclusive: one run at a time, which the system sees to even after a kill; and no shared memory, which network disks
# lack.
_ALONE = "PRAGMA locking_mode=EXCLUSIVE"
_SETTINGS = "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
_TABLES = f"""
BEGIN IMMEDIATE;
CREATE TABLE IF NOT EXISTS messages (number INTEGER PRIMARY KEY, message TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS open_events (id TEXT PRIMARY KEY, event TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS set_aside (message TEXT NOT NULL, why TEXT NOT NULL, at TEXT DEFAULT CURRENT_TIMESTAMP);
PRAGMA application_id={_OURS}; PRAGMA user_version={_VERSION};
COMMIT;
"""


class InUseError(Exception):
    """Another run has the file open."""


class ForeignError(Exception):
    """The file is something else."""


class Kept(NamedTuple):
    """What an earlier run left."""

    messages: dict[int, Message]
    open_events: list[Event]


class Journal:
    """Messages and open events in the file `path`, which belongs to this run until it is closed."""

    def __init__(self, path: Path) -> None:
        """Raises InUseError, ForeignError; another sqlite3.Error where the file cannot be had or is damaged."""
        self.path = path
        self._database = sqlite3.connect(path, timeout=0, isolation_level=None, check_same_thread=False)
        try:
            self._begin()
        except sqlite3.Error as error:
            self._database.close()
            if "locked" in str(error):
                raise InUseError from None
            if "not a database" in str(error):
                raise ForeignError from None
            raise
        except BaseException:
            self._database.close()
            raise

    def load(self) -> Kept:
        """What is in it; a message that cannot be read is set aside."""
        messages: dict[int, Message] = {}
        for number, text in self._database.execute("SELECT number, message FROM messages ORDER BY number").fetchall():
            try:
                messages[number] = msgspec.json.decode(text, type=Message)
            except (msgspec.DecodeError, ValueError):
                self._aside(number, str(text), "cannot be read")
        events = []
        for (text,) in self._database.execute("SELECT event FROM open_events ORDER BY rowid").fetchall():
            try:
                events.append(msgspec.json.decode(text, type=Event))
            except (msgspec.DecodeError, ValueError):
                continue
        return Kept(messages, events)

    def write(
        self,
        *,
        added: dict[int, Message] | None = None,
        removed: Iterable[int] = (),
        opened: Iterable[Event] = (),
        closed: Iterable[str] = (),
    ) -> None:
        """Writes changes, all or none of them; raises sqlite3.Error where they cannot be."""
        with self._transaction():
            self._database.executemany("DELETE FROM messages WHERE number=?", [(number,) for number in removed])
            self._add(added or {})
            self._database.executemany("DELETE FROM open_events WHERE id=?", [(id,) for id in closed])
            self._open(opened)

    def rewrite(self, messages: dict[int, Message], open_events: Iterable[Event]) -> None:
        """Makes the file say this and nothing else; raises sqlite3.Error where it cannot."""
        with self._transaction():
            self._database.execute("DELETE FROM messages")
            self._database.execute("DELETE FROM open_events")
            self._add(messages)
            self._open(open_events)

    def set_aside(self, number: int, message: Message, why: str) -> None:
        """Keeps a message that its receiver will never take, to be looked at; raises sqlite3.Error."""
        self._aside(number, _text(message), why)

    def close(self) -> None:
        """Lets go of the file."""
        self._database.close()

    def _begin(self) -> None:
        self._database.execute(_ALONE)
        kind = self._database.execute("PRAGMA application_id").fetchone()[0]
        if kind != _OURS and self._database.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            raise ForeignError
        if self._database.execute("PRAGMA quick_check(1)").fetchone()[0] != "ok":
            raise sqlite3.DatabaseError("malformed")
        self._database.executescript(_SETTINGS)
        self._database.executescript(_TABLES)

    def _aside(self, number: int, text: str, why: str) -> None:
        oldest = f"SELECT rowid FROM set_aside ORDER BY rowid DESC LIMIT -1 OFFSET {_MOST_ASIDE}"
        with self._transaction():
            self._database.execute("DELETE FROM messages WHERE number=?", (number,))
            self._database.execute("INSERT INTO set_aside (message, why) VALUES (?, ?)", (text, why))
            self._database.execute(f"DELETE FROM set_aside WHERE rowid IN ({oldest})")

    def _add(self, messages: dict[int, Message]) -> None:
        rows = [(number, _text(message)) for number, message in messages.items()]
        self._database.executemany("INSERT OR REPLACE INTO messages VALUES (?, ?)", rows)

    def _open(self, events: Iterable[Event]) -> None:
        rows = [(event.id, _text(event)) for event in events]
        self._database.executemany("INSERT OR REPLACE INTO open_events VALUES (?, ?)", rows)

    def _transaction(self) -> sqlite3.Connection:
        self._database.execute("BEGIN IMMEDIATE")
        return self._database  # as a context it commits, or rolls back after an error


def _text(value: msgspec.Struct) -> str:
    return msgspec.json.encode(value).decode()
