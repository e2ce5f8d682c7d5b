"""Results into a database: an object with `write` and `close`, which gets a thread of its own. A function will do, too.

python examples/own_output.py dashcam.mp4 results.db
"""

from __future__ import annotations

import sqlite3
import sys

import streamseg


class Database:
    """A row a frame: its time, and the share of each class."""

    blocking = True  # may take its time: a file waits for it, a live stream drops frames
    needs_image = False  # nothing has to be drawn for it

    def __init__(self, path: str) -> None:
        self._database = sqlite3.connect(path, check_same_thread=False)  # opened here, written in that thread
        self._database.execute("CREATE TABLE IF NOT EXISTS shares (time_s REAL, class TEXT, share REAL)")

    def write(self, shown: streamseg.Shown) -> None:
        found = shown.segmentation
        shares = zip(found.classes.names, found.areas().tolist(), strict=True)
        rows = [(shown.frame.time_s, *share) for share in shares]
        with self._database:  # committed frame by frame: a run that is killed leaves what it wrote
            self._database.executemany("INSERT INTO shares VALUES (?, ?, ?)", rows)

    def close(self) -> None:
        self._database.close()


def alarm(shown: streamseg.Shown) -> None:
    """An output as well: called with every frame, in the thread of the loop."""
    if shown.segmentation.areas()[1] > 0.05:
        print(f"frame {shown.frame.index}: foreground")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        print("usage: python examples/own_output.py SOURCE RESULTS.db", file=sys.stderr)
        sys.exit(2)
    streamseg.open(sys.argv[1], Database(sys.argv[2]), alarm, model="otsu").run()
