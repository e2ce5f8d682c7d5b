"""HLS: everything that a playlist names is fetched by our own client."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import av
import pytest

from streamseg.capture import open_source
from streamseg.errors import SourceError, StreamsegError
from streamseg.frame import Frame
from streamseg.options import SourceOptions
from tests.parts import clips
from tests.parts.authenticator import Authenticator
from tests.parts.http_answers import Ranges, by_path, guarded, moved, whole
from tests.parts.http_server import Answer, http_server
from tests.parts.leftovers import without_collector
from tests.parts.patience import until
from tests.parts.playlists import FORMS, PLAYLIST, made, served
from tests.parts.sources import QUICK, opened, take


def with_login(url: str) -> str:
    return url.replace("://", "://admin:my%20pass@") + "/live.m3u8"


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
    answers = {**served(files), "/all.m3u8": whole(several, PLAYLIST)}
    answers["/live.m3u8"] = lambda handler: whole(lists.pop(0) if len(lists) > 1 else lists[0], PLAYLIST)(handler)
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
        answers["/live.m3u8"] = whole(playlist.encode(), PLAYLIST)
        with without_collector(socket.socket) as more, opened(f"{url}/live.m3u8") as source:
            frames = iter(source)
            numbers = [clips.read_number(next(frames).image) for _ in range(249)]
            until(lambda: more() <= 2 * 9, "the server at the other ends of connections seen their end")
    assert numbers == list(range(249))


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
        answers = {"/live.m3u8": whole(playlist, PLAYLIST, Set_Cookie="a=hunter2")}
        with http_server(guarded(keeper, by_path(answers))) as (url, _), opened(with_login(url)) as source:
            assert len(list(source)) == 50
    assert len(seen) == 2
    assert not any("authorization" in each.lower() or "cookie" in each.lower() for each in seen)


def test_a_variable_in_a_playlist_is_not_filled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STREAMSEG_SECRET", "hunter2")
    playlist = made(tmp_path)["live.m3u8"].replace(b"live0.ts", b"live0.ts?x=${STREAMSEG_SECRET}")
    with http_server(by_path({"/live.m3u8": whole(playlist, PLAYLIST)})) as (url, asked), pytest.raises(StreamsegError):
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
        http_server(whole(master, PLAYLIST)) as (url, asked),
        pytest.raises(SourceError, match=r"its playlists name one another|no answer that is a video"),  # newer FFmpeg
    ):
        open_source(f"{url}/x.m3u8", QUICK)
    assert len(asked) < 1000


def test_a_playlist_that_names_what_is_no_text_ends_in_a_line() -> None:
    playlist = b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n\xff.ts\n#EXT-X-ENDLIST\n"
    with (
        http_server(whole(playlist, PLAYLIST)) as (url, _),
        pytest.raises(SourceError, match="no answer that is a video stream"),
    ):
        open_source(f"{url}/x.m3u8", QUICK)
