from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs PyTorch: pip install '.[train]'")

from torch.nn import functional  # noqa: E402

from streamseg.training.data import VOID  # noqa: E402
from streamseg.training.losses import balanced_weights, dice_loss, doubt, segmentation_loss  # noqa: E402


def test_void_counts_for_nothing() -> None:
    torch.manual_seed(0)
    logits, labels = torch.randn(1, 3, 4, 4), torch.randint(0, 3, (1, 4, 4))
    half = labels.clone()
    half[:, 2:] = VOID
    expected = functional.cross_entropy(logits[:, :, :2], labels[:, :2])
    assert segmentation_loss(logits, half).item() == pytest.approx(expected.item())
    assert dice_loss(logits, half).item() == pytest.approx(dice_loss(logits[:, :, :2], labels[:, :2]).item())


@pytest.mark.parametrize("dice", [0.0, 1.0])
def test_a_mask_of_nothing_but_void_still_has_a_gradient(dice: float) -> None:
    logits = torch.zeros(1, 3, 4, 4, requires_grad=True)
    loss = segmentation_loss(logits, torch.full((1, 4, 4), VOID), hard_fraction=0.5, dice=dice)
    loss.backward()  # type: ignore[no-untyped-call]
    assert loss.item() == 0
    assert logits.grad is not None and not logits.grad.any()


def test_hard_pixels_are_those_with_the_largest_loss() -> None:
    logits = torch.zeros(1, 2, 1, 4)
    logits[0, 1, 0] = torch.tensor([3.0, -3.0, 0.0, 1.0])
    labels = torch.ones(1, 1, 4, dtype=torch.long)
    each = functional.cross_entropy(logits, labels, reduction="none").reshape(-1)
    assert segmentation_loss(logits, labels, hard_fraction=0.5).item() == pytest.approx(each[[1, 2]].mean().item())


def test_a_label_of_a_group_is_right_with_any_of_its_classes() -> None:
    logits = torch.tensor([2.0, -1.0, 0.5, 1.5]).view(1, 4, 1, 1)
    chances = logits.softmax(1)[0, :, 0, 0]
    group = torch.full((1, 1, 1), 4)
    expected = -torch.log(chances[1] + chances[3]).item()
    assert segmentation_loss(logits, group, groups=[(1, 3)]).item() == pytest.approx(expected)
    weights = torch.tensor([1.0, 2.0, 3.0, 4.0])
    weighted = segmentation_loss(logits, group, weights, groups=[(1, 3)]).item()
    assert weighted == pytest.approx(3 * expected)


def test_one_channel_is_binary_cross_entropy() -> None:
    torch.manual_seed(0)
    logits, labels = torch.randn(2, 1, 4, 4), torch.randint(0, 2, (2, 4, 4))
    expected = functional.binary_cross_entropy_with_logits(logits[:, 0], labels.float())
    assert segmentation_loss(logits, labels).item() == pytest.approx(expected.item(), rel=1e-5)


def test_dice_is_0_for_a_perfect_answer_and_near_1_for_a_wrong_one() -> None:
    labels = torch.zeros(1, 32, 32, dtype=torch.long)
    labels[:, :16] = 1
    logits = functional.one_hot(labels, 2).movedim(3, 1) * 40.0
    assert dice_loss(logits, labels).item() == pytest.approx(0, abs=1e-3)
    assert dice_loss(-logits, labels).item() == pytest.approx(1, abs=1e-2)


def test_coarse_logits_are_resized() -> None:
    assert segmentation_loss(torch.zeros(1, 4, 4, 4), torch.zeros(1, 16, 16, dtype=torch.long)).item() == pytest.approx(
        float(np.log(4))
    )


def test_rare_classes_weigh_more() -> None:
    weights = balanced_weights(np.array([9000, 900, 100, 0]))
    assert weights.mean().item() == pytest.approx(1)
    assert weights.tolist() == sorted(weights.tolist())


def test_what_the_masks_miss_and_the_network_finds_is_void() -> None:
    labels = torch.tensor([[[0, 0, 1, 2]]])
    sure = torch.tensor([[[[0.0, 0.0, 0.0, 0.0]], [[9.0, 0.0, 9.0, 9.0]], [[0.0, 0.0, 0.0, 0.0]]]])
    assert doubt(sure, labels, (1,)).tolist() == [[[VOID, 0, 1, VOID]]]
    assert doubt(sure, labels, (1, 2)).tolist() == [[[VOID, 0, 1, 2]]]
    assert doubt(sure[:, 1:2], labels.clamp(max=1), (1,)).tolist() == [[[VOID, 0, 1, 1]]]  # two classes, one channel
