"""A network on other machines: its labels are the local ones, and what a server does wrong costs no frame."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from streamseg.assembly import assemble
from streamseg.config import make_options
from streamseg.contracts import Segmenter
from streamseg.frame import Frame
from streamseg.infer import load_segmenter, remote
from tests.parts import toy_models
from tests.parts.patience import until
from tests.parts.v2_server import V2Server, v2_server

TRANSPORTS = ("grpc", "http")


@pytest.fixture(autouse=True)
def _info(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    with caplog.at_level(logging.INFO, "streamseg"):
        yield


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    (folder / "toy.yaml").write_text(
        "classes: [a, b, c, d, e]\noutputs: {logits: scores}\ninput: {std: [255, 255, 255]}\n"
    )
    return toy_models.segmenter(folder / "toy.onnx", batch=None)


@pytest.fixture(scope="module")
def one_server(model: Path) -> Iterator[V2Server]:
    with v2_server(model, model.parent) as one:
        yield one


@pytest.fixture
def server(one_server: V2Server) -> V2Server:
    return one_server.start()


def noise(index: int) -> Frame:
    image = np.random.default_rng(index).integers(0, 256, (48, 64, 3), dtype=np.uint8)
    return Frame(image, index, index / 25, 0.0)


class Labelling:
    """Counts frames through a remote network, each of which must have the labels that the local one gives."""

    def __init__(self, model: Path, backend: str) -> None:
        self.remote: Segmenter = load_segmenter(str(model), backend=backend).make(1)
        self.local: Segmenter = load_segmenter(str(model), backend="ort-cpu").make(1)
        self.count = 0

    def label(self, frames: int = 1) -> None:
        for _ in range(frames):
            frame = noise(self.count)
            (found,), (expected,) = self.remote([frame]), self.local([frame])
            assert found.frame_index == frame.index
            np.testing.assert_array_equal(found.labels, expected.labels)
            self.count += 1

    def label_until(self, met: Callable[[], object], what: str) -> None:
        def step() -> object:
            self.label()
            return met()

        until(step, what)


@pytest.fixture
def labelling(model: Path) -> Iterator[Callable[[str], Labelling]]:
    made: list[Labelling] = []

    def make(backend: str) -> Labelling:
        made.append(Labelling(model, backend))
        return made[-1]

    yield make
    for each in made:
        each.remote.close()
        each.local.close()


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.getMessage().startswith(("grpc", "http"))]


def is_back(caplog: pytest.LogCaptureFixture) -> Callable[[], bool]:
    return lambda: any(line.endswith("is back") for line in lines(caplog))


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_labels_are_the_local_ones_and_come_from_the_server(
    transport: str, server: V2Server, labelling: Callable[[str], Labelling], caplog: pytest.LogCaptureFixture
) -> None:
    labelling(server.backend(transport)).label(5)
    assert len(server.batches()) == 6  # and the generated picture
    assert lines(caplog) == []


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_frames_that_come_together_are_one_request(transport: str, server: V2Server, model: Path) -> None:
    network = load_segmenter(str(model), backend=server.backend(transport)).make(1)
    assert [found.frame_index for found in network([noise(index) for index in range(5)])] == [0, 1, 2, 3, 4]
    assert server.batches() == [1, 5]
    network.close()


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_server_that_is_killed_costs_no_frame_and_is_used_again_once_it_is_back(
    transport: str, server: V2Server, labelling: Callable[[str], Labelling], caplog: pytest.LogCaptureFixture
) -> None:
    here = labelling(server.backend(transport))
    here.label(4)
    server.kill()
    here.label(4)
    (line,) = lines(caplog)
    assert line.startswith(server.url(transport)) and line.endswith("until it is back, it runs here")
    server.start()
    here.label_until(is_back(caplog), "the server is back")
    before = len(server.batches())
    here.label()
    assert len(server.batches()) == before + 1
    assert len(lines(caplog)) == 2


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_server_that_is_frozen_costs_no_frame(
    transport: str, server: V2Server, labelling: Callable[[str], Labelling], caplog: pytest.LogCaptureFixture
) -> None:
    here = labelling(server.backend(transport, "?timeout=0.3"))
    here.label(4)
    server.freeze()
    here.label(3)
    assert lines(caplog) == [f"{server.url(transport)}: no answer within 0.3 s; until it is back, it runs here"]
    server.thaw()
    here.label_until(is_back(caplog), "the server is back")


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize(
    "fault", [{"delay_s": 5}, {"broken": True}, {"wrong_shape": True}, {"wrong_labels": True}], ids=str
)
def test_what_a_server_does_wrong_in_between_is_told_in_a_line_and_costs_no_frame(
    fault: dict[str, object],
    transport: str,
    server: V2Server,
    labelling: Callable[[str], Labelling],
    caplog: pytest.LogCaptureFixture,
) -> None:
    here = labelling(server.backend(transport, "?timeout=0.5"))
    server.behave(**fault)
    here.label(2)
    assert len(lines(caplog)) == 1
    server.behave()
    here.label_until(is_back(caplog), "the server is back")


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_busy_server_is_not_left(
    transport: str,
    server: V2Server,
    labelling: Callable[[str], Labelling],
    caplog: pytest.LogCaptureFixture,
) -> None:
    here = labelling(server.backend(transport))
    server.behave(busy=True)
    here.label(3)
    (line,) = lines(caplog)
    assert "is busy: Exceeds maximum queue size; what it does not take runs here" in line
    server.behave()
    here.label_until(lambda: len(server.batches()) > 1, "the server is asked again")
    assert len(lines(caplog)) == 1


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_server_that_is_away_at_the_start_is_waited_for(
    transport: str, server: V2Server, labelling: Callable[[str], Labelling], caplog: pytest.LogCaptureFixture
) -> None:
    server.kill()
    here = labelling(server.backend(transport))
    here.label(2)
    server.start()
    here.label_until(is_back(caplog), "the server is there")


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_of_several_servers_the_others_take_over(
    transport: str,
    server: V2Server,
    model: Path,
    tmp_path: Path,
    labelling: Callable[[str], Labelling],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(remote, "_STALE_S", 0.0)  # how quick they were decides nothing: the first is asked
    with v2_server(model, tmp_path) as other:
        port = other.grpc_port if transport == "grpc" else other.http_port
        here = labelling(server.backend(transport).replace("/toy", f",127.0.0.1:{port}/toy"))
        here.label(2)
        server.kill()
        here.label(3)
        (line,) = lines(caplog)
        assert line.endswith("until it is back, the others run it")
        server.start()
        here.label_until(is_back(caplog), "the server is back")


def test_the_server_that_is_done_first_is_asked() -> None:
    quick, slow = (remote.Server(name, lambda: pytest.fail("opened")) for name in ("quick", "slow"))
    now_s = 1000.0
    assert quick.wait_s(now_s) == slow.wait_s(now_s) == 0
    for server, answer_s in ((quick, 0.02), (slow, 0.05)):
        server.note_answer(now_s - answer_s, now_s)
    assert quick.wait_s(now_s) < slow.wait_s(now_s)
    with quick.asked(), quick.asked():
        assert quick.wait_s(now_s) > slow.wait_s(now_s)
    assert slow.wait_s(now_s + 60) == 0  # it may have become quick meanwhile: it is tried


def test_a_whole_run_loses_no_frame_when_the_server_is_killed(
    server: V2Server, model: Path, caplog: pytest.LogCaptureFixture
) -> None:
    values = {
        "source": "test://?frames=300", "outputs": ("null",), "model": str(model), "backend": server.backend("grpc")
    }  # fmt: skip
    pipeline = assemble(make_options(values))

    def kill() -> None:
        until(lambda: len(server.batches()) > 20, "the server is asked")
        server.kill()

    killer = threading.Thread(target=kill)
    killer.start()
    metrics = pipeline.run()
    killer.join()
    assert metrics.captured == metrics.shown == 300
    assert len(lines(caplog)) == 1
