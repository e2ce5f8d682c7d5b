from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from streamseg.errors import InputError
from streamseg.infer.model.spec import InputSpec, ModelSpec
from streamseg.infer.model.tensors import TensorInfo
from streamseg.infer.model.validate import channel_axis, check_model, check_output_shape, input_info

Shape = tuple[int | None, ...] | None
PICTURE = (1, 3, 24, 32)
OBJECTS = {"boxes": "b", "scores": "s", "class_ids": "c", "masks": "m"}


def spec(classes: int = 5, outputs: dict[str, str] | None = None, **picture: Any) -> ModelSpec:
    names = tuple(f"class {number}" for number in range(classes))
    return ModelSpec(name="toy", classes=names, outputs=outputs or {"logits": "scores"}, input=InputSpec(**picture))


def objects_spec() -> ModelSpec:
    return ModelSpec(name="toy", classes=("none", "car"), outputs=OBJECTS, task="instance", background=0)


def tensor(name: str, shape: Shape, dtype: str = "float32") -> TensorInfo:
    return TensorInfo(name, shape, np.dtype(dtype))


def check(
    of: ModelSpec, *, picture: Shape = PICTURE, into: str = "float32", outputs: Sequence[TensorInfo] | None = None
) -> None:
    check_model(of, [tensor("image", picture, into)], outputs or [tensor("scores", (1, 5, 24, 32))])


@pytest.mark.parametrize("picture", [PICTURE, (None, 3, None, None), (7, 3, 24, 32), None])
def test_a_graph_that_fits_its_spec_is_taken(picture: Shape) -> None:
    check(spec(height=24, width=32), picture=picture)
    check(spec(), picture=picture)


@pytest.mark.parametrize(
    ("picture", "more", "expected"),
    [
        ((1, 1, 24, 32), {}, r"NCHW \(\?, 3, \?, \?\), found \(1, 1, 24, 32\)"),
        ((1, 24, 32, 3), {}, r"NCHW \(\?, 3, \?, \?\)"),
        (PICTURE, {"layout": "NHWC"}, r"NHWC \(\?, \?, \?, 3\)"),
        ((1, 3, 24, 33), {"width": 32}, r"\(\?, 3, \?, 32\), found \(1, 3, 24, 33\)"),
        ((3, 24, 32), {}, r"found \(3, 24, 32\)"),
        ((), {}, r"found \(\)"),
        ((1, 3, 24, 32, 1), {}, r"found \(1, 3, 24, 32, 1\)"),
    ],
)
def test_a_picture_of_another_shape_is_told_with_both(picture: Shape, more: dict[str, Any], expected: str) -> None:
    with pytest.raises(InputError, match=rf"^toy: input 'image' expected as .*{expected}") as caught:
        check(spec(**more), picture=picture)
    assert "\n" not in str(caught.value)


def test_a_picture_of_another_type_is_told_with_both() -> None:
    with pytest.raises(InputError, match="toy: input 'image' expected as float32, found uint8"):
        check(spec(), into="uint8")
    check(spec(dtype="uint8"), into="uint8")


def test_the_picture_goes_into_the_only_input_or_the_one_that_is_named() -> None:
    one = tensor("image", PICTURE)
    assert input_info(spec(), [one]) is one
    assert input_info(spec(name="image"), [one]) is one
    with pytest.raises(InputError, match="toy: expected input 'picture', found 'image'"):
        input_info(spec(name="picture"), [one])


@pytest.mark.parametrize(("names", "found"), [((), r"0 \(none\)"), (("a", "b"), r"2 \(a, b\)")])
def test_a_graph_that_wants_more_or_less_than_a_picture_is_refused(names: tuple[str, ...], found: str) -> None:
    with pytest.raises(InputError, match=f"expected one input, found {found}"):
        input_info(spec(), [tensor(name, PICTURE) for name in names])


def test_an_output_that_is_missing_names_those_there_are() -> None:
    with pytest.raises(InputError, match="toy: expected output 'scores', found 'a', 'b'"):
        check(spec(), outputs=[tensor("a", None), tensor("b", None)])


@pytest.mark.parametrize(
    ("role", "right", "wrong"),
    [
        ("labels", ("int64", "int32", "uint8"), ("float32", "bool")),
        ("logits", ("float32", "float16", "float64"), ("int64", "uint8")),
        ("probability", ("float32", "float16"), ("uint8",)),
    ],
)
def test_each_role_has_its_types(role: str, right: tuple[str, ...], wrong: tuple[str, ...]) -> None:
    of = spec(2, {role: "x"})
    shape = (1, 2, 6, 8) if role == "logits" else (1, 6, 8)
    for dtype in right:
        check(of, outputs=[tensor("x", shape, dtype)])
    for dtype in wrong:
        with pytest.raises(InputError, match=f"output 'x' should hold {role}, .*; found {dtype}"):
            check(of, outputs=[tensor("x", shape, dtype)])


