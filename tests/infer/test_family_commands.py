"""Every family through what makes a model quick: tune, quantise, build, batches of many streams, and motion."""

from __future__ import annotations

import importlib.util
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from streamseg.cli import main
from streamseg.convert.importer import Hints, import_model
from streamseg.convert.quantise import quantise
from streamseg.frame import Frame
from streamseg.infer import load_segmenter
from streamseg.infer.batching import share_networks
from streamseg.infer.families import FAMILIES
from streamseg.infer.model.catalogue import load_spec
from streamseg.motion import make_propagator
from streamseg.segmentation import Instances, Segmentation
from tests.convert.test_families import FORMS as IMPORTED
from tests.parts import toy_models

built = pytest.mark.skipif(
    importlib.util.find_spec("tensorrt_rtx_bindings") is None,
    reason="TensorRT-RTX is not installed: pip install '.[build]'",
)
NAMES = ("disc", "square")
QUERIES = {
    "pred_boxes": np.array([[[20 / 64, 30 / 64, 0.25, 0.125], [0.5, 0.5, 0.1, 0.1]]], np.float32),
    "logits": np.array([[[-9.0, 0.8473, -9], [-9, -9, 9]]], np.float32),
}
FORMS: dict[str, tuple[dict[str, NDArray[Any]], dict[str, str], Hints]] = IMPORTED | {
    "detr": (QUERIES, {}, Hints(family="detr", classes=NAMES)),
    "queries": (
        {"pred_boxes": QUERIES["pred_boxes"], "logits": QUERIES["logits"][..., :2]},
        {},
        Hints(family="queries", normalise="0..1", classes=NAMES),
    ),
}
ONE_BY_ONE = tuple(form for form in FORMS if form.startswith("torchvision"))
"""Whose outputs are of one picture."""


def imported(folder: Path, form: str, batch: int | None = 1) -> Path:
    outputs, metadata, hints = FORMS[form]
    source = toy_models.looking(folder / "toy.onnx", outputs, metadata, batch=batch)
    return import_model(source, folder / "made.onnx", hints).file


def described(folder: Path, form: str) -> Path:
    """The graph as its exporter wrote it, and a YAML beside it that says the same as an import would."""
    spec = load_spec(imported(folder, form))
    lines = [
        f"classes: [{', '.join(spec.classes)}]",
        "task: instance",
        f"family: {spec.family}",
        f"background: {spec.background}",
        f"least_score: {spec.least_score}",
        f"outputs: {{{', '.join(f'{role}: {name}' for role, name in spec.outputs.items())}}}",
        *([] if spec.overlap is None else [f"overlap: {spec.overlap}"]),
        f"input: {{std: [255], fit: {spec.input.fit}}}",
    ]
    (folder / "toy.yaml").write_text("\n".join(lines) + "\n")
    return folder / "toy.onnx"


def frames(count: int, step: int = 0) -> list[Frame]:
    """A picture with something to see everywhere, that moves so many pixels to the right from frame to frame."""
    noise = np.random.default_rng(3).integers(0, 256, (32, 48, 3), dtype=np.uint8)
    wide = cv2.resize(noise, (192, 128), interpolation=cv2.INTER_CUBIC)
    cuts = [wide[:, 64 - step * i : 192 - step * i] for i in range(count)]
    return [Frame(np.ascontiguousarray(cut), i, i / 25, 0.0) for i, cut in enumerate(cuts)]


def objects(found: Segmentation) -> Instances:
    assert found.instances is not None
    return found.instances


def names(found: Segmentation) -> list[str]:
    return [found.classes.names[i] for i in objects(found).class_ids]


def test_every_family_is_here() -> None:
    assert {type(FAMILIES[form.split()[0]]) for form in FORMS} == {type(family) for family in FAMILIES.values()}


@pytest.mark.parametrize("form", FORMS)
def test_tune_finds_a_backend_for_it(
    tmp_path: Path, form: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    file = imported(tmp_path, form)
    words = ["tune", str(file), "--for", "live", "--seconds", "0.2", "--pictures", "test://?frames=2&size=64x48"]
    assert main(words) == 0
    told = capsys.readouterr().out
    assert "best for live" in told
    assert "differ" not in told


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("where", ["inside", "beside"])
def test_in_8_bits_it_finds_the_same(tmp_path: Path, form: str, where: str) -> None:
    alone = where == "beside" and form not in ONE_BY_ONE  # those need the first axis that an import gives them
    file = described(tmp_path, form) if alone else imported(tmp_path, form)
    done = quantise(file, tmp_path / "small.onnx", [frame.image for frame in frames(2)], "cpu")
    assert (done.agreement, done.objects) == (1.0, 1.0)
    assert load_spec(done.file).family == load_spec(file).family
    network = load_segmenter(str(done.file)).make(1)
    assert names(network(frames(1))[0]) == ["square"]
    network.close()


@built
@pytest.mark.parametrize("form", FORMS)
def test_an_engine_is_built_of_it(tmp_path: Path, form: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["build", str(imported(tmp_path, form)), "--for", "sm86", "--out", str(tmp_path / "engines")]) == 0
    assert "layers: there was none" in capsys.readouterr().out
    assert len(list((tmp_path / "engines").glob("*.plan"))) == 1


@pytest.mark.parametrize("form", [form for form in FORMS if form not in ONE_BY_ONE])
def test_streams_share_one_run_of_it(tmp_path: Path, form: str) -> None:
    file = imported(tmp_path, form, batch=None)
    recipe = share_networks(load_segmenter)(str(file))
    assert recipe.most is not None and recipe.most > 1
    members = [recipe.make(1) for _ in range(3)]
    with ThreadPoolExecutor(3) as threads:
        found = list(threads.map(lambda pair: pair[0]([pair[1]])[0], zip(members, frames(3), strict=True)))
    assert [each.frame_index for each in found] == [0, 1, 2]
    together = members[0](frames(3))
    for each in [*found, *together]:
        assert names(each) == ["square"]
        assert objects(each).boxes[0].tolist() == objects(found[0]).boxes[0].tolist()
    for member in members:
        member.close()


@pytest.mark.parametrize("form", FORMS)
def test_its_objects_and_their_masks_go_with_the_motion(tmp_path: Path, form: str) -> None:
    network = load_segmenter(str(imported(tmp_path, form))).make(1)
    film = frames(7, step=2)
    (found,) = network(film[:1])
    network.close()
    propagator = make_propagator()
    for frame in film:
        propagator.observe(frame)
        carried = propagator.carry(found)
    before, after = objects(found), objects(carried)
    assert after.track_ids.tolist() == [0]
    assert after.boxes[0].tolist() == pytest.approx((before.boxes[0] + (12, 0, 12, 0)).tolist(), abs=2)
    there = np.roll(before.mask(0, (128, 128)), 12, axis=1)
    there[:, :12] = before.mask(0, (128, 128))[:, :1]
    here = after.mask(0, (128, 128))
    assert (here & there).sum() / (here | there).sum() > 0.8
