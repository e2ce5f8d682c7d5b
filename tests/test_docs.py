"""What the documents say works: links lead somewhere, commands are understood, code runs, files are accepted."""

from __future__ import annotations

import json
import re
import runpy
import shlex
import sys
from pathlib import Path

import pytest
import yaml

from streamseg.capture import source_kind
from streamseg.commands.parser import parser
from streamseg.config import make_options
from streamseg.infer import list_models, load_segmenter
from streamseg.infer.classical import METHODS
from streamseg.infer.model.catalogue import Listed
from streamseg.infer.model.spec import ModelSpec
from streamseg.serve.config import read_site
from streamseg.sinks import sink_kind
from streamseg.yamlfile import parse_yaml
from tests.parts.documents import CARDS, ROOT, WALKED, Block, blocks, commands
from tests.parts.patience import finished
from tests.parts.program import environment

PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *CARDS])
NAMES = (ROOT / "docs" / "names.md").read_text()
REFERENCE = runpy.run_path(str(ROOT / "tools" / "docs_reference.py"))
RUNS = [each for each in commands() if each.startswith("streamseg run ")]

PHOTO = "import cv2, numpy\ncv2.imwrite('photo.jpg', numpy.zeros((48, 64, 3), numpy.uint8))\n"
BEFORE = {
    "README.md": PHOTO,
    "index.md": PHOTO,
    "python.md": ("import numpy, streamseg\nbgr = numpy.zeros((48, 64, 3), numpy.uint8)\nimages = [bgr, bgr]\n"),
    "motion.md": (
        "import streamseg\n"
        "frames, newest_segmentation = [], None\n"
        "for shown in streamseg.open('test://?frames=3', model='otsu', steady=False):\n"
        "    frames.append(shown.frame)\n"
        "    newest_segmentation = newest_segmentation or shown.segmentation\n"
    ),
}
"""What a page's Python takes for granted."""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for target, anchor in re.findall(r"\]\((?!https?:)([^)#]*)(?:#([^)]+))?\)", page.read_text()):
        path = page.parent / target if target else page
        assert path.exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.*)$", path.read_text(), re.MULTILINE)
            assert anchor in {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}


def test_every_test_that_the_page_of_promises_names_is_there() -> None:
    named = re.findall(r"`(?:tests/)?((?:\w+/)*test_\w+\.py)`", (ROOT / "docs" / "reliability.md").read_text())
    assert len(named) > 100
    assert [name for name in named if not (ROOT / "tests" / name).exists()] == []


def test_every_picture_is_shown_somewhere() -> None:
    pages = "".join(page.read_text() for page in PAGES)
    assert [each.name for each in (ROOT / "docs" / "pictures").iterdir() if f"pictures/{each.name}" not in pages] == []


def test_the_picture_of_speeds_shows_the_figures_of_its_table() -> None:
    rates = runpy.run_path(str(ROOT / "tools" / "speed_picture.py"))["rates"]
    page, drawn = (ROOT / "docs" / "speed.md").read_text(), (ROOT / "docs" / "pictures" / "speed.svg").read_text()
    shown = re.findall(r">([^<>]+)</text>", drawn)
    for column in (1, 3):
        for rate in rates(page, column):
            assert shown.count(rate.loop) > 0
            assert str(rate.median) in [each.removesuffix(" →") for each in shown]


def test_the_figures_of_the_readme_are_those_of_the_page_of_speeds() -> None:
    rows = re.findall(r"^\| (?:`|quality).*", (ROOT / "README.md").read_text(), re.MULTILINE)
    figures = {figure for row in rows for figure in re.findall(r"(?<!`)\b\d+(?:\.\d+)?\b", row)}
    assert len(figures) > 8
    measured = set(re.findall(r"\d+(?:\.\d+)?", (ROOT / "docs" / "speed.md").read_text()))
    assert figures - measured == set()


@pytest.mark.parametrize("command", RUNS)
def test_runs_in_the_documents_are_understood(command: str) -> None:
    arguments = vars(parser().parse_args(shlex.split(command)[1:]))
    if arguments["source"]:
        assert source_kind(arguments["source"])
        assert all(sink_kind(output) for output in arguments["outputs"])
        names = {name: arguments[name] for name in ("source", "outputs", "model", "view") if arguments[name]}
        assert make_options(names)


def test_the_page_of_names_has_every_classical_method() -> None:
    assert [name for name in METHODS if f"`{name}`" not in NAMES] == []


