from __future__ import annotations

from pathlib import Path

import pytest

from streamseg.config import RunOptions
from streamseg.errors import InputError
from streamseg.infer import load_segmenter
from streamseg.options import RenderOptions
from streamseg.serve.config import read_site
from tests.parts.service import run_to_its_end

ROOT = Path(__file__).parents[2]


def read(folder: Path, text: str) -> dict[str, RunOptions]:
    path = folder / "site.yaml"
    path.write_text(text)
    return read_site(path, load_segmenter)


def test_streams_have_the_defaults_and_what_they_say_themselves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("P", "hunter2")
    found = read(
        tmp_path,
        "defaults: {model: otsu, opacity: 0.7}\n"
        "streams:\n"
        "  door: {source: 0, opacity: 0.2}\n"
        "  yard: {source: 'rtsp://u:${P}@host/1', model: kmeans, settings: {k: 3}}\n",
    )
    assert found == {
        "door": RunOptions(source=0, model="otsu", render=RenderOptions(opacity=0.2)),
        "yard": RunOptions(
            source="rtsp://u:${P}@host/1", model="kmeans", settings={"k": 3}, render=RenderOptions(opacity=0.7)
        ),
    }


def test_text_is_as_it_was_written_in_a_stream_and_in_the_defaults(tmp_path: Path) -> None:
    found = read(
        tmp_path, "defaults: {model: otsu, pixel_format: 0123}\nstreams:\n  012: {source: 1:20}\n  b: {source: 0}\n"
    )
    assert found["012"].source == "1:20"
    assert [options.capture.pixel_format for options in found.values()] == ["0123", "0123"]


