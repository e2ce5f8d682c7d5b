from __future__ import annotations

import json

import pytest

from streamseg.cli import main
from streamseg.infer import list_models


def test_the_table_has_each_model_with_size_and_licence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "220")
    assert main(["models"]) == 0
    heading, *rows = capsys.readouterr().out.splitlines()
    assert heading.split() == ["name", "finds", "classes", "size", "licence"]
    assert {row.split()[0] for row in rows if row.strip()} >= {model.name for model in list_models()}
    (person,) = (row for row in rows if row.startswith("person "))
    assert " MB " in person and "background, person" in person


def test_in_a_narrow_terminal_no_licence_is_cut_off(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert main(["models"]) == 0
    heading, *rows = capsys.readouterr().out.splitlines()
    words = "".join(row[heading.index("licence") :].strip() for row in rows)
    assert all(model.licence.replace(" ", "") in words.replace(" ", "") for model in list_models())
    assert max(map(len, rows)) <= 80


def test_the_same_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "--json"]) == 0
    assert [each["name"] for each in json.loads(capsys.readouterr().out)] == [model.name for model in list_models()]
