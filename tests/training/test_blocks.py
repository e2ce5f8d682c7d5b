from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="training needs PyTorch: pip install '.[train]'")

from torch import nn  # noqa: E402

from streamseg.training.blocks import conv_norm, double_conv, grow, separable  # noqa: E402


@pytest.mark.parametrize("kernel", [1, 3, 5])
@pytest.mark.parametrize("dilation", [1, 2, 6])
@pytest.mark.parametrize("stride", [1, 2])
def test_only_the_stride_changes_the_size(kernel: int, dilation: int, stride: int) -> None:
    made = nn.Sequential(*conv_norm(4, 6, kernel, stride=stride, dilation=dilation))
    assert made(torch.zeros(2, 4, 24, 32)).shape == (2, 6, 24 // stride, 32 // stride)


def test_what_comes_out_is_between_0_and_6() -> None:
    torch.manual_seed(0)
    out = nn.Sequential(*conv_norm(4, 6, 3))(100 * torch.randn(2, 4, 8, 8))
    assert out.min() == 0
    assert 1 < out.max() <= 6


def test_a_separable_convolution_has_about_a_ninth_of_the_weights() -> None:
    def count(layers: list[nn.Module]) -> int:
        return sum(weight.numel() for layer in layers for weight in layer.parameters() if weight.dim() == 4)

    assert count(separable(64, 64)) == 64 * 9 + 64 * 64
    assert count(conv_norm(64, 64, 3)) == 64 * 64 * 9
    assert nn.Sequential(*separable(4, 6, dilation=3))(torch.zeros(2, 4, 8, 8)).shape == (2, 6, 8, 8)


def test_the_first_half_of_a_separable_convolution_mixes_no_channels() -> None:
    first = separable(2, 5)[0]
    seen = torch.zeros(1, 2, 9, 9)
    seen[0, 0, 4, 4] = 1
    out = first(seen)
    assert out[0, 0].abs().sum() > 0
    assert out[0, 1].abs().sum() == 0


def test_two_convolutions_see_two_pixels_far() -> None:
    torch.manual_seed(0)
    made = double_conv(1, 4).eval()
    seen = torch.zeros(1, 1, 11, 11)
    seen[0, 0, 5, 5] = 100
    changed = (made(seen) != made(torch.zeros_like(seen))).any(1)[0]
    rows, columns = changed.nonzero(as_tuple=True)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (3, 7, 3, 7)


def test_growing_takes_the_size_of_the_other_and_keeps_the_mean() -> None:
    torch.manual_seed(0)
    small = torch.rand(2, 3, 4, 5)
    large = grow(small, torch.zeros(2, 9, 16, 20))
    assert large.shape == (2, 3, 16, 20)
    assert large.mean().item() == pytest.approx(small.mean().item(), abs=0.02)
    assert grow(small, torch.zeros(1, 1, 7, 9)).shape[2:] == (7, 9)
    assert large[0, 0, 0, 0] == small[0, 0, 0, 0]
