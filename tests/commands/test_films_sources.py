"""Which words of a command are sources, and which outputs."""

from __future__ import annotations

from pathlib import Path

import pytest

from streamseg.commands.films import told_apart
from streamseg.errors import OutputError
from tests.commands.films import OTSU, film, made
from tests.parts.program import run_program as command
from tests.test_cli import one_line
from tests.test_outputs import picture


def test_words_that_are_no_files_are_outputs() -> None:
    for words in (
        ["0", "a.mp4"],
        ["rtsp://h/1", "a.mp4", "b.png"],
        ["no.mp4", "a.mp4", "masks:x", "-"],
        ["x.png", "y.png"],
    ):
        assert told_apart(words, overwrite=False) == (tuple(words[:1]), tuple(words[1:]))


def test_several_files_that_exist_are_sources(dash: Path) -> None:
    two, ten, third = "dash/2.mp4", "dash/10.mp4", "dash/day 2/2.mp4"
    assert told_apart([two, ten, third], overwrite=False) == ((two, ten, third), ())
    assert told_apart([two, ten, third], overwrite=True) == ((two, ten, third), ())
    assert told_apart([two, ten], overwrite=False) == ((two, ten), ())
    assert told_apart([two, ""], overwrite=False) == ((two,), ("",))  # a variable that is not set is no folder
    assert told_apart([two, ten, "new.mp4"], overwrite=False) == ((two, ten), ("new.mp4",))
    assert told_apart([two, ten, "{stem}-a.mp4"], overwrite=True) == ((two, ten), ("{stem}-a.mp4",))
    assert told_apart([two, "dash/day 2", "dash/*.mp4", "-"], overwrite=False) == (
        (two, "dash/day 2", "dash/*.mp4"),
        ("-",),
    )


def test_one_that_exists_behind_the_source_is_an_output_if_that_is_what_it_can_be(dash: Path) -> None:
    ours, broken, two = str(made(Path("ours.mp4"))), "dash/broken.mp4", "dash/2.mp4"
    for word in (ours, broken):
        with pytest.raises(
            OutputError, match=rf"{word}: exists \(--overwrite replaces it; to segment it as well, name"
        ):
            told_apart([two, word], overwrite=False)
        with pytest.raises(OutputError, match="exists"):
            told_apart([two, word, "masks:labels", "rows.jsonl"], overwrite=False)
        assert told_apart([two, word, "rows.jsonl"], overwrite=True) == ((two,), (word, "rows.jsonl"))
        assert told_apart([two, word, "{stem}.jsonl"], overwrite=False) == ((two, word), ("{stem}.jsonl",))
    assert told_apart([two, "dash/10.mp4"], overwrite=True) == ((two,), ("dash/10.mp4",))


@pytest.mark.parametrize("suffix", [".mp4", ".m4v", ".mov", ".mkv", ".ts"])
def test_a_film_that_streamseg_made_is_known_again(suffix: str, dash: Path) -> None:
    ours = str(made(Path(f"ours{suffix}")))
    with pytest.raises(OutputError, match=f"ours{suffix}: exists"):
        told_apart(["dash/2.mp4", ours], overwrite=False)
    others = str(film(Path(f"others{suffix}")))
    assert told_apart(["dash/2.mp4", others], overwrite=False) == (("dash/2.mp4", others), ())


def test_two_pictures_could_be_both_so_the_line_names_both_ways(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    picture(Path("photo.jpg")), picture(Path("out.png"))
    hint = "out.png: exists (--overwrite replaces it; to segment it as well, name an output such as 'out-{stem}.png')"
    assert hint in one_line(command("run", "photo.jpg", "out.png", *OTSU), 4)
    assert told_apart(["photo.jpg", "out.png"], overwrite=True) == (("photo.jpg",), ("out.png",))
    film(Path("film.mp4"))
    for words in (["film.mp4", "out.png"], ["out.png", "film.mp4"]):
        with pytest.raises(
            OutputError, match="exists .--overwrite replaces it; as a source give it a command of its own"
        ):
            told_apart(words, overwrite=False)


def test_a_film_that_is_named_twice_is_refused_as_source_and_output(dash: Path) -> None:
    Path("link.mp4").symlink_to("dash/2.mp4")
    for word in ("dash/2.mp4", "./dash/2.mp4", "link.mp4"):
        for flags in ((), ("--overwrite",)):
            one_line(command("run", "dash/2.mp4", word, *flags, *OTSU), 2)


def test_a_name_that_begins_with_a_dash_stands_behind_two(dash: Path) -> None:
    film(Path("-a.mp4"))
    for at, words in enumerate(
        (["--", "-a.mp4", "-0.mp4", "-0.jsonl"], ["./-a.mp4", *OTSU, "--", "-1.mp4", "-1.jsonl"])
    ):
        done = command("run", *OTSU, *words)
        assert done.returncode == 0, done.stderr
        assert Path(f"-{at}.mp4").exists()
        assert len(Path(f"-{at}.jsonl").read_text().splitlines()) == 5
    assert len(command("run", *OTSU, "--", "-a.mp4", "-").stdout.splitlines()) == 5
