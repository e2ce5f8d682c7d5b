"""The checks for machines with a GPU: rows that say why they were skipped where there is none, and what they do where
one is doubled."""

from __future__ import annotations

import datetime
import importlib
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from streamseg.cuda.driver import open_cuda
from streamseg.cuda.kernels import Kernels
from streamseg.machine import nvidia_driver
from tests.parts.gpu_machine import Machine
from tests.parts.stand_in import PACKAGES, environment

TOOLS = Path(__file__).parents[3] / "tools"


def tool(name: str, variables: dict[str, str], *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(TOOLS / name), *words],
        capture_output=True, text=True, timeout=500, check=False, cwd=TOOLS.parent, env=variables,
    )  # fmt: skip


def rows(printed: str, section: str) -> list[list[str]]:
    """Cells of a section's rows: what, how it was measured, figure, bound, whether it passed."""
    lines = [line.strip("| ").split(" | ") for line in printed.splitlines() if f" | `{section}` | " in line]
    assert all(datetime.date.fromisoformat(date) and len(more) == 6 for date, *more in lines), printed
    return [cells[2:] for cells in lines]


PROBED = (
    "kernels", "times", "threads", "double", "motion", "memcheck", "full", "lost", "hidden", "decoding", "film",
    "workers", "backends",
)  # fmt: skip


@pytest.mark.parametrize(("name", "sections"), [("gpu_check", ("backends",)), ("gpu_probe", PROBED)])
def test_without_a_gpu_every_row_says_why_it_was_skipped_and_they_exit_3(name: str, sections: tuple[str, ...]) -> None:
    if nvidia_driver():
        pytest.skip("there is a GPU")
    done = tool(f"{name}.py", {**os.environ, "PYTHONPATH": str(TOOLS.parent)})
    assert done.returncode == 3
    for section in sections:
        ((_, how, figure, bound, passed),) = rows(done.stdout, section)
        assert figure == "skipped: no NVIDIA driver is loaded here: `nvidia-smi` must list a GPU"
        assert how == bound == passed == "-"
    assert len(done.stdout.splitlines()) == 2 + len(sections)
    assert done.stderr == f"{name}: no NVIDIA driver is loaded here: `nvidia-smi` must list a GPU\n"


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("package", PACKAGES)
def test_what_cannot_be_run_is_named_with_what_is_missing(tmp_path: Path, package: str) -> None:
    variables = environment(tmp_path, package) | {"PYTHONWARNINGS": ""}
    done = tool("gpu_check.py", variables, "--model", "person", "--frames", "1")
    assert done.returncode == 0, done.stderr
    assert "On Test GPU (sm86, 24 multiprocessors), libcuda.so.1." in done.stdout
    found = {what: more for what, *more in rows(done.stdout, "backends")}
    assert found["kernels"] == ["a few cases against OpenCV and NumPy", "right", "right", "yes"]
    for name in ("tensorrt", "ort-cuda"):
        assert found[f"{name}, `person`"][1].startswith("skipped: ")
    done = tool("gpu_check.py", variables, "--model", "nothing-of-that-name")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("gpu_check: no model 'nothing-of-that-name'")


