"""The files of the page: `page.html` at `/`, and each other one under its own name."""

from __future__ import annotations

from pathlib import Path

from aiohttp import web
from aiohttp.typedefs import Handler

_FOLDER = Path(__file__).parent / "page"
_MEDIA = {".html": "text/html", ".css": "text/css", ".js": "text/javascript"}

FILES = {
    "/" if each.name == "page.html" else f"/{each.name}": (each, _MEDIA[each.suffix])
    for each in sorted(_FOLDER.iterdir())
    if each.suffix in _MEDIA
}
"""Path to file and type of media."""


def add_page(app: web.Application) -> None:
    """Adds a route for each."""
    for path, (file, media) in FILES.items():
        app.router.add_get(path, _giving(file, media))


def _giving(file: Path, media: str) -> Handler:
    async def give(request: web.Request) -> web.StreamResponse:
        return web.FileResponse(file, headers={"Content-Type": f"{media}; charset=utf-8"})

    return give