def test_a_confidence_is_bytes() -> None:
    of = spec(2, {"labels": "l", "confidence": "c"})
    labels = tensor("l", (1, 6, 8), "uint8")
    check(of, outputs=[labels, tensor("c", (1, 6, 8), "uint8")])
    for dtype in ("float32", "int64"):
        with pytest.raises(InputError, match=f"should hold confidence, uint8; found {dtype}"):
            check(of, outputs=[labels, tensor("c", (1, 6, 8), dtype)])


def test_the_types_of_objects_are_checked_as_well() -> None:
    good = {"b": (1, 9, 4), "s": (1, 9), "c": (1, 9), "m": (1, 9, 28, 28)}

    def outputs(wrong: str = "") -> list[TensorInfo]:
        ints = {"c"} ^ {wrong}
        return [tensor(name, shape, "int64" if name in ints else "float32") for name, shape in good.items()]

    check(objects_spec(), outputs=outputs())
    for role, name in OBJECTS.items():
        with pytest.raises(InputError, match=f"output '{name}' should hold {role}"):
            check(objects_spec(), outputs=outputs(name))


@pytest.mark.parametrize(
    ("role", "fits", "differs"),
    [
        ("labels", [(1, 6, 8), (6, 8), (1, 1, 6, 8), (1, 6, 8, 1), (None, None, None)], [(8,), (1, 2, 6, 8), ()]),
        ("probability", [(1, 6, 8), (1, 1, 6, 8), (1, None, 6, 8)], [(1, 3, 6, 8), (1, 1, 1, 6, 8)]),
        ("logits", [(1, 5, 6, 8), (1, 6, 8, 5), (None, None, 6, 8)], [(5, 6, 8), (1, 4, 6, 8), (1, 5, 6, 8, 1)]),
        ("boxes", [(1, 9, 4), (None, None, None)], [(1, 9, 5), (9, 4), (1, 9, 4, 1)]),
        ("maps", [(1, 3, 24, 32), (None, None, None, None)], [(1, 2, 24, 32), (1, 4, 24, 32), (3, 24, 32)]),
        ("scores", [(1, 9)], [(9,), (1, 9, 1)]),
        ("class_ids", [(1, 9)], [(1, 9, 2)]),
        ("masks", [(1, 9, 28, 28)], [(1, 9, 28), (9, 28, 28)]),
    ],
)
def test_each_role_has_its_shapes(role: str, fits: list[Shape], differs: list[Shape]) -> None:
    for shape in fits:
        assert shape is not None
        check_output_shape(spec(), role, shape)
    for shape in differs:
        assert shape is not None
        with pytest.raises(InputError, match=f"^toy: {role} expected as .*, found "):
            check_output_shape(spec(), role, shape)


def test_classes_are_where_there_are_as_many_channels() -> None:
    assert channel_axis(spec(5), (1, 5, 6, 8)) == 1
    assert channel_axis(spec(5), (1, 6, 8, 5)) == 3
    assert channel_axis(spec(5), (1, 5, 8, 5)) == 1
    assert channel_axis(spec(5), (1, None, 8, 5)) == 3
    assert channel_axis(spec(5), (1, None, 8, 7)) == 1
    assert channel_axis(spec(5), (1, 7, 8, None)) == 3
    with pytest.raises(InputError, match=r"5 channels for 5 classes, found \(1, 6, 8, 7\)"):
        channel_axis(spec(5), (1, 6, 8, 7))


def test_a_picture_has_its_channels_where_the_layout_says() -> None:
    assert InputSpec(height=24, width=32).shape(None, (24, 32)) == (None, 3, 24, 32)
    assert InputSpec(layout="NHWC", colour="grey").shape(None, (None, None)) == (None, None, None, 1)


def test_where_either_axis_has_as_many_entries_classes_lie_as_the_channels_of_the_input_do() -> None:
    assert channel_axis(spec(20), (1, 20, 20, 20)) == 1
    assert channel_axis(spec(20, layout="NHWC"), (1, 20, 20, 20)) == 3
    assert channel_axis(spec(20, layout="NHWC"), (1, 20, 30, 40)) == 1
