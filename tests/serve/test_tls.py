"""A service with a certificate: which ones it takes, what it says to clients, and how it comes by the next one."""

from __future__ import annotations

import shutil
import signal
import socket
import ssl
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from streamseg.errors import InputError
from streamseg.serve.tls import Certificate
from tests.parts.certificates import certificate
from tests.parts.patience import PATIENCE_S
from tests.parts.program import run_program
from tests.parts.service import Service, run_to_its_end

OPERATOR = "operator-0123456789abcdef"
SITE = "streams: {one: {source: 'test://?size=64x64&fps=20', model: otsu}}"
Pair = tuple[Path, Path]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Pair]:
    folder = tmp_path_factory.mktemp("certificates")
    days = {"first": 30, "second": 30, "expired": -1}
    return {name: certificate(folder / name, name, days=number) for name, number in days.items()}


@pytest.fixture
def pair(made: dict[str, Pair], tmp_path: Path) -> Pair:
    """A copy of the first."""
    return install(made["first"], tmp_path)


def install(pair: Pair, folder: Path) -> Pair:
    certificate, key = (Path(shutil.copy(path, folder)) for path in pair)
    return certificate, key


def emptied(path: Path) -> None:
    path.write_text("")


def protected(path: Path) -> None:
    command = ["openssl", "pkey", "-in", str(path), "-aes256", "-passout", "pass:secret"]
    path.write_bytes(subprocess.run(command, check=True, capture_output=True).stdout)


def cut(path: Path) -> None:
    path.write_text("\n".join(path.read_text().splitlines()[:2]))


@pytest.mark.parametrize(
    ("which", "spoil", "says"),
    [
        (0, Path.unlink, "tls.crt: No such file"),
        (1, Path.unlink, "tls.key: No such file"),
        (0, emptied, "tls.crt: holds no certificate"),
        (1, emptied, "tls.key: holds no key"),
        (0, cut, "cannot be used"),
        (1, protected, "has a password"),
        (1, lambda path: path.chmod(0o644), "every user of this machine can read the key"),
    ],
)
def test_files_that_cannot_serve_are_refused_in_a_line(
    pair: Pair, which: int, spoil: Callable[[Path], object], says: str
) -> None:
    spoil(pair[which])
    with pytest.raises(InputError, match=says) as refused:
        Certificate(*pair)
    assert len(str(refused.value).splitlines()) == 1


def test_a_key_of_another_certificate_and_one_half_of_a_pair_are_refused(made: dict[str, Pair], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is not the key of the certificate"):
        Certificate(made["first"][0], made["second"][1])
    (tmp_path / "site.yaml").write_text(SITE)
    words = ["--config", tmp_path / "site.yaml", "--listen", "127.0.0.1:0", "--tls-cert", made["first"][0]]
    code, said = run_to_its_end(*words)
    assert (code, said.count("\n"), "--tls-key" in said) == (2, 1, True), said
    code, said = run_to_its_end(*words, "--tls-key", made["second"][1])
    assert (code, said.count("\n"), "is not the key" in said) == (2, 1, True), said
    code, said = run_to_its_end(*words, "--tls-key", made["second"][1], "--check")
    assert (code, said.count("\n"), "is not the key" in said) == (2, 1, True), said
    code, said = run_to_its_end(*words, "--tls-key", made["first"][1], "--check")
    assert (code, said) == (0, "")


def test_one_that_has_expired_is_told_of_and_does_not_replace_another(made: dict[str, Pair], pair: Pair) -> None:
    assert "has expired" in Certificate(*made["expired"]).problem()
    known = Certificate(*pair)
    assert known.problem() == ""
    assert known.context.minimum_version == ssl.TLSVersion.TLSv1_2
    install(made["expired"], pair[0].parent)
    with pytest.raises(InputError, match="has expired"):
        known.load()
    assert known.problem() == ""
    install(made["second"], pair[0].parent)
    assert known.load().startswith("certificate valid until ")


@pytest.fixture
def service(made: dict[str, Pair], pair: Pair, tmp_path: Path) -> Iterator[Service]:
    trust = tmp_path / "trusted.crt"
    trust.write_text("".join(file.read_text() for file, _ in made.values()))
    flags = ("--tls-cert", str(pair[0]), "--tls-key", str(pair[1]))
    with Service(tmp_path, SITE, *flags, env={"STREAMSEG_OPERATOR_TOKEN": OPERATOR}, trust=trust) as serving:
        serving.until(lambda: serving.get("/readyz")[0] == 200)
        yield serving


def shown(service: Service) -> str:
    """The certificate that a new connection is shown."""
    return ssl.get_server_certificate(("127.0.0.1", service.port), timeout=PATIENCE_S)


def spoken(service: Service, words: bytes) -> bytes:
    """What the service answers to a client that does not speak TLS."""
    with socket.create_connection(("127.0.0.1", service.port), PATIENCE_S) as client:
        client.sendall(words)
        return b"".join(iter(lambda: client.recv(4096), b""))


def test_a_renewed_certificate_comes_in_and_nobody_is_cut_off(service: Service, made: dict[str, Pair]) -> None:
    assert f"https://127.0.0.1:{service.port}" in service.log()
    folder = service.config.parent
    with service.open("/streams/one.mjpeg") as watching:
        assert watching.status == 200
        for each in ("second", "first"):
            install(made[each], folder)
            service.reload(SITE) if each == "second" else service.send("POST", "/reload", OPERATOR)
            assert shown(service) == made[each][0].read_text()
            watching.read(20_000)
        install(made["expired"], folder)
        lines = service.log().count("not reloaded")
        service.process.send_signal(signal.SIGHUP)
        service.until(lambda: service.log().count("not reloaded") > lines)
        assert shown(service) == made["first"][0].read_text()
        watching.read(20_000)
    assert "1 stream unchanged; certificate valid until " in service.log()
    assert service.stop() == 0
    assert "Traceback" not in service.log()


def test_clients_that_speak_no_tls_or_say_nothing_hold_nobody_up(service: Service) -> None:
    silent = [socket.create_connection(("127.0.0.1", service.port), PATIENCE_S) for _ in range(300)]
    silent[0].close()
    for client in silent[-3:]:
        client.sendall(b"\x16\x03\x01\x02\x00")  # as much of a handshake
    assert service.get("/healthz")[0] == 200
    answer = spoken(service, b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert answer.endswith(b"use https://\n")
    assert spoken(service, b"\x16\x03\x01\x00\x05nonsense")[:1] in (b"", b"\x15")  # an alert
    asked = run_program("ctl", "--url", f"https://127.0.0.1:{service.port}", "list")
    assert (asked.returncode, asked.stderr.count("\n"), "SSL_CERT_FILE" in asked.stderr) == (3, 1, True), asked.stderr
    trusting = {"SSL_CERT_FILE": str(service.config.with_name("trusted.crt"))}
    asked = run_program("ctl", "--url", f"https://127.0.0.1:{service.port}", "list", env=trusting)
    assert "running" in asked.stdout
    assert service.streams()["one"]["restarts"] == 0
    while silent:
        silent.pop().close()
    assert service.stop() == 0
    assert "Traceback" not in service.log()
