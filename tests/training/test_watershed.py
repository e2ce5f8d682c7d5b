"""Objects that touch, learnt as maps."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

torch = pytest.importorskip("torch", reason="training needs PyTorch: pip install '.[train]'")

from streamseg.errors import InputError  # noqa: E402
from streamseg.evaluation.evaluate import Wanted, evaluate  # noqa: E402
from streamseg.infer import load_segmenter  # noqa: E402
from streamseg.infer.families import FAMILIES, Limits  # noqa: E402
from streamseg.training.export import export  # noqa: E402
from streamseg.training.instances import InstanceTask  # noqa: E402
from streamseg.training.network import build  # noqa: E402
from streamseg.training.train import BEST, train  # noqa: E402
from streamseg.training.watershed import make_maps, watershed_loss  # noqa: E402
from tests.training.scene import Silent, make_plan  # noqa: E402
from tests.training.test_instances import SIDE, objects_plan, write_objects  # noqa: E402

NETWORK = {"architecture": "watershed-lite0", "width": 32, "depth": 5}


def touching() -> NDArray[np.uint16]:
    """A disc of 20 pixels that a line cuts in two, and one by itself."""
    numbers = np.zeros((96, 128), np.uint16)
    cv2.circle(numbers, (40, 40), 20, (1,), -1)
    numbers[:, 40:][numbers[:, 40:] == 1] = 2
    cv2.circle(numbers, (100, 60), 12, (7,), -1)
    return numbers


def test_maps_are_of_objects_borders_and_depth() -> None:
    numbers = touching()
    (there, border, depth), weights = make_maps(numbers)
    assert ((there > 0) == (numbers > 0)).all()
    assert border[40, 38:42].all() and not border[:, :37].any() and not border[:, 43:].any()
    assert depth[40, 40] < 0.3 and depth[60, 100] == 1 and 0.3 < depth[60, 106] < 0.7
    assert not depth[numbers == 0].any()
    assert weights[40, 40] == 3 and weights[60, 100] == 1


def test_what_reads_the_maps_finds_what_they_were_made_of() -> None:
    numbers = touching()
    maps, _ = make_maps(numbers)
    found = FAMILIES["watershed"].decode({"maps": maps}, numbers.shape, Limits(0.5, 100, None)).numbers
    assert found is not None and found.max() == 3
    for number in (1, 2, 7):
        own = numbers == number
        (mine,) = set(np.unique(found[own & (cv2.erode(own.view(np.uint8), np.ones((5, 5))) > 0)]))
        assert (own & (found == mine)).sum() / (own | (found == mine)).sum() > 0.9


def test_the_loss_is_least_for_the_maps_themselves() -> None:
    maps, _ = make_maps(touching())
    right = torch.from_numpy((maps * 2 - 1) * 9)[None]
    losses = [float(watershed_loss([each], [touching()], dice=1.0, coarse=0.3)) for each in (right, right * 0, -right)]
    assert losses[0] < losses[1] < losses[2]


def test_pictures_without_objects_are_learnt_from_too(tmp_path: Path) -> None:
    write_objects(tmp_path)
    for name in "01":
        cv2.imwrite(str(tmp_path / "masks" / f"{name}.png"), np.zeros((SIDE, SIDE), np.uint16))
    plan = objects_plan(tmp_path, network=NETWORK, export={"height": None, "width": None, "side": SIDE})
    assert InstanceTask(plan).loss(build(plan), [(i, np.random.default_rng(i)) for i in (0, 1)], 0).isfinite()


def test_classes_that_it_cannot_tell_apart_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="tells no classes of objects apart"):
        build(make_plan(tmp_path, 3, network=NETWORK))


@pytest.mark.slow
def test_it_learns_two_pictures_and_finds_their_objects_at_any_size_when_deployed(tmp_path: Path) -> None:
    write_objects(tmp_path)
    plan = objects_plan(tmp_path, network=NETWORK, export={"height": None, "width": None, "side": SIDE})
    history = train(plan, tmp_path / "out", Silent())
    assert history[-1]["validation ap50"] == 1.0
    done = export(tmp_path / "out" / BEST, tmp_path / "discs.onnx")
    assert done.agreement > 0.999
    assert (done.spec.family, done.spec.input.fit, done.spec.input.height) == ("watershed", "stretch", None)
    recipe = load_segmenter(str(done.file))
    found = evaluate(recipe, tmp_path / "pictures", tmp_path / "masks", Wanted(ids={}), 1)
    assert found.figures["ap_50"] == 1.0
    assert found.figures["right"] == pytest.approx(history[-1]["validation right"], abs=0.02)
