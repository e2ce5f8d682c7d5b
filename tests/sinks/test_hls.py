from __future__ import annotations

import functools
import http.server
import threading
from collections.abc import Iterator
from io import TextIOWrapper
from pathlib import Path

import av
import numpy as np
import pytest

from streamseg.capture import open_source
from streamseg.contracts import Controls, Existing
from streamseg.errors import InputError, OutputError
from streamseg.frame import StreamInfo
from streamseg.options import SourceOptions
from streamseg.sinks import open_sink
from streamseg.sinks.hls import HlsSink
from streamseg.sinks.retry import Retrying
from tests.parts.clips import read_number
from tests.parts.disks import fill, small_disk
from tests.parts.fakes import FILE, LIVE
from tests.sinks.test_segments import noise
from tests.sinks.test_video import shown


def played(path: Path) -> list[int]:
    """The number of every picture that a player of the list gets, or of one of its segments.

    A player knows from the list what the segments are; a short one (ten packets) could not be told by itself.
    """
    with av.open(str(path), format="mpegts" if path.suffix == ".ts" else None) as container:
        return [read_number(np.asarray(f.to_ndarray(format="bgr24"), np.uint8)) for f in container.decode(video=0)]


def segments(folder: Path) -> list[str]:
    """What the list names, in its order."""
    return [line for line in (folder / "index.m3u8").read_text().splitlines() if line.endswith(".ts")]


def number_of(name: str) -> int:
    return int(name.removeprefix("index-").removesuffix(".ts"))


