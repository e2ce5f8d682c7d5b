"""`person-auto` on real networks, and on small ones that say what the choice has to go by."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

import streamseg
from streamseg.assembly import assemble, carries
from streamseg.cli import main
from streamseg.config import RunOptions
from streamseg.errors import InputError
from streamseg.frame import Frame
from streamseg.infer import list_models, load_segmenter, network_file, unknown_model
from streamseg.infer.batching import share_networks
from streamseg.infer.choosing import Chooser, agreement, in_words
from streamseg.infer.classical.method import name_classes
from streamseg.infer.model.catalogue import new_model
from streamseg.infer.tiles import tiled
from streamseg.segmentation import Segmentation
from tests.infer.pose.test_people import GROUND, scene
from tests.parts.models import needs

NEEDS_PEOPLE = needs("people")
CLASSES = name_classes("background", "person")
Image = NDArray[np.uint8]


def near() -> Image:
    """One person before the camera."""
    data = pytest.importorskip("skimage.data", reason="scikit-image brings the photographs")
    return np.ascontiguousarray(data.astronaut()[80:440, :, ::-1])


def wide() -> Image:
    """The same, as large as `group`."""
    return np.asarray(cv2.resize(near(), (640, 360)), np.uint8)


def group() -> Image:
    """Four people at a distance."""
    places = (50, 200, 200), (350, 220, 180), (650, 300, 200), (1000, 200, 220)
    return np.ascontiguousarray(scene(*places)[::2, ::2])


def film(*parts: tuple[Image, int]) -> Iterator[Frame]:
    """Each picture for so many frames, ten a second."""
    images = [image for image, count in parts for _ in range(count)]
    for index, image in enumerate(images):
        yield Frame(image, index, index / 10, 0.0)


def labels_of(model: str, image: Image) -> NDArray[np.uint8]:
    return load_segmenter(model).make(1)([Frame(image, 0, 0.0, 0.0)])[0].labels


class Columns:
    """Finds people in so many of a hundred columns, another number in each second."""

    scale = 1.0

    def __init__(self, *seconds: int) -> None:
        self.classes, self._seconds, self.asked = CLASSES, seconds, list[float]()
        self.closed = False

    def __call__(self, frames: Sequence[Frame]) -> list[Segmentation]:
        found = []
        for frame in frames:
            self.asked.append(frame.time_s)
            labels = np.zeros((20, 100), np.uint8)
            labels[:, : self._seconds[int(frame.time_s + 1e-6)]] = 1
            found.append(Segmentation(labels, self.classes, frame.index, frame.time_s))
        return found

    def close(self) -> None:
        self.closed = True


@NEEDS_PEOPLE
@pytest.mark.parametrize(("make", "suits"), [(near, "person"), (group, "people")])
def test_the_network_that_suits_the_picture_is_chosen_and_the_reason_is_said(
    make: Callable[[], Image], suits: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    image = make()
    with streamseg.load("person-auto") as model:
        found = model(image).segmentation
    np.testing.assert_array_equal(found.labels, labels_of(suits, image))
    np.testing.assert_array_equal(found.classes.colours, load_segmenter("person").classes.colours)
    (line,) = caplog.messages
    assert line.startswith(f"person-auto: {suits} from frame 0 on: ")
    assert "people or groups, " in line if suits == "people" else " or group" in line


@NEEDS_PEOPLE
def test_pictures_are_chosen_for_one_by_one_in_whatever_order() -> None:
    with streamseg.load("person-auto") as model:
        there = [model(image).segmentation.labels for image in (near(), group(), near())]
        (back,) = (each.segmentation.labels for each in model([group()]))
    np.testing.assert_array_equal(there[0], there[2])
    np.testing.assert_array_equal(there[1], back)
    np.testing.assert_array_equal(there[0], labels_of("person", near()))


@NEEDS_PEOPLE
def test_the_choice_changes_at_a_cut_and_says_so(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    segment = load_segmenter("person-auto").make(1)
    found = [segment([frame])[0].labels for frame in film((wide(), 13), (group(), 4))]
    segment.close()
    segment.close()
    expected = [labels_of("person", wide())] * 13 + [labels_of("people", group())] * 4
    for labels, right in zip(found, expected, strict=True):
        np.testing.assert_array_equal(labels, right)
    assert [line.partition(": ")[2].partition(" on")[0] for line in caplog.messages] == [
        "person from frame 0",
        "people from frame 13",
    ]


@NEEDS_PEOPLE
def test_streams_of_a_service_have_a_choice_each() -> None:
    find = share_networks(load_segmenter)
    one, other = (find("person-auto").make(1) for _ in range(2))
    for first, second in zip(film((wide(), 12)), film((group(), 12)), strict=True):
        here, there = one([first])[0], other([second])[0]
    np.testing.assert_array_equal(here.labels, labels_of("person", wide()))
    np.testing.assert_array_equal(there.labels, labels_of("people", group()))


@NEEDS_PEOPLE
def test_a_film_gives_the_same_twice_whatever_the_workers(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    writer = cv2.VideoWriter(str(tmp_path / "film.avi"), cv2.VideoWriter.fourcc(*"MJPG"), 10, (640, 360))
    for frame in film((wide(), 12), (group(), 12)):
        writer.write(frame.image)
    writer.release()
    shares = []
    for name, flags in (("a", ["--workers", "2"]), ("b", [])):
        out = tmp_path / f"{name}.jsonl"
        assert main(["run", str(tmp_path / "film.avi"), str(out), "--model", "person-auto", *flags]) == 0
        shares.append([json.loads(line)["classes"] for line in out.read_text().splitlines()])
        said = capfd.readouterr().err
        assert said.count("person-auto: ") == 2
        assert "person-auto: people from frame 12 on: " in said
    assert len(shares[0]) == 24
    assert shares[0] == shares[1]


def test_both_are_asked_once_a_second_and_the_choice_holds() -> None:
    close, far = Columns(70, 70, 70), Columns(90, 100, 95)
    chosen = Chooser(close, far)
    picture = GROUND[:90, :160]
    for frame in film((picture, 30)):
        chosen([frame])
    assert far.asked == [0.0, 1.0, 2.0]
    assert len(close.asked) == 30


def test_a_choice_that_is_near_the_bound_does_not_flap(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    close, far = Columns(*[60] * 7), Columns(75, 90, 85, 95, 90, 85, 78)
    chosen = Chooser(close, far)
    widths = [int(chosen([frame])[0].labels[0].sum()) for frame in film((GROUND[:90, :160], 70))]
    assert widths == [60] * 30 + [95] * 10 + [90] * 10 + [85] * 10 + [60] * 10
    assert [line.partition(":")[2].split()[0] for line in caplog.messages] == ["person", "people", "person"]
    assert caplog.messages[1].endswith(
        "from frame 30 on: 1 person or group, 90 px high, the masks of person and people are alike to 63%"
    )


def test_an_empty_picture_changes_nothing(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    chosen = Chooser(Columns(0, 5, 0, 0), Columns(0, 60, 0, 0))
    widths = [int(chosen([frame])[0].labels[0].sum()) for frame in film((GROUND[:90, :160], 40))]
    assert widths == [0] * 10 + [60] * 10 + [0] * 20
    assert [line.partition(":")[2].split()[0] for line in caplog.messages] == ["person", "people"]
    assert "nobody in sight" in caplog.messages[0]


def test_of_many_pictures_only_the_first_choice_is_told_aloud(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "streamseg.infer.choosing")
    chosen = Chooser(Columns(50, 50, 50), Columns(50, 100, 50))
    for index in range(3):
        chosen([Frame(GROUND[:90, :160], index, float(index), 0.0, file=f"{index}.png")])
    assert [record.levelno for record in caplog.records] == [logging.INFO, logging.DEBUG, logging.DEBUG]


def test_masks_of_any_size_are_compared_and_told_in_pixels_of_the_frame() -> None:
    small, large = np.zeros((10, 20), np.uint8), np.zeros((40, 80), np.uint8)
    small[2:6, 5:10] = 1
    large[8:24, 20:40] = large[4:30, 60:70] = 1
    large[0, 0] = 1
    one, other = (Segmentation(labels, CLASSES, 0, 0.0) for labels in (small, large))
    nobody = Segmentation(np.zeros((5, 5), np.uint8), CLASSES, 0, 0.0)
    alike = agreement(one, other)
    assert alike is not None and 0.4 < alike < 0.7
    assert agreement(nobody, nobody) is None
    assert agreement(one, nobody) == 0
    frame = Frame(np.zeros((400, 800, 3), np.uint8), 0, 0.0, 0.0)
    assert in_words(other, frame, alike).startswith("2 people or groups, 160 to 260 px high, ")
    assert in_words(nobody, frame, 0.0).startswith("no people or groups, the masks")


def test_it_closes_and_scales_both() -> None:
    close, far = Columns(50), Columns(50)
    chosen = Chooser(close, far)
    chosen.scale = 0.5
    chosen([Frame(GROUND[:90, :160], 0, 0.0, 0.0)])
    chosen.close()
    assert (close.scale, far.scale, close.closed, far.closed) == (0.5, 0.5, True, True)


@NEEDS_PEOPLE
def test_its_masks_are_steadied_as_those_of_one_network_and_read_by_one_worker() -> None:
    assert [carries(load_segmenter(name)) for name in ("person", "person-auto", "person-pose")] == [True, True, False]
    pipeline = assemble(RunOptions(source="test://?frames=3", model="person-auto", outputs=("null",), workers=4))
    assert pipeline.workers == 1
    assert pipeline._make_propagator is not None
    pipeline.close()


@NEEDS_PEOPLE
def test_it_is_listed_and_is_no_single_network(capsys: pytest.CaptureFixture[str]) -> None:
    (listed,) = (model for model in list_models() if model.name == "person-auto")
    assert listed.classes == ("background", "person")
    assert listed.size_bytes == sum(model.size_bytes for model in list_models() if model.name in ("person", "people"))
    with pytest.raises(InputError, match="person-auto: is several networks"):
        network_file("person-auto")
    with pytest.raises(InputError, match="is the name of a model of streamseg's own"):
        new_model("person-auto")
    with pytest.raises(InputError, match="no backend 'abacus'"):
        load_segmenter("person-auto", backend="abacus")
    with pytest.raises(InputError, match="takes no settings"):
        load_segmenter("person-auto", {"level": 3})
    with pytest.raises(InputError, match="person-auto is not one network"):
        tiled(load_segmenter("person-auto"), "auto")
    assert "person-auto" in (unknown_model("person-atuo").hint or "")
    assert main(["models"]) == 0
    assert "person-auto" in capsys.readouterr().out


def test_without_its_package_it_is_person_and_says_once_how_to_get_the_other(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("importlib.metadata.entry_points", lambda *, group: ())
    assert main(["run", "test://?frames=3", "null", "--model", "person-auto"]) == 0
    (line,) = (line for line in capfd.readouterr().err.splitlines() if "person-auto: " in line)
    assert "person-auto: is person alone; for people in groups and at a distance: " in line
    assert "pip install" in line and ("pose-models" in line or "[pose]" in line)
    recipe = load_segmenter("person-auto")
    assert (recipe.name, recipe.parallel, recipe.side) == ("person-auto", True, 256)
    picture = near()
    (found,) = recipe.make(1)([Frame(picture, 0, 0.0, 0.0)])
    np.testing.assert_array_equal(found.labels, labels_of("person", picture))
