from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from streamseg.cli import main
from streamseg.errors import InputError
from streamseg.evaluation.evaluate import Wanted, evaluate
from streamseg.infer import load_segmenter

VOID_11 = Wanted(ids={11: 255})


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """Four pictures of a bright disc and their masks, the last with an edge of void."""
    pictures, masks = tmp_path / "pictures", tmp_path / "masks"
    pictures.mkdir()
    masks.mkdir()
    for number in range(4):
        mask = np.zeros((60, 80), np.uint8)
        cv2.circle(mask, (20 + 10 * number, 30), 15, 1, -1)
        cv2.imwrite(str(pictures / f"{number}.png"), np.repeat((40 + 160 * mask)[:, :, None], 3, 2))
        if number == 3:
            mask[:, -5:] = 11
        cv2.imwrite(str(masks / f"{number}.png"), mask)
    (pictures / "notes.txt").write_text("no picture")
    return pictures, masks


def test_a_perfect_model_has_a_perfect_score(folders: tuple[Path, Path]) -> None:
    found = evaluate(load_segmenter("otsu"), *folders, VOID_11, 1)
    assert found.pictures == 4
    assert found.figures == {"miou": 1.0, "accuracy": 1.0, "boundary_f1_2px": 1.0}
    assert [(row.name, row.iou, row.near_f1) for row in found.classes] == [
        ("background", 1.0, 1.0),
        ("foreground", 1.0, 1.0),
    ]
    assert found.matrix is not None
    assert found.matrix.sum() == 4 * 60 * 80 - 5 * 60


def test_masks_of_black_and_white_are_taken_for_classes_0_and_1(
    folders: tuple[Path, Path], caplog: pytest.LogCaptureFixture
) -> None:
    for path in folders[1].iterdir():
        mask = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        assert mask is not None
        cv2.imwrite(str(path), np.where(mask == 1, 255, 0).astype(np.uint8))
    found = evaluate(load_segmenter("otsu"), *folders, Wanted(), 1)
    assert found.figures["miou"] == 1.0
    assert [record.message for record in caplog.records] == [
        f"{folders[1]}: nothing but 0 and 255 in it: 255 is taken for class 1 (--ids 255=255 keeps it void)"
    ]
    void = evaluate(load_segmenter("otsu"), *folders, Wanted(ids={255: 255}), 1)
    assert void.matrix is not None and void.matrix[1].sum() == 0


def test_masks_that_a_run_wrote_are_scored_by_their_numbers(folders: tuple[Path, Path], tmp_path: Path) -> None:
    pictures, written = folders[0], tmp_path / "written"
    assert main(["run", str(pictures), f"masks:{written}", "--model", "otsu"]) == 0
    for number, path in enumerate(sorted(written.iterdir())):
        path.rename(written / f"{number}.png")
    found = evaluate(load_segmenter("otsu"), pictures, written, Wanted(), 1)
    assert (found.pictures, found.figures["miou"]) == (4, 1.0)


def test_a_wrong_model_has_a_low_score_and_its_worst_pictures_are_named(folders: tuple[Path, Path]) -> None:
    found = evaluate(load_segmenter("otsu", {"invert": True}), *folders, VOID_11, 1)
    assert found.figures["accuracy"] == 0.0
    assert [judged.score for judged in found.worst] == sorted(judged.score for judged in found.worst)


def test_a_picture_with_nothing_to_judge_is_not_among_the_worst(folders: tuple[Path, Path]) -> None:
    pictures, masks = folders
    for number in range(4):
        for folder, image in ((pictures, np.zeros((60, 80, 3), np.uint8)), (masks, np.full((60, 80), 255, np.uint8))):
            cv2.imwrite(str(folder / f"{number}-void.png"), image)
    found = evaluate(load_segmenter("otsu", {"invert": True}), pictures, masks, Wanted(ids={11: 255, 255: 255}), 1)
    assert [judged.name for judged in found.worst[:4]] == [f"{number}.png" for number in range(4)]
    assert np.isnan(found.worst[4].score)


def test_the_pixel_error_is_one_minus_scikit_learns_f1(folders: tuple[Path, Path]) -> None:
    metrics = pytest.importorskip("sklearn.metrics", reason="scikit-learn is what the scores are compared with")
    found = evaluate(load_segmenter("edges"), *folders, Wanted(ids={11: 255}, parts="background"), 1)
    assert found.matrix is not None
    true, said = np.indices(found.matrix.shape)
    f1 = metrics.f1_score(true.ravel(), said.ravel(), pos_label=0, sample_weight=found.matrix.ravel())
    assert 0 < f1 < 1
    assert found.figures["pixel_error"] == pytest.approx(1 - f1)


