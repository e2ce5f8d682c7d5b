"""A loop in another interpreter, for peers whose libraries do not go with ours."""

from __future__ import annotations

import contextlib
import json
import subprocess
from pathlib import Path
from typing import Any

import numpy as np

from streamseg.bench import peer_program
from streamseg.bench.graph import for_ultralytics
from streamseg.bench.loop import Labels, Task, Turn
from streamseg.errors import BackendError
from streamseg.masks import sampled

_PATIENCE_S = 10.0


class Elsewhere:
    """A peer of `peer_program`; its process sleeps while the others have their turns."""

    def __init__(self, task: Task, package: str, python: Path, folder: Path) -> None:
        """Starts it, which takes its time; `package` is what `python` has, `folder` is for what is handed over.

        Raises:
            BackendError: it does not start; with the last line of what it said.
        """
        self.name = package
        self._folder = folder
        self._said = folder / f"{package}.txt"
        colours, model = folder / "colours.npy", task.fixed
        np.save(colours, task.classes.colours)
        self._size: tuple[int, int] | None = None  # of the network's labels, where they come as large as the frame
        if package == "ultralytics":
            self._size = for_ultralytics(task.bare, task.size, task.classes, model := folder / "ultralytics.onnx")
        words = [python, peer_program.__file__, package, task.clip, model, task.threads, colours]
        try:
            with self._said.open("w") as said:
                self._child = subprocess.Popen(
                    [str(word) for word in words],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=said,
                    text=True,
                )
        except OSError as error:
            raise BackendError(f"{python}: {error.strerror}") from None
        try:
            self.exact = True
            self.runs_on = f"{package} {self._answer()['version']}, {task.threads} threads"
        except BackendError:
            self.close()
            raise

    def labels(self, count: int) -> list[Labels]:
        """See `Loop`."""
        file = self._folder / f"{self.name}.npy"
        self._ask(f"labels {count} {file}")
        return [sampled(each, self._size or each.shape) for each in np.load(file)]

    def turn(self, seconds: float) -> Turn:
        """See `Loop`."""
        told = self._ask(f"turn {seconds}")
        return Turn(told["frames"], told["wall_s"], told["cpu_s"])

    def close(self) -> None:
        """Ends the process."""
        assert self._child.stdin is not None and self._child.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            self._child.stdin.close()
        try:
            self._child.wait(_PATIENCE_S)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()
        self._child.stdout.close()

    def _ask(self, order: str) -> Any:
        assert self._child.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # what it said before it died comes with the answer
            self._child.stdin.write(order + "\n")
            self._child.stdin.flush()
        return self._answer()

    def _answer(self) -> Any:
        assert self._child.stdout is not None
        for line in self._child.stdout:
            if line.startswith("@"):
                return json.loads(line[1:])
        lines = self._said.read_text(errors="replace").split("\n")
        raise BackendError(f"{self.name}: {next(filter(None, reversed(lines)), 'it said nothing')[:200]}")
