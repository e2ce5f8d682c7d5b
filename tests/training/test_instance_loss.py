"""What Mask R-CNN learns from: which anchors and regions are objects, and what that costs."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="training needs PyTorch: pip install '.[train]'")

from torch import Generator, Tensor  # noqa: E402

from streamseg.training.boxes import decode, encode  # noqa: E402
from streamseg.training.instance_loss import (  # noqa: E402
    Target,
    _match_anchors,
    _pick,
    _some,
    instance_loss,
)
from streamseg.training.maskrcnn import BOX_SCALE, MaskRCNN  # noqa: E402

HEIGHT, WIDTH = 64, 96


@pytest.fixture(scope="module")
def pictures() -> Tensor:
    torch.manual_seed(1)
    return torch.rand(2, 3, HEIGHT, WIDTH)


def dice(seed: int = 0) -> Generator:
    return Generator().manual_seed(seed)


def target(*boxed: tuple[float, float, float, float], class_id: int = 1) -> Target:
    masks = torch.zeros(len(boxed), HEIGHT, WIDTH, dtype=torch.uint8)
    for mask, (left, top, right, bottom) in zip(masks, boxed, strict=True):
        mask[int(top) : int(bottom), int(left) : int(right)] = 1
    boxes = torch.tensor(boxed, dtype=torch.float32).reshape(-1, 4)
    return Target(torch.full((len(boxed),), class_id), boxes, masks)


def test_an_anchor_on_an_object_is_one_and_one_beside_it_is_none() -> None:
    anchors = torch.tensor([[0, 0, 10, 10], [0, 0, 10, 8], [4, 0, 14, 10], [50, 50, 60, 60]], dtype=torch.float32)
    kind, nearest = _match_anchors(anchors, torch.tensor([[0.0, 0.0, 10.0, 10.0]]))
    assert kind.tolist() == [1, 1, -1, 0]
    assert nearest.tolist() == [0, 0, 0, 0]


def test_every_object_has_an_anchor_however_small_it_is() -> None:
    anchors = torch.tensor([[0, 0, 16, 16], [16, 0, 32, 16]], dtype=torch.float32)
    boxes = torch.tensor([[0.0, 0.0, 16.0, 16.0], [18.0, 2.0, 23.0, 7.0]])
    kind, nearest = _match_anchors(anchors, boxes)
    assert kind.tolist() == [1, 1]
    assert nearest.tolist() == [0, 1]


def test_a_picture_without_objects_has_nothing_but_ground() -> None:
    kind, _ = _match_anchors(torch.rand(7, 4), torch.zeros(0, 4))
    assert kind.tolist() == [0.0] * 7


def test_regions_to_learn_from_are_as_many_as_ever_objects_first() -> None:
    torch.manual_seed(0)
    corner = torch.rand(300, 2) * 60
    proposed = torch.cat([corner, corner + 8], 1)
    boxes, ids, deltas, nearest = _pick(proposed, target((10, 10, 40, 40), (50, 20, 80, 60), class_id=2), dice())
    assert (boxes.shape, ids.shape, deltas.shape, nearest.shape) == ((96, 4), (96,), (96, 4), (96,))
    real = int((ids > 0).sum())
    assert 2 <= real <= 48
    assert (ids[:real] == 2).all() and (ids[real:] == 0).all()
    assert not deltas[real:].any()


def test_a_correction_leads_from_a_region_to_its_object() -> None:
    wanted = target((10, 10, 40, 40))
    boxes, ids, deltas, nearest = _pick(torch.tensor([[12.0, 8.0, 42.0, 38.0]]), wanted, dice())
    real = ids > 0
    found = decode(deltas[real] * deltas.new_tensor(BOX_SCALE), boxes[real])
    assert torch.allclose(found, wanted.boxes[nearest[real]], atol=1e-3)
    assert torch.allclose(encode(wanted.boxes, boxes[:1]) / deltas.new_tensor(BOX_SCALE), deltas[:1])


@pytest.mark.parametrize("boxed", [(), ((0, 0, 96, 64),)], ids=["nothing", "all of the picture"])
def test_a_picture_of_one_kind_gives_as_many_regions_as_any(boxed: tuple[tuple[float, ...], ...]) -> None:
    proposed = torch.tensor([[0.0, 0.0, 96.0, 64.0]]).repeat(3, 1)
    boxes, ids, _, _ = _pick(proposed, target(*boxed), dice())  # type: ignore[arg-type]
    assert len(boxes) == len(ids) == 96
    assert (ids > 0).all() if boxed else not ids.any()


def test_a_choice_takes_no_more_than_there_are_and_no_other() -> None:
    chosen = torch.tensor([True, False, True, True, False])
    assert sorted(_some(chosen, 10, dice()).tolist()) == [0, 2, 3]
    assert len(_some(chosen, 2, dice())) == 2
    assert set(_some(chosen, 2, dice()).tolist()) <= {0, 2, 3}
    assert len(_some(~chosen & chosen, 2, dice())) == 0


def test_the_loss_is_of_this_picture_and_teaches_every_layer(pictures: Tensor) -> None:
    torch.manual_seed(0)
    network = MaskRCNN(3, width=16).train()
    wanted = [target((10, 10, 40, 40), class_id=2), target((50, 20, 80, 60), (5, 5, 25, 30))]
    loss = instance_loss(network, pictures, wanted, dice())
    assert torch.isfinite(loss)
    assert loss > 0
    loss.backward()
    assert [name for name, weight in network.named_parameters() if weight.grad is None] == []


def test_a_batch_without_any_object_has_a_loss_as_well(pictures: Tensor) -> None:
    torch.manual_seed(0)
    network = MaskRCNN(3, width=16).train()
    loss = instance_loss(network, pictures, [target(), target()], dice())
    loss.backward()
    assert torch.isfinite(loss)
    assert all(weight.grad is None or not weight.grad.any() for weight in network.mask_layers.parameters())
