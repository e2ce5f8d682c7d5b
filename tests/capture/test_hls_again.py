"""HLS: what was shown before a connection broke."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest

from streamseg.capture import hls
from streamseg.capture.hls import PlayedSegments
from streamseg.capture.web import open_web
from streamseg.errors import SourceError
from streamseg.net.urls import read_address
from streamseg.options import SourceOptions
from tests.parts import clips
from tests.parts.http_answers import Ranges, by_path, whole
from tests.parts.http_server import Answer, http_server
from tests.parts.playlists import FORMS, PLAYLIST, made
from tests.parts.sources import QUICK


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
        self.answers["/live.m3u8"] = whole("\n".join(lines).encode(), PLAYLIST)

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