def test_the_command_prints_json_and_writes_a_sheet(
    folders: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sheet = tmp_path / "worst.png"
    words = ["eval", "threshold", str(folders[0]), str(folders[1]), "--ids", "11=255", "--sheet", str(sheet)]
    assert main([*words, "--json", "--video", "--groups", "^[01]|[23]"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["iou"] == {"background": 1.0, "foreground": 1.0}
    assert told["interval_95"] == {"miou": [1.0, 1.0], "boundary_f1_2px": [1.0, 1.0]}
    assert told["f1_2px_interval_95"]["foreground"] == [1.0, 1.0]
    sheet.write_bytes(b"precious")
    assert main(words) == 4
    assert "worst.png: exists (--overwrite replaces it)" in capsys.readouterr().err
    assert sheet.read_bytes() == b"precious"
    assert main([*words, "--overwrite"]) == 0
    assert "mIoU 100.0 % (100.0 to 100.0), accuracy 100.0 %" in capsys.readouterr().out
    picture = cv2.imread(str(sheet))
    assert picture is not None
    assert picture.shape[:2] == (4 * 300, 3 * 400)


@pytest.mark.parametrize("where", ["pictures", "masks"])
def test_a_sheet_is_never_written_over_what_is_judged(
    where: str, folders: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = tmp_path / where / "0.png"
    before = given.read_bytes()
    words = ["eval", "otsu", *map(str, folders), "--ids", "11=255", "--sheet", str(given), "--overwrite"]
    assert main(words) == 2
    assert "0.png: would write over what is read" in capsys.readouterr().err
    assert given.read_bytes() == before


def test_a_sheet_that_cannot_be_written_costs_no_figures(
    folders: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["eval", "otsu", *map(str, folders), "--ids", "11=255", "--sheet"]
    assert main([*words, str(tmp_path / "sheet.doc")]) == 4
    assert (told := capsys.readouterr()).out == ""
    assert "sheet.doc: not a kind of picture that can be written" in told.err
    assert main([*words, str(folders[0] / "0.png" / "sheet.png")]) == 4
    assert "mIoU 100.0 %" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--ids", "1=0", "--ids", "1=255"], "--ids 1 is there twice"),
        (["--fold", "a=background", "--fold", "a=foreground"], "--fold a is there twice"),
    ],
)
def test_what_is_given_twice_is_not_taken_once(
    words: list[str], told: str, folders: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["eval", "otsu", *map(str, folders), *words]) == 2
    assert told in capsys.readouterr().err


def test_where_there_is_nothing_to_judge_no_model_is_better(
    folders: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    for path in folders[1].iterdir():
        cv2.imwrite(str(path), np.full((60, 80), 255, np.uint8))
    words = ["eval", "otsu", *map(str, folders), "--against", "threshold", "--ids", "255=255"]
    assert main(words) == 1
    assert "otsu against threshold: mIoU - points (- to -)" in capsys.readouterr().out
    assert main([*words, "--json"]) == 1
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert told["miou"] is told["difference"]["by"] is None


def test_wrong_data_is_one_line(folders: tuple[Path, Path], tmp_path: Path) -> None:
    pictures, masks = folders
    recipe = load_segmenter("otsu")
    with pytest.raises(InputError, match=r"3\.png: id 11 is none of the model's 2 classes"):
        evaluate(recipe, pictures, masks, Wanted(ids={}), 1)
    with pytest.raises(InputError, match="no such folder"):
        evaluate(recipe, pictures, tmp_path / "none", Wanted(ids={}), 1)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="no picture has a mask"):
        evaluate(recipe, pictures, tmp_path / "empty", Wanted(ids={}), 1)
    cv2.imwrite(str(masks / "0.png"), np.zeros((5, 5), np.uint8))
    with pytest.raises(InputError, match=r"0\.png: 5x5, its picture 80x60"):
        evaluate(recipe, pictures, masks, VOID_11, 1)
    (masks / "0.png").write_bytes(b"junk")
    with pytest.raises(InputError, match=r"0\.png: not a mask"):
        evaluate(recipe, pictures, masks, VOID_11, 1)


@pytest.mark.parametrize(
    "ids", ["", "1", "=", "1=", "256=1", "1=256", "-1=1", "1=2=3", "a=1", "²=1", "9" * 5000 + "=1"]
)
def test_ids_that_are_none_are_one_line(
    ids: str, folders: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["eval", "otsu", *map(str, folders), f"--ids={ids}"]) == 2
    assert "expected OLD=NEW, two ids of 0 to 255" in capsys.readouterr().err
