"""Each viewer's own picture: drawn from the newest frame, refused where it is asked for wrongly, never uncovered."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Iterator
from typing import cast

import cv2
import numpy as np
import pytest
from multidict import MultiDict
from numpy.typing import NDArray

from streamseg.config import make_options
from streamseg.contracts import Shown
from streamseg.errors import InputError
from streamseg.frame import Image
from streamseg.options import VIEW_NAMES
from streamseg.segmentation import Classes, Segmentation
from streamseg.serve.latest_result import Latest
from streamseg.serve.picture_options import AS_IT_IS, PictureOptions, picture_options, without_classes
from streamseg.serve.pictures import Pictures
from streamseg.serve.stream import Stream
from streamseg.serve.viewers import FileImage
from streamseg.serve.web import ViewedStream
from tests.parts.fakes import frame, segmentation
from tests.parts.service import Service

SITE = """\
streams:
  still: {source: 'test://?size=320x240&fps=2', model: otsu}
  seen: {source: 'test://?size=320x240&fps=10&lanes=3', model: threshold, settings: {value: 115}}
  hidden: {source: 'test://?size=320x240&fps=10&lanes=3', model: threshold, settings: {value: 115}, hide: foreground,
           hide_with: '#00ff00'}
"""


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with Service(tmp_path_factory.mktemp("service"), SITE) as service:
        service.until(lambda: service.get("/readyz")[0] == 200)
        yield service


def picture(service: Service, path: str) -> NDArray[np.uint8]:
    status, raw = service.get(path)
    assert status == 200, raw
    decoded = cv2.imdecode(np.frombuffer(raw, np.uint8), cv2.IMREAD_COLOR)
    assert decoded is not None
    return np.asarray(decoded, np.uint8)


def shown() -> Shown:
    one = frame(1)
    return Shown(one, segmentation(one), one.pixels, 0, {})


def test_what_is_not_asked_for_is_as_the_stream_has_it() -> None:
    assert picture_options(MultiDict(), None) == AS_IT_IS
    assert picture_options(MultiDict({"1700000000": "", "view": "", "opacity": ""}), shown()) == AS_IT_IS


def test_classes_are_named_one_by_one_or_in_one_list() -> None:
    first, second = shown().segmentation.classes.names[:2]
    listed = picture_options(MultiDict(hide_classes=f"{second},{first}"), shown())
    repeated = picture_options(MultiDict([("hide_classes", first), ("hide_classes", second)]), shown())
    assert listed == repeated == PictureOptions(hide_classes=tuple(sorted((first, second))))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("view", "../../etc/passwd"),
        ("view", "Overlay"),
        ("zones", "maybe"),
        ("opacity", "nan"),
        ("opacity", "2"),
        ("opacity", "-0.1"),
        ("opacity", "half"),
        ("opacity", "1e999"),
        ("hide_classes", "<script>"),
        ("hide_classes", "\x00\n\n"),
    ],
)
def test_what_is_wrong_is_refused_in_one_line(key: str, value: str) -> None:
    with pytest.raises(InputError) as refused:
        picture_options(MultiDict({key: value}), shown())
    assert "\n" not in str(refused.value)
    assert key in str(refused.value)


def test_a_class_that_is_left_out_is_neither_drawn_nor_counted() -> None:
    colours = np.array([[0, 0, 0], [0, 0, 255], [255, 0, 0]], np.uint8)
    labels = np.array([[0, 1, 2]], np.uint8)
    found = Segmentation(labels, Classes(("floor", "car", "sky"), colours, background=0, ignore_index=None), 0, 0.0)
    left = without_classes(found, ("car", "of another model"))
    assert left.areas().tolist() == pytest.approx([1 / 3, 0, 1 / 3])
    assert left.classes.ignore_index == 255
    assert labels.tolist() == [[0, 1, 2]]
    assert without_classes(found, ("of another model",)) is found


def test_a_viewer_sees_what_it_asked_for_and_others_what_they_did(service: Service) -> None:
    for view in VIEW_NAMES:
        assert picture(service, f"/streams/still.jpg?view={view}").shape[0] == 240, view
    wide = picture(service, "/streams/still.jpg?view=side-by-side")
    assert wide.shape == (240, 640, 3)
    assert picture(service, "/streams/still.jpg").shape == (240, 320, 3)
    mask = picture(service, "/streams/still.jpg?view=mask")
    assert mask.max() > 100
    assert picture(service, "/streams/still.jpg?view=mask&hide_classes=foreground,background").max() < 20


@pytest.mark.parametrize("end", ["jpg", "mjpeg"])
def test_a_wrong_picture_is_refused_and_no_stream_takes_harm(service: Service, end: str) -> None:
    for query in ("view=nothing", "opacity=7", "hide_classes=nobody", "view=replace%00", "opacity=0.5.5"):
        status, said = service.get(f"/streams/still.{end}?{query}")
        assert (status, said.count(b"\n")) == (400, 1), query
    assert service.get(f"/streams/nobody.{end}?view=mask")[0] == 404
    assert service.streams()["still"]["restarts"] == 0


def bright(image: NDArray[np.uint8]) -> float:
    """Share of the picture as bright as things of the scene, and not as green as what lies over them."""
    blue, green, red = (image[..., number].astype(int) for number in range(3))
    return float((np.maximum(blue, red) > 150).mean())


def test_no_viewer_uncovers_what_is_hidden(service: Service) -> None:
    asked = [f"view={view}" for view in ("source", "boxes", "overlay&opacity=0", "side-by-side&opacity=0")]
    for query in [*asked, *(f"{each}&hide_classes=foreground" for each in asked)]:
        assert bright(picture(service, f"/streams/seen.jpg?{query}")) > 0.02, query
        assert bright(picture(service, f"/streams/hidden.jpg?{query}")) < 0.005, query


class StillStream:
    """What pictures need of a stream."""

    def __init__(self) -> None:
        self.options, self.latest, self.gone = make_options({"source": "test://"}), Latest(), False


def test_a_picture_is_drawn_once_for_all_who_ask_for_the_same() -> None:
    stream, drawn = StillStream(), []

    def draw(shown: Shown) -> Image:
        drawn.append(shown)
        return shown.image

    async def both() -> list[bytes | None]:
        image = FileImage(Pictures(cast(Stream, stream)), draw)
        stream.latest.write(shown())
        return [await each for each in (image.now(), image.now())]

    first, second = asyncio.run(both())
    assert first is second is not None
    assert len(drawn) == 1


def test_a_picture_of_its_own_is_forgotten_with_its_last_viewer() -> None:
    async def asked() -> None:
        watched = ViewedStream(cast(Stream, StillStream()))
        plain, mask = MultiDict[str](), MultiDict(view="mask")
        one = await watched.jpeg(mask)
        assert await watched.jpeg(mask) is one
        known = weakref.ref(one)
        del one
        gc.collect()
        assert known() is None
        kept = weakref.ref(await watched.jpeg(plain))
        gc.collect()
        assert await watched.jpeg(plain) is kept()

    asyncio.run(asked())
