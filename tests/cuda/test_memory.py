"""Memory on a GPU that comes back by itself."""

from __future__ import annotations

from streamseg.cuda.driver import open_cuda
from streamseg.cuda.memory import Pool
from tests.parts.gpu_machine import Machine


class Contested(list[int]):
    """Of which another thread takes the last after this one saw it."""

    def __len__(self) -> int:
        return 1


def test_threads_that_take_the_last_at_once_both_get_some(machine: Machine) -> None:
    cuda = open_cuda(0)
    with cuda.current():
        pool = Pool(cuda)
        pool._free[8] = Contested()
        assert pool.take(8).address
        pool._free.clear()
    pool.close()
