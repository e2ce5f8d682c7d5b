"""Engines built by the real parser and the real builder, which need no GPU when they are told what to build for."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest
from onnx import TensorProto, helper

from streamseg.convert.quantise import quantise
from streamseg.errors import BackendError
from streamseg.infer.backends.tensorrt.builder import Plan, Profile, build_plan, make_profiles, targets
from streamseg.infer.backends.tensorrt.library import Library, is_installed, load_library
from streamseg.infer.backends.tensorrt.prepare import Precision, prepare
from streamseg.infer.model.catalogue import SHIPPED, load_spec
from streamseg.infer.model.onnxfile import inspect_onnx
from streamseg.infer.model.spec import InputSpec, ModelSpec
from streamseg.infer.model.tensors import TensorInfo
from tests.parts.models import NETWORKS
from tests.parts.toy_models import segmenter

pytestmark = pytest.mark.timeout(600)  # real builds: a second or two each, but of a machine that may be busy
BYTES = np.dtype(np.uint8)
ARCHITECTURES = [
    "unet-tiny",
    "unet",
    "unet-lite0",
    "unet-lite2",
    "fcn",
    "segnet",
    "segnet-lite0",
    "deeplab",
    "mask-rcnn",
    "watershed-lite0",
]


@pytest.fixture(scope="module")
def rtx() -> Library:
    if not is_installed("tensorrt-rtx"):
        pytest.skip("TensorRT-RTX is not installed: pip install '.[build]'")
    return load_library("tensorrt-rtx")


def build(library: Library, file: Path, precision: Precision, target: str = "sm86") -> Plan:
    profiles = make_profiles(load_spec(file), inspect_onnx(file).inputs)
    return build_plan(library, prepare(file, precision), profiles, target=target, progress=lambda done: True)


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
@pytest.mark.parametrize("file", NETWORKS, ids=lambda file: file.stem)
def test_every_network_that_ships_is_built(rtx: Library, file: Path, precision: Precision) -> None:
    plan = build(rtx, file, precision)
    assert len(plan.data) > file.stat().st_size // 4
    assert plan.layers > 50


@pytest.mark.parametrize("target", ["sm75", "sm80", "sm89", "sm120"])
def test_for_every_architecture_that_it_knows(rtx: Library, target: str) -> None:
    assert target in targets(rtx)
    assert build(rtx, SHIPPED / "person.onnx", "fp16", target).data


def in_eight_bits(file: Path, folder: Path) -> Path:
    data = pytest.importorskip("skimage.data", reason="scikit-image has the photograph")
    photograph = data.astronaut()[..., ::-1].copy()
    return quantise(file, folder / "small.onnx", [photograph], "tensorrt").file


@pytest.mark.slow
@pytest.mark.parametrize("file", NETWORKS, ids=lambda file: file.stem)
def test_every_network_that_ships_is_built_in_eight_bits(rtx: Library, file: Path, tmp_path: Path) -> None:
    assert build(rtx, in_eight_bits(file, tmp_path), "fp32").data


@pytest.fixture(scope="module", params=ARCHITECTURES)
def exported(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network of every architecture, as its training would export it; the weights are those it starts with."""
    pytest.importorskip("torch", reason="training needs PyTorch: pip install '.[train]'")
    from streamseg.training.checkpoint import save_checkpoint
    from streamseg.training.export import export
    from streamseg.training.network import ARCHITECTURES as KNOWN
    from streamseg.training.network import build as make
    from tests.training.scene import make_plan

    assert set(KNOWN) == set(ARCHITECTURES)
    folder = tmp_path_factory.mktemp(request.param)
    kind = KNOWN[request.param]
    size = {"height": 128, "width": 128} if kind.instances else {"side": 128}
    plan = make_plan(folder, 2 if kind.gives == "maps" else 3, network={"architecture": request.param}, export=size)
    save_checkpoint(folder / "last.pt", plan, {"average": make(plan).state_dict()})
    return export(folder / "last.pt", folder / "made.onnx").file


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_every_architecture_that_can_be_trained_is_built(rtx: Library, exported: Path, precision: Precision) -> None:
    assert build(rtx, exported, precision).layers > 5


