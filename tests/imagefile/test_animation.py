from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import PIL.features
import PIL.Image
import pytest

from streamseg.capture import open_source
from streamseg.errors import InputError
from streamseg.imagefile import open_images, read_image
from streamseg.options import SourceOptions
from tests.parts import picture_files

HOW = {"a.png": {}, "a.webp": {"lossless": True, "exact": True}}
TIMES_MS = [200, 40, 1000, 120]


@pytest.mark.parametrize("name", HOW)
def test_all_pictures_come_at_their_own_times(name: str, tmp_path: Path) -> None:
    wanted = picture_files.animation(tmp_path / name, TIMES_MS, **HOW[name])
    source = open_source(str(tmp_path / name))
    found = list(source)
    assert (source.info.frames, source.info.moving) == (4, True)
    assert [frame.time_s for frame in found] == pytest.approx([0, 0.2, 0.24, 1.24])
    assert all((frame.image == picture).all() for frame, picture in zip(found, wanted, strict=True))
    assert (read_image(tmp_path / name) == wanted[0]).all()


@pytest.mark.parametrize("name", HOW)
def test_a_rate_that_is_asked_for_counts_instead(name: str, tmp_path: Path) -> None:
    picture_files.animation(tmp_path / name, TIMES_MS)
    uri = f"{tmp_path}/*{Path(name).suffix}"
    assert [frame.time_s for frame in open_source(uri, SourceOptions(fps=4))] == pytest.approx([0, 0.25, 0.5, 0.75])


def test_an_animation_among_pictures_is_shown_whole(tmp_path: Path) -> None:
    picture_files.animation(tmp_path / "b.png", TIMES_MS)
    for name in ("a.png", "c.png"):
        PIL.Image.fromarray(picture_files.grey()).save(tmp_path / name)
    times = [frame.time_s for frame in open_source(str(tmp_path))]
    assert times == pytest.approx([0, 1, 1.2, 1.24, 2.24, 2.36])


def test_pictures_that_say_they_last_no_time_last_as_long_as_in_a_browser(tmp_path: Path) -> None:
    picture_files.animation(tmp_path / "a.webp", [0, 10, 0], lossless=True)
    assert [frame.time_s for frame in open_source(str(tmp_path / "a.webp"))] == pytest.approx([0, 0.1, 0.2])


def test_the_picture_for_who_cannot_show_an_animation_is_no_part_of_it(tmp_path: Path) -> None:
    images = [PIL.Image.fromarray(picture_files.grey(seed)) for seed in range(3)]
    images[0].save(tmp_path / "a.png", save_all=True, append_images=images[1:], duration=100, default_image=True)
    found = list(open_source(str(tmp_path / "a.png")))
    assert [(frame.image[..., 0] == picture_files.grey(seed)).all() for frame, seed in zip(found, (1, 2), strict=True)]


@pytest.mark.skipif(not PIL.features.check("avif"), reason="this Pillow was built without AVIF")
def test_an_animated_avif_is_read_whole(tmp_path: Path) -> None:
    wanted = picture_files.animation(tmp_path / "a.avif", TIMES_MS, quality=95)
    found = list(open_source(str(tmp_path / "a.avif")))
    assert [frame.time_s for frame in found] == pytest.approx([0, 0.2, 0.24, 1.24])
    for frame, picture in zip(found, wanted, strict=True):
        assert np.abs(frame.image.astype(int) - picture).mean() < 6


@pytest.mark.parametrize("name", ["a.png", "a.webp"])
def test_an_animation_that_is_cut_off_gives_what_is_there(name: str, tmp_path: Path) -> None:
    picture_files.animation(tmp_path / name, TIMES_MS, **HOW[name])
    raw = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(raw[: len(raw) * 2 // 3])
    try:
        source = open_source(str(tmp_path / name))
        found = list(source)
    except InputError as error:
        assert "\n" not in str(error)
    else:
        assert 1 <= len(found) <= 4


def test_the_telephones_pictures_are_read_upright(tmp_path: Path) -> None:
    heif = pytest.importorskip("pillow_heif", reason="pillow-heif is not installed")
    heif.register_heif_opener()
    image = picture_files.soft()[..., ::-1].copy()
    exif = PIL.Image.Exif()
    exif[0x0112] = 6
    PIL.Image.fromarray(image).save(tmp_path / "IMG_1.HEIC", quality=95, exif=exif.tobytes())
    (frame,) = open_source(str(tmp_path / "IMG_1.HEIC"))
    wanted = picture_files.as_seen(image[..., ::-1], 6)
    assert frame.image.shape == wanted.shape
    assert np.abs(frame.image.astype(int) - wanted).mean() < 6
    assert len(list(open_source(str(tmp_path)))) == 1


def test_without_the_package_for_them_one_line_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    (tmp_path / "a.heic").write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(200))
    with pytest.raises(InputError, match="HEIF") as caught:
        open_images(tmp_path / "a.heic")
    assert caught.value.hint.endswith("pip install pillow-heif")


def test_junk_with_the_right_beginning_is_one_line(tmp_path: Path) -> None:
    for number, head in enumerate(
        (b"GIF89a", b"RIFF1234WEBPVP8X", b"\x89PNG\r\n\x1a\n", b"\0\0\0\x18ftypavif", b"II*\0")
    ):
        path = tmp_path / f"{number}.png"
        path.write_bytes(head + np.random.default_rng(number).bytes(3000))
        with pytest.raises(InputError) as caught:
            open_images(path)
        assert "\n" not in str(caught.value)