@pytest.fixture
def web(tmp_path: Path) -> Iterator[str]:
    """The address at which a plain web server has the folder."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None: ...

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(tmp_path))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def test_a_file_becomes_a_list_of_all_its_pictures(tmp_path: Path) -> None:
    sink = HlsSink(f"hls:{tmp_path / 'a' / 'b:50'}", FILE)
    for number in range(250):
        sink.write(shown(number, number / 25))
    sink.close()
    folder = tmp_path / "a" / "b:50"
    assert played(folder / "index.m3u8") == list(range(250))
    assert len(segments(folder)) == 5
    assert "#EXT-X-ENDLIST" in (folder / "index.m3u8").read_text()
    assert {path.name for path in folder.iterdir()} == {"index.m3u8", *segments(folder)}


def test_a_web_server_and_a_player_are_all_it_takes(tmp_path: Path, web: str) -> None:
    sink = HlsSink(f"hls:{tmp_path}", FILE)
    for number in range(100):
        sink.write(shown(number, number / 25))
    sink.close()
    source = open_source(f"{web}/index.m3u8", SourceOptions())
    assert [read_number(np.array(frame.image)) for frame in source] == list(range(100))


def test_a_live_list_holds_the_last_seconds_and_old_segments_go_away(tmp_path: Path) -> None:
    sink = HlsSink(f"hls:{tmp_path}", LIVE)
    foreign = tmp_path / "holiday-1.ts"
    foreign.write_text("mine")
    for number in range(1000):
        sink.write(shown(number % 256, number / 25))
        if (tmp_path / "index.m3u8").exists() and number % 25 == 0:
            assert all((tmp_path / name).exists() for name in segments(tmp_path))
            assert len(list(tmp_path.glob("index-*.ts"))) <= 10
    assert [number_of(name) for name in segments(tmp_path)] == list(range(13, 19))
    sink.close()
    assert "#EXT-X-ENDLIST" not in (tmp_path / "index.m3u8").read_text()
    assert foreign.read_text() == "mine"
    assert not list(tmp_path.glob("*.tmp"))


def test_whoever_reads_a_list_reads_it_whole_because_a_new_one_takes_its_name(tmp_path: Path) -> None:
    path = tmp_path / "index.m3u8"
    sink = HlsSink(f"hls:{tmp_path}", LIVE)
    reading: tuple[TextIOWrapper, str] | None = None
    renewed = 0
    for number in range(1000):
        sink.write(shown(number % 256, number / 25, 64, 48))
        if reading is not None and path.read_text() != reading[1]:
            reading[0].seek(0)
            assert reading[0].read() == reading[1]
            reading[0].close()
            reading, renewed = None, renewed + 1
        if reading is None and path.exists():
            reading = path.open(), path.read_text()
            assert reading[1].startswith("#EXTM3U")
    if reading is not None:
        reading[0].close()
    sink.close()
    assert renewed > 10


def test_a_further_run_goes_on_with_the_list_and_clears_what_a_killed_one_left(tmp_path: Path) -> None:
    for start in (0, 500):
        sink = HlsSink(f"hls:{tmp_path}", LIVE)
        for number in range(start, start + 300):
            sink.write(shown(number % 256, (number - start) / 25))
        sink.close()
        (tmp_path / "index-999.ts").write_text("an orphan")
    numbers = [number_of(name) for name in segments(tmp_path)]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    assert numbers[-1] == 11
    sink = HlsSink(f"hls:{tmp_path}", LIVE)
    sink.write(shown(0, 0.0))
    sink.close()
    assert not (tmp_path / "index-999.ts").exists()
    assert all((tmp_path / name).exists() for name in segments(tmp_path))


def test_only_a_live_list_is_gone_on_with_and_any_other_is_refused(tmp_path: Path) -> None:
    def run(info: StreamInfo, existing: Existing = "refuse") -> None:
        sink = HlsSink(f"hls:{tmp_path}", info, existing=existing)
        for number in range(60):
            sink.write(shown(number, number / 25, 64, 48))
        sink.close()

    run(FILE)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    for info in (FILE, LIVE):
        with pytest.raises(OutputError, match=r"index.m3u8: exists"):
            run(info)
    (tmp_path / "index.m3u8").rename(tmp_path / "list")
    with pytest.raises(OutputError, match=r"index-\d.ts: exists"):
        run(LIVE)
    (tmp_path / "list").rename(tmp_path / "index.m3u8")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    run(LIVE, "replace")
    run(LIVE)
    with pytest.raises(OutputError, match=r"index.m3u8: exists"):
        run(FILE)
    run(FILE, "keep")
    assert "#EXT-X-ENDLIST" in (tmp_path / "index.m3u8").read_text()
    assert segments(tmp_path) == ["index-0.ts", "index-1.ts"]


def test_an_older_list_stays_until_there_is_a_picture(tmp_path: Path) -> None:
    (tmp_path / "index.m3u8").write_text("#EXTM3U\n#EXT-X-ENDLIST\n")
    HlsSink(f"hls:{tmp_path}", FILE, existing="replace").close()
    assert (tmp_path / "index.m3u8").exists()


def test_a_change_of_size_goes_on_in_the_same_list(tmp_path: Path) -> None:
    sink = HlsSink(f"hls:{tmp_path}", FILE)
    for number in range(100):
        sink.write(shown(number, number / 25, *((320, 240) if number < 50 else (640, 480))))
    sink.close()
    assert "#EXT-X-DISCONTINUITY" in (tmp_path / "index.m3u8").read_text()
    assert sum(len(played(tmp_path / name)) for name in segments(tmp_path)) == 100


def test_a_full_disk_is_waited_out(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 32) as disk:
        now_s = [0.0]
        sink = Retrying(HlsSink(f"hls:{disk}", LIVE), now=lambda: now_s[0])
        ballast = fill(disk, free_megabytes=5)
        for number in range(200):
            now_s[0] = number / 25
            sink.write(noise(number))
        assert sink.unwritten > 100
        ballast.unlink()
        for number in range(200, 1500):
            now_s[0] = number / 25
            sink.write(shown(number % 256, number / 25))
        sink.close()
        found = [number for name in segments(disk)[-3:] for number in played(disk / name)]
        assert found == [number % 256 for number in range(1500 - len(found), 1500)]
        assert len(found) > 100


def test_a_folder_that_is_taken_away_is_one_line(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    sink = HlsSink(f"hls:{folder}", LIVE)
    sink.write(shown(0, 0.0))
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()
    with pytest.raises(OutputError, match="No such file"):
        for number in range(1, 200):
            sink.write(shown(number, number / 25))


def test_a_wrong_folder_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="file"):
        open_sink(f"hls:{tmp_path / 'file'}", FILE, Controls())
    for uri in ("hls:", f"hls:{tmp_path}/100%d"):
        with pytest.raises(InputError, match="needs a folder"):
            open_sink(uri, FILE, Controls())


def test_a_folder_whose_name_is_no_text_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="UTF-8"):
        HlsSink(f"hls:{tmp_path}/\udcff", FILE)
    assert not list(tmp_path.iterdir())
