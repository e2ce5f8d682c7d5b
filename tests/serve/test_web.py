"""What a service shows over HTTP, to whom, and to how many."""

from __future__ import annotations

import base64
import socket
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from streamseg.errors import InputError
from streamseg.serve.auth import Tokens, read_token
from streamseg.serve.guard import Access
from streamseg.serve.pagefiles import FILES
from streamseg.serve.supervisor import Streams
from streamseg.serve.viewers import MOST_VIEWERS
from streamseg.serve.web import make_app
from tests.parts.clips import clip
from tests.parts.patience import PATIENCE_S
from tests.parts.service import Service, run_to_its_end

TOKEN = "0123456789abcdef-hunter2"
BEARER = {"Authorization": f"Bearer {TOKEN}"}
SITE = "streams: {one: {source: 'test://?size=640x480&fps=25', model: otsu}}"


def routes(folder: Path) -> list[str]:
    """Every path that the service shows something at, asked of the service itself."""
    app = make_app(Streams(folder / "site.yaml"), Access(Tokens()))
    shown = [route.resource for route in app.router.routes() if route.method == "GET" and route.resource]
    paths = {resource.canonical.replace("{name}", "one") for resource in shown}
    assert len(paths) >= 9
    return sorted(paths)


@pytest.fixture(scope="module")
def open_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with Service(tmp_path_factory.mktemp("open"), SITE) as service:
        service.until(lambda: service.get("/readyz")[0] == 200)
        yield service


@pytest.fixture(scope="module")
def closed_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with Service(tmp_path_factory.mktemp("closed"), SITE, env={"STREAMSEG_TOKEN": TOKEN}) as service:
        service.until(lambda: service.get("/readyz", BEARER)[0] == 200)
        yield service


def test_nothing_is_shown_without_the_token(closed_service: Service, tmp_path: Path) -> None:
    for path in FILES:
        assert closed_service.get(path)[0] == 200, "where to sign in"
    for path in [*routes(tmp_path), "/nowhere"]:
        if path in FILES:
            continue
        assert closed_service.get(path)[0] == 401, path
        assert closed_service.get(path, {"Authorization": f"Bearer {TOKEN}x"})[0] == 401
        assert closed_service.get(f"{path}?token={TOKEN}")[0] == 401
        assert closed_service.get(path, {"Authorization": "Basic !!!"})[0] == 401
        assert closed_service.get(path, {"Authorization": "Basic \xff"})[0] == 401
        assert closed_service.get(path, {"Authorization": "Bearer \u00fc"})[0] == 401
        with closed_service.open(path, BEARER) as response:
            assert response.status == (404 if path == "/nowhere" or "{file}" in path else 200), path
        basic = base64.b64encode(f"anyone:{TOKEN}".encode()).decode()
        with closed_service.open(path, {"Authorization": f"Basic {basic}"}) as response:
            assert response.status == (404 if path == "/nowhere" or "{file}" in path else 200), path
    assert TOKEN not in closed_service.log()


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_nothing_can_be_changed(open_service: Service, tmp_path: Path, method: str) -> None:
    for path in [*routes(tmp_path), "/nowhere"]:
        assert open_service.get(path, method=method)[0] == 405


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Host": "127.0.0.1.evil.example:80"},
        {"Host": "[::1.evil"},
        {"Host": ""},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
    ],
    ids=str,
)
def test_a_page_of_somebody_else_gets_nothing(open_service: Service, tmp_path: Path, headers: dict[str, str]) -> None:
    for path in routes(tmp_path):
        assert open_service.get(path, headers)[0] in (400, 403)


def test_own_names_are_known(open_service: Service) -> None:
    for host in ("localhost", f"localhost:{open_service.port}", "127.0.0.1", "[::1]:80", "10.0.0.7", "LOCALHOST"):
        assert open_service.get("/healthz", {"Host": host})[0] == 200, host
    assert open_service.get("/healthz", {"Origin": f"http://127.0.0.1:{open_service.port}"})[0] == 200


