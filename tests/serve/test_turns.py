from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import BinaryIO

import pytest
from aiohttp.test_utils import TestClient, TestServer

from streamseg.serve.auth import Tokens
from streamseg.serve.guard import Access
from streamseg.serve.supervisor import Streams
from streamseg.serve.turns import Turns
from streamseg.serve.web import make_app
from tests.parts.patience import PATIENCE_S


def test_a_client_that_leaves_lets_nobody_in_before_its_work_is_done() -> None:
    async def run() -> None:
        turns, begun, may_end, done = Turns(), threading.Event(), threading.Event(), list[str]()

        def work(name: str) -> str:
            begun.set()
            may_end.wait(PATIENCE_S)
            done.append(name)
            return name

        first = asyncio.create_task(turns.do(lambda: work("first")))
        await asyncio.to_thread(begun.wait, PATIENCE_S)
        begun.clear()
        first.cancel()
        waits, second = (asyncio.create_task(turns.do(lambda: work("second"))) for _ in range(2))
        await asyncio.sleep(0.05)
        waits.cancel()
        assert not begun.is_set()
        may_end.set()
        assert await second == "second"
        assert done == ["first", "second"], "who leaves before his turn loses it"
        assert first.cancelled()

    asyncio.run(run())


def test_an_error_is_that_of_the_work() -> None:
    async def run() -> None:
        turns = Turns()
        with pytest.raises(ZeroDivisionError):
            await turns.do(lambda: 1 // 0)
        assert await turns.do(lambda: 1) == 1

    asyncio.run(run())


@pytest.mark.filterwarnings("ignore::aiohttp.web.NotAppKeyWarning")
def test_however_many_ask_what_is_kept_the_rest_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    may_end, most, now = threading.Event(), list[int](), list[int]()

    def slow(*_: object) -> list[object]:
        now.append(1)
        most.append(len(now))
        may_end.wait(PATIENCE_S)
        now.pop()
        return []

    async def run() -> None:
        app = make_app(Streams(tmp_path / "site.yaml"), Access(Tokens()))
        async with TestClient(TestServer(app)) as client:
            asked = [asyncio.create_task(client.get(f"/{path}")) for path in ("events", "recordings") * 40]
            await asyncio.sleep(0.2)
            asked_now = await asyncio.wait_for(client.get("/streams"), PATIENCE_S / 4)
            assert asked_now.status == 200, "which wants a thread"
            may_end.set()
            assert {(await each).status for each in asked} == {200}

    monkeypatch.setattr("streamseg.serve.events.listed", slow)
    monkeypatch.setattr("streamseg.serve.recordings.listed", slow)
    asyncio.run(run())
    assert max(most) == 1


@pytest.mark.filterwarnings("ignore::aiohttp.web.NotAppKeyWarning")
def test_a_disk_that_hangs_holds_those_who_ask_for_its_files_and_nobody_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    may_end = threading.Event()

    def hung(*_: object) -> BinaryIO:
        may_end.wait(PATIENCE_S)
        raise FileNotFoundError

    async def run() -> None:
        app = make_app(Streams(tmp_path / "site.yaml"), Access(Tokens()))
        async with TestClient(TestServer(app)) as client:
            paths = ("recordings/a.mp4", "events/a.jpg", "hls/1/index.m3u8", "hls/1/index.ts")
            asked = [asyncio.create_task(client.get(f"/streams/a/{path}")) for path in paths * 20]
            await asyncio.sleep(0.2)
            asked_now = await asyncio.wait_for(client.get("/streams"), PATIENCE_S / 4)
            assert asked_now.status == 200, "which wants a thread"
            may_end.set()
            assert {(await each).status for each in asked} == {404}

    monkeypatch.setattr("streamseg.serve.archive.stream_of", lambda *_: None)
    for room in ("events", "recordings", "hls"):
        monkeypatch.setattr(f"streamseg.serve.{room}.folder_of", lambda *_: tmp_path)
    for room in ("stored_files", "hls"):
        monkeypatch.setattr(f"streamseg.serve.{room}.opened", hung)
    asyncio.run(run())
