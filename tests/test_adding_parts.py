"""A source, a view, an output and a backend are each one file and one line in a table: done here to a copy."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import av
import pytest

from tests.parts.program import run_program

HOUSE = Path(__file__).parents[1] / "streamseg"

SOURCE = """
import time

import numpy as np

from streamseg.capture.kind import SourceKind, scheme_of
from streamseg.frame import Frame, StreamInfo


class GreySource:
    def __init__(self, uri, options):
        self.info = StreamInfo("grey", 64, 48, 25.0, live=False, frames=4)
        self.counters = {}

    def __iter__(self):
        for index in range(4):
            yield Frame(np.full((48, 64, 3), 40, np.uint8), index, index / 25, time.monotonic(), "grey")

    def close(self):
        pass


GREY = SourceKind(forms="grey://", means=lambda uri: scheme_of(uri) == "grey", open=GreySource)
"""
VIEW = """
import numpy as np


def negative(image, frame, segmentation, opacity):
    np.subtract(255, frame.image, out=image)
"""
OUTPUT = """
from pathlib import Path

from streamseg.sinks.function import FunctionSink
from streamseg.sinks.kind import OutputKind
from streamseg.sinks.names import literal


def append(path, shown):
    with path.open("a") as file:
        file.write(f"{shown.frame.index}\\n")


TALLY = OutputKind(
    forms="FILE.tally",
    means=lambda uri: uri.endswith(".tally"),
    open=lambda uri, *_: FunctionSink(lambda shown: append(Path(uri), shown)),
    names=lambda uri, inputs: literal(uri),
)
"""
BACKEND = """
from streamseg.infer.backends.ort import OrtBackend


class LoudBackend(OrtBackend):
    def __init__(self, file, threads, stopped):
        super().__init__(file, threads)
        print("loud is loaded")
"""
PARTS = {
    "capture/grey.py": (SOURCE, "capture/__init__.py", "SOURCES", '"grey": GREY', "capture.grey import GREY"),
    "render/negative.py": (VIEW, "render/__init__.py", "VIEWS", '"negative": lambda options: View(negative)',
                           "render.negative import negative"),
    "sinks/tally.py": (OUTPUT, "sinks/__init__.py", "SINKS", '"tally": TALLY', "sinks.tally import TALLY"),
    "infer/backends/loud.py": (BACKEND, "infer/backends/__init__.py", "ON_REQUEST", '"loud": LoudBackend',
                               "infer.backends.loud import LoudBackend"),
}  # fmt: skip
"""The file: its text, and where its line goes: the file and the table there; and what is imported for it."""


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package with four parts more, each a file of its own and a line in a table."""
    folder = tmp_path_factory.mktemp("adding")
    house = folder / "streamseg"
    shutil.copytree(HOUSE, house, ignore=shutil.ignore_patterns("__pycache__"), copy_function=os.symlink)
    for name, (text, where, table, entry, imported) in PARTS.items():
        (house / name).write_text(text)
        before = (house / where).read_text()
        head, brace, rest = before.partition(f"\n{table}: dict[")
        line, equals, entries = rest.partition(" = {\n")
        assert brace and equals
        added = f"{head}\nfrom streamseg.{imported}\n{brace}{line}{equals}    {entry},\n{entries}"
        (house / where).unlink()  # a link to that of the package
        (house / where).write_text(added)
    return folder


def run(copy: Path, *words: object) -> str:
    done = run_program(*words, env={"PYTHONPATH": str(copy)}, cwd=copy)
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def test_they_run_together(copy: Path) -> None:
    words = ("--model", "person", "--backend", "loud", "--view", "negative", "--no-hud")
    assert "loud is loaded" in run(copy, "run", "grey://", "a.tally", "a.mkv", *words)
    assert (copy / "a.tally").read_text().split() == ["0", "1", "2", "3"]
    with av.open(str(copy / "a.mkv")) as film:
        assert all(abs(frame.to_ndarray(format="gray").mean() - 215) < 12 for frame in film.decode(video=0))


def test_a_new_output_is_not_written_over_either(copy: Path) -> None:
    (copy / "kept.tally").write_text("mine")
    done = run_program("run", "grey://", "kept.tally", "--model", "otsu", env={"PYTHONPATH": str(copy)}, cwd=copy)
    assert (done.returncode, (copy / "kept.tally").read_text()) == (4, "mine")
    assert "exists" in done.stderr


def test_a_wrong_name_lists_them(copy: Path) -> None:
    for words, listed in {("nothing://",): "grey://", ("grey://", "x.what"): "FILE.tally"}.items():
        done = run_program("run", *words, "--model", "otsu", env={"PYTHONPATH": str(copy)}, cwd=copy)
        assert done.returncode == 2
        assert listed in done.stderr
