"""Exports the models of the zoo, in its own environment, which `make zoo` makes: `zoo_export.py FOLDER [NAME ...]`."""

from __future__ import annotations

import argparse
import importlib
import os
import shutil
import sys
import traceback
from pathlib import Path

from zoo.row import FAILED

EXPORTERS = ("torchvision", "smp", "hugging_face", "rf_detr", "d_fine", "ultralytics", "keras")


def main(zoo: Path, names: list[str]) -> int:
    os.environ.update(YOLO_OFFLINE="True", HF_HUB_OFFLINE="1")
    failed = 0
    for exporter in EXPORTERS:
        try:
            models = importlib.import_module(f"zoo.from_{exporter}").MODELS
        except ModuleNotFoundError as error:
            print(f"{exporter}: left out: {error}", flush=True)
            continue
        for name, make in models.items():
            folder = zoo / name
            if names and name not in names:
                continue
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            try:
                make(folder)
                print(f"{name}: exported", flush=True)
            except Exception as error:  # one exporter's failure is a row of the table
                traceback.print_exc(limit=-3)
                (folder / FAILED).write_text(f"{type(error).__name__}: {str(error).splitlines()[0][:200]}")
                failed += 1
    return int(failed > 0)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("names", nargs="*", metavar="NAME")
    arguments = parser.parse_args()
    sys.exit(main(arguments.folder, arguments.names))
