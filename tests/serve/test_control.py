"""Streams are changed over HTTP by who may, as strictly as in the file, and the others do not notice."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from streamseg.errors import InputError
from streamseg.infer import load_segmenter
from streamseg.serve.auth import Tokens, read_operators
from streamseg.serve.config import read_site
from streamseg.serve.guard import Access
from streamseg.serve.supervisor import Streams
from streamseg.serve.web import make_app
from tests.parts.service import Service, run_to_its_end

VIEWER, OPERATOR = "viewer-0123456789abcdef", "operator-0123456789abcdef"
SOURCE = "test://?size=64x64&fps=20"
SITE = f"""\
# kept by hand
defaults: {{model: otsu}}
streams:
  # the first
  a: {{source: '{SOURCE}'}}
  # the second
  b:
    source: {SOURCE}   # a scene
    opacity: 0.50
"""
JSON = {"Content-Type": "application/json"}


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    """One that anybody may look at."""
    with Service(tmp_path, SITE, env={"STREAMSEG_OPERATOR_TOKEN": OPERATOR}) as made:
        made.until(lambda: made.get("/readyz")[0] == 200)
        yield made


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def changing(folder: Path) -> list[tuple[str, str]]:
    """Method and path of every route of the service that changes something: an offer, or signing in, does not."""
    app = make_app(Streams(folder / "site.yaml"), Access(Tokens(None, {"operator": OPERATOR})))
    found = [(route.method, route.resource) for route in app.router.routes()]
    paths = [(method, resource.canonical.replace("{name}", "a")) for method, resource in found if resource]
    routes = sorted(
        {
            (method, path)
            for method, path in paths
            if method not in ("GET", "HEAD") and not re.search("/whep|/session", path)
        }
    )
    assert len(routes) >= 8
    return routes


def test_a_stream_is_added_changed_stopped_started_and_removed_and_the_others_do_not_notice(service: Service) -> None:
    def send(method: str, path: str, value: object = None) -> tuple[int, dict[str, Any]]:
        return service.send(method, path, OPERATOR, value)

    frames = service.streams()["a"]["frames"]["captured"]
    new = {"name": "c", "options": {"source": SOURCE, "view": "blur"}}
    assert send("POST", "/streams", new) == (201, {"done": "2 streams unchanged, 1 started"})
    service.until(service.shows("c", 5))
    assert send("POST", "/streams", new)[0] == 409
    assert send("PATCH", "/streams/b", {"opacity": 0.9})[1] == {"done": "2 streams unchanged, 1 started, 1 stopped"}
    assert send("PATCH", "/streams/b", {"opacity": 0.9})[1] == {"done": "3 streams unchanged"}
    assert send("GET", "/streams/b") == (200, {"name": "b", "options": {"source": SOURCE, "opacity": 0.9}})
    assert send("POST", "/streams/b/stop") == (200, {"done": "1 stream stopped"})
    assert service.streams()["b"]["state"] == "stopped"
    service.until(lambda: service.get("/readyz")[0] == 200)
    assert send("POST", "/reload")[1] == {"done": "3 streams unchanged"}
    assert service.streams()["b"]["state"] == "stopped"
    assert send("POST", "/streams/b/start") == (200, {"done": "1 stream started"})
    assert send("POST", "/streams/b/start") == (200, {"done": "1 stream unchanged"})
    service.until(service.shows("b", 5))
    assert send("POST", "/streams/b/restart") == (200, {"done": "1 stream started"})
    added = f"  c:\n    source: '{SOURCE}'\n    view: blur\n"
    assert service.config.read_text() == SITE.replace("0.50", "0.9") + added
    assert send("DELETE", "/streams/c") == (200, {"done": "2 streams unchanged, 1 stopped"})
    assert service.config.read_text() == SITE.replace("0.50", "0.9")
    for method, path in (("DELETE", "/streams/c"), ("PATCH", "/streams/c"), ("POST", "/streams/c/stop")):
        assert send(method, path, {}) == (404, {"error": "no stream c"})
    row = service.streams()["a"]
    assert row["restarts"] == 0
    assert row["frames"]["captured"] > frames
    audit = [line for line in service.log().splitlines() if "operator: " in line]
    assert audit[0] == "streamseg: operator: add c (source, view): 2 streams unchanged, 1 started"
    assert "streamseg: operator: change b (opacity): 2 streams unchanged, 1 started, 1 stopped" in audit
    assert len(audit) == 13


def test_every_change_can_be_undone_and_an_edit_by_hand_is_never_lost(service: Service) -> None:
    def send(method: str, path: str, value: object = None) -> tuple[int, dict[str, Any]]:
        return service.send(method, path, OPERATOR, value)

    service.config.chmod(0o640)
    assert send("POST", "/undo")[0] == 409
    texts = [SITE]
    for opacity in (0.1, 0.2, 0.3):
        assert send("PATCH", "/streams/b", {"opacity": opacity})[0] == 200
        texts.append(service.config.read_text())
    kept = service.config.with_name("site.yaml.versions")
    assert [path.stat().st_mode & 0o777 for path in (service.config, *kept.iterdir())] == [0o640] * 4
    while texts[1:]:
        assert service.config.read_text() == texts.pop()
        assert send("POST", "/undo") == (200, {"done": "1 stream unchanged, 1 started, 1 stopped"})
    assert service.config.read_text() == SITE
    assert not list(kept.iterdir())
    send("PATCH", "/streams/b", {"opacity": 0.1})
    edited = service.config.read_text() + "# mine\n"
    service.config.write_text(edited)
    for method, path in (("PATCH", "/streams/b"), ("DELETE", "/streams/b"), ("POST", "/undo"), ("GET", "/streams/b")):
        status, told = send(method, path, {"opacity": 0.4})
        assert (status, "streamseg ctl reload" in told["error"]) == (409, True)
    assert service.config.read_text() == edited
    assert send("POST", "/reload") == (200, {"done": "2 streams unchanged"})
    assert send("POST", "/undo")[0] == 409
    assert send("PATCH", "/streams/b", {"opacity": 0.4})[0] == 200
    assert send("POST", "/undo")[0] == 200
    assert service.config.read_text() == edited
    service.config.write_text("streams: [")
    assert send("POST", "/reload")[0] == 422
    assert list(service.streams()) == ["a", "b"]


def test_who_may_look_without_a_token_may_not_change_without_one(service: Service, tmp_path: Path) -> None:
    for method, path in changing(tmp_path):
        assert service.get(path, JSON, method)[0] == 401
        assert service.get(path, {**JSON, **bearer(VIEWER)}, method)[0] == 401
    assert service.get("/streams/a")[0] == 403
    assert service.config.read_text() == SITE


def test_a_file_that_cannot_be_written_changes_nothing(service: Service) -> None:
    blocked = service.config.with_name("site.yaml.versions")
    blocked.write_text("not a folder")
    status, told = service.send("PATCH", "/streams/b", OPERATOR, {"opacity": 0.1})
    assert (status, "site.yaml.versions" in told["error"]) == (500, True)
    assert service.config.read_text() == SITE
    assert service.send("GET", "/streams/b", OPERATOR)[1]["options"]["opacity"] == 0.5
    assert service.streams()["b"]["restarts"] == 0


def test_secrets_of_the_file_are_not_shown(tmp_path: Path) -> None:
    text = "streams:\n  a: {source: 'rtsp://u:hunter2@127.0.0.1:1/x?token=hunter2', model: otsu}\n"
    with Service(tmp_path, text, env={"STREAMSEG_OPERATOR_TOKEN": OPERATOR}) as service:
        status, told = service.send("GET", "/streams/a", OPERATOR)
        assert status == 200
        assert told["options"]["source"] == "rtsp://***@127.0.0.1:1/x?token=***"
        assert service.send("PATCH", "/streams/a", OPERATOR, {"opacity": 0.3})[0] == 200
        assert "hunter2" in service.config.read_text()
        assert "hunter2" not in service.log()


def test_operators_have_names(tmp_path: Path) -> None:
    file = tmp_path / "operators"
    file.write_text(f"# who may change\nanna {OPERATOR}\n\nben {VIEWER}\n")
    assert read_operators(file) == {"anna": OPERATOR, "ben": VIEWER}
    file.write_text(f"{OPERATOR}\n")
    assert read_operators(file) == {"operator": OPERATOR}
    assert read_operators(None) == {}
    for text, says in (
        ("anna short\n", "16 characters"),
        ("", "no token"),
        (f"a {OPERATOR}\na {VIEWER}\n", "twice"),
        (f"a {OPERATOR}\nb {OPERATOR}\n", "twice"),
    ):
        file.write_text(text)
        with pytest.raises(InputError, match=says):
            read_operators(file)
    with pytest.raises(InputError, match="cannot be one that changes"):
        Tokens(VIEWER, {"anna": VIEWER})
    (tmp_path / "site.yaml").write_text(SITE)
    env = {"STREAMSEG_TOKEN": OPERATOR, "STREAMSEG_OPERATOR_TOKEN": OPERATOR}
    code, said = run_to_its_end("--config", tmp_path / "site.yaml", "--listen", "127.0.0.1:0", env=env)
    assert (code, said.count("\n"), OPERATOR in said) == (2, 1, False)


@pytest.mark.parametrize("rounds", [6, pytest.param(20, marks=pytest.mark.slow)])
def test_a_storm_of_changes_leaves_the_others_alone_and_nothing_behind(service: Service, rounds: int) -> None:
    dice = random.Random(rounds)
    folder = Path(f"/proc/{service.process.pid}")
    names = [f"s{number}" for number in range(20 if rounds > 10 else 4)]
    there: set[str] = set()

    def counted() -> tuple[int, int]:
        return len(list((folder / "task").iterdir())), len(list((folder / "fd").iterdir()))

    def emptied() -> tuple[int, int]:
        for name in sorted(there):
            assert service.send("DELETE", f"/streams/{name}", OPERATOR)[0] == 200
        there.clear()
        return counted()

    before, frames = (0, 0), 0
    for number in range(rounds):
        name = dice.choice(names)
        if name not in there:
            new = {"name": name, "options": {"source": SOURCE, "opacity": round(dice.random(), 3)}}
            done = service.send("POST", "/streams", OPERATOR, new)
            there.add(name)
        elif dice.random() < 0.5:
            done = service.send("PATCH", f"/streams/{name}", OPERATOR, {"opacity": round(dice.random(), 3)})
        else:
            done = service.send("DELETE", f"/streams/{name}", OPERATOR)
            there.remove(name)
        assert done[0] in (200, 201), done
        assert set(read_site(service.config, load_segmenter)) == {"a", "b", *there}
        if number == rounds // 2:
            before = emptied()
        frames, earlier = service.streams()["a"]["frames"]["captured"], frames
        assert frames >= earlier, "it was made again"
    emptied()
    service.until(lambda: counted()[0] <= before[0] + 2 and counted()[1] <= before[1] + 4)
    assert service.config.read_text() == SITE
    rows = service.streams()
    assert [rows[name]["restarts"] for name in ("a", "b")] == [0, 0]
    service.until(service.shows("a", 5))
    assert "Traceback" not in service.log()
