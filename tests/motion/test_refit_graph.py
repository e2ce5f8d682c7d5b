"""The network that fits masks, as `tools/train_refit.py` writes it: in 8 bits, by `tools/refit_graph.py`."""

from __future__ import annotations

import importlib
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from streamseg.motion.refit_colours import SIZE
from streamseg.motion.refit_network import STRIDE, Network
from tests.parts.documents import ROOT

torch: Any = pytest.importorskip("torch", reason="training needs PyTorch: pip install '.[train]'")


def scenes(count: int, height: int, width: int) -> NDArray[np.uint8]:
    """(n, 7, h, w): smooth pictures of nothing, the fourth plane the carried mask."""
    coarse = np.random.default_rng(height).integers(0, 256, (count, 7, height // 8, width // 8))
    smooth = torch.nn.functional.interpolate(torch.from_numpy(coarse).float(), (height, width), mode="bilinear")
    return np.asarray(smooth.byte())


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Path]:
    """A network whose weights are drawn by chance, in 32 bits, and its file."""
    tools, file = str(ROOT / "tools"), tmp_path_factory.mktemp("refit") / "refit.onnx"
    sys.path.insert(0, tools)
    try:
        training = importlib.import_module("train_refit")
    finally:
        sys.path.remove(tools)
    torch.manual_seed(1)
    network = training.Network().eval()
    with torch.no_grad():  # else it says next to nothing
        network.out.weight.mul_(8)
        network.out.bias.uniform_(-1, 1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of PyTorch's exporter
        training.write(network, file, [scenes(80, *SIZE)] * 5)
    return network, file


@pytest.mark.slow
@pytest.mark.parametrize(("height", "width"), [SIZE, (STRIDE, 2 * STRIDE), (5 * STRIDE, 3 * STRIDE)])
def test_a_network_in_8_bits_answers_as_in_32_at_any_size(written: tuple[Any, Path], height: int, width: int) -> None:
    network, file = written
    (seen,) = scenes(1, height, width)[:, :6]
    with torch.no_grad():
        likely = np.asarray(torch.sigmoid(network(torch.from_numpy(seen[None]).float())))[0, 0] * 255
    assert likely.min() < 60 and likely.max() > 195
    in_8_bits = Network(file)
    assert in_8_bits.there
    off = np.abs(in_8_bits(seen) - likely)
    assert off.max() < 12
    assert off.mean() < 3
