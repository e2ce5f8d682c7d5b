"""The name of a picture stands in the data as the file system has it, whatever is in it."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np

from tests.parts.program import run_program

NAMES = ["new\nline.png", 'bär "x", \x1b[31m.png']


def test_a_name_in_json_finds_the_file_and_an_escape_never_gets_out_raw(tmp_path: Path) -> None:
    (folder := tmp_path / "pictures").mkdir()
    picture = cv2.imencode(".png", np.full((32, 48, 3), 200, np.uint8))[1].tobytes()
    for name in NAMES:
        (folder / name).write_bytes(picture)
    rows, coco, tasks = (tmp_path / name for name in ("rows.jsonl", "coco.json", "tasks.json"))
    done = run_program(
        "run", folder, rows, f"coco:{coco}", f"labelstudio:{tasks}", "--model", "threshold", "--set", "value=128"
    )
    assert done.returncode == 0, done.stderr
    assert sorted(json.loads(line)["file"] for line in rows.read_text().splitlines()) == sorted(NAMES)
    assert sorted(each["file_name"] for each in json.loads(coco.read_text())["images"]) == sorted(NAMES)
    assert sorted(each["data"]["image"] for each in json.loads(tasks.read_text())) == sorted(NAMES)
    for file in (rows, coco, tasks):
        assert "\x1b" not in file.read_text()
