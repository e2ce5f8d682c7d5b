"""What strangers hand over: files that run code, names that a terminal obeys, links that lead away."""

from __future__ import annotations

import http.server
import os
import pickle
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import onnx
import pytest

from streamseg.config import RunOptions, read_config
from streamseg.contracts import Controls
from streamseg.errors import InputError, OutputError, StreamsegError
from streamseg.files import write_whole
from streamseg.infer import load_segmenter
from streamseg.infer.model.spec import ModelSpec
from streamseg.sinks import open_sink
from streamseg.yamlfile import parse_yaml
from tests.parts import clips, toy_models
from tests.parts.bombs import measured
from tests.parts.fakes import FILE
from tests.parts.http_server import http_server
from tests.parts.program import PROGRAM, environment, run_program

SCENE = "test://?frames=2&size=64x48"
TITLE, RED = "\x1b]0;pwned\x07", "\x1b[31m"


class Touches:
    """When it is unpickled, it leaves a file behind."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __reduce__(self) -> tuple[Callable[..., object], tuple[Path]]:
        return Path.touch, (self._path,)


@pytest.mark.parametrize("suffix", ["pt", "pth", "pkl", "PT", "onnx"])
def test_a_pickled_model_runs_nothing(suffix: str, tmp_path: Path) -> None:
    model, trace = tmp_path / f"model.{suffix}", tmp_path / "trace"
    model.write_bytes(pickle.dumps(Touches(trace)))
    done = run_program("run", SCENE, "null", "--model", model)
    assert done.returncode == 2, done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not trace.exists()
    pickle.loads(model.read_bytes())
    assert trace.exists()  # it would have


@pytest.mark.parametrize("key", ["custom_ops", "custom_op_library", "plugins", "exec", "ffmpeg_args", "trust_engine"])
def test_no_configuration_and_no_model_names_code_to_load(key: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=f"run.yaml:2: unknown key '{key}'"):
        parse_yaml(f"source: test://\n{key}: /tmp/evil.so\n", RunOptions, "run.yaml")
    with pytest.raises(InputError, match=f"unknown key '{key}'"):
        parse_yaml(f"classes: [a]\noutputs: {{logits: x}}\n{key}: /tmp/evil.so\n", ModelSpec, "spec.yaml")
    model = toy_models.segmenter(tmp_path / "toy.onnx")
    held = onnx.load(model)
    text = f'{{"classes": ["a"], "outputs": {{"logits": "scores"}}, "{key}": "/tmp/evil.so"}}'
    held.metadata_props.add(key="streamseg", value=text)
    onnx.save(held, model)
    with pytest.raises(InputError, match=f"unknown key '{key}'"):
        load_segmenter(str(model))


_READ = """
import pathlib
from streamseg.config import read_config
try:
    read_config(pathlib.Path(sys.argv[1]), {})
except StreamsegError as error:
    print(error)
