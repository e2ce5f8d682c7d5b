"""Changes the model of a stream while it runs: every worker looks before each call whether another is wanted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from streamseg.contracts import Segmenter, SegmenterFactory
from streamseg.frame import Frame
from streamseg.segmentation import Segmentation

Make = Callable[[int], Segmenter]


class _Choice:
    """A model, of which one is open already: what cannot be opened has failed before any worker turned to it."""

    def __init__(self, make: Make, threads: int) -> None:
        self._make, self._threads = make, threads
        self._ready = [make(threads)]

    def take(self) -> Segmenter:
        """The open one, for the first that asks; others get one of their own."""
        try:
            return self._ready.pop()  # one step, whatever other threads do
        except IndexError:
            return self._make(self._threads)

    def close(self) -> None:
        while self._ready:
            self._ready.pop().close()


class ModelSwitch:
    """What a stream's workers ask for their model."""

    def __init__(self) -> None:
        self.choice: _Choice | None = None
        """The model chosen last; None: the one with which the stream was opened."""

    def change(self, make: Make, threads: int) -> None:
        """Opens a model; each worker takes it with its next frame.

        Raises:
            BackendError: it cannot run here; the old one stays.
        """
        before, self.choice = self.choice, _Choice(make, threads)
        if before is not None:
            before.close()

    def close(self) -> None:
        """Frees what no worker has taken."""
        if self.choice is not None:
            self.choice.close()

    def recipe(self, recipe: SegmenterFactory) -> SegmenterFactory:
        """The same, its segmenters asking here."""
        tuned = {goal: replace(each, make=self._asking(each.make)) for goal, each in recipe.tuned.items()}
        return replace(recipe, make=self._asking(recipe.make), tuned=tuned)

    def _asking(self, make: Make) -> Make:
        return lambda threads: _Switching(self, make, threads)


class _Switching:
    """A segmenter that is the one that was chosen last."""

    def __init__(self, switch: ModelSwitch, make: Make, threads: int) -> None:
        self.scale = 1.0
        self._switch, self._choice = switch, switch.choice
        self._use(self._choice.take() if self._choice else make(threads))

    def __call__(self, frames: Sequence[Frame]) -> list[Segmentation]:
        if (choice := self._switch.choice) is not self._choice and choice is not None:
            before, self._choice = self._segmenter, choice
            self._use(choice.take())
            before.close()
        self._segmenter.scale = self.scale
        return self._segmenter(frames)

    def close(self) -> None:
        self._segmenter.close()

    def _use(self, segmenter: Segmenter) -> None:
        self._segmenter, self.classes = segmenter, segmenter.classes
