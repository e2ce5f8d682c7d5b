"""HLS: everything that a playlist names is fetched by our own client."""

from __future__ import annotations

import contextlib
import socket
from pathlib import Path
from typing import Any

import av
import pytest

from streamseg.capture import hls, open_source
from streamseg.capture.hls import PlayedSegments
from streamseg.capture.web import open_web
from streamseg.errors import SourceError, StreamsegError
from streamseg.frame import Frame
from streamseg.net.urls import read_address
from streamseg.options import SourceOptions
from tests.parts import clips
from tests.parts.authenticator import Authenticator
from tests.parts.http_answers import Ranges, by_path, guarded, moved, whole
from tests.parts.http_server import Answer, http_server
from tests.parts.leftovers import without_collector
from tests.parts.patience import until
from tests.parts.sources import QUICK, opened, take

_KIND = "application/vnd.apple.mpegurl"


def made(folder: Path, frames: int = 50, /, **options: str) -> dict[str, bytes]:
    """Files of a playlist of a segment for every 25 frames, by name."""
    given = {"hls_time": "1", "hls_list_size": "0", **options}
    clips.clip(
        folder / "live.m3u8", frames=frames, format="hls", container_options=given, options={"g": "25", "bf": "0"}
    )
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def served(files: dict[str, bytes]) -> dict[str, Answer]:
    return {f"/{name}": whole(body, _KIND if name.endswith("m3u8") else "video/mp2t") for name, body in files.items()}


def with_login(url: str) -> str:
    return url.replace("://", "://admin:my%20pass@") + "/live.m3u8"


FORMS = {"ts": {}, "fmp4": {"hls_segment_type": "fmp4"}, "one file": {"hls_flags": "single_file"}}


@pytest.mark.parametrize("form", FORMS)
def test_a_playlist_with_an_end_is_a_file(form: str, tmp_path: Path) -> None:
    made(tmp_path, **FORMS[form])
    files = {f"/{path.name}": Ranges(path.read_bytes()) for path in tmp_path.iterdir()}
    with http_server(by_path(files)) as (url, asked), opened(f"{url}/live.m3u8") as source:
        assert not source.info.live
        frames = list(source)
    assert [clips.read_number(frame.image) for frame in frames] == list(range(50))
    assert asked.count("/live.m3u8") == 1


def test_a_playlist_is_known_by_what_is_in_it(tmp_path: Path) -> None:
    files = made(tmp_path)
    answers = {**served(files), "/stream": whole(files["live.m3u8"], "text/plain")}
    with http_server(by_path(answers)) as (url, _), opened(f"{url}/stream") as source:
        assert len(list(source)) == 50


def test_a_live_playlist_is_asked_for_again_while_frames_come(tmp_path: Path) -> None:
    files = made(tmp_path, hls_flags="omit_endlist")
    with http_server(by_path(served(files))) as (url, _), opened(f"{url}/live.m3u8") as source:
        assert source.info.live
        assert len(take(source, 20)) == 20


@pytest.mark.parametrize("name", ["live.m3u8", "all.m3u8"])
def test_a_live_playlist_without_a_segment_yet_is_waited_for(name: str, tmp_path: Path) -> None:
    """Its own, and that of a quality: an encoder that has just begun may name parts of its first segment alone."""
    files = made(tmp_path, hls_flags="omit_endlist")
    begun = b'#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXT-X-PART-INF:PART-TARGET=0.5\n#EXT-X-PART:DURATION=0.5,URI="a.ts"\n'
    lists = [*3 * [begun], files["live.m3u8"]]
    several = b"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=100000\nlive.m3u8\n"
    answers = {**served(files), "/all.m3u8": whole(several, _KIND)}
    answers["/live.m3u8"] = lambda handler: whole(lists.pop(0) if len(lists) > 1 else lists[0], _KIND)(handler)
    with http_server(by_path(answers)) as (url, _):
        with pytest.raises(SourceError, match="its playlist names no segment yet$") as caught:
            open_source(f"{url}/{name}", QUICK)
        assert caught.value.away
        with opened(f"{url}/{name}", SourceOptions(stall_timeout_s=2.0, wait=True)) as source:
            frames = take(source, 20)
    assert [clips.read_number(frame.image) for frame in frames] == [*range(20)]


