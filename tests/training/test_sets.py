from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import msgspec
import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs PyTorch: pip install 'streamseg[train]'")

from torch import Tensor, nn  # noqa: E402

from streamseg.errors import InputError  # noqa: E402
from streamseg.training.data import VOID  # noqa: E402
from streamseg.training.semantic import Semantic  # noqa: E402
from streamseg.training.sets import Sets  # noqa: E402
from tests.training.scene import draw_scene, make_plan, write_scene  # noqa: E402

COARSE = {
    "pictures": "coarse/pictures",
    "masks": "coarse/masks",
    "means": {"7": ["class 0"], "9": ["class 1", "class 2"]},
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Three pictures with all their classes, and four whose masks say 7 for the ground and 9 for anything else."""
    write_scene(tmp_path, 3)
    write_scene(tmp_path / "coarse", 4)
    for number in range(4):
        mask = np.where(draw_scene(number)[1] == 0, 7, 9).astype(np.uint8)
        mask[:2] = 100
        cv2.imwrite(str(tmp_path / "coarse" / "masks" / f"{number}.png"), mask)
    return tmp_path


def sets(root: Path, also: dict[str, Any], **data: Any) -> Sets:
    return Sets(make_plan(root, data={"also": [also], **data}, schedule={"repeat": 2}))


def test_an_epoch_shows_as_many_of_each_set_as_the_plan_says(root: Path) -> None:
    found = sets(root, {**COARSE, "each_epoch": 2})
    order = found.order(np.random.default_rng(0))
    assert len(found) == len(order) == 3 * 2 + 2
    assert sorted(order[order < 3]) == [0, 0, 1, 1, 2, 2]
    assert len(set(order[order >= 3])) == 2 and order.max() < 7
    often = sets(root, {**COARSE, "each_epoch": 9}).order(np.random.default_rng(0))
    assert len(often) == 15 and set(often[often >= 3]) == {3, 4, 5, 6}
    assert any(list(found.order(np.random.default_rng(seed))) != list(order) for seed in range(1, 4))


def test_numbers_that_mean_several_classes_become_a_group(root: Path) -> None:
    found = sets(root, COARSE)
    assert found.groups == [(1, 2)]
    _, labels = found[3]
    truth = draw_scene(0)[1]
    assert (labels[:2] == 255).all()
    np.testing.assert_array_equal(labels[2:], np.where(truth == 0, 0, 3)[2:])


class Says(nn.Module):
    """Finds what it is told to, in one-hot logits."""

    def __init__(self, labels: np.ndarray[Any, Any]) -> None:
        super().__init__()
        self._logits = nn.functional.one_hot(torch.from_numpy(labels).long(), 3).permute(2, 0, 1)[None].float()

    def forward(self, x: Tensor) -> list[Tensor]:
        return [self._logits]


def test_a_class_of_several_meanings_is_right_in_each_of_them(root: Path) -> None:
    means = {"7": ["class 0", "class 2"], "9": ["class 1", "class 2"]}
    task = Semantic(make_plan(root, data={"also": [{**COARSE, "means": means, "hold_out": ["3*"]}]}))
    truth = draw_scene(3)[1]
    for said, expected in ((np.full_like(truth, 2), 1.0), (np.where(truth == 0, 0, 1), 1.0), (truth * 0, None)):
        found = task.score(Says(said), "coarse/pictures")["accuracy"]
        assert found == (expected or pytest.approx((truth[2:] == 0).mean()))


def test_a_set_with_meanings_of_its_own_is_scored_by_them(root: Path) -> None:
    task = Semantic(make_plan(root, data={"also": [{**COARSE, "hold_out": ["3*"]}]}))
    assert task.checks == ["coarse/pictures"]
    truth = draw_scene(3)[1]
    other = np.where(truth == 1, 2, np.where(truth == 2, 1, 0))
    scores = task.score(Says(other), "coarse/pictures")
    assert scores["miou"] == 1.0 and set(scores) == {"miou", "accuracy", "class 0", "class 1 or class 2"}
    assert task.score(Says(np.zeros_like(truth)), "coarse/pictures")["class 1 or class 2"] == 0


def test_a_class_that_is_called_as_a_score_is_does_not_take_its_place(root: Path) -> None:
    plan = make_plan(root, data={"hold_out": ["2*"]})
    names = "miou", "accuracy", "miou 2"
    called = [msgspec.structs.replace(each, name=name) for each, name in zip(plan.classes, names, strict=True)]
    task, truth = Semantic(msgspec.structs.replace(plan, classes=called)), draw_scene(2)[1]
    scores = task.score(Says(np.where(truth == 1, 2, truth)), "held out")
    assert list(scores) == ["miou", "accuracy", "miou 3", "accuracy 2", "miou 2"]
    assert scores["accuracy 2"] == 0 and scores["miou 3"] == 1
    assert scores["miou"] == pytest.approx((1 + scores["miou 2"]) / 3)
    assert scores["accuracy"] == pytest.approx((truth != 1).mean())


def test_sets_that_know_all_classes_are_held_out_together(root: Path) -> None:
    write_scene(root / "more", 3)
    more = {"pictures": "more/pictures", "masks": "more/masks", "hold_out": ["0*"]}
    task = Semantic(make_plan(root, data={"hold_out": ["2*"], "also": [more]}))
    assert task.checks == ["held out"]
    assert len(task) == 2 + 2


@pytest.mark.parametrize(
    "kept", [{"hold_out": ["1*"]}, {"hold_out_groups": {"named": "^.", "folds": 2, "fold": None, "sealed": ["1*"]}}]
)
def test_a_picture_that_is_held_out_is_learnt_from_in_no_other_set(kept: dict[str, Any], root: Path) -> None:
    also = [{"pictures": "coarse/../pictures", "masks": "masks"}]
    with pytest.raises(InputError, match=r"pictures/1\.png: one set holds it out, another learns from it"):
        Semantic(make_plan(root, data={**kept, "also": also}))


def test_a_class_that_is_meant_twice_is_one_class(root: Path) -> None:
    task = Semantic(make_plan(root, data={"also": [{**COARSE, "means": {"7": ["class 1", "class 1"]}}]}))
    assert task._sets.groups == []


def test_what_is_sealed_is_scored_apart(root: Path) -> None:
    groups = {"named": "^[0-9]", "folds": 2, "sealed": ["1*"]}
    task = Semantic(make_plan(root, data={"hold_out_groups": groups}))
    assert task.checks == ["held out"] and len(task) == 1
    assert task.score_sealed(Says(draw_scene(1)[1]))["miou"] == 1.0
    assert Semantic(make_plan(root)).score_sealed(Says(draw_scene(1)[1])) == {}


def test_cut_outs_bring_their_labels_along(root: Path) -> None:
    plan = make_plan(root, augment={"paste": {"classes": ["class 2"], "most": 3}})
    task = Semantic(plan)
    shares = []
    for seed in range(20):
        picture, labels = task._view(0, np.random.default_rng(seed))
        shares.append(np.mean(labels == 2))
        off = np.abs(picture[labels == 2].astype(int) - (220, 60, 60)).max(1)
        assert np.mean(off > 1) < 0.25  # its edges fade
    assert max(shares) > np.mean(draw_scene(0)[1] == 2) + 0.05


@pytest.mark.parametrize(
    ("also", "said"),
    [
        ({"means": {"7": ["clas 0"]}}, "means: no class 'clas 0'"),
        ({"means": {"x": ["class 0"]}}, "means: x: .* maps no mask value"),
        ({"means": {"7": []}}, "means: 7: .* maps no mask value"),
        ({"means": {"7": ["class 0"]}, "hold_out": ["1*"]}, "nothing in its masks means class 1"),
        ({"masks": "elsewhere"}, "elsewhere: no such folder"),
    ],
)
def test_wrong_meanings_are_one_clear_line(root: Path, also: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        sets(root, {**COARSE, **also})


def test_cut_outs_have_a_size_of_their_own(root: Path) -> None:
    def share(paste: dict[str, object]) -> float:
        task = Semantic(make_plan(root, augment={"paste": {"classes": ["class 2"], "most": 5, **paste}}))
        return float(np.mean([np.mean(task._view(0, np.random.default_rng(seed))[1] == 2) for seed in range(20)]))

    assert share({"scale": [0.2, 0.3]}) < share({"most": 0}) + 0.5 * (share({}) - share({"most": 0}))


def test_decoys_have_the_outline_of_a_cut_out_and_hold_something_else(root: Path) -> None:
    task = Semantic(make_plan(root, augment={"paste": {"classes": ["class 2"], "most": 0, "decoys": 3}}))
    plain = Semantic(make_plan(root))
    changed, kept = 0, []
    for seed in range(20):
        picture, labels = task._view(0, np.random.default_rng(seed))
        before, _ = plain._view(0, np.random.default_rng(seed))
        changed += not np.array_equal(picture, before)
        red = np.abs(picture.astype(int) - (220, 60, 60)).max(2) < 30  # what class 2 looks like
        kept.append((labels == 2) == red)
    assert changed > 5
    assert np.mean(kept) > 0.98  # wherever it comes from, its own label came along


def test_only_the_sets_that_say_so_are_doubted(root: Path) -> None:
    folder = {"pictures": "pictures", "masks": "masks"}
    task = Semantic(make_plan(root, data={"train": {**folder, "misses": ["class 1"]}, "also": [folder]}))
    there = task._total // 2
    truth, logits = torch.zeros(2, 1, 2, dtype=torch.long), torch.zeros(2, 3, 1, 2)
    logits[:, 1] = 9.0
    assert task._doubted(truth, logits, [0, there]).tolist() == [[[VOID, VOID]], [[0, 0]]]


def test_a_thin_or_pasted_class_that_is_none_is_one_clear_line(root: Path) -> None:
    with pytest.raises(InputError, match="data.thin: no class 'hair'"):
        Sets(make_plan(root, data={"thin": {"hair": 3}}))
    with pytest.raises(InputError, match="augment.paste: hair"):
        Semantic(make_plan(root, augment={"paste": {"classes": ["hair"]}}))


def test_pictures_with_what_is_in_few_of_them_are_shown_more_often(tmp_path: Path) -> None:
    write_scene(tmp_path, 10)
    for number in range(9):  # class 2 is left in the last alone
        mask = draw_scene(number)[1]
        cv2.imwrite(str(tmp_path / "masks" / f"{number}.png"), np.where(mask == 2, 0, mask).astype(np.uint8))
    found = Sets(make_plan(tmp_path, schedule={"rare": 0.4, "repeat": 2}))
    times = (
        np.sum([np.bincount(found.order(np.random.default_rng(seed)), minlength=10) for seed in range(40)], axis=0) / 40
    )
    assert len(found) == len(found.order(np.random.default_rng(0))) == 9 * 2 + 4
    np.testing.assert_allclose(times, [2.0] * 9 + [4.0])
