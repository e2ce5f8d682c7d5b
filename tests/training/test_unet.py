from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="training needs PyTorch: pip install '.[train]'")

from torch import Tensor, nn  # noqa: E402

from streamseg.training.unet import FastUNet, TinyUNet, UNet  # noqa: E402


def sizes(network: nn.Module, height: int, width: int, *, training: bool) -> list[tuple[int, ...]]:
    network.train(training)
    with torch.no_grad():
        return [tuple(logits.shape) for logits in network(torch.rand(2, 3, height, width))]


def reach(network: nn.Module, side: int) -> int:
    """How many pixels of the answer hang on one in the middle of the picture."""
    torch.manual_seed(0)
    network.eval()
    picture = torch.rand(1, 3, side, side)
    other = picture.clone()
    other[0, :, side // 2, side // 2] += 50
    with torch.no_grad():
        one, two = network(picture)[0], network(other)[0]
    return int((one != two).any(1).sum())


@pytest.mark.parametrize("training", [False, True])
def test_the_unets_from_papers_give_logits_at_every_pixel(training: bool) -> None:
    assert sizes(TinyUNet(3, 5, width=4), 26, 34, training=training) == [(2, 5, 26, 34)]
    for depth in (1, 2, 4):
        side = 2**depth
        assert sizes(UNet(3, 5, width=4, depth=depth), 3 * side, 5 * side, training=training) == [
            (2, 5, 3 * side, 5 * side)
        ]


def test_a_deeper_unet_sees_further() -> None:
    assert reach(UNet(3, 2, width=4, depth=1), 96) < reach(UNet(3, 2, width=4, depth=3), 96)
    assert reach(TinyUNet(3, 2, width=4), 96) < 20**2


def test_channels_double_on_the_way_down() -> None:
    network = UNet(1, 2, width=8, depth=3)
    out = [int(down[0].out_channels) for down in network.downs]  # type: ignore[index,union-attr,arg-type]
    assert out == [16, 32, 64]


def test_a_skip_brings_single_pixels_to_the_end() -> None:
    """Without it what is lost in pooling could not be told from its neighbours."""
    torch.manual_seed(0)
    network = UNet(3, 2, width=4, depth=2).eval()
    seen: list[Tensor] = []
    network.joins[0].register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    picture = torch.rand(1, 3, 16, 16)
    with torch.no_grad():
        network(picture)
        assert torch.equal(seen[0][:, :4], network.first(picture))


@pytest.mark.parametrize(("depth", "divisor"), [(4, 4), (5, 2)])
def test_a_fast_unet_answers_at_a_part_of_the_size_and_coarser_in_training(depth: int, divisor: int) -> None:
    network = FastUNet(5, width=8, depth=depth)
    fine = (2, 5, 64 // divisor, 96 // divisor)
    assert sizes(network, 64, 96, training=False) == [fine]
    assert sizes(network, 64, 96, training=True) == [fine, (2, 5, 4, 6)]


def test_a_batch_of_one_picture_can_be_learnt_from() -> None:
    network = FastUNet(2, width=8).train()
    sum(each.square().mean() for each in network(torch.rand(1, 3, 64, 64))).backward()
    assert all(weight.grad is not None for weight in network.parameters())