@pytest.mark.parametrize("block", blocks("python"), ids=lambda block: block.page.name)
def test_python_in_the_documents_runs(block: Block, tmp_path: Path) -> None:
    code = BEFORE[block.page.name] + block.text.replace("rtsp://camera/1", "test://?frames=3")
    done = finished([sys.executable, "-W", "error", "-c", code], env=environment(), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    if block.page.name == "README.md":
        assert len(done.stdout.splitlines()) == 3


@pytest.mark.parametrize("block", blocks("yaml"), ids=lambda block: block.text.splitlines()[0])
def test_yaml_in_the_documents_is_accepted(block: Block, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if "streams:" in block.text:
        for name in ("DOOR_PASSWORD", "YARD_PASSWORD"):
            monkeypatch.setenv(name, "secret")
        (tmp_path / "site.yaml").write_text(block.text)
        assert len(read_site(tmp_path / "site.yaml", load_segmenter)) == 3
    elif "classes:" in block.text and "network:" not in block.text:
        assert parse_yaml(block.text, ModelSpec, "street.yaml").classes
    elif "network:" in block.text:
        assert yaml.safe_load(block.text)["name"] == "cracks"  # test_docs_commands.py trains by it
    else:
        assert "scrape_configs" in yaml.safe_load(block.text)  # Prometheus's own


@pytest.mark.parametrize("block", blocks("json"), ids=lambda block: block.page.name)
def test_json_in_the_documents_is_json(block: Block) -> None:
    assert json.loads(block.text)


@pytest.mark.parametrize("block", blocks("toml"), ids=lambda block: block.page.name)
def test_entry_points_in_the_documents_are_those_of_the_example(block: Block) -> None:
    entries = [line.split("  #")[0].strip() for line in block.text.splitlines() if line.strip()]
    example = (ROOT / "examples" / "package" / "pyproject.toml").read_text()
    assert [entry for entry in entries if entry not in example] == []


def test_no_block_is_of_a_language_that_nobody_checks() -> None:
    reference = ROOT / "docs" / "reference"  # made from the program
    others = [page for page in PAGES if page not in WALKED and page.parent != reference]  # test_guides.py checks those
    assert set(re.findall(r"^```(\w+)$", "".join(page.read_text() for page in others), re.MULTILINE)) <= {
        "python", "yaml", "json", "toml",
    }  # fmt: skip


@pytest.mark.parametrize("name", ["reference/cli.md", "reference/configuration.md", "reference/python.md", "models.md"])
def test_what_a_page_has_from_the_program_is_what_the_program_says_now(name: str) -> None:
    text = (ROOT / "docs" / name).read_text()
    assert REFERENCE["MADE"].search(text)
    assert text == REFERENCE["written"](text), "`python tools/docs_reference.py` writes it again"


def test_no_page_shows_a_reader_of_the_checkout_what_only_the_site_understands() -> None:
    assert [page.name for page in PAGES if re.search(r"^:::", page.read_text(), re.MULTILINE)] == []


def test_the_page_of_models_leads_to_every_card() -> None:
    text = (ROOT / "docs" / "models.md").read_text()
    cards = REFERENCE["cards"]()
    assert len(cards) > 5
    assert [card.name for card in cards if f"/{card.name})" not in text] == []


@pytest.mark.parametrize("model", [each for each in list_models() if each.score], ids=lambda each: each.name)
def test_the_score_that_a_model_says_of_itself_is_the_one_on_the_page_of_models(model: Listed) -> None:
    row = re.search(rf"^\| `{model.name}` \|.*", (ROOT / "docs" / "models.md").read_text(), re.MULTILINE)
    assert row
    assert [figure for figure in re.findall(r"\d\d\.\d(?= %)", model.score) if figure not in row[0]] == []


def test_the_readme_shows_each_of_five_jobs_with_a_small_picture_two_commands_and_its_page() -> None:
    jobs = (ROOT / "README.md").read_text().split("<img ")[1:]
    assert len(jobs) == 5
    for job in jobs:
        (picture,) = re.findall(r'src="([^"]+)"', job)
        assert 1_000 < (ROOT / picture).stat().st_size < 150_000 and 'alt="' in job
        assert "(docs/tutorials/" in job
        assert len(job.split("```")[1].strip().splitlines()) == 2


def test_every_how_to_page_is_found_from_the_first_page_and_from_the_readme() -> None:
    pages = [page.name for page in (ROOT / "docs" / "howto").glob("*.md") if page.name != "index.md"]
    assert len(pages) > 8
    for first, folder in ((ROOT / "README.md", "docs/howto/"), (ROOT / "docs" / "index.md", "howto/")):
        assert [name for name in pages if f"]({folder}{name}" not in first.read_text()] == []