@pytest.mark.skipif(not hasattr(av.stream, "Discard"), reason="PyAV below 17 reads all streams")
def test_of_several_qualities_only_the_one_that_is_shown_is_fetched_on(tmp_path: Path) -> None:
    lines = ["#EXTM3U"]
    for name, size in (("small", (160, 120)), ("large", (320, 240))):
        given = {"hls_time": "1", "hls_list_size": "0"}
        path = tmp_path / f"{name}.m3u8"
        clips.clip(path, frames=100, size=size, format="hls", container_options=given, options={"g": "25", "bf": "0"})
        lines += [f"#EXT-X-STREAM-INF:BANDWIDTH={size[0]}000,RESOLUTION={size[0]}x{size[1]}", path.name]
    (tmp_path / "live.m3u8").write_text("\n".join(lines))
    with http_server(folder=tmp_path) as (url, asked), opened(f"{url}/live.m3u8") as source:
        frames = list(source)
    assert [clips.read_number(frame.image) for frame in frames] == list(range(100))
    assert frames[0].width == 320
    assert {"/large2.ts", "/large3.ts"} <= set(asked)
    assert not {"/small2.ts", "/small3.ts"} & set(asked)


def test_a_server_for_each_segment_leaves_no_connection_for_each(tmp_path: Path) -> None:
    files = made(tmp_path, 250, hls_time="0.4", hls_flags="split_by_time")
    names = [name for name in files if name.endswith(".ts")]
    assert len(names) >= 20
    with http_server(by_path(answers := served(files)), keep_alive=True) as (url, _):
        playlist = files["live.m3u8"].decode()
        for number, name in enumerate(names):  # in other letters it is another name for us
            host = "".join(each.upper() if number >> at & 1 else each for at, each in enumerate("localhost"))
            playlist = playlist.replace(f"\n{name}\n", f"\nhttp://{host}:{url.rpartition(':')[2]}/{name}\n")
        answers["/live.m3u8"] = whole(playlist.encode(), _KIND)
        with without_collector(socket.socket) as more, opened(f"{url}/live.m3u8") as source:
            frames = iter(source)
            numbers = [clips.read_number(next(frames).image) for _ in range(249)]
            until(lambda: more() <= 2 * 9, "the server at the other ends of connections seen their end")
    assert numbers == list(range(249))


class Broadcast:
    """A live playlist on a server that says of each segment which state it has; nothing in it is new until `go_on`."""

    def __init__(self, files: dict[str, bytes], *, ends: bool = False) -> None:
        self.answers: dict[str, Answer] = {f"/{name}": Ranges(body) for name, body in files.items()}
        self._lines, self._ends, self.played = files["live.m3u8"].decode().splitlines(), ends, PlayedSegments()
        self.go_on(2)

    def go_on(self, segments: int) -> None:
        """So many segments are in it."""
        last = [at for at, line in enumerate(self._lines) if not line.startswith("#")][segments - 1]
        lines = [*self._lines[: last + 1], *(["#EXT-X-ENDLIST"] if self._ends else [])]
        self.answers["/live.m3u8"] = whole("\n".join(lines).encode(), _KIND)

    def numbers(self, url: str, *, live: bool | None = None) -> list[int]:
        """What is shown on one more connection, until it is silent or ends."""
        address, options = read_address(f"{url}/live.m3u8"), SourceOptions(stall_timeout_s=0.5)
        found = []
        with contextlib.suppress(SourceError):
            for frame in open_web(address, options, self.played, live=live):
                found.append(clips.read_number(frame.image))
        return found


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("ends", [False, True])
def test_what_was_shown_before_a_connection_broke_is_not_shown_again(
    ends: bool, form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hls, "OPEN_TIMEOUT_S", 0.5)
    given = {**FORMS[form], "hls_flags": "omit_endlist+single_file" if form == "one file" else "omit_endlist"}
    there = Broadcast(made(tmp_path, 75, **given), ends=ends)
    with http_server(by_path(there.answers)) as (url, _):
        assert there.numbers(url) == list(range(50))
        assert there.numbers(url, live=True) == []
        there.go_on(3)
        assert there.numbers(url, live=True) == list(range(50, 75))


