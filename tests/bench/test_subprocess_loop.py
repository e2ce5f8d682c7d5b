from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

import streamseg
from streamseg.bench.compare import Wanted, prepare
from streamseg.bench.loop import Task
from streamseg.bench.streamseg_loops import serial
from streamseg.bench.subprocess_loop import Elsewhere
from streamseg.convert.importer import Hints, import_model
from streamseg.errors import BackendError
from tests.parts import toy_models

INFERENCE = '''
"""The part of Roboflow's package that is used, for where it is not installed."""
import types
import cv2

class InferencePipeline:
    @classmethod
    def init_with_custom_logic(cls, clip, on_video_frame, on_prediction):
        made = cls()
        made.clip, made.infer, made.take, made.ended = clip, on_video_frame, on_prediction, False
        return made

    def start(self, use_main_thread):
        capture = cv2.VideoCapture(self.clip)
        while not self.ended:
            taken, image = capture.read()
            if not taken:
                return
            frame = types.SimpleNamespace(image=image)
            self.take(self.infer([frame])[0], frame)

    def terminate(self):
        self.ended = True

    def join(self):
        print("words that are no answer")
'''


ULTRALYTICS = '''
"""The part of Ultralytics that is used, for where it is not installed."""
import types
import cv2
import numpy as np
import onnxruntime

class YOLO:
    def __init__(self, model, task):
        self.session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
        about = self.session.get_modelmeta().custom_metadata_map
        assert task == about["task"] and eval(about["names"])[0]
        self.height, self.width = eval(about["imgsz"])

    def predict(self, clip, stream, verbose, device):
        capture = cv2.VideoCapture(clip)
        while True:
            taken, image = capture.read()
            if not taken:
                return
            small = cv2.resize(image, (self.width, self.height))[..., ::-1].astype(np.float32) / 255
            labels = self.session.run(None, {"images": small.transpose(2, 0, 1)[None]})[0][0].astype(np.uint8)
            large = cv2.resize(labels, image.shape[1::-1], interpolation=cv2.INTER_NEAREST_EXACT)
            yield types.SimpleNamespace(semantic_mask=types.SimpleNamespace(data=large), plot=lambda: None)
'''


@pytest.fixture
def task(tmp_path: Path) -> Task:
    video = tmp_path / "scene.mp4"
    streamseg.open("test://?frames=60&size=160x120", str(video), model="otsu", view="source").run()
    made = import_model(toy_models.segmenter(tmp_path / "toy.onnx"), tmp_path / "own.onnx", Hints(normalise="imagenet"))
    return prepare(Wanted(str(made.file), video), tmp_path)


@pytest.mark.parametrize(("package", "code"), [("inference", INFERENCE), ("ultralytics", ULTRALYTICS)])
def test_a_loop_in_another_interpreter_gives_labels_and_times(
    package: str, code: str, task: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / f"{package}.py").write_text(code)
    about = tmp_path / f"{package}-1.2.3.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.2.3\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    peer = Elsewhere(task, package, Path(sys.executable), tmp_path)
    try:
        assert peer.runs_on == f"{package} 1.2.3, {task.threads} threads"
        labels = peer.labels(5)
        expected = serial(task).labels(5)
        assert np.mean(np.stack(labels) == np.stack(expected)) > 0.95
        turn = peer.turn(0.05)
        assert turn.frames > 0 and turn.wall_s > 0 and turn.cpu_s > 0
        assert peer.turn(0.0).frames == 1, "a frame that takes longer than a turn counts"
    finally:
        peer.close()


@pytest.mark.parametrize("package", ["inference", "ultralytics"])
def test_a_peer_that_does_not_start_is_one_line(package: str, task: Task, tmp_path: Path) -> None:
    with pytest.raises(BackendError, match=f"No module named '{package}'") as caught:
        Elsewhere(task, package, Path(sys.executable), tmp_path)
    assert "\n" not in str(caught.value)
    with pytest.raises(BackendError, match="No such file"):
        Elsewhere(task, package, tmp_path / "no-python", tmp_path)
