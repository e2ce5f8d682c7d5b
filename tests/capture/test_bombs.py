"""Small files that promise enormous pictures cost neither memory nor time."""

from __future__ import annotations

from pathlib import Path

import pytest

from streamseg.errors import InputError
from streamseg.render.background import Replace
from tests.parts import bombs

_ROOM_KIB = 300_000  # a decoder's own tables, once for each of its threads; one such picture takes another 800 MB
_TAKE = """
frames = 0
try:
    for frame in open_source(sys.argv[1]):
        frames += 1
        assert frame.width * frame.height < 64e6
    print(frames, 'frames')
except StreamsegError as error:
    print(frames, error)
"""


@pytest.mark.parametrize("name", bombs.picture_formats())
def test_a_picture_bomb_of_any_kind_is_refused_from_its_header(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(bombs.picture_formats()[name])
    said, grown_kib = bombs.measured(_TAKE, tmp_path / name)
    assert said.startswith("0 ") and ("megapixels" in said or "not a picture" in said), said
    assert grown_kib < 20_000


def test_a_background_bomb_is_refused_from_its_header(tmp_path: Path) -> None:
    path = tmp_path / "photo.jpg"
    path.write_bytes(bombs.jpeg(30_000))
    with pytest.raises(InputError, match="megapixels"):
        Replace(str(path))


@pytest.mark.parametrize("name", bombs.VIDEOS)
def test_a_video_bomb_is_refused_at_open_and_at_every_change_of_size(name: str, tmp_path: Path) -> None:
    said, grown_kib = bombs.measured(_TAKE, bombs.VIDEOS[name](tmp_path / name))
    assert grown_kib < _ROOM_KIB, said
    frames = int(said.split()[0])
    assert frames >= {"pictures.avi": 10, "later.h264": 24}.get(name, 0), said


@pytest.mark.slow
def test_the_bombs_are_live_where_nobody_looks(tmp_path: Path) -> None:
    """Without limits the same file does fill the memory, so the tests above can fail."""
    code = "import av\nwith av.open(sys.argv[1]) as container:\n    print(next(container.decode(video=0)).width)\n"
    said, grown_kib = bombs.measured(code, bombs.h264(tmp_path / "bomb.h264"), limit_bytes=8 << 30)
    assert int(said) == bombs.SIDE
    assert grown_kib > _ROOM_KIB