"""


def test_a_yaml_bomb_costs_neither_time_nor_memory(tmp_path: Path) -> None:
    path = tmp_path / "bomb.yaml"
    levels = [f"{b}: &{b} [{', '.join([f'*{a}'] * 9)}]" for a, b in zip("abcdefgh", "bcdefghi", strict=True)]
    path.write_text("\n".join(["a: &a [x, x]", *levels]))
    said, grown_kib = measured(_READ, path)
    assert "aliases are not allowed" in said
    assert grown_kib < 20_000


@pytest.mark.parametrize("key", ["source", "model", "background", "outputs"])
def test_a_name_with_a_nul_in_it_is_one_line(key: str, tmp_path: Path) -> None:
    path = tmp_path / "run.yaml"
    value = '["a\\0.png"]' if key == "outputs" else '"a\\0.png"'
    path.write_text(f"{key}: {value}\n" + ("" if key == "source" else "source: test://\n"))
    with pytest.raises(InputError, match="NUL"):
        read_config(path, {})


NAMES = [f"{TITLE}{RED}a.mp4", "[red]b[bold.mp4", "d\nstreamseg: all is well.mp4", "e\u202e4pm.mp4"]


@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_a_terminal_obeys_no_file_name(name: str, tmp_path: Path) -> None:
    clips.clip(tmp_path / "plain.mp4", frames=5)
    (tmp_path / "plain.mp4").rename(tmp_path / name)
    for words in (["run", name, "-", "--model", "otsu"], ["run", f"no{name}", "null"], ["run", name, f"{name}.xyz"]):
        said = on_a_terminal([*words], tmp_path)
        assert TITLE not in said and "\u202e" not in said
        assert "\nstreamseg: all is well" not in said
        assert "Traceback" not in said and "a defect in" not in said
        assert name.strip("\x1b")[-5] in said


def test_a_file_name_that_is_no_text_is_read_all_the_same(tmp_path: Path) -> None:
    clips.clip(tmp_path / "plain.mp4", frames=5)
    (tmp_path / "plain.mp4").rename(tmp_path / os.fsdecode(b"\xff.mp4"))
    done = run_program("run", os.fsdecode(b"\xff.mp4"), "-", "--model", "otsu", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count('"index"') == 5


def test_a_terminal_obeys_no_words_of_a_model(tmp_path: Path) -> None:
    model = toy_models.segmenter(tmp_path / "toy.onnx")
    names = f"['{TITLE}', '[/red]', c, d, e]".replace("\x1b", "\\x1b").replace("\x07", "\\x07").replace("'", '"')
    model.with_suffix(".yaml").write_text(
        f'classes: {names}\noutputs: {{logits: scores}}\nlicence: "{TITLE}[/red]"\nsummary: "{RED}"\n'.replace(
            "\x1b", "\\x1b"
        ).replace("\x07", "\\x07")
    )
    for words in (["models"], ["run", SCENE, "null", "--model", "toy"]):
        said = on_a_terminal(words, tmp_path, STREAMSEG_MODELS=str(tmp_path))
        assert "toy" in said
        assert TITLE not in said and RED not in said
        assert "Traceback" not in said and "a defect in" not in said


def test_a_terminal_takes_no_url_for_markup() -> None:
    """The status line of a live run is drawn by a library that has a markup of its own."""

    def answer(handler: http.server.BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
        handler.end_headers()
        body = cv2.imencode(".jpg", clips.numbered(1))[1].tobytes()
        for _ in range(30):
            handler.wfile.write(b"--frame\r\nContent-Type: image/jpeg\r\n\r\n" + body + b"\r\n")
            time.sleep(0.05)
        os.kill(run_pid[0], signal.SIGTERM)

    run_pid: list[int] = []
    with http_server(answer) as (url, _):
        said = on_a_terminal(["run", f"{url}/[/red]", "null", "--model", "otsu"], Path.cwd(), run_pid)
    assert "/[/red]: " in said and "fps" in said
    assert "Traceback" not in said and "a defect in" not in said


def on_a_terminal(words: list[str], folder: Path, pid: list[int] | None = None, **env: str) -> str:
    """All that the program says on a terminal of its own."""
    master, slave = pty.openpty()
    all_env = environment(COLUMNS="200", TERM="xterm", **env)
    with subprocess.Popen([*PROGRAM, *words], stdout=slave, stderr=slave, cwd=folder, env=all_env) as run:
        os.close(slave)
        if pid is not None:
            pid.append(run.pid)
        said = b""
        while True:
            try:
                said += os.read(master, 65536)
            except OSError:  # the other side is gone
                break
        run.wait(60)
    os.close(master)
    return said.decode(errors="replace").replace("\r\n", "\n")


def test_a_picture_replaces_a_link_and_never_writes_through_it(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_text("mine")
    for name in (".a.png.part", "a.png"):
        (tmp_path / name).symlink_to(precious)
    write_whole(tmp_path / "a.png", b"picture")
    assert precious.read_text() == "mine"
    assert (tmp_path / "a.png").read_bytes() == b"picture" and not (tmp_path / "a.png").is_symlink()


@pytest.mark.parametrize("name", ["%s.png", "%(x)s.png", "%d/../../x-%d.png", "a%n.png", "%*d.png"])
def test_a_pattern_is_a_number_and_nothing_else(name: str, tmp_path: Path) -> None:
    with pytest.raises((InputError, OutputError)):
        open_sink(str(tmp_path / name), FILE, Controls())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["../evil", "a/b", "a\\b", "..", "", "a" * 65, "%2e%2e", "nul\0", "/etc/passwd"])
def test_a_models_name_never_leaves_its_folder(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STREAMSEG_MODELS", str(tmp_path / "models"))
    (tmp_path / "evil.onnx").write_bytes(b"")
    with pytest.raises(StreamsegError, match="no model|not a|cannot be"):
        load_segmenter(name)


def test_starting_reaches_for_no_network() -> None:
    code = (
        "import socket, sys\n"
        "def refuse(*_, **__): raise SystemExit('the network was reached for')\n"
        "socket.socket = socket.create_connection = socket.getaddrinfo = refuse\n"
        f"from streamseg.cli import main; sys.exit(main(['run', '{SCENE}', 'null']))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "2 shown" in done.stderr
