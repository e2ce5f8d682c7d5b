from __future__ import annotations

import logging
import warnings
from pathlib import Path

import pytest
from PIL.Image import DecompressionBombWarning

from streamseg.errors import InputError
from streamseg.imagefile.contract import check_bytes, check_size, quiet, unreadable


def sparse(path: Path, size: int) -> Path:
    """A file of that many bytes, of which none is on the disk."""
    with path.open("wb") as file:
        file.truncate(size)
    return path


def test_a_picture_as_large_as_allowed_is_taken_and_one_row_more_is_not() -> None:
    check_size(1000, 1000, "a.png", 1.0)
    with pytest.raises(InputError, match=r"^a\.png: 1000x1001 is more than 1 megapixels \(--max-megapixels 2\)$"):
        check_size(1000, 1001, "a.png", 1.0)


def test_sizes_that_no_machine_word_holds_are_refused() -> None:
    with pytest.raises(InputError, match="more than 64 megapixels"):
        check_size(1 << 40, 1 << 40, "a.png", 64)


def test_a_part_of_a_megapixel_is_told_as_such() -> None:
    with pytest.raises(InputError, match=r"more than 0\.5 megapixels"):
        check_size(1000, 501, "a.png", 0.5)


def test_a_file_may_hold_what_its_pixels_can_need_and_something_beside(tmp_path: Path) -> None:
    most = 16 * 1_000_000 + (1 << 28)
    check_bytes(sparse(tmp_path / "a.tif", most), 1.0)
    with pytest.raises(InputError, match=r"a\.tif: 284,435,457 bytes are more than a picture of 1 megapixels has"):
        check_bytes(sparse(tmp_path / "a.tif", most + 1), 1.0)


def test_what_cannot_be_read_is_one_line_without_the_librarys_words() -> None:
    error = unreadable(Path("in/a.png"))
    assert isinstance(error, InputError)
    assert str(error) == "in/a.png: not a picture that can be read"


def test_pillow_says_nothing_by_itself(caplog: pytest.LogCaptureFixture) -> None:
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        with quiet():
            warnings.warn("a bomb", DecompressionBombWarning, stacklevel=1)
            logging.getLogger("PIL.TiffImagePlugin").error("a strange tag")
        assert heard == []
        warnings.warn("outside", UserWarning, stacklevel=1)
        assert len(heard) == 1
    assert caplog.records == []