def test_of_a_playlist_of_ten_segments_that_ended_nothing_is_shown_again(tmp_path: Path) -> None:
    there = Broadcast(made(tmp_path, 250, hls_flags="omit_endlist"), ends=True)
    there.go_on(10)
    with http_server(by_path(there.answers)) as (url, _):
        assert there.numbers(url) == list(range(250))
        assert there.numbers(url, live=True) == []


def test_the_key_of_an_encrypted_playlist_is_fetched_on_each_connection(tmp_path: Path) -> None:
    keys, live = tmp_path / "keys", tmp_path / "live"
    keys.mkdir()
    live.mkdir()
    (keys / "my.key").write_bytes(bytes(range(16)))
    (keys / "info").write_text(f"my.key\n{keys / 'my.key'}\n")
    files = made(live, hls_flags="omit_endlist", hls_key_info_file=str(keys / "info"))
    there = Broadcast({**files, "my.key": bytes(range(16))}, ends=True)
    with http_server(by_path(there.answers)) as (url, _):
        assert there.numbers(url) == list(range(50))
        assert there.numbers(url, live=True) == list(range(50))


def test_a_playlist_in_which_nothing_is_new_is_told(tmp_path: Path) -> None:
    there = Broadcast(made(tmp_path, hls_flags="omit_endlist"), ends=True)
    with http_server(by_path(there.answers)) as (url, _):
        assert there.numbers(url) == list(range(50))
        with pytest.raises(SourceError, match="its playlist names nothing new"):
            open_web(read_address(f"{url}/live.m3u8"), QUICK, there.played, live=True)


def test_a_segment_that_is_another_by_the_same_name_is_shown(tmp_path: Path) -> None:
    there = Broadcast(made(tmp_path, hls_flags="omit_endlist"))
    with http_server(by_path(there.answers)) as (url, _):
        assert there.numbers(url) == list(range(50))
        there.answers["/live1.ts"] = Ranges((tmp_path / "live1.ts").read_bytes(), tag='"2"')
        assert there.numbers(url, live=True) == list(range(25, 50))


def test_a_film_that_is_sent_in_circles_is_shown_again(tmp_path: Path) -> None:
    there = Broadcast(made(tmp_path, hls_flags="omit_endlist"))
    with http_server(by_path(there.answers)) as (url, _):
        assert there.numbers(url) == list(range(50))
        there.played.extend((f"{url}/later{number}.ts", "", "state") for number in range(16))
        assert there.numbers(url, live=True) == list(range(50))


@pytest.mark.parametrize("algorithm", ["MD5", "SHA-256"])
def test_the_login_opens_all_that_lies_on_the_playlists_own_server(algorithm: str, tmp_path: Path) -> None:
    files, keeper = made(tmp_path), Authenticator(algorithm=algorithm, qop="auth")
    with http_server(guarded(keeper, by_path(served(files)))) as (url, _), opened(with_login(url)) as source:
        assert len(list(source)) == 50
    assert keeper.wrong == 0


def test_segments_elsewhere_are_fetched_without_login_and_cookies(tmp_path: Path) -> None:
    files, seen = made(tmp_path), list[str]()

    def watched(inside: Answer) -> Answer:
        def answer(handler: Any) -> None:
            seen.append(str(handler.headers))
            inside(handler)

        return answer

    keeper = Authenticator(basic=True)
    with http_server(watched(by_path(served(files)))) as (other, _):
        there = other.replace("127.0.0.1", "localhost")
        playlist = files["live.m3u8"].replace(b"live0", f"{there}/live0".encode())
        playlist = playlist.replace(b"\nlive1", f"\n{there.replace('//', '//x:y@')}/live1".encode())
        answers = {"/live.m3u8": whole(playlist, _KIND, Set_Cookie="a=hunter2")}
        with http_server(guarded(keeper, by_path(answers))) as (url, _), opened(with_login(url)) as source:
            assert len(list(source)) == 50
    assert len(seen) == 2
    assert not any("authorization" in each.lower() or "cookie" in each.lower() for each in seen)


