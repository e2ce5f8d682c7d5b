from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import streamseg
from streamseg.bench import clip, compare, peers
from streamseg.bench.compare import Wanted, prepare, ratios
from streamseg.bench.loop import Inside, Labels, Task
from streamseg.cli import main
from streamseg.convert.importer import Hints, import_model
from tests.parts import toy_models
from tests.parts.models import NEEDS_RESEARCH

FRAMES = 40


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A short video and an imported model."""
    folder = tmp_path_factory.mktemp("parts")
    video = folder / "scene.mp4"
    streamseg.open(f"test://?frames={FRAMES}&size=160x120", str(video), model="otsu", view="source").run()
    made = import_model(toy_models.segmenter(folder / "toy.onnx"), folder / "own.onnx", Hints(normalise="imagenet"))
    return video, made.file


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clip, "_FRAMES", 3 * FRAMES)
    monkeypatch.setattr(compare, "_COMPARED", 10)
    monkeypatch.setattr(compare, "_TUNING_S", 0.2)
    monkeypatch.setattr(compare, "LEAST_AGREEMENT", 0.95)  # the toy's random weights leave many labels near a tie


def test_a_plot_of_no_kind_is_told_before_anything_is_measured(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("matplotlib", reason="plots need matplotlib")
    for name in ("bars", "bars.doc"):
        assert main(["bench", "gone.onnx", "--plot", name]) == 4
        assert (
            f"{name}: not a kind of picture that can be written (a name such as speed.png)" in capsys.readouterr().err
        )


@pytest.mark.slow
def test_one_command_compares_everything(
    parts: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    video, model = parts
    words = ["bench", str(model), "--clip", str(video), "--rounds", "2", "--seconds", "0.05", "--json"]
    plotted = ["--plot", str(tmp_path / "bars.png")] if _has("matplotlib") else []
    if plotted:
        (tmp_path / "bars.png").write_bytes(b"precious")
        assert main([*words, *plotted]) == 4
        assert "bars.png: exists (--overwrite replaces it)" in capsys.readouterr().err
        plotted.append("--overwrite")
    assert main([*words, *plotted]) == 0
    told = json.loads(capsys.readouterr().out)
    loops = {loop["name"]: loop for loop in told["loops"]}
    for name in (
        "naive loop",
        "streamseg's steps in turn",
        "streamseg",
        "streamseg, masks carried",
        "network alone",
        "OpenCV DNN",
    ):
        assert "problem" not in loops[name], loops[name]
        assert len(loops[name]["turns"]) == 2 and loops[name]["cpu_ms"] > 0
    assert all(loops[name]["masks_agree"] >= 0.95 for name in ("naive loop", "streamseg", "OpenCV DNN"))
    assert loops["network alone"]["masks_agree"] is None
    assert loops["Roboflow InferencePipeline"]["problem"].startswith("not installed")
    assert {"streamseg / naive loop", "streamseg / network alone"} <= set(told["ratios"])
    assert told["ratios"]["streamseg / naive loop"]["median"] > 0
    assert told["machine"]["onnxruntime"] and told["input"] == [24, 32]
    if _has("openvino"):
        assert len(loops["OpenVINO AsyncInferQueue, f32"]["turns"]) == 2
    if plotted:
        assert (tmp_path / "bars.png").read_bytes()[:4] == b"\x89PNG"


def test_a_peer_that_is_wrong_missing_or_broken_is_a_row_without_times(
    parts: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def wrong(task: Task) -> Inside:
        def start() -> Iterator[Labels]:
            while True:
                yield np.full(task.size, 3, np.uint8)

        return Inside("OpenCV DNN", "nothing", start)

    def broken(task: Task, precision: str | None = None) -> Inside:
        if precision:
            raise ImportError("No module named 'openvino'")

        def start() -> Iterator[Labels]:
            raise RuntimeError("out of\nluck")
            yield

        return Inside("broken", "nothing", start)

    monkeypatch.setattr(peers, "opencv_dnn", wrong)
    monkeypatch.setattr(peers, "openvino_queue", broken)
    video, model = parts
    task, rows = compare.compare(Wanted(str(model), video, rounds=1, seconds=0.02))
    by_name = {row.name: row for row in rows}
    assert by_name["OpenCV DNN"].problem.startswith("masks differ: ") and not by_name["OpenCV DNN"].turns
    assert by_name["OpenVINO AsyncInferQueue"].problem == "does not run: RuntimeError: out of luck"
    assert by_name["OpenVINO AsyncInferQueue, f32"].problem == "not installed: No module named 'openvino'"
    assert by_name["streamseg"].turns
    assert ("streamseg", "naive loop") in [names[:2] for names in ratios(rows)]
    compare_report(task, rows, capsys)


def compare_report(task: Task, rows: list[compare.Row], capsys: pytest.CaptureFixture[str]) -> None:
    from streamseg.bench.report import print_table

    print_table(task, rows)
    told = capsys.readouterr().out
    assert "OpenCV DNN: masks differ" in told and "streamseg / naive loop, round by round" in told


@pytest.mark.parametrize(
    "name", ["person", *(pytest.param(name, marks=NEEDS_RESEARCH) for name in ("street", "cracks"))]
)
def test_shipped_networks_are_taken_apart(name: str, parts: tuple[Path, Path], tmp_path: Path) -> None:
    task = prepare(Wanted(name, parts[0]), tmp_path)
    bare = task.bare
    assert bare.decision == ("argmax" if name == "street" else "threshold")
    assert bare.rgb == (name == "person")
    assert bare.mean == pytest.approx([0, 0, 0] if name == "person" else [103.53, 116.28, 123.675], abs=0.01)
    assert bare.std == pytest.approx([255] * 3 if name == "person" else [57.375, 57.12, 58.395], abs=0.01)
    assert all(side % 32 == 0 for side in task.size)


def test_what_cannot_be_compared_is_one_line(
    parts: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    video, _ = parts
    (tmp_path / "toy.yaml").write_text("classes: [a, b, c, d, e]\noutputs: {logits: scores}\n")
    plain = toy_models.segmenter(tmp_path / "toy.onnx")
    for words in ([plain, "--clip", video], ["nuclei", "--clip", video], ["no-such"]):
        assert main(["bench", *map(str, words)]) == 2
        assert capsys.readouterr().err.count("\n") == 1


def _has(package: str) -> bool:
    import importlib.util

    return importlib.util.find_spec(package) is not None