@pytest.mark.slow
def test_every_architecture_that_can_be_trained_is_built_in_eight_bits(
    rtx: Library, exported: Path, tmp_path: Path
) -> None:
    assert build(rtx, in_eight_bits(exported, tmp_path), "fp32").layers > 5


def test_the_build_can_be_watched_and_stopped(rtx: Library) -> None:
    file = SHIPPED / "person.onnx"
    model, profiles = prepare(file, "fp32"), make_profiles(load_spec(file), inspect_onnx(file).inputs)
    seen: list[float] = []

    def watch(done: float) -> bool:
        seen.append(done)
        return True

    build_plan(rtx, model, profiles, target="sm86", progress=watch)
    assert seen == sorted(seen)
    assert 0 < seen[-1] <= 1
    assert len(seen) > 5 * len(set(seen)), "it is asked within the long phases as well"
    with pytest.raises(KeyboardInterrupt):
        build_plan(rtx, model, profiles, target="sm86", progress=lambda done: False)


def test_an_architecture_that_it_does_not_know_is_one_line(rtx: Library) -> None:
    with pytest.raises(BackendError, match=r"no sm90 \(one of sm75, "):
        build(rtx, SHIPPED / "person.onnx", "fp32", "sm90")


def test_an_operator_that_it_does_not_know_is_named(rtx: Library) -> None:
    nodes = [
        helper.make_node("Cast", ["x"], ["f"], to=TensorProto.FLOAT),
        helper.make_node("Unique", ["f"], ["y"], name="the_odd_one"),
    ]
    graph = helper.make_graph(
        nodes,
        "odd",
        [helper.make_tensor_value_info("x", TensorProto.UINT8, [1, 8, 8, 3])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9).SerializeToString()
    shape = (1, 8, 8, 3)
    with pytest.raises(BackendError, match="the_odd_one") as caught:
        build_plan(rtx, model, {"x": Profile(shape, shape, shape)}, target="sm86", progress=lambda done: True)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("side", ["height", "width"])
def test_a_network_with_one_fixed_side_is_built(rtx: Library, tmp_path: Path, side: str) -> None:
    fixed = (96, None) if side == "height" else (None, 96)
    (tmp_path / "toy.yaml").write_text("classes: [a, b, c, d, e]\noutputs: {logits: scores}\ninput: {stride: 32}\n")
    assert build(rtx, segmenter(tmp_path / "toy.onnx", size=fixed), "fp16").data


def test_junk_is_one_line(rtx: Library) -> None:
    with pytest.raises(BackendError, match="does not take the model"):
        build_plan(rtx, b"junk", {}, target="sm86", progress=lambda done: True)


def test_profiles_cover_what_the_spec_can_lead_to() -> None:
    spec = ModelSpec(
        classes=("a", "b"),
        outputs={"labels": "y"},
        input=InputSpec(layout="NHWC", dtype="uint8", side=512, stride=32),
    )
    free = TensorInfo("x", (None, None, None, 3), BYTES)
    profile = make_profiles(spec, [free])["x"]
    assert profile.least == (1, 32, 32, 3)
    assert profile.usual == (1, 288, 512, 3)
    assert profile.most == (4, 544, 544, 3)
    larger = msgspec.structs.replace(spec, input=msgspec.structs.replace(spec.input, largest=1024))
    assert make_profiles(larger, [free])["x"].most == (4, 1056, 1056, 3)
    one_side = TensorInfo("x", (None, 512, None, 3), BYTES)
    for wanted, given in ((spec.input, one_side), (InputSpec(layout="NHWC", height=512, stride=32), free)):
        profile = make_profiles(msgspec.structs.replace(spec, input=wanted), [given])["x"]
        assert profile == Profile((1, 512, 224, 3), (1, 512, 896, 3), (4, 512, 1248, 3))
    fixed = TensorInfo("x", (1, 256, 256, 3), BYTES)
    assert make_profiles(spec, [fixed])["x"] == Profile(*[(1, 256, 256, 3)] * 3)
