"""Every example runs as it stands; one whose library is not here is skipped, and says so."""

from __future__ import annotations

import re
import runpy
import sqlite3
import sys
from contextlib import closing
from email.message import EmailMessage
from pathlib import Path

import cv2
import numpy as np
import pytest

from streamseg.frame import Image
from tests.parts import clips
from tests.parts.documents import ROOT
from tests.parts.events import event, frame_with, later
from tests.parts.patience import finished
from tests.parts.program import environment

EXAMPLES = ROOT / "examples"
SCENE = "test://?frames=3"


def run(name: str, *words: object, cwd: Path | None = None) -> list[str]:
    """The lines that it prints."""
    command = [sys.executable, "-W", "error", str(EXAMPLES / name), *map(str, words)]
    done = finished(command, env=environment(), cwd=cwd)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def portrait() -> Image:
    data = pytest.importorskip("skimage.data", reason="scikit-image, which has a picture of a person, is not installed")
    return np.asarray(cv2.resize(data.astronaut()[..., ::-1], (256, 256), interpolation=cv2.INTER_AREA), np.uint8)


def test_every_example_is_run_by_a_test_of_this_file() -> None:
    tested = set(re.findall(r"\"(\w+\.(?:py|ipynb))\"", Path(__file__).read_text()))
    assert {path.name for path in EXAMPLES.glob("*.*")} == tested


