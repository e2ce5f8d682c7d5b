"""Every network that ships: whole, described, within its promises, and as good as its card says."""

from __future__ import annotations

import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from streamseg.cli import main
from streamseg.evaluation.evaluate import Evaluation, Wanted, evaluate
from streamseg.frame import Frame
from streamseg.infer import load_recipe
from streamseg.infer.catalogue import SHIPPED, load_spec
from streamseg.infer.onnxfile import load_onnx

ROOT = Path(__file__).parents[2]
# Labelled pictures that may not be passed on; see the models' cards for where they come from.
DATA = Path(os.environ.get("STREAMSEG_DATA", ROOT.parent / "shared" / "data"))
MODELS = sorted(path.stem for path in SHIPPED.glob("*.onnx"))
MB = 1_000_000


@pytest.mark.parametrize("name", MODELS)
def test_a_shipped_network_is_described_and_runs(name: str) -> None:
    spec = load_spec(SHIPPED / f"{name}.onnx")
    assert spec.licence
    assert spec.summary
    assert spec.score
    card = spec.score.rpartition("(")[2].rstrip(")")
    assert name in (SHIPPED / card).read_text()
    segment = load_recipe(name).make(1)
    (found,) = segment([Frame(np.full((240, 320, 3), 120, np.uint8), 0, 0.0, 0.0)])
    segment.close()
    assert found.labels.max() < len(found.classes)


@pytest.mark.parametrize("name", MODELS)
def test_a_shipped_network_needs_no_plugin(name: str) -> None:
    model = load_onnx(SHIPPED / f"{name}.onnx")
    kinds = {node.op_type for node in model.graph.node}
    assert {node.domain for node in model.graph.node} <= {"", "ai.onnx"}
    assert not kinds & {"NonMaxSuppression", "RoiAlign", "NonZero", "MaxUnpool", "If", "Loop"}


def test_all_of_them_stay_small() -> None:
    assert sum(path.stat().st_size for path in SHIPPED.iterdir()) <= 40 * MB


def test_a_network_that_is_not_free_says_so_once_when_it_runs(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "test://?frames=3", "null", "--model", "street"]) == 0
    assert capfd.readouterr().err.count("CC BY-NC 4.0") == 1
    assert main(["run", "test://?frames=3", "null", "--model", "person"]) == 0
    assert "Apache" not in capfd.readouterr().err


def road(index: int) -> np.ndarray:
    """Asphalt under a slowly moving camera, with one dark crack."""
    dice = np.random.default_rng(3)
    grain = cv2.GaussianBlur(dice.normal(128, 28, (320, 600)), (0, 0), 1.2)
    picture = np.repeat(np.clip(grain, 0, 255).astype(np.uint8)[:, :, None], 3, 2)
    rows = 160 + np.cumsum(dice.integers(-2, 3, 100)) * 2
    points = np.stack([np.arange(100) * 6, rows], 1).astype(np.int32)
    cv2.polylines(picture, [points], isClosed=False, color=(38, 38, 38), thickness=2, lineType=cv2.LINE_AA)
    return np.ascontiguousarray(picture[:, index * 3 : index * 3 + 480])


def test_cracks_are_found_live_on_a_clip(tmp_path: Path) -> None:
    clip = tmp_path / "road.avi"
    writer = cv2.VideoWriter(str(clip), cv2.VideoWriter.fourcc(*"MJPG"), 25, (480, 320))
    for index in range(12):
        writer.write(road(index))
    writer.release()
    assert main(["run", str(clip), f"masks:{tmp_path / 'masks'}", "--model", "cracks", "--quiet"]) == 0
    masks = sorted((tmp_path / "masks").glob("*.png"))
    assert len(masks) == 12
    for index, path in enumerate(masks):
        painted = cv2.imread(str(path), cv2.IMREAD_COLOR)  # through its palette, in which the surface is black
        assert painted is not None
        found = painted.any(2)
        crack = road(index)[..., 0] < 70
        near = np.asarray(cv2.dilate(np.asarray(found, np.uint8), np.ones((9, 9), np.uint8))) > 0
        assert crack[near].sum() / crack.sum() > 0.5
        assert found.mean() < 0.05


def judged(name: str, pictures: str, masks: str, pattern: str = "*", **wanted: object) -> Evaluation:
    """The model's scores on the part of a set that it never saw."""
    folder = DATA / pictures
    if not folder.is_dir():
        pytest.skip(f"the labelled pictures of {pictures} are not here (set STREAMSEG_DATA to their folder)")
    return evaluate(load_recipe(name), folder, DATA / masks, Wanted(ids={11: 255}, pattern=pattern, **wanted), 2)  # type: ignore[arg-type]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "least"), [("street", 0.72), ("street-fcn", 0.66)])
def test_streets_are_scored_as_the_card_says(name: str, least: float) -> None:
    assert judged(name, "camvid/val", "camvid/valannot").figures["miou"] > least


@pytest.mark.slow
def test_cracks_are_scored_as_the_card_says() -> None:
    (_, crack) = judged("cracks", "cracks/images", "cracks/masks", "*[05].*").classes
    assert crack.near_f1 > 0.90
