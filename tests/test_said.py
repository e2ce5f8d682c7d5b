"""What is logged once: by each run, and again after an hour."""

from __future__ import annotations

import logging
import ssl
import threading
from pathlib import Path

import pytest

import streamseg
from streamseg.config import RunOptions
from streamseg.infer import load_segmenter
from streamseg.net import connection
from streamseg.net.urls import read_address
from streamseg.said import AGAIN_S, Said
from streamseg.serve.stream import Stream
from tests.parts import toy_models
from tests.parts.patience import PATIENCE_S
from tests.test_stream import SCENE

_log = logging.getLogger("streamseg.test")
LICENCE = "for research alone"


class Clock:
    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def test_a_line_is_logged_again_after_an_hour_and_not_before(caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock()
    said = Said(clock)
    for minute in range(3 * 60):
        clock.now_s = minute * 60
        said.once(_log, logging.WARNING, "no GPU")
    assert caplog.messages == ["no GPU"] * 3


def test_a_year_of_different_lines_is_not_remembered() -> None:
    clock = Clock()
    said = Said(clock)
    for number in range(10_000):
        clock.now_s += 60
        said.once(_log, logging.DEBUG, f"failed at {number}")
    assert len(said._at) <= AGAIN_S / 60


def test_many_threads_log_a_line_once(caplog: pytest.LogCaptureFixture) -> None:
    said, start = Said(), threading.Barrier(8)

    def find() -> None:
        start.wait(PATIENCE_S)
        said.once(_log, logging.WARNING, "no GPU")

    threads = [threading.Thread(target=find) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert caplog.messages == ["no GPU"]


@pytest.fixture
def licensed(tmp_path: Path) -> Path:
    """A model that may not be used for everything."""
    text = f"classes: [a, b, c, d, e]\noutputs: {{logits: scores}}\nlicence: {LICENCE}\n"
    (tmp_path / "toy.yaml").write_text(text)
    return toy_models.segmenter(tmp_path / "toy.onnx")


def test_each_run_names_the_licence_of_its_model_once(licensed: Path, caplog: pytest.LogCaptureFixture) -> None:
    for runs in (1, 2):
        with streamseg.open(SCENE, model=licensed) as stream:
            stream.run()
        assert caplog.text.count(LICENCE) == runs


def test_a_model_that_a_stream_turns_to_again_is_no_news(licensed: Path, caplog: pytest.LogCaptureFixture) -> None:
    with streamseg.open(SCENE, model=licensed) as stream:
        for name in ("otsu", licensed, "otsu", licensed):
            stream.change(model=name)
    assert caplog.text.count(LICENCE) == 1


def test_the_streams_of_a_service_name_it_once_and_again_after_an_hour(
    licensed: Path, caplog: pytest.LogCaptureFixture
) -> None:
    clock = Clock()
    said = Said(clock)
    for hours, lines in ((0.0, 1), (0.5, 1), (1.0, 2)):
        clock.now_s = hours * AGAIN_S
        stream = Stream("one", RunOptions(source=SCENE, model=str(licensed)), load_segmenter, said)
        stream.start()
        assert stream.join(PATIENCE_S)
        assert caplog.text.count(LICENCE) == lines


def test_a_certificate_that_cannot_be_checked_is_told_once_an_hour_for_each_server(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(address: object, timeout_s: float, context: ssl.SSLContext) -> None:
        if context.verify_mode != ssl.CERT_NONE:
            error = ssl.SSLCertVerificationError(1, "self-signed")
            error.verify_message = "self-signed"
            raise error

    clock = Clock()
    monkeypatch.setattr(connection, "_wrapped", refuse)
    monkeypatch.setattr(connection, "_SAID", Said(clock))
    told = []
    for hours, host in ((0.0, "one"), (0.1, "one"), (0.2, "two"), (1.0, "one"), (1.1, "one")):
        clock.now_s = hours * AGAIN_S
        connection.connect(read_address(f"https://{host}/"), 1.0)
        told.append(caplog.text.count("its certificate cannot be checked"))
    assert told == [1, 1, 2, 3, 3]
