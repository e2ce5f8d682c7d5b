"""What is run for several files, and what is written."""

from __future__ import annotations

from pathlib import Path

import pytest

import streamseg
from streamseg.config import RunOptions, make_options
from streamseg.errors import InputError
from tests.commands.films import OTSU, film, made, planned
from tests.parts.program import run_program as command
from tests.parts.toy_models import segmenter
from tests.test_cli import one_line
from tests.test_outputs import picture, tree


def test_what_one_names_is_one_run(dash: Path) -> None:
    for source in (0, "test://", "rtsp://h/1", "dash/2.mp4", "no.mp4", "dash/day 2", ["dash/2.mp4"]):
        assert len(planned(source, "out.mp4")) == 1
    assert planned("dash/day 2", "out.mp4") == [("dash/day 2/2.mp4", ("out.mp4",))]


def test_films_of_one_name_are_refused_unless_a_pattern_tells_them_apart(dash: Path) -> None:
    with pytest.raises(InputError, match="dash/2.mp4 and dash/day 2/2.mp4 would both be written to o/2.mp4.*pattern"):
        planned(["dash/2.mp4", "dash/day 2/2.mp4"], "o/{stem}.mp4")
    film(dash / "2.mkv")
    with pytest.raises(
        InputError, match=r"2.mkv and dash/2.mp4 would both be written to o/2.mp4 \(take them in two co"
    ):
        planned("dash/2.*", "o/{stem}.mp4")
    assert len(planned("dash/2.*", "-", "null", "events:clips?class=a", "rtsp://h/1")) == 2
    found = planned("dash/**/*.mp4", "o/{stem}/{stem}.mp4", "events:c/{stem}?class=a/b")
    assert found[-1] == ("dash/day 2/2.mp4", ("o/day 2/2/2.mp4", "events:c/day 2/2?class=a/b"))


def test_signs_in_the_name_of_a_film_are_no_fields_of_an_output(dash: Path) -> None:
    film(Path("odd/100%d?x=1 %H.mp4")), film(Path("odd/[a] {b}.mp4"))
    done = command("run", "odd", "out/{stem}.mp4", "pics/{stem}-%03d.png", "masks:m/{stem}", "j/{stem}.jsonl", *OTSU)
    assert done.returncode == 0, done.stderr
    assert sorted(tree(Path("out"))) == ["100%d_x=1 %H.mp4", "[a] {b}.mp4"]
    assert sorted(path for path in tree(Path("pics")) if "004" in path) == ["100%d_x=1 %H-004.png", "[a] {b}-004.png"]
    assert sorted(tree(Path("j"))) == ["100%d_x=1 %H.jsonl", "[a] {b}.jsonl"]
    assert sorted(path for path in tree(Path("m")) if "004" in path) == [
        "100_d_x=1 _H/000004.png",
        "[a] {b}/000004.png",
    ]


def test_films_and_pictures_together_are_refused(dash: Path) -> None:
    picture(dash / "thumb.jpg")
    for source in ("dash", "dash/*", ["dash/2.mp4", "dash/thumb.jpg"]):
        with pytest.raises(InputError, match=r"^films as well as pictures, such as dash/2.mp4 and dash/thumb.jpg"):
            planned(source, "{stem}-a.mp4")


def test_only_files_are_taken_one_after_the_other(dash: Path) -> None:
    for other in ("0", "test://", "rtsp://h/1", "-"):
        with pytest.raises(InputError, match=f"{other}: only files are taken one after the other"):
            planned(["dash/2.mp4", other])
    for missing in ("no.mp4", "no*.mp4"):
        with pytest.raises(InputError, match="no such file|no file matches"):
            planned(["dash/2.mp4", missing])


def test_a_film_is_taken_once_however_often_it_is_named(dash: Path) -> None:
    (dash / "latest.mp4").symlink_to("10.mp4")
    assert [source for source, _ in planned(["dash/[0-9l]*.mp4", "./dash/2.mp4"])] == ["dash/2.mp4", "dash/10.mp4"]


def test_hidden_films_and_what_streamseg_made_are_not_taken_by_accident(
    dash: Path, caplog: pytest.LogCaptureFixture
) -> None:
    made(dash / "out/2.mp4"), made(dash / "20.mp4")
    (dash / "broken.mp4").unlink()
    with caplog.at_level("INFO"):
        assert [source for source, _ in planned("dash")] == ["dash/2.mp4", "dash/10.mp4"]
        assert "dash: left out, as streamseg made it: dash/20.mp4" in caplog.text
        found = [source for source, _ in planned("dash/**/*.mp4", "dash/out/{stem}.mp4")]
        assert found == ["dash/2.mp4", "dash/10.mp4", "dash/day 2/2.mp4"]
        assert "left out, as streamseg made them: dash/20.mp4, dash/out/2.mp4" in caplog.text
    assert [source for source, _ in planned("dash/out/*.mp4")] == ["dash/out/2.mp4"]
    assert len(planned(["dash/2.mp4", "dash/20.mp4", "dash/out/2.mp4"])) == 3


def test_what_the_same_command_made_before_is_not_taken(dash: Path, caplog: pytest.LogCaptureFixture) -> None:
    for name in ("2-street.mp4", "10-street.mp4"):
        made(dash / name)
    words = [str(path) for path in sorted(dash.glob("[0-9]*.mp4"))]
    assert len(words) == 4
    with caplog.at_level("INFO"):
        found = [source for source, _ in planned(words, "dash/{stem}-street.mp4")]
    assert found == ["dash/10.mp4", "dash/2.mp4"]
    assert "left out, as an earlier run made them: dash/10-street.mp4, dash/2-street.mp4" in caplog.text
    film(dash / "day 2/2-street.mp4")
    with pytest.raises(InputError, match="would write over dash/day 2/2-street.mp4, which is read"):
        planned("dash/day 2", "dash/{stem}-street.mp4", "dash/day 2/{stem}-street.mp4")
    with pytest.raises(InputError, match="would write over"):
        planned("dash/[0-9]*.mp4", "dash/{stem}.mp4")


def test_python_is_told_what_a_pipeline_cannot_be(dash: Path) -> None:
    for source, says in (
        ("dash", "holds films"),
        ("dash/*.mp4", "holds films"),
        (("dash/2.mp4", "dash/10.mp4"), "is a film"),
    ):
        with pytest.raises(InputError, match=says):
            streamseg.open(source, "null", model="otsu")
    assert isinstance(make_options({"source": ["a.png", "b.png"]}), RunOptions)
    with pytest.raises(InputError, match="no source is named"):
        make_options({"source": []})


def test_a_name_that_no_file_can_have_is_one_line(dash: Path) -> None:
    for words in (["a" * 300 + ".mp4"], ["dash/2.mp4", "b" * 300 + ".mp4"], ["dash/2.mp4", f"{'c' * 300}/out.mp4"]):
        assert "name too long" in one_line(command("run", *words, *OTSU), 2)
    assert list(Path().iterdir()) == [dash]


def test_the_licence_of_a_model_is_named_once_for_all_films(dash: Path) -> None:
    segmenter(Path("own.onnx"))
    Path("own.yaml").write_text("classes: [a, b, c, d, e]\noutputs: {logits: scores}\nlicence: for research\n")
    done = command("run", "dash/2.mp4", "dash/10.mp4", "null", "--model", "own.onnx")
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("for research") == 1
