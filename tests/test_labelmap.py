from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from streamseg.errors import InputError
from streamseg.labelmap import generated, labelmap, palette, parse_labelmap, read_labelmap
from streamseg.segmentation import Classes


def classes(*colours: tuple[int, int, int], background: int | None = None) -> Classes:
    names = tuple(f"class {at}" for at in range(len(colours)))
    return Classes(names, np.array(colours, np.uint8), background)


def test_the_generated_colours_are_those_of_voc() -> None:
    first = [(0, 0, 0), (128, 0, 0), (0, 128, 0), (128, 128, 0), (0, 0, 128), (128, 0, 128), (0, 128, 128)]
    assert generated(7)[:, ::-1].tolist() == [list(each) for each in first]
    assert len({tuple(each) for each in generated(256).tolist()}) == 256


@pytest.mark.parametrize("background", [None, 0, 2])
def test_no_two_classes_share_a_colour_and_black_is_the_background(background: int | None) -> None:
    table = palette(classes((9, 9, 9), (0, 0, 0), (9, 9, 9), (1, 2, 3), background=background))
    found = [tuple(each) for each in table[:4].tolist()]
    assert len(set(found)) == 4
    assert [at for at, each in enumerate(found) if each == (0, 0, 0)] == ([] if background is None else [background])
    assert found[3] == (1, 2, 3)
    assert tuple(table[255].tolist()) not in found


def test_a_label_map_is_read_as_it_was_written_and_as_cvat_writes_it(tmp_path: Path) -> None:
    text = labelmap(classes((9, 9, 9), (3, 2, 1), background=0))
    assert text.splitlines()[1:] == ["background:0,0,0::", "class 1:1,2,3::"]
    path = tmp_path / "labelmap.txt"
    path.write_text(text.replace("class 1:1,2,3::", "class 1:1,2,3::\n\na:b:4,5,6:part,other:act\n"))
    assert read_labelmap(path) == {"background": (0, 0, 0), "class 1": (3, 2, 1), "a:b": (6, 5, 4)}
    assert read_labelmap(path) == parse_labelmap(path.read_text(), path)


@pytest.mark.parametrize(
    "line", ["crack", "crack:1,2::", "crack:1,2,256::", ":1,2,3::", "\0", "crack:1,2,3" + "9" * 5000 + "::"], ids=len
)
def test_what_is_no_label_map_is_one_line_that_names_it(line: str, tmp_path: Path) -> None:
    path = tmp_path / "labelmap.txt"
    path.write_text(f"background:0,0,0::\n{line}\n")
    with pytest.raises(InputError, match=r"labelmap\.txt:2"):
        read_labelmap(path)


def test_a_label_map_that_is_no_text_is_told(tmp_path: Path) -> None:
    path = tmp_path / "labelmap.txt"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match="no text"):
        read_labelmap(path)
    with pytest.raises(InputError, match="No such file"):
        read_labelmap(tmp_path / "none")
