from __future__ import annotations

import os
from pathlib import Path

import av
import pytest

from streamseg import __version__
from streamseg.provenance import is_signed, sign
from tests.parts.clips import BROKEN, clip, numbered

KINDS = ["mp4", "mov", "mkv", "webm", "ts"]


def written(path: Path, *, signed: bool, comment: str = "") -> Path:
    codec = "libvpx" if path.suffix == ".webm" else "libx264"
    with av.open(str(path), "w") as container:
        if signed:
            sign(container)
        if comment:
            container.metadata["comment"] = comment
        stream = container.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = 160, 120, "yuv420p"
        for number in range(25):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(numbered(number, 160, 120), format="bgr24")))
        container.mux(stream.encode(None))
    return path


@pytest.mark.parametrize("kind", KINDS)
def test_a_video_is_known_again_in_every_container_that_streamseg_writes(kind: str, tmp_path: Path) -> None:
    assert is_signed(written(tmp_path / f"a.{kind}", signed=True))


@pytest.mark.parametrize("kind", KINDS)
def test_a_video_of_others_is_not_ours(kind: str, tmp_path: Path) -> None:
    assert not is_signed(written(tmp_path / f"a.{kind}", signed=False))


@pytest.mark.parametrize("comment", ["made with streamseg 1.0", "streamsegments", "Streamseg 1"])
def test_a_comment_of_others_that_speaks_of_it_is_no_mark(comment: str, tmp_path: Path) -> None:
    assert not is_signed(written(tmp_path / "a.mp4", signed=False, comment=comment))


def test_the_mark_of_another_version_counts(tmp_path: Path) -> None:
    assert is_signed(written(tmp_path / "a.mkv", signed=False, comment="streamseg 0.0.1"))


def test_the_mark_names_the_version(tmp_path: Path) -> None:
    with av.open(str(written(tmp_path / "a.mkv", signed=True))) as container:
        assert {key.lower(): value for key, value in container.metadata.items()}[
            "comment"
        ] == f"streamseg {__version__}"


@pytest.mark.parametrize("name", [*(name for name in BROKEN if name.endswith(("mp4", "avi"))), "missing.mp4", "folder"])
def test_what_is_no_video_is_not_ours_and_no_trouble(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    if name in BROKEN:
        BROKEN[name](path)
    elif name == "folder":
        path.mkdir()
    assert not is_signed(path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_what_may_not_be_read_is_not_ours(tmp_path: Path) -> None:
    path = written(tmp_path / "a.mp4", signed=True)
    path.chmod(0)
    assert not is_signed(path)


def test_a_name_that_looks_like_an_address_is_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    written(tmp_path / "a.mkv", signed=True).rename("pipe:0.mkv")
    assert is_signed(Path("pipe:0.mkv"))


def test_a_list_that_names_a_marked_video_is_not_opened(tmp_path: Path) -> None:
    """A playlist makes the reader fetch what it names."""
    written(tmp_path / "index-0.ts", signed=True)
    (tmp_path / "index.m3u8").write_text("#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:0.1,\nindex-0.ts\n#EXT-X-ENDLIST\n")
    assert not is_signed(tmp_path / "index.m3u8")


def test_a_clip_without_any_metadata_is_read(tmp_path: Path) -> None:
    assert not is_signed(clip(tmp_path / "a.avi", frames=3, size=(64, 48)))