def test_the_site_that_is_shipped_is_right() -> None:
    assert len(read_site(ROOT / "configs" / "site.yaml", load_segmenter)) == 2


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("streams: {a: {source: 0, model: otzu}}", "site.yaml:1: streams.a.model: no model 'otzu'"),
        ("streams:\n  a: {source: 0}\n  b: {model: otsu}\n", "site.yaml:3: streams.b: 'source' is missing"),
        ("streams:\n  a:\n    source: 0\n    outputs: [window]\n", "site.yaml:4: streams.a.outputs: a service has no"),
        (
            "streams:\n  a:\n    source: 0\n    model: otsu\n    outputs: ['events:x?class=perzon']\n",
            "site.yaml:5: streams.a.outputs: events:x?class=perzon: this model has no class 'perzon'",
        ),
        (
            "streams:\n  a:\n    source: 0\n    model: otsu\n    outputs: ['events:x?class=foreground&after=0']\n",
            "site.yaml:5: streams.a.outputs: after=0: not a time",
        ),
        ("streams:\n  a:\n    source: '-'\n", "site.yaml:3: streams.a.source: a service has no"),
        ("streams:\n  a:\n    source: ftp://x/y\n", "site.yaml:3: streams.a.source"),
        (
            "streams:\n  a:\n    source: rtsp://u:p@cam:99999/1\n",
            "site.yaml:3: streams.a.source: rtsp://***@cam:99999/1: not understood",
        ),
        (
            "streams:\n  a:\n    source: 'rtsp://u:${NOWHERE}@cam/1'\n",
            "streams.a.source: rtsp://***@cam/1: the environment has no NOWHERE",
        ),
        (
            "streams:\n  a:\n    source: 0\n    model: otsu\n    outputs: ['rtsp://a..b/1']\n",
            "site.yaml:5: streams.a.outputs: rtsp://a..b/1: no host can have that name",
        ),
        ("streams:\n  a: {source: [a.mp4, b.mp4], model: otsu}\n", "site.yaml:2: streams.a.source: a.mp4: is a film"),
        ("streams:\n  a: {source: 0}\n  b:\n", "site.yaml:3: streams.b: expected options"),
        ("streams:\n  a: {source: 0}\n  b: 5\n", "site.yaml:3: streams.b: expected options"),
        ("streams:\n  a:\n    source: 0\n    view: sideways\n", "site.yaml:4: streams.a.view: no view 'sideways'"),
        ("streams:\n  a:\n    source: 0\n    opacity: 7\n", "site.yaml:4: streams.a.opacity"),
        ("streams:\n  a:\n    source: 0\n    opasity: 0\n", "site.yaml:4: streams.a: unknown key 'opasity'"),
        ("streams:\n  ../a: {source: 0}\n", "site.yaml:2: streams.../a: a name has"),
        (
            "streams:\n  a.jpg: {source: 0}\n",
            "site.yaml:2: streams.a.jpg: the address of another stream's picture ends",
        ),
        ("streams:\n  a.mjpeg: {source: 0}\n", "site.yaml:2: streams.a.mjpeg: the address of another stream's"),
        ("streams:\n  a: {source: 0}\n  a: {source: 1}\n", "site.yaml:3: duplicate key 'a'"),
        ("defaults:\n  opacity: 7\nstreams: {a: {source: 0}}\n", "site.yaml:2: defaults.opacity"),
        ("defaults: {view: sideways}\nstreams: {a: {source: 0}}\n", "site.yaml:2: streams.a.view"),
        ("defaults: {}\n", "site.yaml:1: 'streams' is missing"),
        ("streams: [a]\n", "site.yaml:1: streams"),
        (
            "streams:\n  a: {source: 0, outputs: [x.mp4]}\n  b: {source: 1, outputs: [x.mp4]}\n",
            "site.yaml:3: streams.b.outputs: x.mp4 is written by a already",
        ),
        (
            "streams:\n  a: {source: 0, outputs: [out/%d.png]}\n  b: {source: 0, outputs: ['masks:./out']}\n",
            "site.yaml:3: streams.b.outputs: masks:./out is written by a already",
        ),
        ("streams:\n  a: {source: 0, outputs: [x.mp4, ./x.mp4]}\n", "streams.a.outputs: ./x.mp4: is the same file"),
        ("streams:\n  a: {source: 0, overwrite: true}\n", "site.yaml:2: streams.a.overwrite: a service begins again"),
        (
            "streams:\n  a: {source: 0, model: follow, settings: {network: [no.onnx, no.onnx]}}\n",
            "site.yaml:2: streams.a.model: no.onnx: No such file",
        ),
        (
            "streams:\n  a: {source: 0, model: follow, settings: {mask: no.png}}\n",
            "site.yaml:2: streams.a.model: no.png: No such file",
        ),
        (
            "streams:\n  a: {source: 0, model: follow, settings: {network: 'no.onnx,no.onnx'}}\n",
            "in YAML [encoder.onnx, decoder.onnx]",
        ),
        ("streams:\n  a: {source: 0, outputs: ['{stem}.mp4']}\n", "streams.a.outputs: {stem}.mp4: 0 is no file"),
    ],
)
def test_a_wrong_file_is_refused_with_its_line(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(InputError) as refused:
        read(tmp_path, text)
    assert says in str(refused.value)


def test_the_options_of_one_run_are_told_from_a_site(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"one run, not of a service \(streamseg run --config "):
        read(tmp_path, "source: 0\n")


def test_a_service_with_a_wrong_file_does_not_start(tmp_path: Path) -> None:
    (tmp_path / "site.yaml").write_text("streams: {a: {source: 0, opacity: 7}}")
    code, said = run_to_its_end("--config", tmp_path / "site.yaml", "--listen", "127.0.0.1:0")
    assert code == 2
    assert len(said.splitlines()) == 1
    assert "site.yaml:1: streams.a.opacity" in said


def test_streams_may_have_the_same_webhook_but_not_the_same_queue(tmp_path: Path) -> None:
    def site(output: str) -> str:
        return f"defaults: {{model: otsu, outputs: ['{output}']}}\nstreams:\n  a: {{source: 0}}\n  b: {{source: 1}}\n"

    assert len(read(tmp_path, site("webhook:https://host/hook"))) == 2
    with pytest.raises(InputError, match="is written by a already"):
        read(tmp_path, site("webhook:https://host/hook?queue=q"))
