"""A GPU that is full, lost or hidden: what is raised, and what still works behind it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

from streamseg.cuda.contract import CudaRuntime
from streamseg.cuda.driver import open_cuda
from streamseg.cuda.kernels import Kernels
from streamseg.cuda.memory import Buffers
from streamseg.errors import BackendError
from streamseg.infer.backends import faults, openers
from streamseg.infer.backends.tensorrt.tasks import launch_fit
from streamseg.infer.model.catalogue import SHIPPED
from streamseg.infer.model.geometry import make_fit
from streamseg.infer.model.spec import InputSpec

NOWHERE = 0x10
PIECE_BYTES = 4 << 30


def full() -> Iterator[str]:
    """All of the memory, and then some of it again."""
    cuda, held = open_cuda(), list[int]()
    with cuda.current():
        try:
            while True:
                held.append(cuda.allocate(PIECE_BYTES))
        except Exception as error:
            yield f"behind {len(held)} times 4 GiB: {type(error).__module__}.{type(error).__name__}: {error}"
        for address in held:
            cuda.free(address)
        cuda.free(cuda.allocate(PIECE_BYTES // 8))
    yield "and goes on"


def hidden() -> Iterator[str]:
    """Run with `CUDA_VISIBLE_DEVICES=`."""
    try:
        open_cuda()
        yield "there is a GPU although none is visible"
    except BackendError as error:
        yield f"refused: {error}"


def lost() -> Iterator[str]:
    """An illegal address, then everything that streamseg would do next. This process cannot be saved."""
    cuda = open_cuda()
    with cuda.current():
        kernels, stream, buffers = Kernels(cuda), cuda.make_stream(), Buffers(cuda)
        out = buffers.on_gpu("out", 1 << 20)

    def kill() -> None:
        fit = make_fit("stretch", (64, 64), (64, 64))
        launch_fit(kernels, NOWHERE, (64, 64), fit, InputSpec(), out, stream)
        stream.synchronize()

    yield outcome("the illegal kernel", within(cuda, kill))
    yield outcome("pushing and popping", within(cuda, lambda: None))
    yield outcome("asking it", within(cuda, cuda.check))
    yield outcome("memory", within(cuda, lambda: cuda.allocate(1)))
    yield outcome("giving back", within(cuda, buffers.free))
    yield outcome("opening anew", open_cuda)
    yield outcome("loading kernels anew", within(cuda, lambda: Kernels(cuda)))
    yield outcome("ONNX Runtime's CUDA provider behind it", ort_cuda)
    thread = threading.Thread(target=lambda: outcome("", within(cuda, lambda: None)))
    thread.start()
    thread.join()
    yield "a thread that pushed and popped has ended, and the process lives"


def outcome(what: str, work: Callable[[], object]) -> str:
    try:
        work()
        return f"{what}: passes"
    except Exception as error:
        known = ", known as the end of CUDA" if faults.is_fatal(str(error)) else ""
        return f"{what}: {type(error).__name__}: {error}{known}"


def within(cuda: CudaRuntime, work: Callable[[], object]) -> Callable[[], None]:
    def run() -> None:
        with cuda.current():
            work()

    return run


def ort_cuda() -> None:
    openers(SHIPPED / "person-wide.onnx", 1, "ort-cuda")["ort-cuda"]()
