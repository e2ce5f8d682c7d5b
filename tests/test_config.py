from __future__ import annotations

from pathlib import Path

import pytest

from streamseg.commands.parser import parser
from streamseg.config import OPTIONS, make_options, read_config
from streamseg.errors import InputError
from streamseg.moment import Moment

CONFIGS = Path(__file__).parents[1] / "configs"


def test_text_from_the_command_line_becomes_numbers() -> None:
    options = make_options({"source": "0", "opacity": "0.3", "workers": "2", "hud": "true", "outputs": ["a.mp4"]})
    assert (options.render.opacity, options.workers, options.render.hud, options.outputs) == (0.3, 2, True, ("a.mp4",))


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"source": "x", "opacity": "3"}, "opacity"),
        ({"source": "x", "size": "big"}, "size"),
        ({"source": "x", "workers": 0}, "workers"),
        ({"source": "x", "transport": "pigeon"}, "transport"),
        ({"source": "x", "colour": 1}, "unknown key 'colour'"),
        ({}, "no source"),
    ],
)
def test_a_wrong_option_is_named(values: dict[str, object], words: str) -> None:
    with pytest.raises(InputError, match=words) as caught:
        make_options(values)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"start": "2", "end": "1"}, "the end, 1, is not behind the start, 2"),
        ({"start": "1:00", "end": 60}, "the end, 60.*, is not behind the start, 1:00"),
        ({"start": "9f", "end": "9f"}, "the end, 9f, is not behind the start, 9f"),
        ({"end": "0"}, "the end, 0, is not behind the start, 0"),
        ({"start": "soon"}, "'soon' is neither a time"),
        ({"end": "1:75"}, "'1:75' is neither a time"),
        ({"every": "0"}, "every: expected a whole number from 1, not '0'"),
        ({"every": "2.5"}, "every: expected a whole number from 1, not '2.5'"),
    ],
)
def test_a_part_that_cannot_be_is_named(values: dict[str, object], words: str) -> None:
    with pytest.raises(InputError, match=words):
        make_options({"source": "a.mp4", **values})


def test_moments_are_given_as_text_or_as_numbers() -> None:
    for start, end in (("90", "1:31"), (90, 91.5), ("10f", "5"), (None, "250f")):
        options = make_options({"source": "a.mp4", "start": start, "end": end})
        assert (options.capture.start, options.capture.end) == (start and Moment(start), end and Moment(end))


def test_flags_override_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("source: 0\nmodel: otsu\nopacity: 0.2\n")
    options = read_config(path, {"opacity": "0.7", "source": "clip.mp4"})
    assert (options.source, options.model, options.render.opacity) == ("clip.mp4", "otsu", 0.7)
    assert read_config(path, {}).source == 0


@pytest.mark.parametrize("source", ["1:20", "012", "0x10", "1_000", "on", ".5", "2026-01-01", "1e3", "yes"])
def test_the_source_in_a_file_is_what_was_written(source: str, tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(f"source: {source}\nmodel: {source}\noutputs: [{source}, null]\nbackground: {source}\n")
    options = read_config(path, {})
    assert (options.source, options.model, options.render.background) == (source, source, source)
    assert options.outputs == (source, "null")


def test_a_file_may_leave_the_source_to_the_command_line(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("model: otsu\n")
    assert read_config(path, {"source": "clip.mp4"}).model == "otsu"
    with pytest.raises(InputError, match="source"):
        read_config(path, {})


def test_a_mistake_in_a_file_names_its_line(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("source: 0\n\nopacty: 0.2\n")
    with pytest.raises(InputError, match=r"a\.yaml:3: unknown key 'opacty'"):
        read_config(path, {})
    with pytest.raises(InputError, match=r"a\.yaml:3: unknown key 'opacty'"):
        read_config(path, {"source": "x"})


def test_a_file_of_many_streams_is_told_to_be_one_for_a_service() -> None:
    with pytest.raises(InputError, match=r"for a service \(streamseg serve --config .*site\.yaml\)"):
        read_config(CONFIGS / "site.yaml", {})


RUNS = sorted(set(CONFIGS.glob("*.yaml")) - {CONFIGS / "site.yaml"})  # which is for `serve`: tests/serve/test_config.py


@pytest.mark.parametrize("path", RUNS, ids=lambda path: path.name)
def test_every_shipped_configuration_is_valid(path: Path) -> None:
    assert read_config(path, {}).source != ""


def test_every_option_is_a_flag_and_every_flag_an_option() -> None:
    run = vars(parser().parse_args(["run", "x"]))
    meant_for_the_terminal = {"explain", "trust_engine", "command", "config", "debug", "quiet"}
    assert set(run) - meant_for_the_terminal == set(OPTIONS.__struct_fields__)


def test_what_lies_over_nothing_is_no_way_to_hide() -> None:
    with pytest.raises(InputError, match="nothing is hidden"):
        make_options({"source": "0", "hide_with": "black"})
    assert make_options({"source": "0", "hide_with": "black", "hide": "person"}).privacy.classes


@pytest.mark.parametrize(
    "value", [{"rules": ["foreground.count >= 1"]}, {"zones": [1]}, {"lines": "x"}, {"settings": 3}]
)
def test_what_is_no_mapping_is_told(value: dict[str, object]) -> None:
    with pytest.raises(InputError, match="expected keys with values"):
        make_options({"source": "0", **value})
