"""What TensorRT says meanwhile, and which of it is the reason."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from streamseg.errors import BackendError
from streamseg.infer.backends.tensorrt import library
from streamseg.infer.backends.tensorrt.library import Library, load_library
from tests.parts.fake_builder import ILogger
from tests.parts.gpu_machine import Machine


@pytest.fixture
def heard(machine: Machine) -> Library:
    found = load_library("tensorrt")
    found.listen()
    return found


def elsewhere(work: Callable[[], object]) -> None:
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()


def test_an_error_is_the_reason_and_not_the_warning_before_it(heard: Library) -> None:
    assert heard.because() == ""
    heard.logger.log(ILogger.Severity.WARNING, "the first")
    assert heard.because() == ": the first"
    heard.logger.log(ILogger.Severity.ERROR, "an error\nin two lines")
    heard.logger.log(ILogger.Severity.ERROR, "what came of it")
    heard.logger.log(ILogger.Severity.INFO, "talk")
    assert heard.reason() == "an error in two lines"
    heard.listen()
    assert heard.because() == ""


def test_another_workers_lines_are_taken_only_where_there_are_none_of_ones_own(heard: Library) -> None:
    def other() -> None:
        heard.listen()
        heard.logger.log(ILogger.Severity.ERROR, "another's")

    elsewhere(other)
    assert heard.reason() == "another's"  # TensorRT builds in threads of its own
    heard.logger.log(ILogger.Severity.ERROR, "one's own")
    elsewhere(heard.listen)
    assert heard.reason() == "one's own"


def test_a_reason_is_found_while_another_worker_says_something(heard: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    def talking() -> str:
        heard.logger.log(ILogger.Severity.WARNING, "another's")
        return "/proc/driver/nvidia/version"

    heard.logger.log(ILogger.Severity.ERROR, "one's own")
    heard.logger.log(ILogger.Severity.ERROR, "what came of it")
    monkeypatch.setattr(library, "nvidia_driver", talking)
    assert heard.reason() == "one's own"


def test_an_old_driver_is_a_reason_where_a_driver_is(heard: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    line = "CUDA initialization failure with error: 35. The driver version is insufficient for CUDA runtime version"
    heard.logger.log(ILogger.Severity.ERROR, line)
    assert heard.reason() == line
    monkeypatch.setattr(library, "nvidia_driver", lambda: "")  # where engines are built ahead, without a GPU
    assert heard.reason() == "it did not say why"


def test_a_null_pointer_is_one_line_even_where_nothing_was_said(heard: Library) -> None:
    def null() -> None:
        raise TypeError("pybind11::init(): factory function returned nullptr")

    with pytest.raises(
        BackendError, match=r"tensorrt 11.4.0 does not start: pybind11::init.*pip install tensorrt-cu12"
    ):
        heard.make(null)
