from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import PIL.Image
import pytest

from streamseg.errors import InputError
from streamseg.imagefile import read_image
from tests.parts.program import run_program


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".bmp"])
def test_a_file_of_more_bytes_than_a_picture_has_is_refused_before_it_is_read(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"a{suffix}"
    path.write_bytes(cv2.imencode(suffix, np.zeros((8, 8, 3), np.uint8))[1].tobytes())
    with path.open("r+b") as file:
        file.truncate(1 << 42)  # of which nothing is on the disk
    with pytest.raises(InputError, match=rf"{path.name}: 4,398,046,511,104 bytes"):
        read_image(path)


@pytest.mark.parametrize("suffix", [".webp", ".avif"])
def test_pillow_does_not_read_it_either(suffix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    PIL.Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(path := tmp_path / f"a{suffix}")
    with path.open("r+b") as file:
        file.truncate(1 << 42)
    monkeypatch.setattr("PIL.Image.open", lambda *_, **__: pytest.fail("it is read"))
    with pytest.raises(InputError, match=rf"{path.name}: 4,398,046,511,104 bytes"):
        read_image(path)


@pytest.mark.parametrize("suffix", [".png", ".webp", ".bmp", ".jp2", ".ppm", ".jpg"])
def test_a_picture_that_is_cut_off_is_one_line_and_none_of_a_librarys(suffix: str, tmp_path: Path) -> None:
    data = cv2.imencode(suffix, np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8))[1].tobytes()
    (tmp_path / f"a{suffix}").write_bytes(data[: len(data) // 3])
    done = run_program("run", "--model", "threshold", tmp_path / f"a{suffix}", "null")
    lines = done.stderr.splitlines()
    assert (done.returncode, len(lines)) == (2, 1), done.stderr
    assert lines[0].startswith("streamseg: ")
