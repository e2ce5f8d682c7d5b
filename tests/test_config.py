from __future__ import annotations

from pathlib import Path

import pytest

from streamseg.config import RunOptions, make_options, read_config
from streamseg.errors import InputError
from streamseg.words import parser

CONFIGS = Path(__file__).parents[1] / "configs"


def test_text_from_the_command_line_becomes_numbers() -> None:
    options = make_options({"source": "0", "opacity": "0.3", "workers": "2", "hud": "true", "outputs": ["a.mp4"]})
    assert (options.opacity, options.workers, options.hud, options.outputs) == (0.3, 2, True, ("a.mp4",))


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"source": "x", "opacity": "3"}, "opacity"),
        ({"source": "x", "size": "big"}, "size"),
        ({"source": "x", "workers": 0}, "workers"),
        ({"source": "x", "transport": "pigeon"}, "transport"),
        ({"source": "x", "colour": 1}, "no option `colour`"),
        ({}, "no source"),
    ],
)
def test_a_wrong_option_is_named(values: dict[str, object], words: str) -> None:
    with pytest.raises(InputError, match=words) as caught:
        make_options(values)
    assert "\n" not in str(caught.value)


def test_flags_go_before_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("source: 0\nmodel: otsu\nopacity: 0.2\n")
    options = read_config(path, {"opacity": "0.7", "source": "clip.mp4"})
    assert (options.source, options.model, options.opacity) == ("clip.mp4", "otsu", 0.7)
    assert read_config(path, {}).source == 0


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


RUNS = sorted(set(CONFIGS.glob("*.yaml")) - {CONFIGS / "site.yaml"})  # which is for `serve`: tests/serve/test_site.py


@pytest.mark.parametrize("path", RUNS, ids=lambda path: path.name)
def test_every_shipped_configuration_is_valid(path: Path) -> None:
    assert read_config(path, {}).source != ""


def test_every_option_is_a_flag_and_every_flag_an_option() -> None:
    run = vars(parser().parse_args(["run", "x"]))
    meant_for_the_terminal = {"explain", "trust_engine", "command", "config", "debug", "quiet"}
    assert set(run) - meant_for_the_terminal == set(RunOptions.__struct_fields__)
