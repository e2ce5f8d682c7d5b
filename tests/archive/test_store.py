"""Films on a web server and in a store, found and fetched by fsspec."""

from __future__ import annotations

import contextlib
import functools
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from streamseg.archive.finding import find
from streamseg.archive.store import at_hand, is_stored
from streamseg.errors import InputError, SourceError
from tests.archive.archives import film, tree
from tests.parts.program import run_program

pytest.importorskip("fsspec", reason="needs fsspec: pip install '.[archive]'")
OUT = Path("out")


class Silent(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *words: object) -> None:
        """Nothing."""


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of a web server that lists `there`, in which films are; the test works beside it."""
    (here := tmp_path / "here").mkdir()
    monkeypatch.chdir(here)
    for name in ("2", "10", "day/2"):
        film(tmp_path / f"there/dash/{name}.mp4", 5)
    (tmp_path / "there/dash/notes.txt").write_text("x")
    (tmp_path / "there/dash/.hidden.mp4").write_text("x")
    made = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Silent, directory=str(tmp_path / "there")))
    thread = threading.Thread(target=made.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{made.server_port}"
    made.shutdown()
    made.server_close()
    thread.join()


def stems(*words: str) -> list[str]:
    return sorted(job.stem for job in find(words, OUT))


def test_films_of_a_store_come_in_the_order_in_which_people_count(server: str, tmp_path: Path) -> None:
    film(tmp_path / "there/dash/2-2.mp4", 5)
    for root in (f"{server}/dash", f"file://{tmp_path}/there/dash"):
        assert [job.stem for job in find([f"{root}/*.mp4"], OUT)] == ["2", "2-2", "10"]


def test_an_address_means_what_a_path_would(server: str, tmp_path: Path) -> None:
    for root in (f"{server}/dash", f"file://{tmp_path}/there/dash"):
        assert stems(f"{root}/2.mp4") == ["2"]
        assert stems(f"{root}/*.mp4") == ["10", "2"]
        assert stems(f"{root}/**/*.mp4") == ["10", "2", "day/2"]
        assert stems(f"{root}/day/*.mp4", f"{root}/10.mp4", f"{root}/10.mp4") == ["10", "2"]
        with pytest.raises(InputError, match="would both be called 2"):
            stems(f"{root}/2.mp4", f"{root}/day/2.mp4")
    assert stems(f"file://{tmp_path}/there/dash") == ["10", "2", "day/2"]
    Path("list.txt").write_text(f"{server}/dash/2.mp4\n{server}/dash/10.mp4\n")
    assert stems("@list.txt") == ["10", "2"]


def test_a_film_that_changed_is_another_one(tmp_path: Path, server: str) -> None:
    (before,) = find([f"file://{tmp_path}/there/dash/2.mp4"], OUT)
    film(tmp_path / "there/dash/2.mp4", 9)
    (after,) = find([f"file://{tmp_path}/there/dash/2.mp4"], OUT)
    assert before.stem == after.stem and before.version != after.version


@pytest.mark.parametrize("word", ["/dash/none.mp4", "/none", "/dash/*.mkv"])
def test_nothing_there_is_said_in_a_line(word: str, server: str) -> None:
    with pytest.raises(InputError, match=r"http://\*\*\*@127.0.0.1:\d+/\S+: (no films are there|not there)"):
        find([server.replace("//", "//me:secret@") + word], OUT)


@pytest.mark.parametrize(
    ("word", "says"),
    [("rtsp://camera/1", "rtsp"), ("s3://bucket/dash", "pip install s3fs|s3fs"), ("http://127.0.0.1:1/a.mp4", ".")],
)
def test_what_is_no_store_or_away_is_said_in_words(word: str, says: str) -> None:
    with pytest.raises(InputError, match=says) as caught:
        find([word], OUT)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("said", "hint"),
    [
        ("Install s3fs to access S3", "pip install s3fs"),
        ("Please install gcsfs to access Google Storage", "pip install gcsfs"),
        ('SFTPFileSystem requires "paramiko" to be installed', "pip install paramiko"),
        ("Please install lakefs-spec to access LakeFSFileSystem", "pip install lakefs-spec"),
        ("Install the requests package to use the github FS", "pip install requests"),
        ("LibArchive requires to be installed", ""),
    ],
)
def test_the_package_that_a_store_lacks_is_named(said: str, hint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def lacks(word: str) -> None:
        raise ImportError(said)

    monkeypatch.setattr("fsspec.core.url_to_fs", lacks)
    with pytest.raises(InputError, match=said) as caught:
        find(["gs://bucket/a.mp4"], OUT)
    assert caught.value.hint == hint


def test_what_is_gone_meanwhile_is_a_source_that_is_not_there(server: str) -> None:
    with pytest.raises(SourceError), at_hand(f"{server}/dash/gone.mp4", lambda: contextlib.nullcontext(Path())):
        pass
    assert not is_stored("C:/films/a.mp4") and is_stored("s3://a/b")


def test_an_address_that_was_signed_is_one_film(server: str, tmp_path: Path) -> None:
    signed = f"{server}/dash/2.mp4?X-Amz-Signature={'0123456789' * 30}&X-Amz-Expires=60"
    (job,) = find([signed], OUT)
    assert job.stem == "2" and "0123456789" not in job.name
    (later,) = find([signed.replace("=60", "=90")], OUT)
    assert (later.stem, later.version) == (job.stem, job.version)
    with at_hand(job.file, lambda: contextlib.nullcontext(tmp_path)) as copy:
        assert Path(copy).read_bytes() == (tmp_path / "there/dash/2.mp4").read_bytes()
    Path("list.txt").write_text(f"{signed}\n{server}/dash/10.mp4?token=1\n")
    assert stems("@list.txt") == ["10", "2"]


@pytest.mark.slow
def test_an_archive_on_a_web_server_gives_what_one_on_a_disk_does(server: str, tmp_path: Path) -> None:
    words = ("--model", "otsu", "--workers", 1, "--write", "masks:{stem}")
    done = run_program("batch", f"{server}/dash/**/*.mp4", "--out", "out", *words)
    assert done.returncode == 0, done.stderr
    assert "3 of 3 films done" in done.stderr
    run_program("batch", tmp_path / "there/dash", "--out", "other", *words)
    masks = [name for name in tree(OUT) if name.endswith(".png")]
    assert masks == [name for name in tree(Path("other")) if name.endswith(".png")] and len(masks) == 15
    for name in masks:
        assert (OUT / name).read_bytes() == (Path("other") / name).read_bytes()
    assert server in Path("out/summary.csv").read_text() and not list(OUT.rglob("*.mp4"))
    again = run_program("batch", f"{server}/dash/**/*.mp4", "--out", "out", *words)
    assert "3 of 3 films done (3 before)" in again.stderr
