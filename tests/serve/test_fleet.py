"""What distributes streamseg over machines: manifests, containers side by side, units, and the dashboard's queries."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode
from urllib.request import urlopen

import pytest
import yaml

from streamseg.commands.parser import parser
from streamseg.infer import load_segmenter
from streamseg.serve.config import read_site
from tests.parts.documents import ROOT
from tests.parts.patience import until
from tests.parts.program import run_program
from tests.parts.rtsp import free_port
from tests.parts.service import Service

PACKAGING = ROOT / "packaging"
COMPOSE, MANIFESTS = PACKAGING / "compose", PACKAGING / "kubernetes.yaml"
DASHBOARD = json.loads((COMPOSE / "dashboard.json").read_text())
QUERIES = [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]
TOKEN = "a-token-of-some-length"


def manifests() -> dict[str, Any]:
    return {each["kind"]: each for each in yaml.safe_load_all(MANIFESTS.read_text())}


def container() -> Any:
    (one,) = manifests()["Deployment"]["spec"]["template"]["spec"]["containers"]
    return one


def test_the_manifests_are_what_kubernetes_takes() -> None:
    validate = pytest.importorskip("kubernetes_validate")
    for each in manifests().values():
        validate.validate(each, "1.30", strict=True)


def test_the_configurations_are_right(tmp_path: Path) -> None:
    (tmp_path / "k8s.yaml").write_text(manifests()["ConfigMap"]["data"]["site.yaml"])
    for file in (tmp_path / "k8s.yaml", COMPOSE / "site.yaml"):
        assert read_site(file, load_segmenter)
    commented = (tmp_path / "k8s.yaml").read_text().replace("# door", "door").replace("${DOOR_PASSWORD}", "x")
    (tmp_path / "k8s.yaml").write_text(commented)
    assert "door" in read_site(tmp_path / "k8s.yaml", load_segmenter)


def test_what_the_containers_start_exists() -> None:
    compose = yaml.safe_load((COMPOSE / "compose.yaml").read_text())
    for words in (container()["args"], compose["services"]["streamseg"]["command"]):
        assert parser().parse_args(["serve", "site.yaml", *words]).allow_host == ["streamseg"]
    for service in compose["services"].values():
        mounted = [volume.partition(":")[0] for volume in service.get("volumes", ())]
        assert all((COMPOSE / name).is_file() for name in mounted if name.startswith("./"))
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", ()))
    assert {*compose["volumes"]} == {"data", "prometheus", "grafana"}


def test_a_probe_asks_with_the_token(tmp_path: Path) -> None:
    _, *words = container()["startupProbe"]["exec"]["command"]
    with Service(tmp_path, "streams: {a: {source: 'test://', model: otsu}}", env={"STREAMSEG_TOKEN": TOKEN}) as service:
        asked = [word.replace(":8090", f":{service.port}") for word in words]
        for token, code in ((TOKEN, 0), ("another", 1)):
            done = subprocess.run([sys.executable, *asked], env={"STREAMSEG_TOKEN": token}, capture_output=True)
            assert done.returncode == code


def test_systemd_understands_the_units_that_reload(tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed")
    for name in ("streamseg-reload.path", "streamseg-reload.service"):
        shutil.copy(PACKAGING / name, tmp_path)
    command = ["systemd-analyze", "verify", str(tmp_path / "streamseg-reload.path")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert "streamseg-reload" not in done.stderr, done.stderr


def test_a_configuration_from_the_network_is_refused() -> None:
    done = run_program("serve", "https://me:secret@example.org/site.yaml")
    assert done.returncode == 2
    assert re.fullmatch(r"streamseg: https://\S+: a configuration is a file of this machine .*\n", done.stderr)
    assert "secret" not in done.stderr


def test_grafanas_library_reads_the_dashboard() -> None:
    models = pytest.importorskip("grafana_foundation_sdk.models.dashboard")
    read = models.Dashboard.from_json(DASHBOARD)
    assert len(read.panels) == len(DASHBOARD["panels"]) > 8
    (source,) = yaml.safe_load((COMPOSE / "datasource.yaml").read_text())["datasources"]
    assert {panel.datasource.uid for panel in read.panels} == {source["uid"]}


@contextmanager
def prometheus(folder: Path, port: int) -> Iterator[int]:
    """The port of a Prometheus that reads the service at `port` with the shipped configuration."""
    program = shutil.which("prometheus")
    if program is None:
        pytest.skip("no Prometheus (Debian: prometheus)")
    (folder / "token").write_text(TOKEN)
    text = (COMPOSE / "prometheus.yml").read_text().replace("/tmp/token", str(folder / "token"))
    text = text.replace("streamseg:8090", f"localhost:{port}").replace("5s", "1s")
    (folder / "prometheus.yml").write_text(text)
    own = free_port()
    words = [f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data"]
    with (folder / "prometheus.log").open("wb") as log:
        process = subprocess.Popen(
            [program, *words, f"--web.listen-address=127.0.0.1:{own}"], stdout=log, stderr=log, cwd=folder
        )
    try:
        yield own
    finally:
        process.terminate()
        process.wait()


@pytest.mark.slow
def test_every_query_of_the_dashboard_has_an_answer(tmp_path: Path) -> None:
    site = "streams: {a: {source: 'test://?size=64x64&fps=10', model: otsu}}"
    with (
        Service(tmp_path, site, "--allow-host", "streamseg", env={"STREAMSEG_TOKEN": TOKEN}) as service,
        prometheus(tmp_path, service.port) as port,
    ):

        def answer(query: str) -> list[Any]:
            try:
                with urlopen(f"http://127.0.0.1:{port}/api/v1/query?{urlencode({'query': query})}") as response:
                    return json.load(response)["data"]["result"]  # type: ignore[no-any-return]
            except URLError as error:
                if isinstance(error, HTTPError) and error.code != 503:  # what it says until it has begun
                    raise AssertionError(f"{query}: {error.read().decode()}") from None
                return []

        until(lambda: answer("rate(streamseg_frames_shown_total[30s]) > 0"), "frames counted", service.process)
        for query in QUERIES:
            asked = query.replace("$__rate_interval", "30s").replace("$stream", ".*")
            assert answer(asked) or "> 0" in asked, query  # what is let go need not be any
        assert service.get("/metrics", {"Authorization": f"Bearer {TOKEN}", "Host": "streamseg:8090"})[0] == 200
        assert service.get("/metrics", {"Authorization": f"Bearer {TOKEN}", "Host": "other:8090"})[0] != 200
