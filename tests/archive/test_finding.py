"""Which films an archive has, and what they are called."""

from __future__ import annotations

from pathlib import Path

import pytest

from streamseg.archive.finding import find
from streamseg.errors import InputError
from tests.archive.archives import film
from tests.commands.films import made

OUT = Path("out")


@pytest.fixture
def dash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("2", "10", "day [2]/2", "day [2]/noon/1", ".hidden/3"):
        path = Path(f"dash/{name}.mp4")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"a film, or not: nothing opens it")
    Path("dash/notes.txt").write_text("x")
    return Path("dash")


def stems(*words: str, out: Path = OUT) -> list[str]:
    return [job.stem for job in find(words, out)]


def test_a_folder_means_what_is_in_it_and_below(dash: Path) -> None:
    assert stems("dash") == ["2", "10", "day [2]/2", "day [2]/noon/1"]
    assert stems("dash/day [2]") == ["2", "noon/1"]
    assert stems("dash/*.mp4") == ["2", "10"]
    assert stems("dash/**/2.mp4") == ["2", "day [2]/2"]
    assert stems("dash/10.mp4", "dash") == ["10", "2", "day [2]/2", "day [2]/noon/1"]


def test_a_list_has_a_name_on_each_line(dash: Path) -> None:
    Path("list.txt").write_text("\ufeff# of May\ndash/2.mp4\n\n  dash/day [2]/2.mp4\n", "utf-8")
    assert stems("@list.txt") == ["2", "day [2]/2"]
    Path("list.txt").write_text("dash/day [2]\n")
    assert stems("@list.txt") == ["2", "noon/1"]
    Path("list.txt").write_text("\n")
    with pytest.raises(InputError, match="no film is named there"):
        stems("@list.txt")
    with pytest.raises(InputError, match=r"no.txt: No such file"):
        stems("@no.txt")


def test_films_that_would_be_called_the_same_are_refused(dash: Path) -> None:
    with pytest.raises(InputError, match="dash/2.mp4 and dash/day .2./2.mp4 would both be called 2"):
        stems("dash/2.mp4", "dash/day [2]/2.mp4")
    (dash / "2.mp4").rename(dash / "summary.mp4")
    with pytest.raises(InputError, match="called as summary.csv is"):
        stems("dash")


def test_pictures_and_nothing_at_all_are_refused(dash: Path) -> None:
    Path("a.png").write_bytes(b"x")
    with pytest.raises(InputError, match="is a picture"):
        stems("a.png")
    Path("empty").mkdir()
    for word in ("empty", "no.mp4", "no*.mp4"):
        with pytest.raises(InputError, match="no films are there|no such file|no file matches"):
            stems(word)
    with pytest.raises(InputError, match="the name of a film is empty"):  # as of a variable that is not set
        stems("")


def test_results_are_not_taken_for_films(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    film(Path("dash/a.mp4")), film(Path("dash/out/b.mp4")), made(Path("dash/c.mp4"))
    assert stems("dash") == ["a", "out/b"]
    assert stems("dash", out=Path("dash/out")) == ["a"]


def test_a_film_that_changed_has_another_version(dash: Path) -> None:
    before = find(["dash/2.mp4"], OUT)[0]
    (dash / "2.mp4").write_bytes(b"another")
    after = find(["dash/2.mp4"], OUT)[0]
    assert (before.version, after.size) != (after.version, before.size)


def test_a_folder_that_leads_to_itself_gives_each_film_its_shortest_name(dash: Path) -> None:
    (dash / "a loop").symlink_to(".")
    assert sorted(stems("dash")) == sorted(["2", "10", "day [2]/2", "day [2]/noon/1"])


def test_a_name_that_no_table_can_hold_is_left_out_with_a_line(dash: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("WARNING"):
        try:
            Path(b"dash/x_\xff.mp4".decode(errors="surrogateescape")).write_bytes(b"a film")
        except OSError:
            pytest.skip("this file system takes UTF-8 alone")
        assert stems("dash/*.mp4") == ["2", "10"]
    assert "its name is not UTF-8" in caplog.text


def test_a_list_in_a_list_is_refused(dash: Path) -> None:
    Path("list.txt").write_text("@list.txt\n")
    with pytest.raises(InputError, match="names another list, @list.txt"):
        stems("@list.txt")
