"""Every network that ships: whole, described, within its promises, and as good as its card says."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import cv2
import numpy as np
import pytest

from streamseg.cli import main
from streamseg.evaluation.evaluate import Evaluation, Wanted, evaluate
from streamseg.frame import Frame
from streamseg.infer import choosing, list_models, load_segmenter, pose
from streamseg.infer.model.catalogue import IN_PACKAGES, SHIPPED, load_spec
from streamseg.infer.model.onnxfile import load_onnx
from tests.parts.models import ADDED, FOLDERS, NEEDS_POSE, NEEDS_RESEARCH, NETWORKS

ROOT = Path(__file__).parents[2]
# Labelled pictures that may not be passed on; see the models' cards for where they come from.
DATA = Path(os.environ.get("STREAMSEG_DATA", ROOT.parent / "shared" / "data"))
MODELS = [file.stem for file in NETWORKS]
FILES = sorted(file for folder in FOLDERS for file in folder.rglob("*.onnx"))
"""Those that a model is made of together among them."""
MB = 1_000_000


@pytest.mark.parametrize("file", NETWORKS, ids=lambda file: file.stem)
def test_a_shipped_network_is_described_and_runs(file: Path) -> None:
    name, spec = file.stem, load_spec(file)
    assert spec.licence
    assert spec.summary
    assert spec.score
    card = spec.score.rpartition("(")[2].rstrip(")")
    assert name in (file.parent / card).read_text()
    segment = load_segmenter(name).make(1)
    (found,) = segment([Frame(np.full((240, 320, 3), 120, np.uint8), 0, 0.0, 0.0)])
    segment.close()
    assert found.labels.max() < len(found.classes)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_shipped_network_needs_no_plugin(file: Path) -> None:
    model = load_onnx(file)
    kinds = {node.op_type for node in model.graph.node}
    assert {node.domain for node in model.graph.node} <= {"", "ai.onnx"}
    assert not kinds & {"NonMaxSuppression", "RoiAlign", "NonZero", "MaxUnpool", "If", "Loop"}


def test_all_of_them_stay_small() -> None:
    assert sum(path.stat().st_size for folder in FOLDERS for path in folder.rglob("*")) <= 70 * MB


FREE = ("Apache-2.0", "MIT and Apache-2.0", "CC0-1.0")


def test_what_comes_with_streamseg_is_free_for_any_use() -> None:
    for file in SHIPPED.glob("*.onnx"):
        assert load_spec(file).licence.partition(" (")[0] in FREE, file


@NEEDS_RESEARCH
def test_what_is_not_free_is_in_the_package_of_that_name_and_its_notice_says_what_it_allows() -> None:
    notice = (ROOT / "research-models" / "NOTICE").read_text()
    for file in ADDED["research"].glob("*.onnx"):
        assert load_spec(file).licence.partition(" (")[0] not in FREE, file
        assert re.search(rf"^[^ ].*\b{file.stem}\b|^{file.stem}$", notice, re.MULTILINE), file


@NEEDS_RESEARCH
@NEEDS_POSE
def test_each_model_of_a_package_of_its_own_is_known_where_that_is_not_installed() -> None:
    there = {file.stem: extra for extra, folder in ADDED.items() for file in folder.glob("*.onnx")}
    assert there | {pose.NAME: "pose"} == IN_PACKAGES
    assert set(IN_PACKAGES) <= {model.name for model in list_models()}


@pytest.mark.parametrize(("command", "name"), [("run", "street"), ("tune", "street"), ("run", "person-pose")])
def test_a_model_that_is_not_installed_ends_in_the_line_that_gets_it(
    command: str, name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("importlib.metadata.entry_points", lambda *, group: ())
    assert main([command, name] if command == "tune" else ["run", "test://", "null", "--model", name]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    extra = IN_PACKAGES[name]
    assert f"model '{name}' is in a package of its own" in line
    assert re.search(rf"pip install .*({extra}-models|\[{extra}\])", line), line
    assert main(["models", "--json"]) == 0
    assert f'"{name}"' not in capsys.readouterr().out


@pytest.mark.parametrize("name", [*MODELS, pose.NAME, choosing.NAME])
def test_where_a_network_was_measured_and_where_not_is_in_the_documents(name: str) -> None:
    """Home, held out, elsewhere, and whether a company may use it."""
    rows = [line for line in (ROOT / "docs" / "models.md").read_text().splitlines() if line.startswith(f"| `{name}`")]
    assert len(rows) == 1
    cells = [cell.strip() for cell in rows[0].strip("|").split("|")]
    assert len(cells) == 5
    assert all(cells)


@NEEDS_RESEARCH
def test_a_network_that_is_not_free_says_so_once_when_it_runs(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "test://?frames=3", "null", "--model", "street"]) == 0
    assert capfd.readouterr().err.count("non-commercial research") == 1
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


@NEEDS_RESEARCH
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


def judged(
    name: str, pictures: str, masks: str, pattern: str = "*", ids: Mapping[int, int] = MappingProxyType({})
) -> Evaluation:
    """The model's scores on the part of a set that it never saw."""
    folder = DATA / pictures
    if not folder.is_dir():
        pytest.skip(f"the labelled pictures of {pictures} are not here (set STREAMSEG_DATA to their folder)")
    return evaluate(load_segmenter(name), folder, DATA / masks, Wanted(ids=dict(ids), pattern=pattern), 2)


@NEEDS_RESEARCH
@pytest.mark.slow
@pytest.mark.parametrize(("name", "least"), [("street", 0.72), ("street-fcn", 0.66)])
def test_streets_are_scored_as_the_card_says(name: str, least: float) -> None:
    assert judged(name, "camvid/val", "camvid/valannot", ids={11: 255}).figures["miou"] > least


@NEEDS_RESEARCH
@pytest.mark.slow
@pytest.mark.parametrize(
    ("folder", "pattern", "least"),
    [("cracks", "*[05].*", 0.90), ("cracks_masonry", "?_1?_*", 0.84), ("cracks_tiles", "*[05].*", 0.67)],
)
def test_cracks_are_scored_as_the_card_says(folder: str, pattern: str, least: float) -> None:
    (_, crack) = judged("cracks", f"{folder}/images", f"{folder}/masks", pattern).classes
    assert crack.near_f1 > least


@pytest.mark.slow
def test_the_lane_is_scored_as_the_card_says() -> None:
    (_, lane) = judged("lane", "road/images", "road/masks", "DF_080_*", {2: 1, 3: 255}).classes
    assert lane.iou > 0.94


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "least"),
    [("person", 0.90), *(pytest.param(name, 0.90, marks=NEEDS_POSE) for name in ("person-pose", "people"))],
)
def test_people_are_scored_as_the_cards_say(name: str, least: float) -> None:
    (_, person) = judged(name, "people/images", "people/masks", "*[16].jpg").classes
    assert person.iou > least
