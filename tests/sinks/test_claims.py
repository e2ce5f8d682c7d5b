"""What outputs would write, asked before any is opened; tests/test_outputs.py does it on the command line."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from streamseg.contracts import Inputs
from streamseg.errors import InputError, OutputError
from streamseg.sinks.claims import check_files, for_all, named, written_over, written_twice

NO_FILE = Inputs()


def film(path: Path) -> Inputs:
    path.touch()
    return Inputs(path.stem, (path,))


def pictures(folder: Path, *names: str) -> Inputs:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).touch()
    return Inputs(folder.name, tuple(folder / name for name in names), names, folder, many=True)


def test_outputs_take_the_name_of_their_source() -> None:
    inputs = Inputs("film", (Path("film.mp4"),))
    assert named(["a-{stem}.mp4", "rows.jsonl", "null"], "film.mp4", inputs) == ("a-film.mp4", "rows.jsonl", "null")


def test_each_picture_of_many_has_a_name_of_its_own() -> None:
    inputs = Inputs("in", names=("a.png", "b.png"), many=True)
    assert named(["out.png", "o/%d.png", "{stem}/{stem}.jpg"], "in", inputs) == (
        "out-{stem}.png", "o/%d.png", "in/{stem}.jpg",
    )  # fmt: skip
    assert named(["out.png?keep=7d"], "in", inputs) == ("out-{stem}.png?keep=7d",)
    assert named(["out.mp4"], "in", inputs) == ("out.mp4",)


def test_a_source_without_a_name_gives_none() -> None:
    with pytest.raises(InputError, match="rtsp://cam is no file, so it has no name"):
        named(["{stem}.mp4"], "rtsp://cam", NO_FILE)
    assert named(["out.mp4"], "rtsp://cam", NO_FILE) == ("out.mp4",)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("a.mp4", "./a.mp4"),
        ("a.mp4", "A.mp4"),
        ("new/a.mp4", "new/../new/a.mp4"),
        ("rows.jsonl", "jsonl:rows.jsonl"),
        ("a-%04d.png", "a-0007.png"),
        ("a-0007.png", "a-%04d.png"),
        ("masks:m", "m/%d.png"),
        ("masks:m", "masks:./m"),
        ("hls:web", "hls:web/."),
        ("rtsp://host/a", "rtsp://host/a"),
        ("rtsp://host/a", "RTSP://me:pass@host:554/a"),
        ("mqtt://host/a", "mqtt://me:pass@host:1883/a/?discovery=no"),
        ("rtsp://Host/a", "rtsp://host./%61"),
        ("mqtt://Host/a", "mqtt://host./%61"),
        ("link.mp4", "missing.mp4"),
    ],
)
def test_two_outputs_that_would_write_one_file_are_found(
    one: str, other: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("link.mp4").symlink_to("missing.mp4")
    outputs = [("null", NO_FILE), (one, NO_FILE), ("last.jsonl", NO_FILE), (other, NO_FILE)]
    found = written_twice(outputs)
    assert found is not None
    assert set(found) == {1, 3}


@pytest.mark.parametrize(
    "outputs",
    [
        ("a.mp4", "b.mp4", "a.mkv"),
        ("a-%d.png", "a-%d.jpg", "b-%d.png"),
        ("a-%04d.png", "a-7.png", "a-x.png"),
        ("null", "null"),
        ("jsonl:/dev/null", "jsonl:/dev/./null"),
        ("masks:m", "m/over-%d.png"),
        ("mqtt://host/a", "mqtt://host/b", "mqtt://other/a", "mqtt://host:1884/a"),
        ("rtsp://host/a", "rtsp://host/b", "rtsp://host/A"),
    ],
)
def test_outputs_that_only_look_alike_are_told_apart(
    outputs: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert written_twice([(output, NO_FILE) for output in outputs]) is None


def test_an_output_may_be_shared_by_sources_where_it_writes_no_file_of_one_name() -> None:
    assert for_all("null")
    assert for_all("window")
    assert for_all("-")
    assert for_all("events:e?class=person")
    assert not for_all("out.mp4")
    assert not for_all("masks:m")


def test_files_that_are_read_and_would_be_written_over_are_named(tmp_path: Path) -> None:
    one, other = tmp_path / "one.mp4", tmp_path / "other.mp4"
    both = [(str(tmp_path / "new.mp4"), film(one)), (str(tmp_path / "x" / ".." / "one.mp4"), film(other))]
    (tmp_path / "x").mkdir()
    assert list(written_over(both, [one, other])) == [(1, one)]


def test_a_source_is_no_output_but_a_pipe_may_be_both(tmp_path: Path) -> None:
    inputs = film(tmp_path / "film.mp4")
    source = str(inputs.files[0])
    with pytest.raises(InputError, match="is the source, and cannot be an output as well"):
        check_files([source], source, inputs, "replace")
    check_files(["-"], "-", NO_FILE, "refuse")


@pytest.mark.parametrize("kind", ["symbolic", "hard"])
def test_a_link_to_what_is_read_is_what_is_read(kind: str, tmp_path: Path) -> None:
    inputs, link = film(tmp_path / "film.mp4"), tmp_path / "link.mp4"
    if kind == "hard":
        os.link(inputs.files[0], link)
    else:
        link.symlink_to("film.mp4")
    with pytest.raises(InputError, match=r"would write over .*film\.mp4, which is read"):
        check_files([str(link)], str(inputs.files[0]), inputs, "replace")


def test_what_is_read_beside_the_source_is_not_written_over(tmp_path: Path) -> None:
    background = tmp_path / "sea.png"
    background.touch()
    with pytest.raises(InputError, match="which is read"):
        check_files([str(background)], "test://", NO_FILE, "replace", [background])
    check_files([str(background)], "test://", NO_FILE, "replace")


def test_no_picture_is_written_into_the_folder_that_is_read(tmp_path: Path) -> None:
    inputs = pictures(tmp_path / "in", "a.png")
    for output in (f"masks:{tmp_path}/in", f"{tmp_path}/in/shown-%d.png", f"masks:{tmp_path}/x/../in"):
        (tmp_path / "x").mkdir(exist_ok=True)
        with pytest.raises(InputError, match="would write into the folder that is read"):
            check_files([output], str(tmp_path / "in"), inputs, "replace")
    check_files([f"masks:{tmp_path}/in/labels"], str(tmp_path / "in"), inputs, "refuse")


def test_the_same_output_twice_is_told_from_two_names_of_one(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"out\.mp4: named twice"):
        check_files([f"{tmp_path}/out.mp4"] * 2, "test://", NO_FILE, "replace")
    with pytest.raises(InputError, match="is the same file as the output"):
        check_files([f"{tmp_path}/out.mp4", f"{tmp_path}/./out.mp4"], "test://", NO_FILE, "replace")


def test_one_place_under_two_names_is_told_without_the_password() -> None:
    with pytest.raises(InputError) as refused:
        check_files(["mqtt://host/a", "mqtt://me:hunter2@host/a"], "test://", NO_FILE, "refuse")
    assert "is the same place as the output mqtt://host/a" in str(refused.value)
    assert "hunter2" not in str(refused.value)


def test_what_exists_is_refused_replaced_or_kept(tmp_path: Path) -> None:
    out = tmp_path / "out.mp4"
    out.write_bytes(b"precious")
    with pytest.raises(OutputError, match=r"out\.mp4: exists"):
        check_files([str(out)], "test://", NO_FILE, "refuse")
    check_files([str(out)], "test://", NO_FILE, "replace")
    check_files([str(out)], "test://", NO_FILE, "keep")
    assert out.read_bytes() == b"precious"


@pytest.mark.parametrize("taken", ["out-000003.png", "out-1234567.png", "out-000003-1.png"])
def test_one_file_of_a_series_is_enough_to_refuse_it(taken: str, tmp_path: Path) -> None:
    (tmp_path / taken).touch()
    with pytest.raises(OutputError, match="replaces files of the same name") as caught:
        check_files([f"{tmp_path}/out-%06d.png"], "test://", NO_FILE, "refuse")
    assert taken in str(caught.value)


@pytest.mark.parametrize("other", ["out-03.png", "out-abcdef.png", "my-out-000003.png", "out-000003.jpg"])
def test_what_no_series_would_write_is_no_reason(other: str, tmp_path: Path) -> None:
    (tmp_path / other).touch()
    check_files([f"{tmp_path}/out-%06d.png"], "test://", NO_FILE, "refuse")


def test_names_with_a_time_only_grow_unless_something_is_deleted_by_age(tmp_path: Path) -> None:
    film(tmp_path / "cam-010203.mp4")
    read = Inputs("cam-010203", (tmp_path / "cam-010203.mp4",))
    check_files([f"{tmp_path}/cam-%H%M%S.mp4"], "cam-010203.mp4", read, "refuse")
    with pytest.raises(InputError, match="which is read"):
        check_files([f"{tmp_path}/cam-%H%M%S.mp4?keep=1d"], "cam-010203.mp4", read, "refuse")


@pytest.mark.parametrize("existing", ["refuse", "replace"])
def test_a_dangling_link_is_something_that_exists(existing: str, tmp_path: Path) -> None:
    link = tmp_path / "out.jsonl"
    link.symlink_to(tmp_path / "nowhere")
    if existing == "refuse":
        with pytest.raises(OutputError, match="exists"):
            check_files([str(link)], "test://", NO_FILE, "refuse")
    else:
        check_files([str(link)], "test://", NO_FILE, "replace")
    assert link.is_symlink()


def test_a_name_with_a_time_is_not_refused_for_what_an_earlier_run_left(tmp_path: Path) -> None:
    (tmp_path / "cam-010203.mp4").touch()
    check_files([f"{tmp_path}/cam-%H%M%S.mp4?keep=1d"], "test://", NO_FILE, "refuse")


def test_a_dangling_link_with_the_name_of_one_of_many_pictures_counts(tmp_path: Path) -> None:
    inputs = pictures(tmp_path / "in", "a.png", "b.png")
    (tmp_path / "b-shown.png").symlink_to(tmp_path / "nowhere")
    with pytest.raises(OutputError, match=r"b-shown\.png: exists"):
        check_files([f"{tmp_path}/{{stem}}-shown.png"], str(tmp_path / "in"), inputs, "refuse")


def test_nothing_is_made_by_looking(tmp_path: Path) -> None:
    outputs = ["a/o.mp4", "b/o.jsonl", "masks:c", "hls:d", "e/%d.png", "events:f?class=person"]
    check_files([o.replace(":", f":{tmp_path}/") if ":" in o else f"{tmp_path}/{o}" for o in outputs],
                "test://", NO_FILE, "refuse")  # fmt: skip
    assert list(tmp_path.iterdir()) == []
