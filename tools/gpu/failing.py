"""A GPU that is full, lost or hidden: what is raised, and what still works behind it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

from gpu.row import Row
from streamseg.cuda.contract import CudaRuntime
from streamseg.cuda.driver import open_cuda
from streamseg.cuda.kernels import Kernels
from streamseg.cuda.memory import Buffers
from streamseg.infer.backends import faults, openers
from streamseg.infer.backends.tensorrt.tasks import launch_fit
from streamseg.infer.model.catalogue import SHIPPED
from streamseg.infer.model.geometry import make_fit
from streamseg.infer.model.spec import InputSpec

NOWHERE = 0x10
PIECE_BYTES = 4 << 30
KNOWN = ", known as the end of CUDA"


def full() -> Iterator[Row]:
    """All of the memory, and then some of it again."""
    cuda, held, error = open_cuda(), list[int](), None
    with cuda.current():
        while error is None:
            try:
                held.append(cuda.allocate(PIECE_BYTES))
            except Exception as raised:
                error = raised
        figure = f"behind {len(held)} times 4 GiB {told(error)}"
        right = "memory" in str(error) and not faults.is_fatal(str(error))
        yield Row("memory that runs out", "pieces of 4 GiB until one fails", figure, "out of memory, not fatal", right)
        for address in held:
            cuda.free(address)
        yield timed("memory behind it", lambda: cuda.free(cuda.allocate(PIECE_BYTES // 8)), passes=True)


def hidden() -> Iterator[Row]:
    """Run with `CUDA_VISIBLE_DEVICES=`."""
    yield timed("opening a GPU that is hidden", open_cuda, passes=False)


def lost() -> Iterator[Row]:
    """An illegal address, then everything that streamseg would do next. This process cannot be saved."""
    cuda = open_cuda()
    with cuda.current():
        kernels, stream, buffers = Kernels(cuda), cuda.make_stream(), Buffers(cuda)
        out = buffers.on_gpu("out", 1 << 20)

    def kill() -> None:
        fit = make_fit("stretch", (64, 64), (64, 64))
        launch_fit(kernels, NOWHERE, (64, 64), fit, InputSpec(), out, stream)
        stream.synchronize()

    yield fatal("the illegal kernel", within(cuda, kill))
    yield timed("pushing and popping", within(cuda, lambda: None), passes=True)
    yield timed("asking it", within(cuda, cuda.check))
    yield timed("memory", within(cuda, lambda: cuda.allocate(1)))
    yield timed("giving back", within(cuda, buffers.free))
    yield timed("opening again", open_cuda)
    yield timed("loading kernels again", within(cuda, lambda: Kernels(cuda)))
    yield timed("ONNX Runtime's CUDA provider behind it", ort_cuda)
    rows: list[Row] = []
    thread = threading.Thread(target=lambda: rows.append(timed("a thread of its own", within(cuda, lambda: None))))
    thread.start()
    thread.join()
    yield Row("the process", "a thread that pushed, popped and ended", f"lives; {rows[0].figure}", "lives", True)


def fatal(what: str, work: Callable[[], object]) -> Row:
    """Of what CUDA does not survive."""
    row = timed(what, work)
    return row._replace(bound="known as the end of CUDA", passed=KNOWN in row.figure)


def timed(what: str, work: Callable[[], object], *, passes: bool | None = None) -> Row:
    """What becomes of `work`, and how long it takes; `passes` is what should."""
    started_s = time.perf_counter()
    try:
        work()
        said, right = "passes", True
    except Exception as error:
        said, right = told(error), False
    figure = f"{said}, {(time.perf_counter() - started_s) * 1e3:.1f} ms"
    bound = {None: "", True: "passes", False: "is refused"}[passes]
    return Row(what, "once, wall clock", figure, bound, None if passes is None else right == passes)


def told(error: Exception) -> str:
    """What was raised, by what, and what streamseg makes of it."""
    known = KNOWN if faults.is_fatal(str(error)) else ""
    return f"{type(error).__module__}.{type(error).__name__}: {error}{known}"


def within(cuda: CudaRuntime, work: Callable[[], object]) -> Callable[[], None]:
    def run() -> None:
        with cuda.current():
            work()

    return run


def ort_cuda() -> None:
    openers(SHIPPED / "person-wide.onnx", 1, "ort-cuda")["ort-cuda"]()
