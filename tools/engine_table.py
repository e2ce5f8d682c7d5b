"""The table of docs/tensorrt.md: engines of all networks that ship, built by TensorRT-RTX, which needs no GPU for that.

    python tools/engine_table.py [--for sm86,sm120] [MODEL ...]

Rows are printed as they are made. Ranges for 8 bits are measured on the generated scene: engines of that size, not of
that quality.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from streamseg.capture import open_source
from streamseg.convert.quantise import quantise
from streamseg.frame import Image
from streamseg.infer import network_file
from streamseg.infer.backends.tensorrt.builder import build_plan, make_profiles
from streamseg.infer.backends.tensorrt.library import Library, load_library
from streamseg.infer.backends.tensorrt.prepare import prepare
from streamseg.infer.model.catalogue import added_names, load_spec, network_names
from streamseg.infer.model.onnxfile import inspect_onnx


class Row(NamedTuple):
    model: str
    precision: str
    target: str
    size_mb: float
    cpu_s: float
    """Of all threads: it does not grow when the machine is busy."""
    layers: int


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", metavar="MODEL", default=[*network_names(), *added_names()])
    parser.add_argument("--for", dest="targets", default="sm86", metavar="ARCHITECTURES", help="separated by commas")
    arguments = parser.parse_args()
    library = load_library("tensorrt-rtx")
    print("| model | precision | for | MB | CPU s | layers |\n|---|---|---|---|---|---|")
    for name in arguments.models:
        for row in rows(library, network_file(name), arguments.targets.split(",")):
            cells = f"`{row.model}`", row.precision, row.target, f"{row.size_mb:.1f}", f"{row.cpu_s:.1f}", row.layers
            print(f"| {' | '.join(map(str, cells))} |", flush=True)
    print(f"\nTensorRT-RTX {library.version}")


def rows(library: Library, file: Path, targets: list[str]) -> Iterator[Row]:
    """Every precision, for every architecture."""
    profiles = make_profiles(load_spec(file), inspect_onnx(file).inputs)
    with tempfile.TemporaryDirectory() as folder:
        small = quantise(file, Path(folder, "small.onnx"), pictures(), "tensorrt").file
        prepared = {"fp32": prepare(file, "fp32"), "fp16": prepare(file, "fp16"), "int8": prepare(small, "fp32")}
    for precision, model in prepared.items():
        for target in targets:
            started_s = time.process_time()
            plan = build_plan(library, model, profiles, target=target, progress=lambda done: True)
            seconds = time.process_time() - started_s
            yield Row(file.stem, precision, target, len(plan.data) / 1e6, seconds, plan.layers)


def pictures() -> list[Image]:
    return [frame.image for frame in open_source("test://?frames=8")]


if __name__ == "__main__":
    main()
