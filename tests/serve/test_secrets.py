"""What `${NAME}` stands for comes from a file or from systemd, is read at each reload, and is never printed."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from streamseg.errors import InputError
from streamseg.net.urls import filling_from, read_address
from streamseg.serve.secrets import read_secrets
from tests.parts.authenticator import Authenticator
from tests.parts.rtsp_socket import Answer, Request, RtspServer
from tests.parts.service import Service, run_to_its_end

SECRET = "sesame-9431"


def written(folder: Path, text: str, mode: int = 0o600) -> Path:
    file = folder / "secrets.env"
    file.write_text(text)
    file.chmod(mode)
    return file


def full(request: Request) -> Answer | None:
    """To those who are let in."""
    return ("453 Not Enough Bandwidth", []) if request.method == "SETUP" else None


def test_a_value_is_taken_as_it_is_but_for_quotes_around_it(tmp_path: Path) -> None:
    text = "# cameras\n; too\n\nDOOR = p#s=\\$x \nYARD='a b '\nBELT=\"it's\"\nNONE=\n"
    found = read_secrets(written(tmp_path, text))
    assert [found[name] for name in ("DOOR", "YARD", "BELT", "NONE")] == ["p#s=\\$x", "a b ", "it's", ""]


def test_the_file_goes_before_credentials_and_these_before_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "credentials").mkdir()
    for name, text in (("A", "credential\n"), ("B", "credential\n"), ("not.a-name", "x")):
        (tmp_path / "credentials" / name).write_text(text)
    for name in "ABC":
        monkeypatch.setenv(name, "environment")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path / "credentials"))
    found = read_secrets(written(tmp_path, "A=file\n"))
    assert [found[name] for name in "ABC"] == ["file", "credential", "environment"]
    assert "not.a-name" not in found


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (f"A=1\n{SECRET}\n", ":2: expected NAME=value"),
        (f"A-B={SECRET}\n", ":1: expected NAME=value"),
        (f"A={SECRET}\nA={SECRET}\n", ":2: A is there twice"),
        (f"A='{SECRET}\n", ":1: A: the quote does not end"),
    ],
)
def test_a_wrong_line_is_named_and_not_repeated(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(InputError) as raised:
        read_secrets(written(tmp_path, text))
    assert str(raised.value).endswith(says) and SECRET not in str(raised.value)


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No such file"):
        read_secrets(tmp_path / "none")


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o644])
def test_who_lets_others_read_it_is_told(tmp_path: Path, mode: int, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        read_secrets(written(tmp_path, f"A={SECRET}\n", mode))
    assert ["can read it" in record.message for record in caplog.records] == ([True] if mode & 0o004 else [])
    assert SECRET not in caplog.text


def test_addresses_are_filled_from_it_inside_alone() -> None:
    with filling_from({"P": SECRET}):
        assert read_address("rtsp://u:${P}@cam/1").login == ("u", SECRET)
    with pytest.raises(InputError, match="the environment has no P"):
        read_address("rtsp://u:${P}@cam/1")


def test_what_nothing_gives_is_named_with_file_and_line(tmp_path: Path) -> None:
    site = tmp_path / "site.yaml"
    site.write_text("streams:\n  a:\n    model: otsu\n    source: 'rtsp://u:${DOOR}@cam/1'\n")
    code, said = run_to_its_end("--check", site, "--secrets", written(tmp_path, f"YARD={SECRET}\n"))
    assert code == 2 and SECRET not in said
    assert "site.yaml:4: streams.a.source: rtsp://***@cam/1: neither environment nor secrets have DOOR" in said


def test_a_reload_reads_it_again_and_restarts_those_alone_that_use_what_changed(tmp_path: Path) -> None:
    with RtspServer(keeper=Authenticator("u", "new-one"), answer=full) as camera:
        site = (
            "defaults: {model: otsu}\nstreams:\n  a: {source: 'test://?size=64x64&fps=20'}\n"
            f"  b: {{source: '{camera.url_with('u:${DOOR}')}'}}\n"
        )
        file = written(tmp_path, f"DOOR={SECRET}\n")
        with Service(tmp_path, site, "--secrets", str(file)) as service:
            service.until(lambda: "password" in service.streams()["b"]["error"])
            service.until(lambda: service.streams()["a"]["frames"]["shown"] > 0)
            written(tmp_path, "DOOR\n")
            service.reload(site)
            assert "not reloaded, every stream runs as before" in service.log() and ":1: expected NAME" in service.log()
            written(tmp_path, "DOOR=new-one\n")
            service.reload(site)
            assert "reloaded: 1 stream unchanged, 1 started, 1 stopped" in service.log()
            service.until(lambda: "SETUP" in camera.methods)
            assert SECRET not in service.log() and "new-one" not in service.log()
