"""A network that goes on when what runs it fails: opened anew once, then on the next backend; no frame is lost."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from streamseg.errors import BackendError, StreamsegError
from streamseg.frame import Frame
from streamseg.infer.backends import REFERENCE, first_that_opens
from streamseg.infer.backends.contract import Backend
from streamseg.infer.network import Network
from streamseg.infer.spec import ModelSpec
from streamseg.segmentation import Segmentation

_log = logging.getLogger(__name__)
_FORGOTTEN_AFTER = 1000  # calls that went well: then a failure counts as the first again
_LEAST_AGREEMENT = 0.9  # rounding moves a few labels, a wrong result most of them
_SURENESS = 25  # of 255


class SteppingNetwork:
    """A `Network` on the first backend that runs it rightly; made and called in one thread."""

    def __init__(
        self,
        spec: ModelSpec,
        openers: Mapping[str, Callable[[], Backend]],
        reference: Callable[[], Backend],
        compared: str = REFERENCE,
    ) -> None:
        """`openers` are tried in their order; what `reference` opens says which labels are right.

        The one named `compared` has been held against it before.

        Raises:
            InputError: spec and graph differ.
            BackendError: none runs it.
        """
        self._spec = spec
        self._left = dict(openers)
        self._reference = reference
        self._compared = {REFERENCE, compared}
        self._failed = False
        self._calls = 0
        self.scale = 1.0
        self._open()
        self.classes = self._network.classes

    def __call__(self, frames: Sequence[Frame]) -> list[Segmentation]:
        """One segmentation a frame, in order.

        Raises:
            InputError: the network refuses them.
            BackendError: every backend that there is has failed.
        """
        while True:
            self._network.scale = self.scale
            try:
                found = self._network(frames)
            except BackendError as error:
                self._step(error)
                continue
            self._calls += 1
            self._failed = self._failed and self._calls < _FORGOTTEN_AFTER
            return found

    def close(self) -> None:
        """Lets the network go; may be called twice."""
        self._network.close()

    def _open(self) -> None:
        attempts = {name: functools.partial(self._try, name, opener) for name, opener in self._left.items()}
        self._name, self._network = first_that_opens(self._spec.name, attempts)
        while next(iter(self._left)) != self._name:
            del self._left[next(iter(self._left))]

    def _try(self, name: str, opener: Callable[[], Backend]) -> Network:
        network = Network(self._spec, opener())
        alike = 1.0 if name in self._compared else self._agreement(network)
        if alike < _LEAST_AGREEMENT:
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
        """Opens it anew, or the next one; raises `error` where there is none."""
        self._network.close()
        before = self._name
        if self._failed:
            del self._left[before]
        if not self._left:
            raise error
        self._calls = 0
        self._open()
        self._failed = self._name == before
        what = "opened anew" if self._name == before else f"taken instead: {self._name}"
        _warn_once(f"{before} failed: {error}; {what}")


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


@functools.cache
def _warn_once(line: str) -> None:
    """Where a GPU is lost, every worker loses it."""
    _log.warning("%s", line)
