"""What is refused of a network on other machines, at the start and in a line: models, names, logins, certificates."""

from __future__ import annotations

from pathlib import Path

import pytest

from streamseg.errors import InputError
from streamseg.infer import load_segmenter
from tests.infer.test_remote import TRANSPORTS, _info, model, noise, one_server, server
from tests.parts import toy_models
from tests.parts.certificates import own_certificate
from tests.parts.program import run_program
from tests.parts.v2_server import V2Server, v2_server

__all__ = ["_info", "model", "one_server", "server"]


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_another_model_is_refused_in_a_line(transport: str, server: V2Server, model: Path, tmp_path: Path) -> None:
    others = {
        "its output 'scores' is ?x3x24x32, not ?x5x24x32": toy_models.segmenter(
            tmp_path / "b.onnx", batch=None, classes=3
        ),
        "its output 'scores' is int64, not float32": toy_models.segmenter(
            tmp_path / "c.onnx", batch=None, kind="labels"
        ),
        "its input 'image' is uint8, not float32": toy_models.segmenter(tmp_path / "d.onnx", batch=None, dtype="uint8"),
        "it has no input 'image'": Path(__file__).parents[2] / "streamseg/infer/models/person.onnx",
    }
    for words, other in others.items():
        server.behave(model=str(other))
        with pytest.raises(InputError, match="is not toy.onnx") as refused:
            load_segmenter(str(model), backend=server.backend(transport)).make(1)
        assert words in str(refused.value)


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_wrong_labels_and_wrong_names_are_refused_at_the_start(transport: str, server: V2Server, model: Path) -> None:
    recipe = load_segmenter(str(model), backend=server.backend(transport))
    server.behave(wrong_labels=True)
    with pytest.raises(InputError, match=r"only \d+% of its labels are those of the local network"):
        recipe.make(1)
    server.behave()
    with pytest.raises(InputError, match="unknown model: 'tox'"):
        load_segmenter(str(model), backend=server.backend(transport).replace("/toy", "/tox")).make(1)


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_token_is_sent_and_never_shown(
    transport: str, server: V2Server, model: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    server.behave(token="hunter2-hunter2")
    monkeypatch.setenv("TRITON_TOKEN", "hunter2-hunter2")
    network = load_segmenter(str(model), backend=server.backend(transport, "?token=${TRITON_TOKEN}")).make(1)
    network([noise(0)])
    network.close()
    for wrong in ("", "?token=hunter3-hunter3"):
        with pytest.raises(InputError, match="refuses the login") as refused:
            load_segmenter(str(model), backend=server.backend(transport, wrong)).make(1)
        assert "hunter3" not in str(refused.value)
    assert "hunter" not in caplog.text


def test_the_program_prints_no_token(server: V2Server, model: Path) -> None:
    server.behave(token="hunter2-hunter2")
    for token in ("hunter2-hunter2", "hunter3-hunter3"):
        backend = server.backend("http", f"?token={token}")
        words = ("run", "test://?frames=5", "null", "--model", model, "--backend", backend, "--debug")
        done = run_program(*words)
        assert done.returncode == (0 if token.startswith("hunter2") else 2), done.stderr
        assert "hunter" not in done.stderr + done.stdout


@pytest.mark.parametrize("transport", ["grpcs", "https"])
def test_tls_with_a_certificate_of_ones_own(transport: str, model: Path, tmp_path: Path) -> None:
    certificate = own_certificate(tmp_path / "own.pem")
    with v2_server(model, tmp_path, certificate=certificate) as server:
        network = load_segmenter(str(model), backend=server.backend(transport, f"?ca={certificate}")).make(1)
        network([noise(0)])
        network.close()
        assert len(server.batches()) == 2


def test_compare_takes_a_server_for_a_backend(server: V2Server, model: Path) -> None:
    server.behave(token="hunter2-hunter2")
    backends = f"ort-cpu,{server.backend('http', '?token=hunter2-hunter2')}"
    done = run_program("compare", model, "--backends", backends, "--pictures", "test://?frames=3", "--least", "1")
    assert done.returncode == 0, done.stderr
    assert "agree on 100.000%" in done.stdout and "hunter" not in done.stdout
