"""A network on other machines, with a local one behind it: what no server labels in time is labelled here.

Each server is opened, held against the local network, and left when it fails. A thread, which runs only while one is
away, opens it again as soon as it answers.
"""

from __future__ import annotations

import contextlib
import logging
import math
import threading
import time
from collections.abc import Callable, Iterator, Sequence

from streamseg.errors import InputError, StreamsegError
from streamseg.frame import Frame
from streamseg.infer.backends.contract import Backend
from streamseg.infer.backends.forked import renew_in_forks
from streamseg.infer.backends.kserve.wire import BusyError
from streamseg.infer.failover import LEAST_AGREEMENT, FailoverNetwork, agreement
from streamseg.infer.model.spec import ModelSpec
from streamseg.infer.network import Network
from streamseg.said import Said
from streamseg.segmentation import Segmentation

_log = logging.getLogger(__name__)
_PROVED_AFTER = 3  # answers that were held against the local network's
_AGAIN_S = 0.5
_LONGEST_AGAIN_S = 30.0
_BUSY_S = 0.25
_STALE_S = 5.0  # then how quick a server was says nothing of how quick it is
_NEW_SHARE = 0.3  # of the newest answer in the smoothed time


class Server:
    """One server as all networks of a run see it: how much it has to do, and whether its absence was told."""

    def __init__(self, name: str, open_backend: Callable[[], Backend]) -> None:
        self.name, self.open_backend = name, open_backend
        self._answer_s, self._answered_at_s, self._busy_until_s = 0.0, -math.inf, 0.0
        self._away = False
        self.begin_again()
        renew_in_forks(self)

    def begin_again(self) -> None:
        """Nothing is on its way: in a fork, what threads of the parent asked never comes back."""
        self._lock = threading.Lock()
        self._asked = 0

    def wait_s(self, now_s: float) -> float:
        """About how long an answer takes; 0 where that is not known, so that it is tried."""
        return 0.0 if now_s - self._answered_at_s > _STALE_S else (self._asked + 1) * self._answer_s

    def is_busy(self, now_s: float) -> bool:
        """Whether it said a moment ago that it has too much to do."""
        return now_s < self._busy_until_s

    def note_away(self, away: bool) -> bool:
        """Whether that is news."""
        with self._lock:
            news, self._away = self._away != away, away
        return news

    @contextlib.contextmanager
    def asked(self) -> Iterator[None]:
        """Within it, one request more is on its way."""
        with self._lock:
            self._asked += 1
        try:
            yield
        except BusyError:
            self._busy_until_s = time.monotonic() + _BUSY_S
            raise
        finally:
            with self._lock:
                self._asked -= 1

    def note_answer(self, asked_at_s: float, now_s: float) -> None:
        """It took from then until now."""
        with self._lock:
            newest_s = now_s - asked_at_s
            known_s = newest_s if now_s - self._answered_at_s > _STALE_S else self._answer_s
            self._answer_s = known_s + _NEW_SHARE * (newest_s - known_s)
            self._answered_at_s = now_s


