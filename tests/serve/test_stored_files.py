"""A file that is given: to those who take it, and from its folder alone."""

from __future__ import annotations

import asyncio
import os
import socket
from pathlib import Path

import pytest
from aiohttp import web

from streamseg.serve import stored_files
from streamseg.serve.stored_files import give, opened
from streamseg.serve.turns import Turns


def test_a_client_that_takes_nothing_is_dropped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stored_files, "_SLOWEST_S", 0.05)
    (tmp_path / "long.mp4").write_bytes(bytes(64_000_000))
    ended = asyncio.Event()

    async def handle(request: web.Request) -> web.StreamResponse:
        try:
            return await give(request, tmp_path, "long.mp4", Turns())
        finally:
            ended.set()

    async def served() -> None:
        app = web.Application()
        app.router.add_get("/", handle)
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port = runner.addresses[0][1]
        with socket.create_connection(("127.0.0.1", port)) as client:
            client.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            await asyncio.wait_for(ended.wait(), 60)
        await runner.cleanup()

    asyncio.run(served())


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "/etc/passwd", "a\0b", "link", "folder", "pipe", "nothing"])
def test_only_a_file_of_the_folder_itself_is_opened(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to("/etc/passwd")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError):
        opened(tmp_path, name)


def test_a_file_is_opened(tmp_path: Path) -> None:
    (tmp_path / "clip.mp4").write_bytes(b"film")
    with opened(tmp_path, "clip.mp4") as file:
        assert file.read() == b"film"
