"""Rules in a whole run: out of Python, YAML and flags, on the picture and in outputs, and nothing of them is lost."""

from __future__ import annotations

import dataclasses
import json
import threading
from pathlib import Path

import numpy as np
import pytest

import streamseg
from streamseg.cli import main
from streamseg.config import read_config
from streamseg.contracts import Shown
from streamseg.errors import InputError
from streamseg.frame import Frame
from streamseg.handoff import Handoff
from streamseg.infer import load_segmenter
from streamseg.pipeline.pipeline import Pipeline
from streamseg.rules.event import Event, Findings
from streamseg.segmentation import Segmentation
from streamseg.serve.config import read_site
from streamseg.sinks.retry import Retrying
from tests.parts.fakes import CountingSource, ListSink, Marker
from tests.parts.fakes import frame as fake_frame
from tests.parts.fakes import segmentation as fake_segmentation

BELT: dict[str, list[tuple[float, float]]] = {"belt": [(0, 0.25), (1, 0.25), (1, 0.75), (0, 0.75)]}
SETTINGS = {"value": 100}
YAML = """\
source: test://?frames=40&lanes=3
model: threshold
settings: {value: 100}
zones:
  belt: [[0, 0.25], [1, 0.25], [1, 0.75], [0, 0.75]]
lines:
  gate: [[0.5, 0], [0.5, 1]]
rules:
  bright: foreground.area in belt > 1 %
"""


def event(number: int) -> Event:
    return Event(
        id=str(number), kind="start", rule="r", stream="s", began="", began_s=0.0, at="", at_s=0.0,
        value=number, peak=number,
    )  # fmt: skip


def with_event(number: int) -> Shown:
    one = fake_frame(number)
    return Shown(one, fake_segmentation(one), one.image, 0, {}, (event(number),))


def ids(shown: list[Shown]) -> list[int]:
    return [int(each.id) for one in shown for each in one.events]


def test_events_and_readings_come_with_each_frame() -> None:
    stream = streamseg.open(
        "test://?frames=5&lanes=3", "null", model="threshold", settings=SETTINGS, zones=BELT,
        lines={"gate": [(0.5, 0), (0.5, 1)]}, rules={"bright": "foreground.area in belt > 1 %"},
    )  # fmt: skip
    first, *_, last = list(stream)
    assert [(each.kind, each.rule, each.zone) for each in first.events] == [("start", "bright", "belt")]
    assert not last.events
    assert [(each.zone, each.class_name) for each in last.readings][0] == ("belt", "foreground")


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"rules": {"a": "foreground.area in belt > 1 %"}}, "rules.a: there is no zone 'belt'"),
        ({"zones": BELT, "rules": {"a": "foreground.area in bel > 1 %"}}, "did you mean belt?"),
        (
            {"zones": BELT, "rules": {"a": "foregruond.area in belt > 1 %"}},
            "rules.a: this model has no class 'foregruond'",
        ),
        ({"rules": {"a": "foreground.speed > 1 m/s"}}, "rules.a: m/s needs `ground`"),
        ({"rules": {"a": "foreground.area >"}}, "rules.a: at its end: expected a number"),
        ({"zones": {"a b": BELT["belt"]}}, "zones.a b: a name has a letter first"),
        ({"zones": BELT, "lines": {"belt": [(0, 0), (1, 1)]}}, "lines.belt: a zone is called so already"),
        ({"zones": {"far": [(900, 0), (990, 0), (990, 9)]}}, "far: lies outside of the picture"),
        (
            {"lines": {"g": [(0, 0), (0, 1)]}, "rules": {"a": "foreground.crosses g southwards"}},
            "westwards or eastwards",
        ),
    ],
)
def test_what_cannot_be_is_told_before_the_start(options: dict[str, dict[str, str]], problem: str) -> None:
    with pytest.raises(InputError) as refused:
        streamseg.open("test://?frames=5", "null", model="threshold", settings=SETTINGS, **options)  # type: ignore[arg-type]
    assert problem in str(refused.value)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("area in belt", "area in bell", "c.yaml:9: rules.bright: there is no zone 'bell'; did you mean belt?"),
        ("area in", "aera in", "c.yaml:9: rules.bright: at character 12, 'aera': expected area"),
        ("[0.5, 1]", "[0.5]", "c.yaml:7: lines.gate: expected two ends"),
    ],
)
def test_a_configuration_is_refused_with_the_line(tmp_path: Path, old: str, new: str, says: str) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(YAML.replace(old, new))
    with pytest.raises(InputError) as refused:
        read_config(path, {})
    assert says in str(refused.value)


def test_a_stream_of_a_service_has_rules_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "site.yaml"
    inner = "".join(f"    {line}\n" for line in YAML.splitlines())
    path.write_text(f"streams:\n  one:\n{inner}")
    assert read_site(path, load_segmenter)["one"].rules == {"bright": "foreground.area in belt > 1 %"}
    path.write_text(f"streams:\n  one:\n{inner.replace('foreground.area', 'glare.area')}")
    with pytest.raises(InputError, match=r"site.yaml:11: streams.one.rules.bright: this model has no class 'glare'"):
        read_site(path, load_segmenter)