SEEN = {
    "threads": [("what stays on the GPU", "0 bytes; 0 warnings", "yes")],
    "double": [
        ("labels alike", "at least 100.00%", "yes"),
        ("streams on one network", "0 errors", "yes"),
        ("what stays", "0 buffers; 0 rules broken", "yes"),
    ],
    "motion": [
        row
        for effort in ("quick", "usual", "fine")
        for row in (
            (f"{effort}: labels alike", ", at least ", "yes"),
            (f"{effort}: the GPU carries alone", "yes", "yes"),
            (f"{effort}: on the GPU", "ms of a core in ", "-"),
            (f"{effort}: on the CPU", "ms of a core in ", "-"),
        )
    ],
    "memcheck": [
        (f"{tool} of `{section}`", "skipped: compute-sanitizer", "-")
        for tool, section in (("memcheck", "kernels"), ("memcheck", "motion"), ("racecheck", "motion"))
    ],
    "full": [
        ("memory that runs out", "pycuda._driver.MemoryError: cuMemAlloc failed: out of memory", "yes"),
        ("memory behind it", "passes, ", "yes"),
    ],
    "lost": [
        ("the illegal kernel", "log say more), known as the end of CUDA, ", "yes"),
        ("pushing and popping", "passes, ", "yes"),
        ("opening again", "passes, ", "-"),
        ("loading kernels again", "BackendError: the GPU failed", "-"),
        ("the process", "lives; passes, ", "yes"),
    ],
    "hidden": [("opening a GPU that is hidden", "BackendError: there is no NVIDIA GPU", "yes")],
    "film": [("film through tensorrt", "skipped: ", "-"), ("film through tensorrt-rtx", "skipped: ", "-")],
    "workers": [("tensorrt, 1 workers", "skipped: ", "-"), ("ort-cuda, 1 workers", "skipped: ", "-")],
}  # fmt: skip
"""What a row is of, what is in its figure, and whether it passed."""


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_each_section_of_the_probe_says_what_it_saw(tmp_path: Path) -> None:
    """On the real pycuda and a driver that stands in: that it runs, not what a GPU would show."""
    variables = environment(tmp_path, "pycuda") | {"PYTHONWARNINGS": ""}
    done = tool("gpu_probe.py", variables, *SEEN)
    assert done.returncode == 0, done.stdout
    assert "- GPU not named; driver libcuda.so.1" in done.stdout
    for section, expected in SEEN.items():
        found = rows(done.stdout, section)
        for what, figure, passed in expected:
            ((_, _, seen, _, judged),) = [row for row in found if row[0] == what]
            assert figure in seen and judged == passed, (what, seen, judged)
        *_, (_, how, ended, bound, passed) = found
        assert (how, bound, passed) == ("its process", "exit 0", "yes")
        if section != "lost":
            assert ended.endswith("; 0 lines of pycuda's own")


SMALL = {
    "kernels": (
        "FRAMES, DECODED, SHRUNK = section.FRAMES[:4], section.DECODED[:2], section.SHRUNK[:3]",
        [
            ("fit", "108 cases against OpenCV"), ("pick", "20 cases against NumPy"),
            ("fit of decoded frames", "18 cases against the CPU's way"),
            ("tint", "24 cases against the CPU's overlay"), ("shrink", "3 cases against the CPU's small picture"),
        ],
        "yes",
    ),
    "timing": (
        "SIZES, TURNS, TIMED = [((32, 32), (32, 32))], 2, 3",
        [
            *((what, "CUDA's clock, many in a row") for what in (
                "fit, 32x32 to 32x32", "pick of 2 classes, 32x32", "pick of 21 classes, 32x32", "0.2 MB up",
                "0.2 MB down", "shrink, 1920x1080 to 480x270, and down",
            )),
            *((f"waiting {how}", "2 times for 20 kernels") for how in ("spinning", "asleep")),
        ],
        "",
    ),
    "decoding": (
        "FRAMES, SIZE = 8, (64, 48)",
        [
            ("H.264 decoded by the CPU", "8 frames of 64x48"), ("H.265 decoded by the CPU", "8 frames of 64x48"),
            *((f"H.264 {what}", "-") for what in ("decoded by NVDEC, downloaded", "from there through h264_nvenc")),
            *((f"H.265 {what}", "-") for what in ("decoded by NVDEC, downloaded", "from there through hevc_nvenc")),
        ],
        "",
    ),
}  # fmt: skip
"""What is made small, rows with how each was measured, and whether all pass, where that does not hang on time."""


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("section", SMALL)
def test_sections_that_take_long_on_a_cpu_see_small_pictures(section: str, tmp_path: Path) -> None:
    change, expected, passed = SMALL[section]
    names, _, values = change.partition(" = ")
    targets = ", ".join(f"section.{name}" for name in names.split(", "))
    show = "print(*(row.in_table('small') for row in section.probe()), sep='\\n')"
    code = f"from gpu import {section} as section; {targets} = {values}; {show}"
    variables = environment(tmp_path, "pycuda")
    paths = {"PYTHONPATH": os.pathsep.join([variables["PYTHONPATH"], str(TOOLS)]), "PYTHONWARNINGS": ""}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env=variables | paths, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    found = {what: (how, figure, judged) for what, how, figure, _, judged in rows(done.stdout, "small")}
    for what, how in expected:
        assert found[what][0] == how, (what, found)
        assert any(letter.isdecimal() for letter in found[what][1]) or found[what][1].startswith("skipped: ")
        assert found[what][2] == passed or not passed


