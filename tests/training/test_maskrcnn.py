from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="training needs PyTorch: pip install '.[train]'")

from torch import Tensor  # noqa: E402

from streamseg.training.maskrcnn import MASK_SIDE, MaskRCNN, Regions  # noqa: E402

HEIGHT, WIDTH = 64, 96


@pytest.fixture(scope="module")
def network() -> MaskRCNN:
    torch.manual_seed(0)
    return MaskRCNN(3, width=16).eval()


@pytest.fixture(scope="module")
def pictures() -> Tensor:
    torch.manual_seed(1)
    return torch.rand(2, 3, HEIGHT, WIDTH)


def test_the_answer_has_one_shape_whatever_is_in_the_picture(network: MaskRCNN, pictures: Tensor) -> None:
    with torch.no_grad():
        boxes, scores, ids, masks = network(pictures)
    n, k = scores.shape
    assert (n, boxes.shape, ids.shape) == (2, (2, k, 4), (2, k))
    assert masks.shape == (2, k, 2 * MASK_SIDE, 2 * MASK_SIDE)
    assert (scores[:, :-1] >= scores[:, 1:]).all()
    assert scores.min() >= 0 and scores.max() <= 1
    assert masks.min() >= 0 and masks.max() <= 1
    assert set(ids.reshape(-1).tolist()) <= {1, 2}
    assert boxes[..., 0::2].max() <= WIDTH and boxes[..., 1::2].max() <= HEIGHT and boxes.min() >= 0


def test_every_cell_of_every_level_has_an_anchor_of_each_shape(network: MaskRCNN, pictures: Tensor) -> None:
    with torch.no_grad():
        regions = network.regions(pictures)
    cells = sum((HEIGHT // stride) * (WIDTH // stride) for stride in (4, 8, 16, 32))
    assert regions.anchors.shape == (3 * cells, 4)
    assert regions.objectness.shape == (2, 3 * cells)
    assert regions.deltas.shape == (2, 3 * cells, 4)
    assert regions.features.shape == (2, 16, HEIGHT // 4, WIDTH // 4)


def test_the_surest_regions_come_first_and_do_not_cover_one_another(network: MaskRCNN, pictures: Tensor) -> None:
    with torch.no_grad():
        regions = network.regions(pictures)
    said = torch.full_like(regions.objectness, -9.0)
    first, far = 0, 3 * 20  # another place
    said[0, [first, far]] = torch.tensor([9.0, 8.0])
    made = Regions(regions.features, regions.anchors, said, torch.zeros_like(regions.deltas))
    boxes = network.proposals(made, HEIGHT, WIDTH, 10)
    assert boxes.shape == (2, 10, 4)
    assert torch.equal(boxes[0, 0], regions.anchors[first].clamp(min=0))
    assert torch.equal(boxes[0, 1], regions.anchors[far].clamp(min=0))
