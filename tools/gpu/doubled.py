"""streamseg's whole TensorRT path on the real driver, around the tests' double of TensorRT.

The double computes on the CPU, so "GPU memory" is page-locked memory here that the GPU maps: both see it.
"""

from __future__ import annotations

import importlib.machinery
import itertools
import os
import sys
import tempfile
import threading
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from gpu.memory import raw_driver
from gpu.row import Row
from streamseg.cuda import driver
from streamseg.cuda.driver import PycudaRuntime, open_cuda
from streamseg.infer import load_segmenter
from streamseg.infer.backends import open_backend
from streamseg.infer.backends.ort import OrtBackend
from streamseg.infer.batching import share_networks
from streamseg.infer.model.catalogue import load_spec
from streamseg.infer.network import Network
from tests.infer.test_network import frame
from tests.parts.fake_tensorrt import make_tensorrt
from tests.parts.toy_models import segmenter

SIZES = [(48, 64), (37, 53), (480, 640), (480, 640)]
STREAMS, FRAMES = 4, 20
LEAST = 0.99  # fp16 rounds
SPEC = "classes: [a, b, c, d, e]\noutputs: {logits: scores}\n"


class MappedGpu:
    """What the double of TensorRT asks of a GPU, of a real one whose memory is mapped."""

    capability = (0, 0)
    number = 0
    lost, failed, meet = False, False, None

    def __init__(self) -> None:
        self.kept: weakref.WeakKeyDictionary[object, int] = weakref.WeakKeyDictionary()
        self.broken: list[str] = []
        self.mapped: dict[int, Any] = {}
        self.stack = [self]  # the driver itself says where there is no context
        self.streams = self

    def has_room(self, size: int) -> bool:
        return True

    def device_of(self, address: int) -> int:
        return self.number

    def records(self, handle: int) -> bool:
        return False

    def view(self, address: int, size: int) -> Any:
        start = max(each for each in self.mapped if each <= address)
        return self.mapped[start][address - start : address - start + size]

    def __contains__(self, handle: int) -> bool:
        return True

    def __getitem__(self, handle: int) -> _Stream:
        return _Stream()


class _Stream:
    """One that does at once what is put into it."""

    waiting = ()

    def put(self, work: Callable[[], None]) -> None:
        open_cuda().check()  # what is before it in the stream is done
        work()


class MappedRuntime(PycudaRuntime):
    """CUDA with memory that the CPU sees as well."""

    gpu_of_the_double: MappedGpu

    def allocate(self, size_bytes: int) -> int:
        """Page-locked and mapped."""
        flags = raw_driver().host_alloc_flags
        memory = raw_driver().pagelocked_empty(max(1, size_bytes), np.uint8, mem_flags=flags.DEVICEMAP)
        address = int(memory.ctypes.data)
        assert int(memory.base.get_device_pointer()) == address, "this GPU maps memory to other addresses"
        self.gpu_of_the_double.mapped[address] = memory
        return address

    def free(self, address: int) -> None:
        """At once."""
        self.gpu_of_the_double.mapped.pop(address).base.free()


def probe() -> Iterator[Row]:
    """Labels against ONNX Runtime's, several streams on one network, and what stays on the GPU."""
    gpu = MappedRuntime.gpu_of_the_double = MappedGpu()
    driver.PycudaRuntime = MappedRuntime  # type: ignore[misc]
    module = make_tensorrt(gpu)  # type: ignore[arg-type]
    module.__spec__ = importlib.machinery.ModuleSpec("tensorrt", None)
    sys.modules["tensorrt"] = module
    with tempfile.TemporaryDirectory() as folder:
        os.environ["STREAMSEG_ENGINES"] = folder
        cases = list(itertools.product((1, 3, None), ("NCHW", "NHWC"), ("float32", "float16"), FITS))
        alike = [agreement(Path(folder), *case) for case in cases]
        how = f"{len(cases)} networks between the kernels, against ONNX Runtime"
        yield Row("labels alike", how, f"at least {min(alike):.2%}", f"{LEAST:.0%}", min(alike) >= LEAST)
        errors = streams(Path(folder, "toy.onnx"))
        how = f"{STREAMS} threads, {FRAMES} frames each"
        yield Row("streams on one network", how, f"{len(errors)} errors {'; '.join(errors)}", "0 errors", not errors)
    figure = f"{len(gpu.mapped)} buffers; {len(gpu.broken)} rules broken {'; '.join(gpu.broken)}"
    yield Row("what stays", "the double's own count", figure, "0 and 0", not (gpu.mapped or gpu.broken))


FITS = ("stretch", "letterbox", "crop")


def agreement(folder: Path, batch: int | None, layout: Any, dtype: str, fit: str) -> float:
    """Share of the labels, 0..1, that are those of ONNX Runtime on the CPU, on the worst of some frames."""
    shape = f"input: {{layout: {layout}, dtype: {dtype}, mean: [10, 20, 30], std: [255], fit: {fit}}}"
    folder.joinpath("toy.yaml").write_text(SPEC + shape)
    file = segmenter(folder / "toy.onnx", batch=batch, layout=layout, dtype=dtype)
    frames = [frame(i, *size) for i, size in enumerate(SIZES)]
    through, plain = (
        Network(load_spec(file), open_backend(file, 1, "tensorrt")),
        Network(load_spec(file), OrtBackend(file, 1)),
    )
    pairs = zip(through(frames), plain(frames), strict=True)
    worst = min(float(np.mean(one.labels == other.labels)) for one, other in pairs)
    through.close()
    return worst


def streams(file: Path) -> list[str]:
    """What went wrong."""
    recipe, errors = share_networks(load_segmenter)(str(file), None, backend="tensorrt"), list[str]()

    def stream() -> None:
        try:
            segment = recipe.make(1)
            for index in range(FRAMES):
                segment([frame(index, *SIZES[0])])
            segment.close()
        except Exception as error:
            errors.append(f"{type(error).__name__}: {error}")

    threads = [threading.Thread(target=stream) for _ in range(STREAMS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return errors