@pytest.mark.parametrize("name", ["opencv_loop.py", "own_output.py", "supervision_annotate.py", "two_cameras.py"])
@pytest.mark.parametrize("words", [(), ("one",), ("one", "two", "three")], ids=len)
def test_one_that_needs_two_names_says_so_in_a_line(name: str, words: tuple[str, ...], tmp_path: Path) -> None:
    if name.startswith("supervision"):
        pytest.importorskip("supervision", reason="supervision is not installed")
    done = finished([sys.executable, str(EXAMPLES / name), *words], env=environment(), cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert re.fullmatch(rf"usage: python examples/{name} \S+ \S+\n", done.stderr)
    assert list(tmp_path.iterdir()) == []


def test_the_endpoint_says_that_it_is_served_by_another_program() -> None:
    pytest.importorskip("fastapi", reason="fastapi is not installed")
    done = finished([sys.executable, str(EXAMPLES / "fastapi_endpoint.py")], env=environment())
    assert (done.returncode, done.stderr) == (2, "usage: uvicorn --app-dir examples fastapi_endpoint:app\n")


def test_a_mail_is_sent_when_an_event_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    """There is no mail server here: what it would be given is what counts."""
    sent: list[EmailMessage] = []

    class Server:
        def __init__(self, host: str, timeout: float) -> None:
            assert host == "smtp.example.org"

        def __enter__(self) -> Server:
            return self

        def __exit__(self, *_: object) -> None: ...

        def login(self, user: str, password: str) -> None:
            assert (user, password) == ("me@example.org", "hunter2")

        def send_message(self, mail: EmailMessage) -> None:
            sent.append(mail)

    monkeypatch.setattr("smtplib.SMTP_SSL", Server)
    monkeypatch.setenv("SMTP_PASSWORD", "hunter2")
    mail = runpy.run_path(str(EXAMPLES / "mail.py"))["Mail"]("smtp.example.org", "me@example.org")
    one = event(rule="visitor")
    mail.write(frame_with([one]))
    mail.write(frame_with([later(one, "end")]))
    mail.close()
    assert [each["Subject"] for each in sent] == ["visitor: 2.2 %"]
    (picture,) = sent[0].iter_attachments()
    assert picture.get_content_type() == "image/jpeg"


def test_areas() -> None:
    assert len(run("areas.py", SCENE)) == 3


def test_a_webcam_opens_a_window(monkeypatch: pytest.MonkeyPatch) -> None:
    """There is neither a camera nor a display here: what it asks for is what counts."""
    import streamseg

    class Asked:
        def run(self) -> None: ...

    asked: list[object] = []

    def opened(*names: object, **options: object) -> Asked:
        asked.append((names, options))
        return Asked()

    monkeypatch.setattr(streamseg, "open", opened)
    runpy.run_path(str(EXAMPLES / "webcam.py"))
    assert asked == [((0, "window"), {"view": "blur", "size": (1280, 720), "fps": 30})]


def test_the_opencv_loop_writes_as_many_frames_as_it_reads(tmp_path: Path) -> None:
    clips.clip(tmp_path / "in.mp4", frames=5)
    lines = run("opencv_loop.py", "in.mp4", "out.avi", cwd=tmp_path)
    assert len(lines) == 5
    assert all(re.fullmatch(r"person \d+%", line) for line in lines)
    video = cv2.VideoCapture(str(tmp_path / "out.avi"))
    assert sum(video.read()[0] for _ in range(9)) == 5


def test_the_opencv_loop_says_what_cannot_be_opened(tmp_path: Path) -> None:
    command = [sys.executable, str(EXAMPLES / "opencv_loop.py"), "absent.mp4", "out.avi"]
    done = finished(command, env=environment(), cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == "absent.mp4: OpenCV cannot open it"
    assert "Traceback" not in done.stderr


def test_own_source() -> None:
    lines = run("own_source.py")
    assert len(lines) == 50
    assert lines[-1].startswith("1.96 s: 8.3%")


def test_own_output_fills_the_database(tmp_path: Path) -> None:
    lines = run("own_output.py", SCENE, "found.db", cwd=tmp_path)
    assert lines[0] == "frame 0: foreground"
    with closing(sqlite3.connect(tmp_path / "found.db")) as database:
        rows = database.execute("SELECT class, count(*), sum(share) FROM shares GROUP BY class").fetchall()
    assert [row[:2] for row in rows] == [("background", 3), ("foreground", 3)]
    assert sum(row[2] for row in rows) == pytest.approx(3)


def test_own_output_adds_to_a_database_that_is_there(tmp_path: Path) -> None:
    for _ in range(2):
        run("own_output.py", SCENE, "found.db", cwd=tmp_path)
    with closing(sqlite3.connect(tmp_path / "found.db")) as database:
        assert database.execute("SELECT count(*) FROM shares").fetchone() == (2 * 3 * 2,)


def test_own_model() -> None:
    lines = run("own_model.py", SCENE)
    assert len(lines) == 3
    assert all(re.fullmatch(r"\d+% red, \d+% blue", line) for line in lines)


def test_ros_push_shows_the_brightness_of_what_was_pushed_last() -> None:
    lines = run("ros_push.py")
    assert all(re.fullmatch(r"\d\.\d\d s: (0|100)% bright, \d+ dropped", line) for line in lines)
    assert lines[-1].startswith("0.97 s: 100% bright")


def test_two_cameras_are_watched_at_once_and_change_their_model() -> None:
    lines = run("two_cameras.py", "test://?size=160x120", "test://?size=160x120&seed=2")
    for name in ("door", "yard"):
        own = [line for line in lines if line.startswith(name)]
        assert len(own) == 30
        assert own[0].endswith("person")
    first, last = lines.index(next(line for line in lines if line.startswith("yard"))), lines[-1]
    assert first < 30, last


def test_supervision_annotates(tmp_path: Path) -> None:
    pytest.importorskip("supervision", reason="supervision is not installed")
    image = portrait()
    cv2.imwrite(str(tmp_path / "in.png"), image)
    (line,) = run("supervision_annotate.py", "in.png", "out.png", cwd=tmp_path)
    assert line == "1 ['person']"
    drawn = cv2.imread(str(tmp_path / "out.png"))
    assert drawn is not None
    assert not np.array_equal(drawn, image)


@pytest.mark.filterwarnings("ignore")  # of FastAPI and its client
def test_the_endpoint_answers_with_annotations_and_refuses_what_is_no_picture() -> None:
    pytest.importorskip("fastapi", reason="fastapi is not installed")
    pytest.importorskip("httpx", reason="httpx, which FastAPI's test client needs, is not installed")
    from fastapi.testclient import TestClient

    client = TestClient(runpy.run_path(str(EXAMPLES / "fastapi_endpoint.py"))["app"])
    picture = cv2.imencode(".png", portrait())[1].tobytes()
    told = client.post("/segment?image_id=7", content=picture).json()
    assert told["areas"]["person"] > 0.01
    (person,) = told["annotations"]
    assert (person["image_id"], person["category_id"]) == (7, 1)
    assert client.post("/segment", content=b"no picture").status_code == 400
    assert client.post("/segment", content=b"").status_code == 400


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of Jupyter
def test_the_notebook_runs_from_top_to_bottom_and_shows_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    nbclient = pytest.importorskip("nbclient", reason="nbclient is not installed")
    pytest.importorskip("ipykernel", reason="ipykernel is not installed")
    nbformat = pytest.importorskip("nbformat")
    notebook = nbformat.read(EXAMPLES / "notebook.ipynb", as_version=4)
    nbclient.NotebookClient(notebook, timeout=300, kernel_name="python3").execute()
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    assert len(outputs) == 6
    assert sum("image/png" in output.get("data", {}) for output in outputs) == 2
