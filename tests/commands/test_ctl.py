"""A running service is changed from a shell, and the exit code says what came of it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from streamseg.cli import main
from tests.parts.http_answers import moved, whole
from tests.parts.http_server import http_server
from tests.parts.program import run_program
from tests.parts.rtsp import free_port
from tests.parts.service import Service

TOKEN = "0123456789abcdef-hunter2"
SITE = "defaults: {model: otsu}\nstreams:\n  a: {source: 'test://?size=64x64&fps=20'}  # first\n"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with Service(tmp_path_factory.mktemp("site"), SITE, env={"STREAMSEG_OPERATOR_TOKEN": TOKEN}) as made:
        made.until(lambda: made.get("/readyz")[0] == 200)
        yield made


@pytest.fixture
def told(service: Service, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[object]:
    monkeypatch.setenv("STREAMSEG_URL", f"http://127.0.0.1:{service.port}")
    monkeypatch.setenv("STREAMSEG_OPERATOR_TOKEN", TOKEN)

    def ask(*words: str) -> tuple[int, str]:
        code = main(["ctl", *words])
        heard = capsys.readouterr()
        return code, heard.out + heard.err

    yield ask


def test_every_action_does_what_it_says(service: Service, told) -> None:  # type: ignore[no-untyped-def]
    assert told("list")[0] == 0
    assert told("add", "b", "source=test://?size=64x64&fps=20", "outputs=['null']", "start=0:00.1") == (
        0,
        "1 stream unchanged, 1 started\n",
    )
    assert "    start: 0:00.1\n" in service.config.read_text().replace("'", "")
    assert told("change", "b", "opacity=0.3", "start=null") == (0, "1 stream unchanged, 1 started, 1 stopped\n")
    assert told("stop", "b") == (0, "1 stream stopped\n")
    assert "b  stopped" in told("list")[1]
    assert told("start", "b")[0] == told("restart", "b")[0] == told("undo")[0] == 0
    assert told("remove", "b") == (0, "1 stream unchanged, 1 stopped\n")
    code, said = told("--json", "list")
    assert (code, [row["name"] for row in json.loads(said)]) == (0, ["a"])
    assert service.config.read_text() == SITE


def test_the_outcome_of_a_reload_is_its_exit_code(service: Service, told) -> None:  # type: ignore[no-untyped-def]
    assert told("reload") == (0, "1 stream unchanged\n")
    service.config.write_text(SITE.replace("fps=20", "fps=20', opasity: '1"))
    code, said = told("reload")
    assert (code, said.count("\n"), "site.yaml:3: streams.a: unknown key 'opasity'" in said) == (2, 1, True)
    assert told("change", "a", "opacity=0.3")[0] == 2
    service.config.write_text(SITE)
    assert told("reload")[0] == 0


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("change", "nobody", "opacity=0.1"), "no stream nobody"),
        (("change", "a", "opacity=7"), "expected a number from 0 to 1"),
        (("change", "a", "opacity"), "expected KEY=VALUE"),
        (("change", "a", "opacity=1", "opacity=2"), "twice"),
        (("change", "a", "opacity=["), "opacity:"),
        (("add", "a", "source=0"), "there is a stream a already"),
        (("add", "at the gate", "source=0"), "name: expected 1 to 64 letters, digits, dashes, dots and underscores"),
        (("stop", "../x"), "no stream"),
        (("--url", "ftp://127.0.0.1", "list"), "expected http://"),
        (("--token-file", "/nowhere", "list"), "No such file"),
    ],
    ids=str,
)
def test_what_is_refused_is_one_line(told, words: tuple[str, ...], says: str) -> None:  # type: ignore[no-untyped-def]
    code, said = told(*words)
    assert (code, said.count("\n"), says in said) == (2, 1, True), said


def test_a_wrong_token_is_told_and_not_printed(service: Service, told, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "token").write_text("anna another-token-of-hunter2\n")
    code, said = told("--token-file", str(tmp_path / "token"), "stop", "a")
    assert (code, "that is no token of this service" in said, "hunter2" in said) == (2, True, False)
    assert "hunter2" not in service.log()


def test_no_service_and_a_service_without_operators_are_told_apart(tmp_path: Path) -> None:
    done = run_program("ctl", "--url", f"http://127.0.0.1:{free_port()}", "list")
    assert (done.returncode, done.stderr.count("\n")) == (3, 1)
    with Service(tmp_path, SITE) as service:
        url = f"http://127.0.0.1:{service.port}"
        done = run_program("ctl", "--url", url, "stop", "a", env={"STREAMSEG_OPERATOR_TOKEN": TOKEN})
        assert (done.returncode, "--operator-token-file" in done.stderr) == (2, True)


def test_the_token_goes_to_no_proxy_and_follows_no_redirection(tmp_path: Path) -> None:
    from http.server import BaseHTTPRequestHandler, HTTPServer
    from threading import Thread

    heard: list[str] = []

    class Elsewhere(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            heard.append(self.path)
            self.send_response(302)
            self.send_header("Location", "/stolen")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Elsewhere) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"
        env = {"STREAMSEG_OPERATOR_TOKEN": TOKEN, "http_proxy": "http://127.0.0.1:9"}
        done: subprocess.CompletedProcess[str] = run_program("ctl", "--url", url, "list", env=env)
        server.shutdown()
    assert (done.returncode, heard) == (2, ["/streams"])


@pytest.mark.parametrize(
    ("action", "answer"),
    [
        ("list", b"[1]"),
        ("list", b"null"),
        ("list", b'[{"name": "a"}]'),
        ("list", b'[{"name": "a", "state": "runs", "fps": null, "source": "0", "error": ""}]'),
        ("list", b"[" * 100_000),
        ("reload", b"{}"),
        ("reload", b'"done"'),
    ],
)
def test_what_another_program_answers_is_told_from_a_service(
    action: str, answer: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    with http_server(whole(answer, "application/json")) as (url, _):
        assert main(["ctl", "--url", url, action]) == 3
    assert capsys.readouterr().err == f"streamseg: {url}: answers, but is no service of streamseg\n"


def test_a_redirection_is_told_and_not_followed(capsys: pytest.CaptureFixture[str]) -> None:
    with http_server(moved("https://elsewhere.example/")) as (url, _):
        assert main(["ctl", "--url", url, "list"]) == 2
    assert "leads elsewhere" in (said := capsys.readouterr().err) and "https://elsewhere.example/" in said
