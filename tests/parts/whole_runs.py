"""A whole run, and what it says of its backends."""

from __future__ import annotations

import logging
from collections.abc import Collection
from pathlib import Path

import pytest

from streamseg.assembly import assemble
from streamseg.config import make_options


def walk(model: Path, caplog: pytest.LogCaptureFixture, names: Collection[str], **options: object) -> list[str]:
    """Twelve frames, none of which may be lost; gives the lines about the backends of these names."""
    values = {"source": "test://?frames=12", "outputs": ("null",), "model": str(model), "workers": 1, **options}
    with caplog.at_level(logging.INFO, "streamseg"):
        metrics = assemble(make_options(values)).run()
    assert metrics.captured == metrics.shown == 12
    assert not metrics.failed
    return [line for record in caplog.records if any(name in (line := record.getMessage()) for name in names)]
