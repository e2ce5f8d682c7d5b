from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from streamseg.errors import InputError
from streamseg.training.groups import Parts, deal, divide, split
from streamseg.training.plan import Data, Folder, Groups

DRIVES = {"a": 7, "b": 5, "c": 4, "d": 3, "e": 1}
PICTURES = [Path(f"{drive}_{number}.jpg") for drive, count in DRIVES.items() for number in range(count)]


def divided(groups: Groups, hold_out: list[str] | None = None) -> Parts[Path]:
    data = Data(root="", train=Folder(pictures=""), hold_out_groups=groups, hold_out=hold_out or [])
    return divide(PICTURES, data, lambda path: path)


def drives(paths: list[Path]) -> set[str]:
    return {path.name[0] for path in paths}


def test_whole_sequences_are_held_out_by_name() -> None:
    learnt, held = split(PICTURES, ["e*", "d_[01]*"], lambda path: path)
    assert [path.name for path in held] == ["d_0.jpg", "d_1.jpg", "e_0.jpg"]
    assert len(learnt) == len(PICTURES) - 3


@pytest.mark.parametrize("patterns", [["x*"], ["*"]])
def test_patterns_that_leave_nothing_to_learn_or_to_score_are_one_clear_line(patterns: list[str]) -> None:
    with pytest.raises(InputError, match="hold_out: .* of 20 pictures match"):
        split(PICTURES, patterns, lambda path: path)


def test_every_group_is_held_out_once_and_never_learnt_from_at_that_time() -> None:
    held_out = []
    for fold in range(3):
        parts = divided(Groups(named="^([a-z])_", folds=3, fold=fold))
        assert not drives(parts.learnt) & drives(parts.held)
        assert len(parts.learnt) + len(parts.held) == len(PICTURES)
        assert not parts.sealed
        held_out += parts.held
    assert sorted(held_out) == sorted(PICTURES)


def test_folds_are_of_about_one_size() -> None:
    sizes = [len(divided(Groups(named="^[a-z]", folds=3, fold=fold)).held) for fold in range(3)]
    assert sorted(sizes) == [6, 7, 7]


def test_what_is_sealed_is_in_no_fold() -> None:
    for fold in (0, 1, None):
        parts = divided(Groups(named="^[a-z]", folds=2, fold=fold, sealed=["c*"]))
        assert drives(parts.sealed) == {"c"}
        assert "c" not in drives(parts.learnt) | drives(parts.held)
    assert drives(parts.learnt) == {"a", "b", "d", "e"} and not parts.held


def test_folds_hang_on_the_names_alone() -> None:
    names = [path.name[0] for path in PICTURES]
    groups = Groups(named="", folds=3)
    assert deal(names, groups) == deal(names[::-1], groups)


@pytest.mark.parametrize(
    ("groups", "hold_out", "said"),
    [
        (Groups(named="^[0-9]+"), [], r"a_0\.jpg: '\^\[0-9\]\+' matches no part of its name"),
        (Groups(named="^(a)?"), [], r"b_0\.jpg: '\^\(a\)\?' matches no part of its name"),
        (Groups(named="^([a-z]"), [], "hold_out_groups.named: "),
        (Groups(named="^[a-z]", folds=6), [], "5 groups, 6 folds, fold 0"),
        (Groups(named="^[a-z]", folds=3, fold=3), [], "5 groups, 3 folds, fold 3"),
        (Groups(named="^[a-z]", sealed=["x*"]), [], "sealed: 0 of 20 pictures match"),
        (Groups(named="^[a-z]"), ["a*"], "hold_out and hold_out_groups are two ways"),
    ],
)
def test_wrong_groups_are_one_clear_line(groups: Groups, hold_out: list[str], said: str) -> None:
    with pytest.raises(InputError, match=said):
        divided(msgspec.structs.replace(groups), hold_out)
