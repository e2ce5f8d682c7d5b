from __future__ import annotations

import logging
import struct
import time
import zlib
from pathlib import Path

import numpy as np
import pytest
import tifffile

from streamseg.capture import open_source
from streamseg.errors import InputError
from streamseg.imagefile import read_image
from streamseg.options import SourceOptions
from tests.parts import bombs, picture_files


@pytest.mark.parametrize("name", picture_files.TIFFS)
def test_all_pages_of_every_kind_are_seen(name: str, tmp_path: Path) -> None:
    path = tmp_path / ("a.ome.tif" if name == "ome" else "a.tif")
    wanted = picture_files.TIFFS[name](path)
    found = list(open_source(str(path)))
    assert len(found) == len(wanted)
    for frame, picture in zip(found, wanted, strict=True):
        assert frame.image.shape == picture.shape
        assert np.abs(frame.image.astype(int) - picture).max() <= (6 if "CMYK" in name else 1)
    assert [frame.page for frame in found] == (list(range(len(found))) if len(found) > 1 else [None])
    assert {frame.file for frame in found} == {path.name}
    assert (read_image(path) == found[0].image).all()


def test_one_range_holds_for_a_whole_stack_and_is_said_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    page = np.tile(np.linspace(100, 1000, 80), (48, 1))
    pages = np.stack([page, page * 2, page * 4]).astype(np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", pages, photometric="minisblack")
    source = open_source(str(tmp_path / "a.tif"))
    means = [frame.image.mean() for frame in source]
    wanted = (pages.astype(float) - 100) * 255 / (4000 - 100)
    assert means == pytest.approx(wanted.mean((1, 2)).tolist(), abs=0.6)
    (record,) = caplog.records
    assert "100 is shown as black, 4000 as white" in record.getMessage()
    assert (source.info.frames, source.info.moving) == (3, False)


def test_pages_come_at_the_rate_asked_for(tmp_path: Path) -> None:
    picture_files.TIFFS["bytes"](tmp_path / "a.tif")
    times = [frame.time_s for frame in open_source(str(tmp_path / "a.tif"), SourceOptions(fps=10))]
    assert times == pytest.approx([0, 0.1, 0.2, 0.3, 0.4])
    assert [frame.time_s for frame in open_source(str(tmp_path / "a.tif"))] == [0, 1, 2, 3, 4]


def test_values_that_are_no_numbers_are_black_or_white_or_left_out(tmp_path: Path) -> None:
    values = np.linspace(-1, 1, 12, dtype=np.float32).reshape(3, 4)
    values[0, 1], values[0, 2], values[1, 0] = np.nan, np.inf, -np.inf
    tifffile.imwrite(tmp_path / "a.tif", values, photometric="minisblack")
    image = read_image(tmp_path / "a.tif")[..., 0]
    assert (image[0, 1], image[0, 2], image[1, 0]) == (0, 255, 0)
    assert (image[0, 0], image[2, 3]) == (0, 255)


def test_a_damaged_page_costs_itself_alone(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    tifffile.imwrite(tmp_path / "a.tif", np.stack([picture_files.grey(seed) for seed in range(4)]),
                     photometric="minisblack", compression="zlib")  # fmt: skip
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        at = file.pages[1].dataoffsets[0]
    raw = bytearray((tmp_path / "a.tif").read_bytes())
    raw[at : at + 40] = bytes(40)
    (tmp_path / "a.tif").write_bytes(raw)
    source = open_source(str(tmp_path / "a.tif"))
    assert len(list(source)) == 3
    assert source.counters["unreadable"] == 1
    assert "page 2" in caplog.text


def test_a_stack_that_was_cut_off_has_the_pages_that_are_there(tmp_path: Path) -> None:
    picture_files.TIFFS["pages not announced"](tmp_path / "a.tif")
    raw = (tmp_path / "a.tif").read_bytes()
    (tmp_path / "a.tif").write_bytes(raw[: -picture_files.HEIGHT * picture_files.WIDTH * 3])
    assert len(list(open_source(str(tmp_path / "a.tif")))) == 4


@pytest.mark.slow
def test_a_small_strip_that_unpacks_to_much_fills_no_memory(tmp_path: Path) -> None:
    squeeze = zlib.compressobj(9)
    much = b"".join(squeeze.compress(bytes(1 << 20)) for _ in range(1500)) + squeeze.flush()
    place = 8 + 2 + 12 * 9 + 4
    head = picture_files.tiff_of(
        (256, 3, 1, 64), (257, 3, 1, 64), (258, 3, 1, 8), (259, 3, 1, 8), (262, 3, 1, 1), (273, 4, 1, place),
        (277, 3, 1, 1), (278, 3, 1, 64), (279, 4, 1, len(much)),
    )  # fmt: skip
    (tmp_path / "a.tif").write_bytes(head + much)
    code = "frames = list(open_source(sys.argv[1]))\nprint(len(frames))"
    said, grown_kib = bombs.measured(f"try:\n    {code}\nexcept StreamsegError as error:\n    print(error)"
                                     .replace("\nprint", "\n    print"), tmp_path / "a.tif")  # fmt: skip
    assert grown_kib < 120_000, said


@pytest.mark.parametrize("sides", [(60_000, 60_000), (70_000, 2000)])
def test_a_page_that_promises_too_much_is_refused_from_its_header(sides: tuple[int, int], tmp_path: Path) -> None:
    head = picture_files.tiff_of((256, 4, 1, sides[0]), (257, 4, 1, sides[1]), (258, 3, 1, 8), (259, 3, 1, 1),
                                 (262, 3, 1, 1), (273, 4, 1, 8), (277, 3, 1, 1), (279, 4, 1, 100))  # fmt: skip
    (tmp_path / "a.tif").write_bytes(head + bytes(200))
    with pytest.raises(InputError, match="megapixels"):
        open_source(str(tmp_path / "a.tif"))


def test_a_page_of_too_many_values_a_pixel_is_refused(tmp_path: Path) -> None:
    head = picture_files.tiff_of((256, 4, 1, 4000), (257, 4, 1, 4000), (258, 3, 1, 8), (259, 3, 1, 1),
                                 (262, 3, 1, 1), (273, 4, 1, 8), (277, 3, 1, 60_000), (279, 4, 1, 100))  # fmt: skip
    (tmp_path / "a.tif").write_bytes(head + bytes(200))
    with pytest.raises(InputError):
        open_source(str(tmp_path / "a.tif"))


def test_pages_that_go_round_in_a_circle_end(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", np.stack([picture_files.grey()] * 3), photometric="minisblack")
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        places = [page.offset for page in file.pages]
    raw = bytearray((tmp_path / "a.tif").read_bytes())
    (tags,) = struct.unpack_from("<H", raw, places[-1])
    struct.pack_into("<I", raw, places[-1] + 2 + 12 * tags, places[0])
    (tmp_path / "a.tif").write_bytes(raw)
    assert 1 <= len(list(open_source(str(tmp_path / "a.tif")))) <= 3


def test_more_pages_than_anybody_has_are_refused_in_time(tmp_path: Path) -> None:
    count = 200_000
    directory = struct.pack("<HHHII", 1, 256, 3, 1, 5)
    body = b"".join(directory + struct.pack("<I", 8 + 18 * (number + 1)) for number in range(count - 1))
    (tmp_path / "a.tif").write_bytes(b"II*\0" + struct.pack("<I", 8) + body + directory + bytes(4))
    started_s = time.monotonic()
    with pytest.raises(InputError, match="200,000 pages"):
        open_source(str(tmp_path / "a.tif"))
    assert time.monotonic() - started_s < 60  # it takes half a second; one that is looked at page by page, a minute


@pytest.mark.parametrize("seed", range(40))
def test_gnawed_files_are_pictures_or_one_line(seed: int, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    dice = np.random.default_rng(seed)
    name = list(picture_files.TIFFS)[seed % len(picture_files.TIFFS)]
    picture_files.TIFFS[name](tmp_path / "a.tif")
    raw = bytearray((tmp_path / "a.tif").read_bytes())
    for at in dice.integers(0, min(len(raw), 600), 12):
        raw[at] = int(dice.integers(256))
    (tmp_path / "a.tif").write_bytes(raw)
    with caplog.at_level(logging.WARNING):
        try:
            frames = list(open_source(str(tmp_path / "a.tif"), SourceOptions(max_megapixels=4)))
        except InputError as error:
            assert "\n" not in str(error)
        else:
            assert all(frame.image.ndim == 3 for frame in frames)
    assert all(record.name.startswith("streamseg") for record in caplog.records)


def test_what_cannot_be_unpacked_is_named(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", picture_files.grey(), photometric="minisblack")
    raw = (tmp_path / "a.tif").read_bytes()
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        at = file.pages[0].tags[259].valueoffset
    (tmp_path / "a.tif").write_bytes(raw[:at] + struct.pack("<H", 34712) + raw[at + 2 :])
    with pytest.raises(InputError, match="jpeg2000"):
        read_image(tmp_path / "a.tif")


@pytest.mark.parametrize("taken", [0, 2, 5])
def test_the_file_is_closed_behind_whoever_reads_it(taken: int, tmp_path: Path) -> None:
    picture_files.TIFFS["bytes"](tmp_path / "a.tif")
    source = open_source(str(tmp_path / "a.tif"))
    for frame in source:
        if frame.index >= taken:
            source.close()
    names = [str(link.readlink()) for link in Path("/proc/self/fd").iterdir() if link.is_symlink()]
    assert str(tmp_path / "a.tif") not in names


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_page_without_any_number_is_black(value: float, tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", np.full((3, 4), value, np.float32), photometric="minisblack")
    assert not read_image(tmp_path / "a.tif").any()


def test_a_deep_page_that_nobody_looked_at_before_is_shown_by_its_own_range(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        for number in range(200):
            kind = np.uint16 if number == 1 else np.uint8
            file.write(np.arange(12, dtype=kind).reshape(3, 4) * 20, photometric="minisblack")
    frames = list(open_source(str(tmp_path / "a.tif")))
    assert len(frames) == 200
    assert (frames[1].image[0, 0, 0], frames[1].image[2, 3, 0]) == (0, 255)


def test_complex_values_are_one_line(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", np.full((2, 3, 4), 1 + 1j, np.complex64), photometric="minisblack")
    with pytest.raises(InputError, match="complex64 cannot be shown"):
        read_image(tmp_path / "a.tif")


def test_a_page_without_a_size_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "a.tif").write_bytes(b"II*\0\x08\0\0\0" + bytes(100))
    with pytest.raises(InputError, match="not a picture"):
        read_image(tmp_path / "a.tif")
