from __future__ import annotations

from pathlib import Path

import pytest

from streamseg.config import RunOptions
from streamseg.errors import InputError
from streamseg.infer import load_recipe
from streamseg.serve.outputs import fresh
from streamseg.serve.site import read_site
from tests.parts.service import run_to_its_end

ROOT = Path(__file__).parents[2]


def read(folder: Path, text: str) -> dict[str, RunOptions]:
    path = folder / "site.yaml"
    path.write_text(text)
    return read_site(path, load_recipe)


def test_streams_have_the_defaults_and_what_they_say_themselves(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        "defaults: {model: otsu, opacity: 0.7}\n"
        "streams:\n"
        "  door: {source: 0, opacity: 0.2}\n"
        "  yard: {source: 'rtsp://u:${P}@host/1', model: kmeans, settings: {k: 3}}\n",
    )
    assert found == {
        "door": RunOptions(source=0, model="otsu", opacity=0.2),
        "yard": RunOptions(source="rtsp://u:${P}@host/1", model="kmeans", settings={"k": 3}, opacity=0.7),
    }


def test_the_site_that_is_shipped_is_right() -> None:
    assert len(read_site(ROOT / "configs" / "site.yaml", load_recipe)) == 2


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("streams: {a: {source: 0, model: otzu}}", "site.yaml:1: streams.a.model: no model 'otzu'"),
        ("streams:\n  a: {source: 0}\n  b: {model: otsu}\n", "site.yaml:3: streams.b: Object missing required field"),
        ("streams:\n  a:\n    source: 0\n    outputs: [window]\n", "site.yaml:4: streams.a.outputs: a service has no"),
        ("streams:\n  a:\n    source: '-'\n", "site.yaml:3: streams.a.source: a service has no"),
        ("streams:\n  a:\n    source: ftp://x/y\n", "site.yaml:3: streams.a.source"),
        ("streams:\n  a:\n    source: 0\n    view: sideways\n", "site.yaml:4: streams.a.view: no view 'sideways'"),
        ("streams:\n  a:\n    source: 0\n    opacity: 7\n", "site.yaml:4: streams.a.opacity"),
        ("streams:\n  a:\n    source: 0\n    opasity: 0\n", "site.yaml:4: streams.a: unknown key 'opasity'"),
        ("streams:\n  ../a: {source: 0}\n", "site.yaml:2: streams.../a: a name has"),
        ("streams:\n  a: {source: 0}\n  a: {source: 1}\n", "site.yaml:3: duplicate key 'a'"),
        ("defaults:\n  opacity: 7\nstreams: {a: {source: 0}}\n", "site.yaml:2: defaults.opacity"),
        ("defaults: {view: sideways}\nstreams: {a: {source: 0}}\n", "site.yaml:2: streams.a.view"),
        ("defaults: {}\n", "site.yaml:1: Object missing required field `streams`"),
        ("streams: [a]\n", "site.yaml:1: streams"),
        (
            "streams:\n  a: {source: 0, outputs: [x.mp4]}\n  b: {source: 1, outputs: [x.mp4]}\n",
            "site.yaml:3: streams.b.outputs: x.mp4 is written by a already",
        ),
    ],
)
def test_a_wrong_file_is_refused_with_its_line(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(InputError) as refused:
        read(tmp_path, text)
    assert says in str(refused.value)


def test_a_service_with_a_wrong_file_does_not_start(tmp_path: Path) -> None:
    (tmp_path / "site.yaml").write_text("streams: {a: {source: 0, opacity: 7}}")
    code, said = run_to_its_end("--config", tmp_path / "site.yaml", "--listen", "127.0.0.1:0")
    assert code == 2
    assert len(said.splitlines()) == 1
    assert "site.yaml:1: streams.a.opacity" in said


def test_names_of_outputs_are_never_used_twice(tmp_path: Path) -> None:
    video = tmp_path / "out.mp4"
    assert fresh(str(video)) == str(video)
    video.touch()
    assert fresh(str(video)) == str(tmp_path / "out-2.mp4")
    (tmp_path / "out-2.mp4").touch()
    assert fresh(str(video)) == str(tmp_path / "out-3.mp4")
    table = tmp_path / "rows"
    table.touch()
    assert fresh(f"jsonl:{table}") == f"jsonl:{tmp_path / 'rows-2'}"
    assert fresh(f"masks:{tmp_path}") == f"masks:{tmp_path}"
    assert fresh("null") == "null"