class _Seat:
    """A server's place in one network: open, or away."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.network: Network | None = None
        self.answers = 0
        self.again_s = _AGAIN_S
        self.next_try_s = 0.0

    def close(self) -> None:
        network, self.network = self.network, None
        if network is not None:
            network.close()


class RemoteNetwork:
    """A `Network` on the least busy of several servers, else here; called by one thread at a time."""

    def __init__(
        self,
        spec: ModelSpec,
        servers: Sequence[Server],
        local: FailoverNetwork,
        said: Said | None = None,
    ) -> None:
        """Owns `local`. A server that is away is waited for.

        Raises:
            InputError: a server has another model, or refuses the login.
        """
        self.classes = local.classes
        self.scale = 1.0
        self._spec, self._local, self._said = spec, local, said or Said()
        self._seats = [_Seat(server) for server in servers]
        self._closing = threading.Event()
        self.begin_again()
        renew_in_forks(self)
        try:
            for seat in self._seats:
                self._open_first(seat)
        except BaseException:
            self.close()
            raise

    def begin_again(self) -> None:
        """No thread looks after servers that are away, as in a fork, where the next call starts one."""
        self._watch: threading.Thread | None = None
        self._changing = threading.Lock()
        """Held while it is decided whether that ends."""

    def __call__(self, frames: Sequence[Frame]) -> list[Segmentation]:
        """One segmentation a frame, in order.

        Raises:
            InputError, BackendError: the local network failed on them as well.
        """
        if self._watch is None:
            self._look_out()
        for seat in self._by_load():
            network = seat.network
            if network is None:
                continue
            network.scale = self.scale
            begin_s = time.monotonic()
            try:
                with seat.server.asked():
                    found = network(frames)
                seat.server.note_answer(begin_s, time.monotonic())
                return found if seat.answers >= _PROVED_AFTER else self._proved(seat, frames, found)
            except BusyError as error:
                self._said.once(_log, logging.WARNING, f"{error}; what it does not take runs here")
            except StreamsegError as error:
                self._leave(seat, error)
        return self._here(frames)

    def close(self) -> None:
        """Lets all of them go; may be called twice."""
        self._closing.set()
        watch, self._watch = self._watch, None
        if watch is not None:
            watch.join(_AGAIN_S)  # one that waits for a server closes by itself what it still opens
        for seat in self._seats:
            seat.close()
        self._local.close()

    def _here(self, frames: Sequence[Frame]) -> list[Segmentation]:
        self._local.scale = self.scale
        return self._local(frames)

    def _by_load(self) -> list[_Seat]:
        """Two at most: the quickest, and one more try."""
        now_s = time.monotonic()
        ready = [seat for seat in self._seats if seat.network is not None and not seat.server.is_busy(now_s)]
        return sorted(ready, key=lambda seat: seat.server.wait_s(now_s))[:2]

    def _proved(self, seat: _Seat, frames: Sequence[Frame], found: list[Segmentation]) -> list[Segmentation]:
        """The first answers, held against the local ones."""
        expected = self._here(frames)
        alike = min((agreement(each, right) for each, right in zip(found, expected, strict=True)), default=1.0)
        if alike < LEAST_AGREEMENT:
            self._leave(seat, _other_labels(seat, alike))
            return expected
        seat.answers += 1
        if alike < 1:
            self._said.once(_log, logging.INFO, f"{seat.server.name}: {alike:.2%} of its labels are those of here")
        if seat.answers == _PROVED_AFTER:
            seat.again_s = _AGAIN_S
        return found

    def _open_first(self, seat: _Seat) -> None:
        try:
            seat.network = self._open(seat)
        except InputError:
            raise
        except StreamsegError as error:
            self._leave(seat, error)

    def _open(self, seat: _Seat) -> Network:
        """Raises InputError where it has another model, BackendError where it does not answer."""
        network = Network(self._spec, seat.server.open_backend(), self._said)
        alike = agreement(network.warmed_up, self._local.warmed_up)
        if alike < LEAST_AGREEMENT:
            network.close()
            raise _other_labels(seat, alike)
        return network

    def _leave(self, seat: _Seat, error: StreamsegError) -> None:
        """Until it is opened again; one that fails before it has proved itself is left alone longer each time."""
        if seat.network is not None and seat.answers < _PROVED_AFTER:
            seat.again_s = min(2 * seat.again_s, _LONGEST_AGAIN_S)
        seat.close()
        seat.next_try_s = time.monotonic() + seat.again_s
        if seat.server.note_away(True):
            others = any(each.network is not None for each in self._seats)
            _log.warning("%s; until it is back, %s", error, "the others run it" if others else "it runs here")
        self._look_out()

    def _look_out(self) -> None:
        """Has those that are away opened again as soon as they answer."""
        with self._changing:
            if self._watch is None and not all(seat.network for seat in self._seats):
                self._watch = threading.Thread(target=self._reopen, name="servers", daemon=True)
                self._watch.start()

    def _reopen(self) -> None:
        """Until none is away."""
        while not self._closing.wait(_AGAIN_S / 2):
            with self._changing:
                away = [each for each in self._seats if not each.network]
                if not away:
                    self._watch = None
                    return
            for seat in away:
                if time.monotonic() >= seat.next_try_s:
                    self._try_again(seat)

    def _try_again(self, seat: _Seat) -> None:
        network = None
        try:
            network = self._open(seat)
        except InputError as error:
            self._said.once(_log, logging.WARNING, f"{error}; not used")
        except StreamsegError as error:
            _log.debug("%s", error)
        except Exception:  # a defect: the stream goes on without it
            _log.exception("%s", seat.server.name)
        seat.next_try_s = time.monotonic() + seat.again_s
        if network is None:
            return
        seat.answers, seat.network = 0, network
        if self._closing.is_set():
            seat.close()
        elif seat.server.note_away(False):
            _log.warning("%s: is back", seat.server.name)


def _other_labels(seat: _Seat, alike: float) -> InputError:
    said = f"{seat.server.name}: only {alike:.0%} of its labels are those of the local network"
    return InputError(said, "does it serve the same model?")
