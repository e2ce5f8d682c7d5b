from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.parametrize("package", ["aiohttp", "prometheus_client"])
def test_what_is_missing_is_named_with_the_command_that_installs_it(package: str) -> None:
    code = (
        f"import sys; sys.modules['{package}'] = None\n"
        "from streamseg.cli import main; sys.exit(main(['serve', '--config', 'site.yaml']))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert f"serve needs {package} (" in line and "[serve]" in line
