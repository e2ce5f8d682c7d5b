"""What opens a server again runs as long as one is away, and begins anew with the next."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from streamseg.errors import BackendError
from streamseg.infer import remote
from streamseg.infer.backends.ort import OrtBackend
from streamseg.infer.failover import FailoverNetwork
from streamseg.infer.model.spec import spec_beside
from tests.infer.test_remote import model, noise
from tests.parts.patience import PATIENCE_S, until

__all__ = ["model"]


class Seats(list[Any]):
    """Runs `seen` when a thread that opens servers again has looked at all of them."""

    seen: Callable[[], None] = staticmethod(lambda: None)

    def __iter__(self) -> Iterator[Any]:
        yield from super().__iter__()
        if threading.current_thread().name == "servers":
            self.seen()


def test_a_server_that_fails_when_the_last_one_has_just_come_back_is_opened_again(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote, "_AGAIN_S", 0.01)
    spec = spec_beside(model)
    assert spec is not None
    fails: set[str] = {"at the start"}

    class Backend(OrtBackend):
        def run(self, feeds: Any) -> Any:
            if fails:
                raise BackendError(f"fails {fails.pop()}")
            return super().run(feeds)

    server = remote.Server("server", lambda: Backend(model, 1))
    local = FailoverNetwork(spec, {"ort-cpu": lambda: OrtBackend(model, 1)}, lambda: OrtBackend(model, 1))
    network = remote.RemoteNetwork(spec, [server], local)
    seats = network._seats = Seats(network._seats)
    (seat,) = seats
    failing = threading.Thread(target=lambda: network([noise(0)]))

    def fail_now() -> None:
        """In another thread, at the moment in which it was found that no server is away."""
        if seat.network is not None and not failing.ident:
            fails.add("again")
            failing.start()
            until(lambda: seat.network is None, "the server is left")
            failing.join(0.5)  # it may have to wait for the end of this look

    seats.seen = fail_now
    until(lambda: failing.ident and not fails, "the server came back and failed")
    failing.join(PATIENCE_S)
    until(lambda: seat.network is not None, "the server is opened again")
    watch = network._watch
    network.close()
    if watch is not None:
        watch.join(PATIENCE_S)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_fork_has_a_thread_of_its_own_that_opens_servers_again(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "_AGAIN_S", 0.01)
    spec = spec_beside(model)
    assert spec is not None
    parent = os.getpid()

    def backend() -> OrtBackend:
        if os.getpid() == parent:
            raise BackendError("is away")
        return OrtBackend(model, 1)

    local = FailoverNetwork(spec, {"ort-cpu": lambda: OrtBackend(model, 1)}, lambda: OrtBackend(model, 1))
    network = remote.RemoteNetwork(spec, [remote.Server("server", backend)], local)
    child = os.fork()
    if not child:
        failed = 1
        try:
            network([noise(0)])
            until(lambda: network._seats[0].network is not None, "the server is opened in the fork")
            failed = 0
        finally:
            os._exit(failed)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    network.close()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_what_threads_of_its_parent_asked_of_a_server_is_not_counted_in_a_fork() -> None:
    server = remote.Server("server", lambda: pytest.fail("it is not opened"))
    server.note_answer(0.0, 1.0)
    asked, go_on = threading.Event(), threading.Event()

    def ask() -> None:
        with server.asked():
            asked.set()
            go_on.wait()

    thread = threading.Thread(target=ask)
    thread.start()
    asked.wait()
    assert server.wait_s(1.0) == 2.0
    child = os.fork()
    if not child:
        os._exit(round(server.wait_s(1.0)))
    go_on.set()
    thread.join()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 1
    assert server.wait_s(1.0) == 1.0
