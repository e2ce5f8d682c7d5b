"""Live pictures over WebRTC: whoever may look posts an offer and gets moving pictures with the mask in them."""

from __future__ import annotations

import asyncio
import json
import re
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.parts.service import Service

aiortc = pytest.importorskip("aiortc", reason="aiortc is not installed")

TOKEN = "a-token-of-some-length"
SITE = """\
streams:
  door: {source: 'test://?size=320x240&fps=20', model: otsu, opacity: 1}
"""
SDP = {"Content-Type": "application/sdp"}


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("live")
    (folder / "token").write_text(TOKEN)
    with Service(folder, SITE, "--token-file", str(folder / "token")) as service:
        service.until(lambda: ask(service, "/readyz")[0] == 200)
        yield service


def ask(
    service: Service, path: str, method: str = "GET", body: str = "", token: str = TOKEN, **headers: str
) -> tuple[int, str, dict[str, str]]:
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    request = urllib.request.Request(
        f"http://127.0.0.1:{service.port}{path}",
        body.encode() or None,
        {"Authorization": f"Bearer {token}", **headers},
        method=method,
    )
    try:
        with urllib.request.urlopen(request) as response:
            return response.status, response.read().decode(), dict(response.headers)
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode(), dict(error.headers)


def viewers(service: Service) -> float:
    text = ask(service, "/metrics")[1]
    return float(next(line for line in text.splitlines() if line.startswith("streamseg_viewers ")).split()[1])


async def watch(service: Service, frames: int, then: Callable[[], None] = lambda: None) -> tuple[list[Any], str]:
    """Pictures as another program gets them, RGB, which does something `then`; and the session, which is still open."""
    peer = aiortc.RTCPeerConnection(aiortc.RTCConfiguration(iceServers=[]))
    tracks: asyncio.Queue[Any] = asyncio.Queue()
    peer.on("track", tracks.put_nowait)
    peer.addTransceiver("video", direction="recvonly")
    peer.addTransceiver("audio", direction="recvonly")  # as many players ask for
    await peer.setLocalDescription(await peer.createOffer())
    offer = peer.localDescription.sdp
    status, answer, headers = await asyncio.to_thread(ask, service, "/streams/door/whep", "POST", offer, **_typed())
    assert status == 201, answer
    sent_from = re.findall(r"a=candidate:\S+ \d udp \d+ (\S+) ", answer)
    assert set(sent_from) == {"127.0.0.1"}, "only from where the service was found"
    await peer.setRemoteDescription(aiortc.RTCSessionDescription(answer, "answer"))
    track = await asyncio.wait_for(tracks.get(), 30)
    while track.kind != "video":
        track = await asyncio.wait_for(tracks.get(), 30)
    got = [(await asyncio.wait_for(track.recv(), 60)).to_ndarray(format="rgb24") for _ in range(frames)]
    assert await asyncio.to_thread(viewers, service) == 1
    await asyncio.to_thread(then)
    await peer.close()
    return got, headers["Location"]


def _typed() -> dict[str, str]:
    return {"Content_Type": "application/sdp"}


def test_another_program_gets_moving_pictures_with_the_mask_and_ends_its_session(service: Service) -> None:
    pictures, session = asyncio.run(watch(service, 8))
    assert {picture.shape for picture in pictures} == {(240, 320, 3)}
    assert any(np.abs(pictures[0].astype(int) - other).max() > 60 for other in pictures[1:]), "it moves"
    service_colours = {tuple(colour) for colour in np.unique(pictures[-1].reshape(-1, 3) // 64, axis=0)}
    assert len(service_colours) > 1
    ask(service, session, "DELETE")
    service.until(lambda: viewers(service) == 0)
    assert ask(service, session, "DELETE")[0] == 404


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        ("v=0", _typed(), 400),
        ("\0" * 100, _typed(), 400),
        ("v=0\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\na=rtpmap:96 VP8/90000\r\n", _typed(), 400),
        ("v=0" * 30_000, _typed(), 413),
        ("{}", {"Content_Type": "application/json"}, 415),
        ("v=0", {**_typed(), "Origin": "http://evil.example"}, 403),
        ("v=0", {**_typed(), "Sec_Fetch_Site": "cross-site"}, 403),
    ],
    ids=["cut off", "zeros", "another codec", "too long", "another type", "another site", "a page of another site"],
)
def test_what_is_no_offer_of_this_site_is_refused_and_leaves_nothing_open(
    service: Service, body: str, headers: dict[str, str], status: int
) -> None:
    assert ask(service, "/streams/door/whep", "POST", body, **headers)[0] == status
    service.until(lambda: viewers(service) == 0)
    assert "Traceback" not in service.log()


