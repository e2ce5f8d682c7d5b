"""What each network takes: the size of its file, and 1280x720 to labels on one thread.

`python tools/model_times.py [MODEL …]` prints a table, by default of every network that is installed. Networks take
turns picture by picture, and of each the shortest time counts, as other work can only lengthen it.
"""

from __future__ import annotations

import argparse
import time

import streamseg
from streamseg.capture import open_source
from streamseg.errors import InputError
from streamseg.infer import list_models, network_file

TURNS = 40


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", metavar="MODEL")
    here = (each.name for each in list_models() if each.kind == "network" and _has_file(each.name))
    names = parser.parse_args().models or [*here]
    source = open_source("test://?frames=1&size=1280x720")
    image = next(iter(source)).image
    source.close()
    models = {name: streamseg.load(name, backend="ort-cpu", threads=1) for name in names}
    shortest = dict.fromkeys(names, float("inf"))
    for _ in range(TURNS):
        for name, model in models.items():
            started_s = time.perf_counter()
            model(image)
            shortest[name] = min(shortest[name], time.perf_counter() - started_s)
    print("| model | file | milliseconds |\n| --- | --- | --- |")
    for name, model in models.items():
        model.close()
        size_mb = network_file(name).stat().st_size / 1e6
        print(f"| {name} | {size_mb:.1f} MB | {shortest[name] * 1000:.{0 if shortest[name] > 0.01 else 1}f} |")


def _has_file(name: str) -> bool:
    """Not of what is several networks."""
    try:
        return network_file(name).is_file()
    except InputError:
        return False


if __name__ == "__main__":
    main()
