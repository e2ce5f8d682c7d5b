"""What results are called."""

from __future__ import annotations

from pathlib import Path

import pytest

from streamseg.archive.task import Task, check_outputs, outputs_below
from streamseg.config import make_options
from streamseg.errors import InputError
from tests.archive.archives import job


@pytest.mark.parametrize(
    ("output", "says"),
    [
        ("out.jsonl", "every film would write it.*{stem}"),
        ("/tmp/{stem}.jsonl", "leads out of the folder"),
        ("masks:../{stem}", "leads out of the folder"),
        ("mqtt://host/{stem}", "writes no file"),
        ("window", "writes no file"),
        ("{stem}.docx", "not known"),
        ("{stem}.mp4?qality=3", "no option qality"),
        ("{stem}.mp4?segment=60", "segments need a time"),
        ("{stem}.png?keep=1d", "by a number or time"),
        ("masks:{stem}?every=2", "no option every"),
        ("hls:{stem}?keep=1d", "no option keep"),
    ],
)
def test_a_result_is_a_file_of_one_film_below_the_folder(output: str, says: str) -> None:
    with pytest.raises(InputError, match=says):
        check_outputs(["{stem}.jsonl", output])


def test_the_summary_alone_may_be_wanted() -> None:
    check_outputs(["null"])
    assert outputs_below(Path("out"), ["null"], job(Path("a.mp4"))) == ("null",)


def test_workers_take_the_gpus_in_turn() -> None:
    options = make_options({"source": "", "decode": "cuda"})
    dealt = Task(options, ("null",), "out", gpus=2)
    assert [dealt.of_worker(number).options.capture.gpu for number in range(4)] == [0, 1, 0, 1]
    assert dealt.of_worker(1).options.capture.decode == "cuda"
    assert Task(options, ("null",), "out").of_worker(1).options.capture.gpu is None


def test_results_keep_the_folders_of_their_film() -> None:
    outputs = ("{stem}.mp4", "masks:m/{stem}", "s/{stem}.jpg?every=10s", "coco:{stem}.json")
    check_outputs(outputs)
    assert outputs_below(Path("out"), outputs, job(Path("dash/day 2/a.mp4"), "day 2/a")) == (
        "out/day 2/a.mp4",
        "masks:out/m/day 2/a",
        "out/s/day 2/a.jpg?every=10s",
        "coco:out/day 2/a.json",
    )
