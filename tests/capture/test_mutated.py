"""Files that something gnawed at: whatever is left of them, a person sees frames or one line."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from streamseg.capture import open_source
from streamseg.errors import StreamsegError
from tests.parts import gnawed


@pytest.mark.slow
@pytest.mark.parametrize("name", [*gnawed.VIDEOS, *gnawed.PICTURES])
def test_a_gnawed_file_gives_frames_or_one_line(name: str, tmp_path: Path) -> None:
    whole = gnawed.corpus(tmp_path)[name]
    frames = 0
    for seed in range(25):
        dice = random.Random(seed)
        path = tmp_path / f"gnawed{Path(name).suffix}"
        path.write_bytes(gnawed.BITES[seed % len(gnawed.BITES)](dice, bytearray(whole)))
        try:
            frames += sum(1 for _ in open_source(str(path)))
        except StreamsegError as error:
            assert "\n" not in str(error)
            assert error.exit_code == 2
    assert frames > 0 or name in gnawed.PICTURES  # no video is given up at its first wrong byte
