"""TensorRT that fails in the middle of a run, on doubles of it and of the GPU: the stream goes on, nothing is left."""

from __future__ import annotations

import ctypes
import logging
import re
from pathlib import Path

import pytest

from streamseg.assembly import assemble
from streamseg.config import make_options
from streamseg.infer import backends
from streamseg.infer.backends.faults import is_fatal
from tests.parts import toy_models
from tests.parts.gpu_machine import Machine
from tests.parts.stand_in import part


@pytest.mark.parametrize(
    ("faults", "ends"),
    [(1, ["reopened"]), (50, ["running on the CPU (ort-cpu) instead"])],
    ids=["a pass that fails once", "a GPU that is lost"],
)
def test_the_stream_goes_on(
    machine: Machine,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    faults: int,
    ends: list[str],
) -> None:
    chain = {name: backends.BACKENDS[name] for name in ("tensorrt", "ort-cpu")}
    monkeypatch.setattr(backends, "BACKENDS", chain)
    free = (None, None)  # where sizes are fixed a graph is replayed, and no pass is asked for
    model = toy_models.segmenter(tmp_path / "toy.onnx", size=free, kind="labels", dtype="uint8", layout="NHWC")
    taken = "{layout: NHWC, dtype: uint8, colour: bgr, side: 64, stride: 8}"
    (tmp_path / "toy.yaml").write_text(f"classes: [a, b, c, d, e]\noutputs: {{labels: scores}}\ninput: {taken}\n")
    options = make_options({"source": "test://?frames=40", "outputs": ("null",), "model": str(model), "workers": 1})
    pipeline = assemble(options)
    with caplog.at_level(logging.WARNING, "streamseg"):
        for shown in pipeline:
            if shown.frame.index == 3:
                machine.world.faults["execute"] = faults
    metrics = pipeline.metrics()
    assert metrics.captured == metrics.shown == 40
    lines = [record.getMessage() for record in caplog.records if record.getMessage().startswith("tensorrt failed")]
    assert [line.rpartition("; ")[2] for line in lines] == ends
    assert all("the pass did not begin" in line for line in lines)
    assert machine.gpu.leaks() == []


def test_every_error_that_cuda_does_not_survive_by_nvidias_own_words_is_known() -> None:
    """By the header and the library of CUDA's runtime: what it says of each error, and how it words it."""
    parts = part("compilers")
    if parts is None:
        pytest.skip("without compilers: python tools/gpu_parts.py")
    (header,), (library,) = parts.glob("nvidia/*/include/driver_types.h"), parts.glob("nvidia/*/lib/libcudart.so.*")
    words = ctypes.CDLL(str(library)).cudaGetErrorString
    words.restype = ctypes.c_char_p
    told = re.findall(r"/\*\*((?:(?!\*/).)*)\*/\s*cudaError\w+\s*=\s*(\d+)", header.read_text(), re.DOTALL)
    ends = [
        int(code) for why, code in told if "must be terminated and relaunched" in " ".join(re.split(r"[\s*]+", why))
    ]
    assert {226, 700, 719, 721, 810} <= set(ends)
    assert [code for code in ends if not is_fatal(words(code).decode())] == []
