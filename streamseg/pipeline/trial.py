"""Whether the network is quicker than carrying its masks: measured at the beginning of a file."""

from __future__ import annotations

_FRAMES = 24  # over which each way is measured
_READY = 20  # frames that the network is done with already when the first of them is shown
_LOOKS = 3  # of the network, at most, before it is known what it takes


class Trial:
    """How often the network looks at a file's frames, so that the file is through soonest.

    The first frames are carried, `every`-th of them looked at. Where the network, of which `workers` run side by side,
    could show more frames by itself, the next ones are all looked at. From then on it is as more frames a second were
    shown, whatever held them up. Masks of their own fit best, so they are taken where both take the same.

    `fixed` measures nothing. May be told of each side from another thread.
    """

    def __init__(self, every: int, workers: int, *, fixed: bool = False) -> None:
        self.every = every
        """The network looks at every n-th frame from now on."""
        self._settled = fixed or every == 1
        self._carried_every, self._workers = every, workers
        self._network_s: list[float] = []
        self._skip = every + 1  # the first mask takes longer: something has to be loaded
        self._frames, self._since_s = 0, 0.0
        self._carried_s = 0.0

    def looked(self, seconds: float) -> None:
        """The network finished a frame."""
        if not self._settled:
            self._network_s.append(seconds)

    def shown(self, now_s: float, *, own: bool) -> None:
        """A frame was shown at `now_s`, with its own mask or a carried one."""
        if self._settled or (self.every == 1 and not own):  # some that were carried are still to come
            return
        self._frames += 1
        if self._frames <= self._skip:
            self._since_s = now_s
        elif self.every > 1:
            self._after_carrying((now_s - self._since_s) / (self._frames - self._skip))
        elif self._frames == self._skip + _FRAMES:
            self._settle((now_s - self._since_s) / _FRAMES <= self._carried_s)

    def _after_carrying(self, carried_s: float) -> None:
        if self._frames < self._skip + _FRAMES or len(self._network_s) <= min(self._workers, _LOOKS):
            return
        if min(self._network_s) / self._workers > carried_s:
            self._settle(False)
        else:
            self.every, self._skip, self._frames, self._carried_s = 1, _READY, 0, carried_s

    def _settle(self, own: bool) -> None:
        self.every, self._settled = 1 if own else self._carried_every, True
