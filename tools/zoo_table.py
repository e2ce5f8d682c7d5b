"""The table of the zoo: models of other frameworks, imported, run and compared with what those find. See `make zoo`."""

from __future__ import annotations

import argparse
import datetime
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import av
import cv2
import numpy as np
from zoo.compare import compare
from zoo.drawn import draw
from zoo.row import FAILED, PICTURES, TOLD

from streamseg.bench.clip import packaged_clip

ZOO = Path(".cache/zoo")
EXPORT = Path(__file__).with_name("zoo_export.py")
CLIPS = (("bikes.mp4", (10, 120)), ("carphone_pristine.mp4", (5,)), ("bigbuckbunny.mp4", (30, 100)))
"""Which frames of them."""


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("names", nargs="*", help="of models; without one, all of them")
    parser.add_argument("--exporters", type=Path, help="the Python that has them; else what there is already")
    arguments = parser.parse_args()
    write_pictures(ZOO)
    if arguments.exporters:
        subprocess.run([arguments.exporters, EXPORT, ZOO, *arguments.names], check=False)
    written = sorted(path.parent for name in (TOLD, FAILED) for path in ZOO.glob(f"*/{name}"))
    folders = [ZOO / name for name in arguments.names] or written
    for line in table(folders):
        print(line, flush=True)
    return 0


def table(folders: Sequence[Path]) -> Iterator[str]:
    yield f"{datetime.date.today()}"
    yield "| model | exporter | flags | import | ONNX Runtime | OpenVINO |"
    yield "| --- | --- | --- | --- | --- | --- |"
    for folder in folders:
        if not (folder / TOLD).exists():
            reason = folder / FAILED
            told = reason.read_text() if reason.exists() else "not exported"
            yield f"| {folder.name} | | | not exported: {told} | | |"
            continue
        yield str(compare(folder))


def write_pictures(zoo: Path) -> None:
    """Five frames of films, and five drawn pictures of discs and squares."""
    folder = zoo / "pictures"
    if not folder.exists():
        folder.mkdir(parents=True)
        for name, wanted in CLIPS:
            film = packaged_clip(name)
            if film is None:
                raise SystemExit(f"no {name}: `make demo` brings it")
            with av.open(str(film)) as container:
                for i, frame in enumerate(container.decode(video=0)):
                    if i in wanted:
                        cv2.imwrite(str(folder / f"{film.stem}-{i:03}.png"), frame.to_ndarray(format="bgr24"))
    drawn = zoo / "drawn"
    if not drawn.exists():
        drawn.mkdir(parents=True)
        random = np.random.default_rng(7)
        for i in range(PICTURES):
            cv2.imwrite(str(drawn / f"{i}.png"), draw(random)[0])


if __name__ == "__main__":
    sys.exit(main())
