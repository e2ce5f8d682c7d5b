"""Events and recordings of a service: listed, filtered, given with byte ranges, and nothing else of the disk."""

from __future__ import annotations

import http.client
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import av
import pytest
import yaml

from tests.parts.documents import ROOT, blocks_of
from tests.parts.service import Service

SCENE = "source: 'test://?size=160x120&fps=20&lanes=3', model: threshold, settings: {value: 115}"
SITE = """\
streams:
  door: {%s, outputs: ['events:%s?rule=busy&before=0.5&after=0.1', '%s/door-%%Y%%m%%d-%%H%%M%%S.mp4?segment=1'],
         rules: {busy: foreground.count in belt >= 1, passed: foreground.crosses gate},
         lines: {gate: [[0.5, 0], [0.5, 1]]}, zones: {belt: [[0.45, 0], [0.55, 0], [0.55, 1], [0.45, 1]]}}
  other: {%s, outputs: ['hls:%s']}
"""
TRICKS = (
    "../site.yaml",
    "..%2fsite.yaml",
    "%2e%2e%2fsite.yaml",
    "%2e%2e/site.yaml",
    "..",
    "%2e",
    "%2fetc%2fpasswd",
    "/etc/passwd",
    "busy-20010101-000000.mp4%00.jpg",
    "%00",
    "site.yaml",
    "busy-20010101-000000.json",
    "..%5csite.yaml",
    "%252e%252e%252fsite.yaml",
    "a" * 4000,
    "%ff%fe.mp4",
)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With what an earlier run left: a clip of a rule and of a class, links out, and what is no record."""
    place = tmp_path_factory.mktemp("archive")
    clips = place / "clips"
    clips.mkdir()
    event = {"id": "e" * 32, "kind": "end", "rule": "busy", "stream": "door", "classes": ["<b>car</b>"], "zone": "",
             "began": "2001-01-01T00:00:00.000Z", "began_s": 1.0, "at": "2001-01-01T00:00:05.000Z", "at_s": 6.0,
             "value": 1.0, "peak": 2.5, "unit": "%", "clip": "/etc/passwd", "snapshot": "/etc/passwd"}  # fmt: skip
    record = {"stream": "door", "rule": "busy", "events": [event]}
    (clips / "busy-20010101-000000.json").write_text(json.dumps(record))
    (clips / "busy-20010101-000000.mp4").write_bytes(bytes(range(256)) * 40)
    (clips / "busy-20010101-000001.json").write_text("[[[[")
    (clips / "busy-20010101-000002.json").symlink_to("/etc/passwd")
    (clips / "busy-20010101-000003.mp4").symlink_to(place / "site.yaml")
    (clips / "busy-20010101-000004.jpg").symlink_to(place / "site.yaml")
    os.mkfifo(clips / "busy-20010101-000005.mp4")
    (clips / "busy-20010101-000006.mp4").mkdir()
    (place / "door-20010101-000000.mp4").symlink_to(place / "site.yaml")
    (place / "door-20010101-000001.mp4.unplayable-1").write_bytes(b"x")
    return place


@pytest.fixture(scope="module")
def service(place: Path) -> Iterator[Service]:
    with Service(place, SITE % (SCENE, place / "clips", place, SCENE, place / "live")) as service:
        service.until(lambda: any(each["clip"] for each in ask(service, "/events?rule=busy&from=2020-01-01")))
        service.until(lambda: any(each["rule"] == "passed" for each in ask(service, "/events")))
        service.until(lambda: any(each["finished"] for each in ask(service, "/recordings")))
        yield service


def ask(service: Service, path: str) -> list[dict[str, Any]]:
    status, raw = service.get(path)
    assert status == 200, raw
    found: list[dict[str, Any]] = json.loads(raw)
    return found


def test_events_of_this_run_and_of_earlier_ones_stand_newest_first(service: Service) -> None:
    found = ask(service, "/events?limit=1000")
    assert [each["began"] for each in found] == sorted((each["began"] for each in found), reverse=True)
    assert len({each["id"] for each in found}) == len(found)
    old = found[-1]
    assert old == {
        "id": "e" * 32, "stream": "door", "rule": "busy", "zone": "", "classes": ["<b>car</b>"],
        "began": "2001-01-01T00:00:00.000Z", "ended": "2001-01-01T00:00:05.000Z", "peak": 2.5, "unit": "%",
        "ended_by": "", "snapshot": "", "clip": "/streams/door/events/busy-20010101-000000.mp4",
    }  # fmt: skip
    kept = next(each for each in found if each["clip"] and each["snapshot"])
    assert service.get(kept["snapshot"])[1].startswith(b"\xff\xd8")
    assert service.get(kept["clip"])[1][4:8] == b"ftyp"


@pytest.mark.parametrize(
    ("query", "kept"),
    [
        ("stream=door", True),
        ("stream=other", False),
        ("stream=nobody", False),
        ("rule=busy", True),
        ("rule=passed", False),
        ("class=%3Cb%3Ecar%3C%2Fb%3E", True),
        ("class=foreground", False),
        ("to=2001-01-01T00:00:01Z", True),
        ("from=2001-01-01T00:00:04Z", True),
        ("from=2001-01-01T00:00:06Z", False),
        ("to=2000-12-31T23:59:59%2B00:00", False),
        ("from=2001-01-01T01:00:04+01:00", True),  # as shells write it, where a + stands for a space
        ("from=2001-01-01T01:00:06.000+01:00", False),
        ("to=2001-01-01 23:59", True),
        ("limit=1", False),
    ],
)
def test_events_are_filtered(service: Service, query: str, kept: bool) -> None:
    assert any(each["id"] == "e" * 32 for each in ask(service, f"/events?{query.replace(' ', '%20')}")) is kept


def test_what_is_wrong_is_refused_in_one_line(service: Service) -> None:
    for path in ("/events?from=yesterday", "/events?to=2001-99-01", "/events?limit=0", "/events?limit=99999",
                 "/events?limit=%D9%A1", "/recordings?limit=-1", "/recordings?limit=x",
                 "/recordings?from=x"):  # fmt: skip
        status, said = service.get(path)
        assert (status, said.count(b"\n")) == (400, 1), path


def test_home_assistants_templates_of_the_docs_give_states(service: Service) -> None:
    jinja2 = pytest.importorskip("jinja2", reason="jinja2 is not installed")
    page = ROOT / "docs" / "howto" / "integrate.md"
    (block,) = [each for each in blocks_of(page) if each.text.startswith("# configuration.yaml")]
    (rest,) = yaml.safe_load(block.text)["rest"]
    assert rest["resource"].endswith(":8090/streams")
    told = json.loads(service.get("/streams")[1])
    states = {
        each["name"]: jinja2.Environment().from_string(each["value_template"]).render(value_json=told).strip()
        for each in (*rest["sensor"], *rest["binary_sensor"])
    }
    area = 100 * told[0]["classes"]["foreground"]["area"]
    assert states == {
        "Door, foreground": str(round(area, 1)), "Door, frames a second": str(told[0]["fps"]),
        "Cameras": "True", "Door, busy": str(told[0]["rules"][0]["since"] != ""),
    }  # fmt: skip


def test_recordings_say_whether_they_are_finished(service: Service) -> None:
    found = ask(service, "/recordings?stream=door&limit=1000")
    assert any(each["finished"] for each in found)
    assert all(each["file"].endswith(".mp4.part") is not each["finished"] for each in found)
    assert [each["file"] for each in found if "2001" in each["file"]] == []
    newest = found[0]["changed"]
    assert ask(service, "/recordings?to=2001-01-01T00:00:00Z") == []
    assert all(each["changed"] >= newest for each in ask(service, f"/recordings?stream=door&from={newest}"))
    whole = next(each for each in found if each["finished"])
    status, raw = service.get(whole["url"])
    assert (status, len(raw)) == (200, whole["bytes"])
    end_s = time.monotonic() + 60
    while not (growing := [each for each in ask(service, "/recordings") if not each["finished"]]):
        assert time.monotonic() < end_s
    assert service.get(growing[0]["url"])[0] in (200, 404)  # it may be whole by now, and have its name


def test_a_list_is_given_with_its_segments_and_as_one_file(service: Service, place: Path, tmp_path: Path) -> None:
    service.until(lambda: len(list((place / "live").glob("index-*.ts"))) >= 3)  # the last is not in the list yet
    service.until(lambda: ask(service, "/recordings?stream=other"))
    (row,) = ask(service, "/recordings?stream=other")
    assert (row["file"], row["finished"], row["url"]) == ("live/index.m3u8", False, "/streams/other/hls/1/index.m3u8")
    with service.open(row["url"]) as response:
        assert response.getheader("Content-Type") == "application/vnd.apple.mpegurl"
        segments = [line for line in response.read().decode().splitlines() if line.startswith("index-")]
    status, first = service.get(f"/streams/other/hls/1/{segments[0]}")
    assert (status, first[:1], len(first) % 188) == (200, b"G", 0)
    status, whole = service.get(row["download"])
    assert status == 200 and whole.startswith(first[:188])
    (tmp_path / "whole.ts").write_bytes(whole)
    with av.open(tmp_path / "whole.ts") as container:
        assert sum(1 for _ in container.decode(video=0)) >= 40  # of two seconds
    (place / "live" / "index-999.ts").symlink_to("/etc/passwd")
    for path in ("index-999.ts", "index-998.ts", "index-0.ts.tmp", "index-x.ts", ".."):
        assert service.get(f"/streams/other/hls/1/{path}")[0] == 404
    for number in ("0", "2", "01", "-1", "x", "%2e%2e", "9" * 4000):
        assert service.get(f"/streams/other/hls/{number}/index.m3u8")[0] == 404
    assert service.get("/streams/door/hls/1/index.m3u8")[0] == 404


@pytest.mark.parametrize("folder", ["events", "recordings", "hls/1"])
@pytest.mark.parametrize("trick", TRICKS)
def test_no_path_leaves_the_folder(service: Service, folder: str, trick: str) -> None:
    status, raw = service.get(f"/streams/{'other' if folder == 'hls/1' else 'door'}/{folder}/{trick}")
    assert status in (400, 403, 404), raw
    assert b"root:" not in raw
    assert b"streams" not in raw
    assert len(raw) < 100


@pytest.mark.parametrize("number", range(1, 7))
@pytest.mark.parametrize("suffix", ["mp4", "jpg"])
def test_links_pipes_and_folders_are_not_given(service: Service, number: int, suffix: str) -> None:
    assert service.get(f"/streams/door/events/busy-20010101-00000{number}.{suffix}")[0] == 404
    assert service.get("/streams/door/recordings/door-20010101-000000.mp4")[0] == 404
    assert service.get("/streams/door/recordings/door-20010101-000001.mp4.unplayable-1")[0] == 404
    assert service.get("/streams/other/events/busy-20010101-000000.mp4")[0] == 404


@pytest.mark.parametrize(
    ("asked", "status", "start", "stop"),
    [
        (None, 200, 0, 10240),
        ("bytes=0-", 206, 0, 10240),
        ("bytes=0-0", 206, 0, 1),
        ("bytes=100-199", 206, 100, 200),
        ("bytes=-10", 206, 10230, 10240),
        ("bytes=10000-99999", 206, 10000, 10240),
    ],
)
def test_parts_of_a_file_are_given(service: Service, asked: str | None, status: int, start: int, stop: int) -> None:
    headers = {} if asked is None else {"Range": asked}
    with service.open("/streams/door/events/busy-20010101-000000.mp4", headers) as response:
        assert response.status == status
        assert response.getheader("Content-Type") == "video/mp4"
        assert response.getheader("Cache-Control") == "no-store"
        assert response.read() == (bytes(range(256)) * 40)[start:stop]
        span = f"bytes {start}-{stop - 1}/10240"
        assert response.getheader("Content-Range") == (None if asked is None else span)


@pytest.mark.parametrize(
    "headers",
    [
        *({"Range": asked} for asked in ("bytes=9-3", "bytes=a-b", "bytes=-", "bytes=0-1,5-6", "lines=1-2", "")),
        {"Range": "bytes=0-1", "If-Range": '"a"'},
    ],
    ids=str,
)
def test_a_part_that_cannot_be_told_is_the_whole(service: Service, headers: dict[str, str]) -> None:
    with service.open("/streams/door/events/busy-20010101-000000.mp4", headers) as response:
        assert (response.status, len(response.read())) == (200, 10240)
        assert response.getheader("Content-Range") is None


@pytest.mark.parametrize("asked", ["bytes=10240-", "bytes=99999-999999", "bytes=-0"])
def test_parts_that_there_are_not_are_refused(service: Service, asked: str) -> None:
    with service.open("/streams/door/events/busy-20010101-000000.mp4", {"Range": asked}) as response:
        assert response.status == 416
        assert response.getheader("Content-Range") == "bytes */10240"


@pytest.mark.parametrize("headers", [{}, {"Range": "bytes=0-99"}], ids=str)
def test_a_head_has_no_body_and_tells_of_the_whole(service: Service, headers: dict[str, str]) -> None:
    with service.open("/streams/door/events/busy-20010101-000000.mp4", headers, "HEAD") as response:
        assert (response.status, response.getheader("Content-Length"), response.read()) == (200, "10240", b"")


def test_clients_that_leave_in_the_middle_leave_nothing_open(service: Service) -> None:
    descriptors = Path(f"/proc/{service.process.pid}/fd")
    for _ in range(50):
        connection = http.client.HTTPConnection("127.0.0.1", service.port)
        connection.request("GET", f"/streams/door/events/{quote('busy-20010101-000000.mp4')}")
        connection.close()
    service.until(lambda: not [each for each in descriptors.iterdir() if "000000.mp4" in os.path.realpath(each)])