def test_who_may_not_look_may_not_watch_and_who_may_only_look_changes_nothing(service: Service) -> None:
    assert ask(service, "/streams/door/whep", "POST", "v=0", token="wrong", **_typed())[0] == 401
    assert ask(service, "/streams/door/whep/x", "DELETE", token="wrong")[0] == 401
    assert ask(service, "/streams/nobody/whep", "POST", "v=0", **_typed())[0] == 404
    assert ask(service, "/streams/door/whep", "DELETE")[0] == 405
    assert ask(service, "/streams/door/whep/x", "PUT", "v=0", **_typed())[0] == 405
    assert ask(service, "/streams/door", "DELETE")[0] == 405


def test_who_may_no_longer_look_no_longer_watches(service: Service) -> None:
    token, site = service.config.parent / "token", service.config.read_text()

    def revoke() -> None:
        token.write_text(TOKEN[::-1])
        service.reload(site)
        ended = "streamseg_viewers 0.0"
        service.until(lambda: ended in ask(service, "/metrics", token=TOKEN[::-1])[1])

    asyncio.run(watch(service, 1, revoke))
    token.write_text(TOKEN)
    service.reload(site)
    assert viewers(service) == 0


@pytest.mark.slow
def test_a_browser_shows_the_moving_picture_and_the_frames_number_in_it(tmp_path: Path, page: Any) -> None:
    with Service(tmp_path, SITE) as service:
        service.until(lambda: service.streams()["door"]["ready"])
        page.goto(f"http://127.0.0.1:{service.port}/", wait_until="domcontentloaded")
        shown = page.evaluate("""async () => {
          const { live } = await import("/live.js");
          const video = document.createElement("video");
          video.muted = video.playsInline = true;
          document.body.prepend(video);
          window.end = await live(video, "/streams/door");
          if (!window.end) return null;
          const canvas = document.createElement("canvas"), seen = [];
          [canvas.width, canvas.height] = [video.videoWidth, video.videoHeight];
          const context = canvas.getContext("2d", { willReadFrequently: true });
          for (let n = 0; n < 3; n++) {
            await new Promise((done) => video.requestVideoFrameCallback(done));
            context.drawImage(video, 0, 0);
            seen.push([...context.getImageData(0, 0, canvas.width, canvas.height).data]);
            await new Promise((done) => setTimeout(done, 300));
          }
          return { size: [video.videoWidth, video.videoHeight], seen };
        }""")
        assert shown is not None, service.log()
        assert shown["size"] == [320, 240]
        first, *others = (np.asarray(picture, int).reshape(240, 320, 4) for picture in shown["seen"])
        assert any(np.abs(first - other).max() > 60 for other in others)
        assert service.metrics()[("streamseg_viewers",)] == 1
        page.evaluate("window.end()")
        service.until(lambda: service.metrics()[("streamseg_viewers",)] == 0)
        assert json.loads(service.get("/streams")[1])[0]["state"] == "running"


@pytest.mark.slow
def test_the_page_begins_with_motion_jpeg_and_goes_over_to_video(tmp_path: Path, page: Any) -> None:
    shows_video = "!document.getElementById('large-video').hidden"
    with Service(tmp_path, SITE) as service:
        service.until(lambda: service.streams()["door"]["ready"])
        page.goto(f"http://127.0.0.1:{service.port}/", wait_until="domcontentloaded")
        page.get_by_role("button", name="watch door").click()
        service.until(lambda: page.evaluate(shows_video))
        service.until(lambda: service.metrics()[("streamseg_viewers",)] == 1)
        video = page.locator("#large-video")
        first = video.screenshot()
        service.until(lambda: video.screenshot() != first)
        page.keyboard.press("Space")
        service.until(lambda: service.metrics()[("streamseg_viewers",)] == 0)
        assert page.evaluate("document.getElementById('paused').width") == 320
        page.keyboard.press("Space")
        service.until(lambda: page.evaluate(shows_video))
        page.select_option("#view", "mask")
        service.until(lambda: not page.evaluate("document.getElementById('large-picture').hidden"))
        page.select_option("#view", "")
        service.until(lambda: page.evaluate(shows_video))
        service.reload(SITE.replace("fps=20", "fps=15"))  # the stream begins again, and so does its picture
        service.until(lambda: service.streams()["door"]["ready"])
        service.until(lambda: page.evaluate("document.getElementById('large-video').currentTime") < 1)
        service.until(lambda: page.evaluate(shows_video))
        page.keyboard.press("Escape")
        service.until(lambda: service.metrics()[("streamseg_viewers",)] == 0)
