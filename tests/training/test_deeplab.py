from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="training needs PyTorch: pip install '.[train]'")

from streamseg.training.deeplab import DeepLab, Pyramid  # noqa: E402
from tests.training.test_unet import sizes  # noqa: E402


def test_deeplab_answers_at_a_quarter_and_in_training_at_a_sixteenth_as_well() -> None:
    network = DeepLab(5, width=8)
    assert sizes(network, 64, 96, training=False) == [(2, 5, 16, 24)]
    assert sizes(network, 64, 96, training=True) == [(2, 5, 16, 24), (2, 5, 4, 6)]


def test_the_pyramid_looks_near_far_and_at_everything() -> None:
    torch.manual_seed(0)
    pyramid = Pyramid(4, 8).eval()
    features = torch.rand(1, 4, 48, 48)
    other = features.clone()
    other[0, :, 24, 24] += 50
    with torch.no_grad():
        assert pyramid(features).shape == (1, 8, 48, 48)
        changed = [(ring(features) != ring(other)).any(1)[0] for ring in pyramid.rings]
        assert not torch.equal(pyramid.whole(features), pyramid.whole(other))
        assert int((pyramid.near(features) != pyramid.near(other)).any(1).sum()) == 1
    for rate, where in zip((6, 12, 18), changed, strict=True):
        rows, _ = where.nonzero(as_tuple=True)
        assert set(rows.tolist()) <= {24 - rate, 24, 24 + rate}
        assert rows.max() == 24 + rate


def test_a_batch_of_one_picture_can_be_learnt_from() -> None:
    network = DeepLab(2, width=8).train()
    sum(each.square().mean() for each in network(torch.rand(1, 3, 64, 64))).backward()
    assert all(weight.grad is not None for weight in network.parameters())
