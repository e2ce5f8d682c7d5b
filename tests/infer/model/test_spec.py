from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest

from streamseg.errors import InputError
from streamseg.infer.model.palette import default_colours, parse_colours
from streamseg.infer.model.spec import InputSpec, ModelSpec, spec_beside, spec_classes, spec_inside, spec_text

YAML = """
classes: [floor, person]
colours: ["#000000", "ff8001"]
background: 0
input: {height: 24, width: 32, mean: [123.675, 116.28, 103.53], std: [58.395, 57.12, 57.375], fit: letterbox}
outputs: {logits: scores}
"""


def write(folder: Path, text: str) -> Path:
    (folder / "street.yaml").write_text(text)
    return folder / "street.onnx"


def test_a_spec_beside_the_model_is_read_and_named_after_it(tmp_path: Path) -> None:
    spec = spec_beside(write(tmp_path, YAML))
    assert spec is not None
    assert (spec.name, spec.input.fit, spec.input.mean[0], spec.outputs) == (
        "street",
        "letterbox",
        123.675,
        {"logits": "scores"},
    )


def test_colours_are_rgb_hex_outside_and_bgr_inside(tmp_path: Path) -> None:
    spec = spec_beside(write(tmp_path, YAML))
    assert spec is not None
    classes = spec_classes(spec)
    assert classes.colours.tolist() == [[0, 0, 0], [1, 0x80, 0xFF]]
    assert (classes.names, classes.background, classes.ignore_index) == (("floor", "person"), 0, 255)


def test_names_that_repeat_are_told_apart(tmp_path: Path) -> None:
    spec = ModelSpec(classes=("bar", "door", "bar", "bar 2", "bar"), outputs={"logits": "scores"})
    assert spec_classes(spec).names == ("bar", "door", "bar 3", "bar 2", "bar 4")


def test_no_yaml_beside_is_no_error(tmp_path: Path) -> None:
    assert spec_beside(tmp_path / "street.onnx") is None


def test_a_spec_survives_the_way_into_a_file_and_out(tmp_path: Path) -> None:
    spec = spec_beside(write(tmp_path, YAML + "summary: 'naïve: \"quoted\"'\n"))
    assert spec is not None
    assert spec_inside(tmp_path / "x.onnx", {"streamseg": spec_text(spec)}) == spec


def test_a_model_without_a_spec_is_told_to_be_imported(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no x\.yaml beside it, none inside.*streamseg import"):
        spec_inside(tmp_path / "x.onnx", {})


def test_a_file_that_was_imported_before_is_told_by_which_name_it_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (own := tmp_path / "models").mkdir()
    monkeypatch.setenv("STREAMSEG_MODELS", str(own))
    (own / "x.onnx").touch()
    with pytest.raises(InputError, match=r"\(--model x is the model that was imported"):
        spec_inside(tmp_path / "x.onnx", {})
    with pytest.raises(InputError, match=r"\(streamseg import"):
        spec_inside(own / "x.onnx", {})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("background: 0", "backgroundd: 0"), r"street\.yaml:4: unknown key 'backgroundd'"),
        (("background: 0", "background: 2"), r"`background` must be 0 to 1, not 2"),
        (("background: 0", "custom_ops: evil.so"), r"street\.yaml:4: unknown key 'custom_ops'"),
        (("[floor, person]", "[]"), r"`classes` needs 1 to 256 names, not 0"),
        (("[floor, person]", "[floor]"), r"2 colours for 1 classes"),
        (("ff8001", "orange"), r"colour 'orange' is not RGB hex"),
        (("ff8001", "٣٣٣٣٣٣"), r"colour '٣٣٣٣٣٣' is not RGB hex"),
        (("{logits: scores}", "{heatmap: scores}"), r"no role 'heatmap': one of labels, logits"),
        (("{logits: scores}", "{confidence: scores}"), r"exactly one of labels, logits and probability"),
        (("{logits: scores}", "{logits: a, labels: b}"), r"exactly one of labels, logits and probability"),
        (("mean: [123.675, 116.28, 103.53]", "mean: [1, 2]"), r"`mean` needs one number, or one a channel, for rgb"),
        (("58.395", "0"), r"`std` must be above 0"),
        (("height: 24", "height: 100000"), r"`height` must be 1 to 16384 px"),
        (("fit: letterbox", "side: 512, largest: 256"), r"`largest` must be `side`, 512, to 16384 px, not 256"),
        (("fit: letterbox", "fit: squeeze"), r"street\.yaml:5: .*'squeeze'"),
        (("fit: letterbox", "dtype: uint8"), r"a uint8 input takes no `mean` or `std`"),
    ],
)
def test_a_wrong_spec_is_one_clear_line(tmp_path: Path, change: tuple[str, str], message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        spec_beside(write(tmp_path, YAML.replace(*change)))
    assert "\n" not in str(caught.value)


def test_probability_needs_two_classes() -> None:
    with pytest.raises(ValueError, match="2 classes apart, not 3"):
        ModelSpec(classes=("a", "b", "c"), outputs={"probability": "p"})


def test_default_colours_are_distinct_for_every_class_there_can_be() -> None:
    assert len(np.unique(default_colours(256), axis=0)) == 256


def test_neighbouring_default_colours_are_far_apart() -> None:
    colours = default_colours(256).astype(int)
    assert np.linalg.norm(np.diff(colours, axis=0), axis=1).min() > 60


def test_the_background_is_black_by_default() -> None:
    colours = default_colours(4, background=2)
    assert colours[2].tolist() == [0, 0, 0]
    assert colours[[0, 1, 3]].max(axis=1).min() > 100


def test_no_colours_are_an_empty_palette() -> None:
    assert parse_colours(()).shape == (0, 3)


def test_a_spec_is_frozen() -> None:
    spec = ModelSpec(classes=("a",), outputs={"labels": "x"})
    with pytest.raises(AttributeError):
        spec.name = "other"  # type: ignore[misc]
    assert msgspec.structs.replace(spec, name="other").name == "other"


def test_numbers_of_an_input_that_can_only_be_a_mistake_are_told() -> None:
    with pytest.raises(ValueError, match=r"units of 0 to 255: mean \[123.675, 116.28, 103.53\], std \[58.395"):
        InputSpec(mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))
    with pytest.raises(ValueError, match="must be finite"):
        InputSpec(mean=(float("nan"),))
    with pytest.raises(ValueError, match="`pad` must be 0 to 255, not 256"):
        InputSpec(pad=256)
    assert InputSpec(std=(1.0,)).mean == (0.0,)
