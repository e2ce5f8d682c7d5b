"""What is larger than allowed is refused with the option that lets it in, and that option does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import av
import cv2
import pytest

import streamseg
from streamseg.capture import open_source
from streamseg.config import make_options
from streamseg.errors import InputError
from streamseg.options import SourceOptions
from tests.parts import bombs, clips, picture_files
from tests.parts.http_answers import picture, whole
from tests.parts.http_server import http_server
from tests.parts.sources import opened, take

SMALL = {"max_megapixels": "0.0001"}


def png(path: Path) -> None:
    cv2.imwrite(str(path), clips.numbered(0))


def gif(path: Path) -> None:
    picture_files.animation(path, [100, 100])


def tiff(path: Path) -> None:
    next(iter(picture_files.TIFFS.values()))(path)


def film(path: Path) -> None:
    clips.clip(path, frames=2)


def motion_jpeg(path: Path) -> None:
    with av.open(str(path), "w", format="mjpeg") as made:
        stream = made.add_stream("mjpeg", rate=25)
        stream.width, stream.height, stream.pix_fmt = 160, 120, "yuvj420p"
        made.mux(stream.encode(av.VideoFrame.from_ndarray(clips.numbered(0, 160, 120), "bgr24")))
        made.mux(stream.encode(None))


def jpegs(path: Path) -> None:
    path.write_bytes(picture(0) * 3)


FILES: dict[str, Callable[[Path], None]] = {
    "a.png": png, "a.gif": gif, "a.tif": tiff, "a.mp4": film, "many.jpg": jpegs, "a.jpg": png, "a.mjpeg": motion_jpeg
}  # fmt: skip

KINDS = {
    "a.gif": "image/gif",
    "a.png": "image/png",
    "a.jpg": "image/jpeg",
    "many.jpg": "image/jpeg",
    "a.mp4": "video/mp4",
}


@contextmanager
def served(name: str, path: Path) -> Iterator[str]:
    FILES[name](path / name)
    with http_server(whole((path / name).read_bytes(), KINDS[name])) as (url, _):
        yield f"{url}/{name}"


def asked(uri: str, **more: str) -> SourceOptions:
    return make_options({"source": uri, "wait": "false", **more}).capture


def refused(uri: str, **more: str) -> InputError:
    with pytest.raises(InputError, match="is more than .* megapixels") as caught:
        open_source(uri, asked(uri, **(more or SMALL))).close()
    return caught.value


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_is_too_large_names_the_option_that_lets_it_in(name: str, tmp_path: Path) -> None:
    FILES[name](tmp_path / name)
    uri = str(tmp_path / name)
    assert refused(uri).hint == "--max-megapixels 1"
    with opened(uri, asked(uri, max_megapixels="1")) as source:
        assert len(take(source, 1)) == 1


@pytest.mark.parametrize("name", KINDS)
def test_so_does_one_from_the_web(name: str, tmp_path: Path) -> None:
    with served(name, tmp_path) as uri:
        assert refused(uri).hint == "--max-megapixels 1"
        with opened(uri, asked(uri, max_megapixels="1")) as source:
            assert len(take(source, 1)) == 1


def test_so_does_a_generated_scene(tmp_path: Path) -> None:
    assert refused("test://?size=200x100").hint == "--max-megapixels 1"
    assert refused("test://", size="99999x9999", max_megapixels="64").hint == "--max-megapixels 1000"
    with opened("test://?size=200x100", asked("test://?size=200x100")) as source:
        assert (source.info.width, source.info.height) == (200, 100)


def test_the_option_names_the_megapixels_that_are_needed(tmp_path: Path) -> None:
    path = clips.picture_bomb(tmp_path / "a.png", 10_001)
    assert refused(str(path), max_megapixels="64").hint == "--max-megapixels 101"


def test_what_no_option_lets_in_names_none(tmp_path: Path) -> None:
    path = clips.picture_bomb(tmp_path / "a.png", 40_000)
    assert refused(str(path), max_megapixels="64").hint == "at most 1000 can be let in"


def test_a_program_sets_the_limit_by_an_argument(tmp_path: Path) -> None:
    png(tmp_path / "a.png")
    with pytest.raises(InputError, match=r"320x240 is more than 0\.05 megapixels \(--max-megapixels 1\)"):
        streamseg.open(tmp_path / "a.png", model="otsu", max_megapixels=0.05)
    streamseg.open(tmp_path / "a.png", model="otsu", max_megapixels=0.1).run()


@pytest.mark.parametrize("value", ["0", "1001", "-1", "nan", "much"])
def test_the_limit_has_a_range(value: str) -> None:
    with pytest.raises(InputError, match="max_megapixels: expected a number above 0 to 1000"):
        make_options({"source": "x", "max_megapixels": value})


def test_a_background_has_a_limit_that_no_option_changes(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(bombs.jpeg(30_000))
    with pytest.raises(InputError, match="more than 64 megapixels") as caught:
        streamseg.open("test://", "null", model="otsu", view="replace", background=tmp_path / "a.jpg")
    assert caught.value.hint == ""