@pytest.fixture
def check(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Its functions, on a machine with the double of a GPU."""
    if shutil.which("g++") is None:
        pytest.skip("the kernels are compiled by g++ here, which is not installed")
    monkeypatch.syspath_prepend(str(TOOLS))
    found = importlib.import_module("gpu.backends")
    monkeypatch.setattr(found, "gpu_mb", lambda: 700.0)
    return found


def test_kernels_are_held_against_opencv_and_numpy(
    machine: Machine, check: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert check.wrong_kernels(open_cuda()) == []
    monkeypatch.setattr(Kernels, "launch", lambda *_: None)
    wrong = check.wrong_kernels(open_cuda())
    assert [line.split()[0] for line in wrong] == ["fit", "fit", "fit", "pick", "shrink"]
    assert machine.gpu.leaks() == []


def test_a_backend_is_held_against_the_cpu_and_its_bytes_are_counted(machine: Machine, check: Any) -> None:
    row = check.measure(TOOLS.parent / "streamseg/infer/models/person-wide.onnx", "tensorrt", 3)
    assert row.agreement > 0.99
    assert 0 < row.p50_ms <= row.p95_ms
    assert row.bus_mb == pytest.approx((256 * 144 * 3 + 256 * 144) / 1e6, rel=0.5)
    assert machine.gpu.leaks() == []


def test_what_a_backend_gives_is_rows_with_their_bounds(check: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    measured = check.Measured("TensorRT 11", 0.97, 1.5, 2.5, 800.0, 0.25, 20.0)
    monkeypatch.setattr(check, "measure", lambda *_: measured)
    monkeypatch.setattr(check, "ON_NVIDIA", ("tensorrt",))
    found = list(check.backend_rows(Path("lane.onnx"), 10))
    assert [(row.what.partition(": ")[2], row.figure, row.bound, row.passed) for row in found] == [
        ("labels alike", "97.000%", "99%", False), ("p50", "1.50 ms", "", None), ("p95", "2.50 ms", "", None),
        ("batches of 4", "800 frames/s", "", None), ("over the bus", "0.25 MB a frame", "", None),
        ("memory gained", "20.0 MB", "16 MB", False),
    ]  # fmt: skip


def test_a_row_goes_through_a_process_and_into_the_table_whatever_is_in_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(TOOLS))
    row = importlib.import_module("gpu.row")
    told = row.Row("what | is", "how\tso", "a\nfigure", "", False)
    back = row.unpacked(told.packed())
    assert back == row.Row("what | is", "how so", "a figure", "", False)
    assert back.in_table("x") == f"| {datetime.date.today()} | `x` | what / is | how so | a figure | - | no |"
    assert row.unpacked("Traceback (most recent call last):") is None


def test_a_film_through_the_gpu_is_measured_with_its_bytes(
    machine: Machine, check: Any, toy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On the double, whose decoder is the CPU's all the same."""
    film = importlib.import_module("gpu.film")
    monkeypatch.setattr(film, "MODEL", str(toy))
    monkeypatch.setattr(film, "FRAMES", 3)
    monkeypatch.setattr(film, "BACKENDS", ("tensorrt",))
    found = list(film.probe())
    names = [f"film through tensorrt, {codec}" for codec in ("h264", "hevc")]
    ends = ("the CPU decodes", "the GPU decodes", "over the bus")
    assert [row.what for row in found] == [f"{name}, {end}" for name in names for end in ends]
    assert all("0.00 MB over the bus" not in row.figure for row in found)
    assert {row.passed for row in found[::3]} == {None} and None not in {row.passed for row in found[1::3]}
