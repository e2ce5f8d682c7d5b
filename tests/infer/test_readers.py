"""A network's outputs, read by its task."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pytest

from streamseg.errors import InputError
from streamseg.infer.model.geometry import make_fit
from streamseg.infer.model.spec import ROLES, ModelSpec, Task
from streamseg.infer.readers import READERS, InstanceReader, SemanticReader
from streamseg.said import Said
from tests.parts.fakes import frame

SPEC = ModelSpec(classes=("no", "yes"), outputs={"labels": "labels"})


def test_every_task_has_a_reader_and_roles() -> None:
    assert set(READERS) == set(ROLES) == set(get_args(Task))


def test_a_plane_without_a_batch_is_of_one_image() -> None:
    read = SemanticReader(SPEC, Said())
    assert [read.count(np.zeros(shape)) for shape in ((24, 32), (3, 24, 32))] == [1, 3]
    assert InstanceReader(SPEC, Said()).count(np.zeros((2, 100))) == 2


def test_a_label_covers_a_whole_number_of_pixels_or_one() -> None:
    reader = SemanticReader(SPEC, Said())

    def cell(height: int, width: int) -> int:
        return reader.cell((48, 64), {"labels": np.zeros((1, height, width), np.uint8)})

    assert [cell(48, 64), cell(12, 16), cell(11, 16)] == [1, 4, 1]
    for height, width in ((10, 16), (12, 32), (1, 64), (64, 48)):
        with pytest.raises(InputError, match=f"labels of {width}x{height} for an input of 64x48.*no segmentation"):
            cell(height, width)
    assert InstanceReader(SPEC, Said()).cell((48, 64), {}) == 1


@pytest.mark.parametrize(("shape", "last"), [((1, 3, 48, 64), False), ((1, 48, 64, 3), True)])
def test_scores_that_overflowed_are_of_no_class_and_that_is_said_once(
    caplog: pytest.LogCaptureFixture, shape: tuple[int, ...], last: bool
) -> None:
    classes = ("none", "a", "b")
    logits, found = np.zeros(shape, np.float32), np.full((48, 64), 2)
    by_class = np.moveaxis(logits, 3, 1) if last else logits
    by_class[:, 2], by_class[..., :20, :30], found[:20, :30] = 1, np.nan, 255
    cases = [
        (ModelSpec(classes=classes, outputs={"logits": "a"}, background=0), logits, found, None),
        (
            ModelSpec(classes=classes[:2], outputs={"probability": "a"}),
            by_class[:, 2],
            np.where(found == 2, 1, 255),
            0,
        ),
    ]
    for spec, output, labels, sure in cases:
        reader, (role,) = SemanticReader(spec, Said()), spec.outputs
        caplog.clear()
        for _ in range(2):
            (read,) = reader.read([frame()], [make_fit("stretch", (48, 64), (48, 64))], {role: output})
            np.testing.assert_array_equal(read.labels, labels)
            assert sure is None or (read.confidence is not None and set(read.confidence[:20, :30].flat) == {sure})
        assert [record.message for record in caplog.records] == [
            f"{spec.name}: NaN in place of scores: such pixels are of no class "
            "(a value overflowed: another precision may have room for it)"
        ]


def read_objects(family: str, shapes: dict[str, tuple[int, ...]], class_id: int = 1) -> int:
    """How many objects are read of ones in outputs of these shapes, with `class_id` in those for classes."""
    spec = ModelSpec(
        classes=("none", "a", "b"),
        task="instance",
        outputs={role: role for role in shapes},
        family=family,
        background=0,
        least_score=0.1,
    )
    outputs = {role: np.ones(shape, np.float32) for role, shape in shapes.items()}
    outputs |= {"class_ids": np.full(shapes["class_ids"], class_id)} if "class_ids" in shapes else {}
    if "boxes" in outputs:
        outputs["boxes"][..., :2] = 0.5
    (found,) = InstanceReader(spec, Said()).read([frame()], [make_fit("stretch", (48, 64), (64, 64))], outputs)
    assert found.instances is not None
    return len(found.instances)


ROWS: dict[str, tuple[int, ...]] = {"boxes": (1, 9, 4), "class_ids": (1, 9), "scores": (1, 9), "planes": (1, 9, 8, 8)}
QUERIES: dict[str, tuple[int, ...]] = {"boxes": (1, 9, 4), "classes": (1, 9, 3), "planes": (1, 9, 8, 8)}
MASKS: dict[str, tuple[int, ...]] = {"classes": (1, 9, 3), "planes": (1, 9, 8, 8)}
PROTOTYPES: dict[str, tuple[int, ...]] = {"prototypes": (1, 2, 16, 16)}


@pytest.mark.parametrize(
    ("family", "right", "wrong"),
    [
        (
            "",
            {"boxes": (1, 9, 4), "class_ids": (1, 9), "scores": (1, 9), "masks": (1, 9, 8, 8)},
            {"masks": (1, 8, 8, 8)},
        ),
        ("yolo", {"anchors": (1, 9, 84), **PROTOTYPES}, {"anchors": (1, 6, 84)}),
        ("yolo", {"anchors": (1, 9, 84), **PROTOTYPES}, {"prototypes": (1, 2, 0, 16)}),
        ("yolo5", {"anchors": (1, 252, 10), **PROTOTYPES}, {"anchors": (1, 252, 7)}),
        ("yolo-rows", {"rows": (1, 9, 8), **PROTOTYPES}, {"rows": (1, 9, 7)}),
        ("yolo-rows", {"rows": (1, 9, 6)}, {"rows": (1, 9, 5)}),
        ("detr", QUERIES, {"boxes": (1, 8, 4)}),
        ("detr", QUERIES, {"classes": (1, 9, 1)}),
        ("queries", QUERIES, {"classes": (1, 10, 3)}),
        ("rf-detr", QUERIES, {"planes": (1, 9, 8, 0)}),
        ("d-fine", ROWS, {"class_ids": (1, 8)}),
        ("torchvision", ROWS, {"scores": (1, 10)}),
        ("maskformer", MASKS, {"planes": (1, 8, 8, 8)}),
        ("mask2former", MASKS, {"planes": (1, 9, 0, 8)}),
        ("eomt", MASKS, {"classes": (1, 9, 1)}),
    ],
)
def test_outputs_that_do_not_go_together_are_one_line(
    family: str, right: dict[str, tuple[int, ...]], wrong: dict[str, tuple[int, ...]]
) -> None:
    assert read_objects(family, right) >= 0
    with pytest.raises(InputError, match="outputs that do not go together: .*x"):
        read_objects(family, right | wrong)


@pytest.mark.parametrize("planes", [(1, 0, 8, 8), (1, 0, 0, 0)])
def test_where_nothing_is_found_outputs_may_be_empty(planes: tuple[int, ...]) -> None:
    nothing: dict[str, tuple[int, ...]] = {"boxes": (1, 0, 4), "class_ids": (1, 0), "scores": (1, 0)}
    assert read_objects("torchvision", {**nothing, "planes": planes}) == 0
    assert read_objects("", {**nothing, "masks": planes}) == 0


@pytest.mark.parametrize("family", ["", "torchvision"])
def test_an_object_of_the_background_is_none(family: str) -> None:
    shapes = ROWS | ({} if family else {"masks": (1, 9, 8, 8)})
    shapes = {role: shape for role, shape in shapes.items() if family or role != "planes"}
    assert [read_objects(family, shapes, class_id) for class_id in (0, 1, 2, 3)] == [0, 9, 9, 0]


def test_confidence_has_the_shape_of_the_labels() -> None:
    reader = SemanticReader(SPEC, Said())
    outputs = {"labels": np.zeros((1, 48, 64), np.uint8), "confidence": np.zeros((1, 24, 32), np.uint8)}
    with pytest.raises(InputError, match="labels of .1, 48, 64., confidence of .1, 24, 32."):
        reader.cell((48, 64), outputs)
