"""Two runs that write into one folder under the same names, and begin in the same moment."""

from __future__ import annotations

import fcntl
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from streamseg.contracts import Sink
from streamseg.errors import OutputError
from streamseg.sinks import crash_safe_file, events, segments
from streamseg.sinks.events import EventsSink
from streamseg.sinks.hls import HlsSink
from streamseg.sinks.segments import SegmentsSink
from streamseg.sinks.video import VideoSink
from tests.parts.fakes import LIVE
from tests.sinks.test_pauses import seen
from tests.sinks.test_video import read


@pytest.mark.parametrize(
    ("opened", "module"),
    [
        (lambda folder: SegmentsSink(f"{folder}/cam-%Y%m%d.mp4"), segments),
        (lambda folder: EventsSink(f"events:{folder}?class=thing&before=1&after=1"), events),
    ],
)
def test_each_has_a_file_of_its_own_with_all_frames(
    opened: Callable[[Path], Sink], module: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    quicker, slower = opened(tmp_path), opened(tmp_path)
    free_name, looked = module.free_name, []

    def free_until_another_begins(path: Path, *beside: str) -> Path:
        name: Path = free_name(path, *beside)
        looked.append(name)
        if len(looked) == 1:
            quicker.write(seen(100, 0.0))
        return name

    monkeypatch.setattr(module, "free_name", free_until_another_begins)
    for number in range(10):
        slower.write(seen(number, number / 25))
        if number:
            quicker.write(seen(100 + number, number / 25))
    quicker.close()
    slower.close()
    found = sorted([number for number, _ in read(path)] for path in tmp_path.glob("*.mp4"))
    assert found == [list(range(10)), list(range(100, 110))]
    assert not list(tmp_path.glob("*.part")) + list(tmp_path.glob("*unplayable*"))


def test_a_file_that_another_run_takes_for_one_left_behind_is_begun_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = fcntl.flock
    looked: list[Path] = []

    def after_another_has_looked(file: object, how: int) -> None:
        if how == fcntl.LOCK_EX and not looked:
            looked.extend(tmp_path.glob("*.part"))
            crash_safe_file.recover_part(looked[0])
        lock(file, how)  # type: ignore[arg-type]

    monkeypatch.setattr(fcntl, "flock", after_another_has_looked)
    sink = SegmentsSink(f"{tmp_path}/cam-%Y%m%d.mp4")
    for number in range(5):
        sink.write(seen(number, number / 25))
    sink.close()
    assert looked
    (path,) = tmp_path.iterdir()
    assert [number for number, _ in read(path)] == list(range(5))


def test_a_link_to_nowhere_in_the_place_of_the_file_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "out.mp4.part").symlink_to(tmp_path / "gone" / "away")
    with pytest.raises(OutputError, match="No such file"):
        VideoSink(str(tmp_path / "out.mp4")).write(seen(0, 0.0))


def test_a_list_of_hls_is_written_by_one(tmp_path: Path) -> None:
    first, second = (HlsSink(f"hls:{tmp_path}", LIVE) for _ in range(2))
    first.write(seen(0, 0.0))
    for number in range(2):
        with pytest.raises(OutputError, match="another run is writing it"):
            second.write(seen(100 + number, number / 25))
    first.write(seen(1, 0.04))
    first.close()
    second.write(seen(103, 0.12))
    second.close()
    assert sorted(path.name for path in tmp_path.glob("*.ts")) == ["index-0.ts", "index-1.ts"]
    first.close()
