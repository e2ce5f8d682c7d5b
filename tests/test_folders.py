from __future__ import annotations

import os
import pwd
from pathlib import Path

import pytest

from streamseg.errors import OutputError
from streamseg.folders import engines_folder, messages_folder, models_folder, needed, tuned_folder

VARIABLES = (
    "STREAMSEG_MODELS", "STREAMSEG_ENGINES", "STREAMSEG_STATE", "STATE_DIRECTORY", "XDG_DATA_HOME", "XDG_CACHE_HOME",
    "XDG_STATE_HOME",
)  # fmt: skip


@pytest.fixture(autouse=True)
def nothing_said(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


def test_they_lie_where_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", "/data")
    monkeypatch.setenv("XDG_CACHE_HOME", "/cache")
    found = [models_folder(), engines_folder(), tuned_folder()]
    assert found == [Path("/data/streamseg/models"), Path("/cache/streamseg/engines"), Path("/cache/streamseg/tuned")]
    monkeypatch.setenv("XDG_STATE_HOME", "/state")
    assert messages_folder() == Path("/state/streamseg/messages")
    monkeypatch.setenv("STATE_DIRECTORY", "/var/lib/streamseg:/var/lib/more")
    assert messages_folder() == Path("/var/lib/streamseg/messages")
    monkeypatch.setenv("STREAMSEG_STATE", "/data")
    assert messages_folder() == Path("/data/messages")
    monkeypatch.setenv("STREAMSEG_MODELS", "/mine")
    monkeypatch.setenv("STREAMSEG_ENGINES", "/built")
    assert [models_folder(), engines_folder()] == [Path("/mine"), Path("/built")]


def test_else_they_lie_in_the_users_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert models_folder() == tmp_path / ".local/share/streamseg/models"
    assert tuned_folder() == tmp_path / ".cache/streamseg/tuned"
    assert messages_folder() == tmp_path / ".local/state/streamseg/messages"


def test_a_user_without_a_home_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody(_: int) -> None:
        raise KeyError

    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.setattr(pwd, "getpwuid", nobody)
    assert [models_folder(), engines_folder(), tuned_folder(), messages_folder()] == [None] * 4
    assert os.path.expanduser("~") == "~"  # noqa: PTH111 - so that this is what is tested
    with pytest.raises(OutputError, match="no home.*STREAMSEG_MODELS"):
        needed(models_folder(), "STREAMSEG_MODELS")