def test_a_variable_in_a_playlist_is_not_filled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STREAMSEG_SECRET", "hunter2")
    playlist = made(tmp_path)["live.m3u8"].replace(b"live0.ts", b"live0.ts?x=${STREAMSEG_SECRET}")
    with http_server(by_path({"/live.m3u8": whole(playlist, _KIND)})) as (url, asked), pytest.raises(StreamsegError):
        list(open_source(f"{url}/live.m3u8", QUICK))
    assert "hunter2" not in str(asked)


def test_redirects_of_segments_are_followed_within_the_server_alone(tmp_path: Path) -> None:
    files = made(tmp_path)
    answers = served(files)
    answers |= {"/live0.ts": moved("/x/live0.ts"), "/x/live0.ts": whole(files["live0.ts"])}
    with http_server(by_path(answers)) as (url, _), opened(f"{url}/live.m3u8") as source:
        assert len(list(source)) == 50
    with http_server(by_path(served(files))) as (other, asked), http_server(by_path(answers)) as (url, _):
        answers["/live0.ts"] = moved(f"{other}/live0.ts")
        with pytest.raises(SourceError, match="sends us to another server"):
            list(open_source(f"{url}/live.m3u8", QUICK))
    assert asked == []


def test_a_segment_that_is_missing_is_told_at_the_end(tmp_path: Path) -> None:
    answers = served(made(tmp_path))
    del answers["/live1.ts"]
    with http_server(by_path(answers)) as (url, _), opened(f"{url}/live.m3u8") as source:
        numbers = []
        with pytest.raises(SourceError, match="no such stream"):
            for frame in source:
                numbers.append(clips.read_number(frame.image))
    assert numbers == list(range(25))


@pytest.mark.parametrize("kind", ["mpegts", "fmp4"])
def test_a_server_that_sends_whole_files_where_parts_are_asked_for_is_named(kind: str, tmp_path: Path) -> None:
    files = made(tmp_path, hls_flags="single_file", hls_segment_type=kind)
    shown = list[Frame]()
    says = pytest.raises(SourceError, match="names parts of files, and the server sends whole ones")
    with http_server(by_path(served(files))) as (url, _), says, opened(f"{url}/live.m3u8") as source:
        shown += source
    assert [clips.read_number(frame.image) for frame in shown] == list(range(25 if kind == "mpegts" else 0))


def test_encrypted_segments_are_left_to_ffmpeg(tmp_path: Path) -> None:
    key = tmp_path / "key.info"
    (tmp_path / "my.key").write_bytes(bytes(range(16)))
    key.write_text(f"my.key\n{tmp_path / 'my.key'}\n")
    files, keeper = made(tmp_path, hls_key_info_file=str(key)), Authenticator()
    assert b"AES-128" in files["live.m3u8"]
    with http_server(guarded(keeper, by_path(served(files)))) as (url, _), opened(with_login(url)) as source:
        assert len(list(source)) == 50


def test_playlists_that_name_one_another_end_in_a_line() -> None:
    master = b"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n/x.m3u8\n"
    with (
        http_server(whole(master, _KIND)) as (url, asked),
        pytest.raises(SourceError, match=r"its playlists name one another|no answer that is a video"),  # newer FFmpeg
    ):
        open_source(f"{url}/x.m3u8", QUICK)
    assert len(asked) < 1000


def test_a_playlist_that_names_what_is_no_text_ends_in_a_line() -> None:
    playlist = b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n\xff.ts\n#EXT-X-ENDLIST\n"
    with (
        http_server(whole(playlist, _KIND)) as (url, _),
        pytest.raises(SourceError, match="no answer that is a video stream"),
    ):
        open_source(f"{url}/x.m3u8", QUICK)
