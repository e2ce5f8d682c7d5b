"""A network that keeps running when its backend fails: reopened once, then on the next backend; no frame is lost."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from streamseg.errors import BackendError, StreamsegError
from streamseg.frame import Frame
from streamseg.infer.backends import REFERENCE, first_that_opens, place
from streamseg.infer.backends.contract import Backend
from streamseg.infer.backends.faults import LOST, ON_DEVICES, ON_NVIDIA, stepping_down
from streamseg.infer.model.spec import ModelSpec
from streamseg.infer.network import Network
from streamseg.said import Said
from streamseg.segmentation import Segmentation

_log = logging.getLogger(__name__)
_FORGOTTEN_AFTER = 1000  # calls that went well: then a failure counts as the first again
LEAST_AGREEMENT = 0.9
"""Share of the labels: rounding moves a few, a wrong result most."""
_SURENESS = 25  # of 255


class FailoverNetwork:
    """A `Network` on the first backend that runs it rightly; called by one thread at a time."""

    def __init__(
        self,
        spec: ModelSpec,
        openers: Mapping[str, Callable[[], Backend]],
        reference: Callable[[], Backend],
        compared: str = REFERENCE,
        said: Said | None = None,
        gpu: int = 0,
    ) -> None:
        """`openers` are tried in their order; what `reference` opens says which labels are right.

        The one named `compared` has been held against it before. `said` is the run's own. `gpu` is which
        NVIDIA GPU the openers use.

        Raises:
            InputError: spec and graph differ.
            BackendError: none runs it.
        """
        self._spec = spec
        self._left = dict(openers)
        self._reference = reference
        self._compared = {REFERENCE, compared}
        self._said = said or Said()
        self._gpu = gpu
        self._failed = False
        self._calls = 0
        self.scale = 1.0
        self._open()
        self.classes = self._network.classes

    @property
    def warmed_up(self) -> Segmentation:
        """What it found in a generated picture, always the same one."""
        return self._network.warmed_up

    def __call__(self, frames: Sequence[Frame]) -> list[Segmentation]:
        """One segmentation a frame, in order.

        Raises:
            InputError: the network refuses them.
            BackendError: every backend that there is has failed.
        """
        while True:
            if self._closed:  # reopening it failed the last time
                self._open()
            self._network.scale = self.scale
            try:
                with stepping_down(self._name, self._gpu):
                    found = self._network(frames)
            except BackendError as error:
                # Without what led to it: that would keep alive what is closed next, on a GPU perhaps.
                failure = BackendError(error.message, error.hint)
            else:
                self._calls += 1
                self._failed = self._failed and self._calls < _FORGOTTEN_AFTER
                return found
            self._step(failure)

    def close(self) -> None:
        """Lets the network go; may be called twice."""
        self._closed = True
        try:
            self._network.close()
        except Exception:  # a GPU that failed may fail at this as well
            if self._name not in ON_DEVICES:
                raise
            _log.debug("%s", self._name, exc_info=True)

    def _open(self) -> None:
        attempts = {name: functools.partial(self._try, name, opener) for name, opener in self._left.items()}
        self._name, self._network = first_that_opens(self._spec.name, attempts, self._said)
        self._closed = False
        while next(iter(self._left)) != self._name:
            del self._left[next(iter(self._left))]

    def _try(self, name: str, opener: Callable[[], Backend]) -> Network:
        with stepping_down(name, self._gpu):
            network = Network(self._spec, opener(), self._said)
            alike = 1.0 if name in self._compared else self._agreement(network)
            if alike < LEAST_AGREEMENT:
                network.close()
                said = f"only {alike:.0%} of its labels are those of {REFERENCE}"
                raise BackendError(said, f"`streamseg compare MODEL --backends {REFERENCE},{name}` shows where")
        return network

    def _agreement(self, network: Network) -> float:
        """With the reference on one generated picture; 1 where that does not run the model."""
        try:
            reference = Network(self._spec, self._reference())
        except StreamsegError as error:
            _log.debug("nothing to compare with: %s", error)
            return 1.0
        reference.close()
        return agreement(network.warmed_up, reference.warmed_up)

    def _step(self, error: BackendError) -> None:
        """Reopens it, or opens the next one.

        Where there is no other it raises `error` and keeps the last: what it cannot run may be these frames alone, and
        other streams that share the network have others.
        """
        before, left = self._name, dict(self._left)
        if self._gpu in LOST and before in ON_NVIDIA:  # nothing that shares its GPU opens any more
            left = {name: opener for name, opener in left.items() if name not in ON_NVIDIA}
        elif self._failed:
            del left[before]
        if not left:
            raise error
        self.close()
        self._left, self._calls = left, 0
        self._open()
        self._failed = self._name == before
        what = "reopened" if self._name == before else f"running {place(self._name)} instead"
        self._said.once(_log, logging.WARNING, f"{before} failed: {error}; {what}")


def agreement(found: Segmentation, expected: Segmentation) -> float:
    """Share of the pixels of `expected`, 0..1, that have the same label in both, and are about as sure of it.

    `found` may be finer: scores are interpolated on a GPU before labels are picked, on a CPU they are not.
    """
    size = expected.labels.shape
    alike = _at_centres(found.labels, size) == expected.labels
    if found.confidence is not None and expected.confidence is not None:
        sureness = _at_centres(found.confidence, size).astype(int)
        alike &= np.abs(sureness - expected.confidence) <= _SURENESS
    return float(np.mean(alike))


def _at_centres(plane: NDArray[np.uint8], size: tuple[int, ...]) -> NDArray[np.uint8]:
    """`plane` where the centres of a coarser one of `size` fall."""
    rows, columns = (((np.arange(n) + 0.5) * have / n).astype(int) for n, have in zip(size, plane.shape, strict=True))
    return np.asarray(plane[rows[:, None], columns], np.uint8)
