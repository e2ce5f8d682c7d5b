"""An archive by `streamseg batch`, beside a shell loop of `streamseg run` and Ray Data with a naive function.

    python tools/bench_archive.py [--films 12] [--frames 120] [--model person] [--rounds 3] [--without-ray] [--json]

All take the same films of a generated scene and write the same table of each, in turns and in one run. What is told is
the median of each one's seconds, and what part it is of another. The load of the machine stands above: on one that is
busy the ratios say more than the seconds, and with a load above its cores neither says much.

batch              as many workers as there are cores
batch, one worker  which has all cores
batch, one core    one worker that has one
on Ray             by `--ray local`, whose start is in it; needs `ray`
on Ray, one core
loop               `streamseg run FILM OUT` for each film, as a shell would
ray.data           a film a row, and a function that opens film and model; Ray's start is in it; needs `ray[data]`. Its
                   workers are told to be as urgent as the others': Ray's own stand behind whatever else runs
one: run, batch    a single film, as long as all of them, by either; and by `--ray local`
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import streamseg

PROGRAM = (sys.executable, "-m", "streamseg")
_NAIVE = """
import sys
import ray
import streamseg

MODEL, *FILMS = sys.argv[1:]

def segment(row):
    table = row["path"].replace("/films/", "/out/").replace(".mp4", ".csv")
    streamseg.open(row["path"], table, model=MODEL).run()
    return row

ray.init(log_to_driver=False, include_dashboard=False)
films = ray.data.from_items([{"path": path} for path in FILMS], override_num_blocks=len(FILMS))
films.map(segment, num_cpus=1).materialize()
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--films", type=int, default=12)
    parser.add_argument("--frames", type=int, default=120)
    parser.add_argument("--model", default="person")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--without-ray", action="store_true")
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        seconds = measured(asked)
    medians = {name: statistics.median(each) for name, each in seconds.items()}
    if asked.json:
        print(json.dumps({"load": os.getloadavg()[0], "seconds": seconds}))
        return
    print(f"{asked.films} films of {asked.frames} frames, {asked.model}; load {os.getloadavg()[0]:.1f}")
    for name, median in medians.items():
        beside = "one: run" if name.startswith("one") else "batch"
        print(f"{name:18} {median:7.1f} s   {median / medians[beside]:5.2f} of {beside}")


def measured(asked: argparse.Namespace) -> dict[str, list[float]]:
    """Seconds of each way, of each round."""
    Path("films").mkdir()
    Path("one").mkdir()
    scene(Path("films/00.mp4"), asked.frames)
    scene(Path("one/long.mp4"), asked.frames * asked.films)
    for number in range(1, asked.films):
        shutil.copy("films/00.mp4", f"films/{number:02}.mp4")
    films = sorted(map(str, Path("films").glob("*.mp4")))
    out, model = "{stem}.csv", ("--model", asked.model, "--quiet")
    batch = ("batch", "films", "--out", "out", "--write", out, *model)
    one_core = ("taskset", "-c", str(min(os.sched_getaffinity(0))))
    ways: dict[str, Callable[[], None]] = {
        "batch": lambda: program(*batch),
        "batch, one worker": lambda: program(*batch, "--workers", "1"),
        "batch, one core": lambda: run([*one_core, *PROGRAM, *batch]),
        "on Ray": lambda: program(*batch, "--ray", "local"),
        "on Ray, one core": lambda: run([*one_core, *PROGRAM, *batch, "--ray", "local", "--workers", "1"]),
        "loop": lambda: shell_loop(films, model),
        "ray.data": lambda: run(
            ["env", "RAY_worker_niceness=0", sys.executable, "-c", _NAIVE, asked.model, *map(os.path.abspath, films)]
        ),
        "one: run": lambda: program("run", "one/long.mp4", "out/long.csv", *model),
        "one: batch": lambda: program("batch", "one", "--out", "out", "--write", out, *model),
        "one: on Ray": lambda: program("batch", "one", "--out", "out", "--write", out, *model, "--ray", "local"),
    }
    if asked.without_ray:
        ways = {name: way for name, way in ways.items() if "ray" not in name.lower()}
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(asked.rounds):
        for name, way in ways.items():
            shutil.rmtree("out", ignore_errors=True)
            started_s = time.monotonic()
            way()
            seconds[name].append(round(time.monotonic() - started_s, 2))
    return seconds


def scene(path: Path, frames: int) -> None:
    streamseg.open(f"test://?frames={frames}&size=640x360", str(path), model="otsu", view="source").run()


def shell_loop(films: Sequence[str], model: Sequence[str]) -> None:
    for film in films:
        program("run", film, f"out/{Path(film).stem}.csv", *model)


def program(*words: str) -> None:
    run([*PROGRAM, *words])


def run(words: list[str]) -> None:
    subprocess.run(words, check=True, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)


if __name__ == "__main__":
    main()
