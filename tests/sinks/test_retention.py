from __future__ import annotations

import itertools
import os
import random
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from streamseg.contracts import Controls
from streamseg.errors import OutputError
from streamseg.sinks import open_sink
from streamseg.sinks.names import Names
from streamseg.sinks.retention import Limits, make_room
from streamseg.sinks.retry import Retrying
from streamseg.sinks.segments import SegmentsSink
from tests.parts.disks import fill, small_disk
from tests.parts.fakes import FILE
from tests.sinks.test_segments import NAME, closed, noise, packets, readable
from tests.sinks.test_video import shown


def old(folder: Path, name: str, days: float, size: int = 1000) -> Path:
    path = folder / name
    path.write_bytes(bytes(size))
    os.utime(path, (time.time() - days * 86_400,) * 2)
    return path


FOREIGN = [
    "holiday.mp4",
    "cam-2026.mp4",
    "cam-20260101-101010.mkv",
    "xcam-20260101-101010.mp4",
    "cam-20260101-101010.mp4.txt",
]


def test_too_old_means_deleted_and_foreign_files_never(tmp_path: Path) -> None:
    foreign = [old(tmp_path, name, 100) for name in FOREIGN]
    ours = [old(tmp_path, f"cam-2026010{day}-101010.mp4", 10 - day) for day in range(10)]
    (tmp_path / "cam-20250101-101010.mp4").symlink_to(foreign[0])
    sink = SegmentsSink(f"{tmp_path}/{NAME}?keep=4.5d")
    sink.write(shown(0, 0.0))
    assert [path.exists() for path in ours] == [False] * 6 + [True] * 4
    assert all(path.exists() for path in foreign)
    assert (tmp_path / "cam-20250101-101010.mp4").is_symlink()
    sink.close()


def test_the_oldest_go_until_all_fit_and_never_the_open_one(tmp_path: Path) -> None:
    foreign = [old(tmp_path, name, 100, 5_000_000) for name in FOREIGN]
    sink = SegmentsSink(f"{tmp_path}/{NAME}?segment=1&keep_size=3MB")
    written: set[int] = set()
    for number in range(200):
        sink.write(noise(number))
        assert len(list(tmp_path.glob("*.part"))) == 1
        written |= {path.stat().st_mtime_ns for path in closed(tmp_path) if path not in foreign}
    sink.close()
    left = [path for path in closed(tmp_path) if path not in foreign]
    assert sum(path.stat().st_size for path in left) < 3e6
    assert 2 <= len(left) < len(written)
    assert [path.stat().st_mtime_ns for path in left[:-1]] == sorted(written)[-len(left) + 1 :]
    assert all(path.exists() for path in foreign)


def test_a_full_disk_pauses_the_recording_and_space_lets_it_go_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with small_disk(tmp_path / "disk", 40) as disk:
        now = itertools.count()
        sink = Retrying(SegmentsSink(f"{disk}/{NAME}?segment=1"), now=lambda: next(now) / 25)
        ballast = fill(disk, free_megabytes=4)
        for number in range(300):
            sink.write(noise(number))
        lost = sink.unwritten
        assert lost > 150
        assert len(list(disk.glob("cam*"))) < 8
        ballast.unlink()
        for number in range(300, 900):
            sink.write(shown(number % 256, number / 25))
        after = sink.unwritten
        sink.close()
        assert len([r for r in caplog.records if "continues without it" in r.message]) == 1
        assert len([r for r in caplog.records if "were not written" in r.message]) == 1
        files = list(disk.glob("cam*.mp4"))
        found = sum(len(readable(path)) for path in files)
        assert found + after >= 900  # a torn fragment may give frames that were counted as lost
        assert found + lost <= 900 + 25
        assert after - lost < 760


def test_the_floor_holds_by_deleting_the_oldest_and_then_by_waiting(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 24) as disk:
        sink = SegmentsSink(f"{disk}/{NAME}?segment=4&free=18MB")
        for number in range(250):
            sink.write(noise(number))
            state = os.statvfs(disk)
            assert state.f_bavail * state.f_frsize > 16.5e6
        assert list(disk.glob("cam*.mp4"))
        fill(disk, free_megabytes=1)
        with pytest.raises(OutputError, match="free="):
            for number in range(250, 400):
                sink.write(noise(number))
        assert not list(disk.glob("*.part"))
        (disk / "ballast").unlink()
        sink.write(noise(400))
        sink.close()
        assert packets(closed(disk)[-1]) == 1


def test_a_folder_that_is_taken_away_and_comes_back(tmp_path: Path) -> None:
    folder = tmp_path / "rec"
    folder.mkdir()
    sink = SegmentsSink(f"{folder}/{NAME}?segment=5")
    for number in range(30):
        sink.write(shown(number, number / 25))
    shutil.rmtree(folder)
    with pytest.raises(OutputError, match="No such file"):
        for number in range(30, 60):
            sink.write(shown(number, number / 25))
    with pytest.raises(OutputError, match="No such file"):
        sink.write(shown(60, 60 / 25))
    folder.mkdir()
    for number in range(61, 71):
        sink.write(shown(number, number / 25))
    sink.close()
    assert [number for path in closed(folder) for number in readable(path)] == list(range(61, 71))


@pytest.fixture
def nobody() -> Iterator[Path]:
    """A folder of a user who is not root, for whom permissions count."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o777)
        root = os.geteuid() == 0
        if root:
            os.setresuid(65534, 65534, 0)
        try:
            yield folder
        finally:
            if root:
                os.setresuid(0, 0, 0)
            folder.chmod(0o777)


def permissions(folder: Path, mode: int) -> None:
    users = os.getresuid()
    os.setresuid(-1, users[2], -1)
    folder.chmod(mode)
    os.setresuid(-1, users[1], -1)


def test_a_folder_that_becomes_read_only_pauses_the_recording(nobody: Path) -> None:
    sink = SegmentsSink(f"{nobody}/{NAME}?segment=1")
    for number in range(10):
        sink.write(shown(number, number / 25))
    permissions(nobody, 0o555)
    with pytest.raises(OutputError, match="denied"):
        for number in range(10, 40):
            sink.write(shown(number, number / 25))
    permissions(nobody, 0o777)
    for number in range(40, 50):
        sink.write(shown(number, number / 25))
    sink.close()
    found = [number for path in sorted(nobody.glob("*.mp4")) for number in readable(path)]
    assert sorted(found) == [*range(25), *range(40, 50)]


def test_of_files_that_a_coarse_clock_gives_one_time_the_first_written_goes_first(tmp_path: Path) -> None:
    names = [f"cam-20261130-120000{double}.mp4" for double in ("", *(f"-{number}" for number in range(2, 30)))]
    for name in random.Random(1).sample(names, len(names)):
        (tmp_path / name).write_bytes(bytes(1000))
        os.utime(tmp_path / name, (1e9, 1e9))
    make_room(tmp_path, Names(f"{tmp_path}/{NAME}", numbers=False).own(), Limits(keep_bytes=3000))
    assert {path.name for path in tmp_path.iterdir()} == {*names[-3:]}


def test_a_read_only_folder_is_refused_at_the_start(nobody: Path) -> None:
    permissions(nobody, 0o555)
    with pytest.raises(OutputError, match="not writable"):
        open_sink(f"{nobody}/{NAME}", FILE, Controls())