def test_flags_name_zones_and_rules_and_lines_of_json_have_them(tmp_path: Path) -> None:
    rows, clips = tmp_path / "o.jsonl", tmp_path / "clips"
    words = ["run", "test://?frames=40&lanes=3", str(rows), f"events:{clips}?rule=bright&before=1", "--quiet"]
    words += ["--model", "threshold", "--set", "value=100", "--zone", "belt=0,0.25 1,0.25 1,0.75 0,0.75"]
    assert main([*words, "--rule", "bright=foreground.area in belt >= 1 %"]) == 0
    first, *_, last, end = [json.loads(line) for line in rows.read_text().splitlines()]
    assert (first["events"][0]["rule"], last["events"]) == ("bright", [])
    assert last["readings"][0].keys() == {"zone", "class", "area_percent", "count"}
    (story,) = clips.glob("*.json")
    told = json.loads(story.read_text())
    assert (told["rule"], told["frames"], len(told["events"])) == ("bright", 40, 1)
    assert (first["events"][0]["scores"], first["events"][0]["ended_by"]) == ({}, "")  # a threshold is never unsure
    assert end.keys() == {"stream", "time_s", "events"}
    (ended,), (clip,) = end["events"], told["events"]
    assert (ended["id"], ended["kind"], ended["ended_by"]) == (first["events"][0]["id"], "end", "stop")
    assert (ended["at_s"], end["time_s"]) == (last["time_s"],) * 2
    assert (clip["id"], clip["kind"], clip["ended_by"], clip["at_s"]) == (ended["id"], "end", "stop", ended["at_s"])
    files = (str(story.with_suffix(".jpg")), str(story.with_suffix(".mp4")))
    assert (ended["snapshot"], ended["clip"]) == (clip["snapshot"], clip["clip"]) == files
    assert story.with_suffix(".mp4").exists()
    assert story.with_suffix(".jpg").read_bytes().startswith(b"\xff\xd8")


@pytest.mark.parametrize("words", [["--zone", "0,0 1,1 0,1"], ["--rule", "foreground.count >= 1"]])
def test_flags_without_a_name_are_refused(words: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "test://?frames=2", "null", *words]) == 2
    assert "expected NAME=" in capfd.readouterr().err


def test_a_clip_of_a_rule_that_no_one_wrote_is_refused() -> None:
    with pytest.raises(InputError, match="there is no rule 'leak'"):
        streamseg.open(
            "test://?frames=2", "events:clips?rule=leak", model="threshold", rules={"a": "foreground.area > 1 %"}
        )
    with pytest.raises(InputError, match="a class or a rule"):
        streamseg.open("test://?frames=2", "events:clips?rule=a&class=bright", model="threshold")


def test_zones_are_drawn_with_what_is_in_them() -> None:
    def picture(zones: dict[str, list[tuple[float, float]]]) -> Shown:
        (shown,) = streamseg.open(
            "test://?frames=1&lanes=3", lambda _: None, model="threshold", settings=SETTINGS, zones=zones
        )
        return shown

    plain, zoned = picture({}).image, picture(BELT).image
    differs = (plain != zoned).any(2)
    assert differs[120].mean() > 0.9  # its upper border
    assert differs[300:340].mean() < 0.1


def test_a_line_that_drops_frames_hands_their_events_on() -> None:
    line = Handoff[Shown](3, lossless=False, merge=Shown.followed_by)
    for number in range(8):
        assert line.put(with_event(number))
    line.close()
    got = [line.get() for _ in range(3)]
    assert [one.frame.index for one in got if one] == [5, 6, 7]
    assert ids([one for one in got if one]) == list(range(8))
    single = Handoff[Shown](1, lossless=False, merge=Shown.followed_by)
    for number in range(4):
        single.put(with_event(number))
    last = single.get()
    assert last is not None
    assert ids([last]) == [0, 1, 2, 3]


def test_what_waits_for_an_output_that_hangs_is_bounded() -> None:
    line = Handoff[Shown](1, lossless=False, merge=Shown.followed_by)
    for start in range(0, 25_000, 500):
        line.put(dataclasses.replace(with_event(start), events=tuple(map(event, range(start, start + 500)))))
    last = line.get()
    assert last is not None
    assert ids([last]) == list(range(15_000, 25_000))


def test_an_output_that_failed_gets_the_events_of_all_frames() -> None:
    now_s, broken = [0.0], [True]

    def work(_: Shown) -> None:
        if broken[0]:
            raise streamseg.OutputError("disk: full")

    kept = ListSink(work=work)
    sink = Retrying(kept, now=lambda: now_s[0], jitter=lambda: 1.0)
    for number in range(10):
        broken[0], now_s[0] = number < 6, number / 4
        sink.write(with_event(number))
    assert ids(kept.shown) == list(range(10))
    assert len(kept.shown) < 5


def test_an_output_too_slow_for_a_live_stream_gets_every_event() -> None:
    source, gate = CountingSource(200, live=True, interval_s=0.001), threading.Event()
    slow = ListSink(work=lambda _: gate.wait(30))

    def evaluate(frame: Frame, _: Segmentation) -> Findings:
        return Findings((event(frame.index),))

    pipeline = Pipeline(source, Marker, sinks=[slow], evaluate=evaluate)
    seen = []
    for shown in pipeline:
        seen.append(shown.frame.index)
        if len(seen) == 30:
            gate.set()
    assert len(slow.shown) < len(seen)
    assert ids(slow.shown) == seen
    assert np.all(np.diff([shown.frame.index for shown in slow.shown]) > 0)
