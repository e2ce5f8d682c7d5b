"""A real Triton loads what `export-triton` writes, and its labels are the local ones, bit for bit."""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from streamseg.contracts import Segmenter
from streamseg.convert.repository import write_repository
from streamseg.frame import Frame, Image
from streamseg.infer import load_segmenter, network_file
from tests.parts import toy_models
from tests.parts.patience import until
from tests.parts.triton import Triton, triton

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("toy")
    (folder / "toy.yaml").write_text("name: toy\nclasses: [a, b, c, d, e]\noutputs: {logits: scores}\n")
    return toy_models.segmenter(folder / "toy.onnx", batch=None)


@pytest.fixture(scope="module")
def server(toy: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Triton]:
    folder = tmp_path_factory.mktemp("triton")
    write_repository(toy, folder / "models", "triton")
    for model in ("person", "street"):
        write_repository(network_file(model), folder / "models", "triton", jpeg=True)
    with triton(folder / "models", folder) as one:
        yield one


def noise(index: int) -> Frame:
    image = np.random.default_rng(index).integers(0, 256, (48, 64, 3), dtype=np.uint8)
    return Frame(image, index, index / 25, 0.0)


def frame(image: Image) -> Frame:
    return Frame(image, 0, 0.0, 0.0)


def opened(file: Path, backend: str) -> Segmenter:
    return load_segmenter(str(file), backend=backend).make(1)


@pytest.mark.parametrize("transport", ["grpc", "http"])
def test_labels_are_the_local_ones(transport: str, server: Triton, toy: Path, caplog: pytest.LogCaptureFixture) -> None:
    for name, file in (("toy", toy), ("person", network_file("person"))):
        network, local = opened(file, server.backend(transport, name)), opened(file, "ort-cpu")
        for index in range(6):
            (found,), (expected,) = network([noise(index)]), local([noise(index)])
            np.testing.assert_array_equal(found.labels, expected.labels)
        network.close()
        local.close()
    assert "until it is back" not in caplog.text


@pytest.mark.parametrize("transport", ["grpc", "http"])
@pytest.mark.parametrize("model", ["person", "street"])
def test_pictures_go_as_files_where_the_server_takes_such(model: str, transport: str, server: Triton) -> None:
    file = network_file(model)
    network, local = opened(file, server.backend(transport, f"{model}-jpeg")), opened(file, "ort-cpu")
    for index in range(3):
        picture = np.asarray(cv2.GaussianBlur(noise(index).image, (0, 0), 5), np.uint8)
        (found,), (expected,) = network([frame(picture)]), local([frame(picture)])
        assert (found.labels == expected.labels).mean() > 0.97
    network.close()
    local.close()


def test_a_file_that_is_none_fails_alone(server: Triton) -> None:
    import tritonclient.grpc as client

    with client.InferenceServerClient(f"127.0.0.1:{server.grpc_port}") as asked:
        given = client.InferInput("streamseg_picture", [1], "BYTES")
        given.set_data_from_numpy(np.array([b"junk"], np.object_))
        with pytest.raises(client.InferenceServerException, match="cannot be decoded"):
            asked.infer("person-jpeg", [given])


def test_requests_of_several_cameras_are_put_together(server: Triton, toy: Path) -> None:
    import tritonclient.grpc as client

    networks = [opened(toy, server.backend("grpc", "toy")) for _ in range(4)]
    threads = [threading.Thread(target=lambda each=each: [each([noise(i)]) for i in range(100)]) for each in networks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with client.InferenceServerClient(f"127.0.0.1:{server.grpc_port}") as asked:
        (stats,) = asked.get_inference_statistics("toy").model_stats
    assert stats.inference_count > stats.execution_count
    assert max(each.batch_size for each in stats.batch_stats) > 1
    for network in networks:
        network.close()


@pytest.mark.parametrize("transport", ["grpc", "http"])
def test_killed_or_frozen_it_costs_no_frame_and_is_used_again(
    transport: str, server: Triton, toy: Path, caplog: pytest.LogCaptureFixture
) -> None:
    network, local = opened(toy, server.backend(transport, "toy", "?timeout=2")), opened(toy, "ort-cpu")
    count = 0

    def label(frames: int = 1) -> bool:
        nonlocal count
        for _ in range(frames):
            (found,), (expected,) = network([noise(count)]), local([noise(count)])
            np.testing.assert_array_equal(found.labels, expected.labels)
            count += 1
        return ": is back" in caplog.text

    with caplog.at_level(logging.INFO, "streamseg"):
        label(4)
        server.kill()
        label(3)
        assert caplog.text.count("until it is back, it runs here") == 1
        server.start()
        until(label, "Triton is back")
        label(4)
        caplog.clear()
        server.send(signal.SIGSTOP)
        label(2)
        assert caplog.text.count("no answer within 2 s; until it is back, it runs here") == 1
        server.send(signal.SIGCONT)
        until(label, "Triton is back")
    network.close()
    local.close()


def test_another_model_on_it_is_refused(server: Triton, toy: Path) -> None:
    from streamseg.errors import InputError

    with pytest.raises(InputError, match="is not toy.onnx: it has no input 'image'"):
        opened(toy, server.backend("grpc", "person"))
    with pytest.raises(InputError, match="unknown model"):
        opened(toy, server.backend("http", "nobody"))