@pytest.mark.parametrize("path", ["/", "/streams/one.jpg", "/streams/one.mjpeg", "/nowhere"])
def test_answers_are_not_kept_framed_or_guessed_at(open_service: Service, path: str) -> None:
    with open_service.open(path) as response:
        assert response.getheader("Server") == "streamseg"
        assert response.getheader("Cross-Origin-Resource-Policy") == "same-origin"
        assert "default-src 'self'" in (response.getheader("Content-Security-Policy") or "")
        assert "frame-ancestors 'none'" in (response.getheader("Content-Security-Policy") or "")
        assert "unsafe" not in (response.getheader("Content-Security-Policy") or "")
        assert response.getheader("X-Content-Type-Options") == "nosniff"
        assert response.getheader("Cache-Control") == "no-store"
        assert response.getheader("Access-Control-Allow-Origin") is None


def test_a_still_is_the_latest_picture(open_service: Service) -> None:
    status, raw = open_service.get("/streams/one.jpg")
    assert status == 200
    picture = cv2.imdecode(np.frombuffer(raw, np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    assert picture.shape == (480, 640, 3)
    assert open_service.get("/streams/two.jpg")[0] == 404
    assert open_service.get("/streams/..%2f..%2fetc%2fpasswd.jpg")[0] == 404


def test_of_a_moving_picture_the_head_alone_can_be_had(open_service: Service) -> None:
    with socket.create_connection(("127.0.0.1", open_service.port), PATIENCE_S) as client:
        client.sendall(b"HEAD /streams/one.mjpeg HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        said = b""
        while len(said) < 4096 and (more := client.recv(4096)):
            said += more
    assert said.startswith(b"HTTP/1.1 200 OK\r\n")
    assert said.endswith(b"\r\n\r\n")
    assert b"--streamseg-picture" not in said


@pytest.mark.parametrize(
    ("agent", "begins", "ends"),
    [
        (
            "Mozilla/5.0",
            b"\r\n--streamseg-picture\r\nContent-Type: image/jpeg\r\n\r\n\xff\xd8",
            b"\xff\xd9\r\n--streamseg-picture\r\nContent-Type: image/jpeg\r\n\r\n",
        ),
        ("Lavf/62", b"--streamseg-picture\r\nContent-Type: image/jpeg\r\nContent-Length: ", b"\xff\xd9\r\n"),
    ],
)
def test_browsers_are_given_the_head_of_the_next_picture_others_the_length_of_each(
    tmp_path: Path, agent: str, begins: bytes, ends: bytes
) -> None:
    film = clip(tmp_path / "a.mp4", frames=3)
    token = "0123456789abcdef"
    site = f"streams: {{film: {{source: '{film}', model: otsu}}}}"
    with Service(tmp_path, site, env={"STREAMSEG_OPERATOR_TOKEN": token}) as service:
        service.until(lambda: service.streams()["film"]["state"] == "finished")
        service.send("POST", "/streams/film/stop", token)  # after its last picture the answer ends
        said = service.get("/streams/film.mjpeg", {"User-Agent": agent})[1]
    assert said.startswith(begins) and said.endswith(ends)
    assert said.count(b"\xff\xd8\xff") == 1


def test_a_service_that_would_be_open_to_all_does_not_start(tmp_path: Path) -> None:
    (tmp_path / "site.yaml").write_text(SITE)
    code, said = run_to_its_end("--config", tmp_path / "site.yaml", "--listen", "0.0.0.0:0")
    assert (code, len(said.splitlines())) == (2, 1), said
    assert "--token-file" in said


def test_a_token_of_any_bytes_is_known_again(tmp_path: Path) -> None:
    bearer = {"Authorization": "Bearer \xff0123456789abcdef"}
    with Service(tmp_path, SITE, env={"STREAMSEG_TOKEN": "\udcff0123456789abcdef"}) as service:
        assert service.get("/healthz", bearer)[0] == 200
        assert service.get("/healthz")[0] == 401


def test_a_token_is_read_from_its_file_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "token"
    assert read_token(None) is None
    monkeypatch.setenv("STREAMSEG_TOKEN", TOKEN)
    assert read_token(None) == TOKEN
    file.write_text("another-token-of-some-length\n")
    assert read_token(file) == "another-token-of-some-length"
    file.write_text("short\n")
    with pytest.raises(InputError, match="16 characters"):
        read_token(file)
    with pytest.raises(InputError, match="No such file"):
        read_token(tmp_path / "nowhere")


def test_an_address_that_is_taken_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "site.yaml").write_text(SITE)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        code, said = run_to_its_end("--config", tmp_path / "site.yaml", "--listen", address)
    assert code == 4
    assert said.count("\n") == 1


def deaf(port: int) -> socket.socket:
    """A client that asks for moving pictures and never reads one."""
    client = socket.create_connection(("127.0.0.1", port), PATIENCE_S)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.sendall(b"GET /streams/one.mjpeg HTTP/1.1\r\nHost: localhost\r\n\r\n")
    return client


def status_kb(pid: int, field: str) -> int:
    text = Path(f"/proc/{pid}/status").read_text()
    return int(next(line.split()[1] for line in text.splitlines() if line.startswith(field)))


def pictures(response: object, count: int) -> bool:
    """Takes so many of a moving picture, however long that takes."""
    while count:
        line = response.readline()  # type: ignore[attr-defined]
        assert line, "the picture ended"
        count -= line.startswith(b"--")
    return True


@pytest.mark.slow
def test_viewers_are_bounded_and_who_reads_nothing_holds_nobody_up(tmp_path: Path) -> None:
    with Service(tmp_path, SITE) as service:
        service.until(lambda: service.get("/readyz")[0] == 200)
        with service.open("/streams/one.mjpeg") as response:
            pictures(response, 30)
            before_kb = status_kb(service.process.pid, "VmRSS")
            clients = [deaf(service.port) for _ in range(MOST_VIEWERS - 1)]
            service.until(lambda: service.metrics()[("streamseg_viewers",)] == MOST_VIEWERS)
            assert service.get("/streams/one.mjpeg")[0] == 503
            assert service.get("/streams/one.jpg")[0] == 200
            pictures(response, 30)
            grown_kb = status_kb(service.process.pid, "VmRSS") - before_kb
            assert status_kb(service.process.pid, "Threads") < 64
            service.until(lambda: pictures(response, 5) and service.metrics()[("streamseg_viewers",)] == 1)
            assert grown_kb < 50_000
            for client in clients:
                client.close()
        service.until(lambda: service.metrics()[("streamseg_viewers",)] == 0)


def test_a_viewer_of_a_stream_that_is_taken_away_is_let_go(tmp_path: Path) -> None:
    with Service(tmp_path, SITE) as service:
        service.until(lambda: service.get("/readyz")[0] == 200)
        with service.open("/streams/one.mjpeg") as response:
            assert pictures(response, 1) > 0
            service.reload("streams: {}")
            assert b"\xff\xd8" in response.read()  # to its end
        assert service.stop() == 0


def test_clients_who_say_nothing_or_nonsense_leave_the_streams_alone(tmp_path: Path) -> None:
    with Service(tmp_path, SITE, "--log", "json") as service:
        service.until(lambda: service.get("/readyz")[0] == 200)
        for number in range(100):
            with socket.create_connection(("127.0.0.1", service.port), PATIENCE_S) as client:
                client.sendall(b"GET \x00\xff nonsense %d\r\n\r\n" % number)
                client.recv(100)
        assert len(service.log().splitlines()) < 20
        assert "Traceback" not in service.log()
        silent = [socket.create_connection(("127.0.0.1", service.port), PATIENCE_S) for _ in range(400)]
        descriptors = Path(f"/proc/{service.process.pid}/fd")
        service.until(lambda: 200 < len(list(descriptors.iterdir())) < 380)
        while silent:
            silent.pop().close()
        service.until(lambda: len(list(descriptors.iterdir())) < 100)
        service.until(service.shows("one", 10))
        assert service.streams()["one"]["restarts"] == 0
        assert service.stop() == 0
