"""A real `streamseg serve` in a process of its own, and a client that looks at it over HTTP."""

from __future__ import annotations

import http.client
import json
import signal
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from tests.parts.patience import PATIENCE_S
from tests.parts.program import PROGRAM, environment, run_program
from tests.parts.rtsp import free_port


class Service:
    """`with Service(folder, yaml) as service:` serves until the end of the block, started by the words `under`."""

    def __init__(
        self,
        folder: Path,
        site: str,
        *flags: str,
        env: Mapping[str, str] | None = None,
        under: Sequence[str] = (),
        trust: Path | None = None,
    ) -> None:
        """`trust` is the certificate that it shows, where it speaks TLS."""
        self.port = free_port()
        self._trust = trust
        self.config, self._log = folder / "site.yaml", folder / "service.log"
        self.config.write_text(site)
        self._under, self._flags, self._env = under, flags, environment(**(env or {}))
        self.stdout = folder / "service.out"

    def __enter__(self) -> Service:
        command = [*self._under, *PROGRAM, "serve", "--config", str(self.config)]
        command += ["--listen", f"127.0.0.1:{self.port}", *self._flags]
        with self._log.open("wb") as log, self.stdout.open("wb") as out:
            self.process = subprocess.Popen(command, stdout=out, stderr=log, env=self._env)
        self.until(lambda: "started" in self.log())
        return self

    def __exit__(self, *exception: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(PATIENCE_S)

    def log(self) -> str:
        return self._log.read_text()

    def until(self, met: Callable[[], object], patience_s: float = PATIENCE_S) -> None:
        """Waits until `met` gives something true."""
        end_s = time.monotonic() + patience_s
        while not met():
            assert self.process.poll() is None, self.log()
            assert time.monotonic() < end_s, f"in vain for {patience_s} s: {self.log()}"
            time.sleep(0.05)

    def reload(self, site: str) -> None:
        """Rewrites the file, asks for it to be read and waits until the service has said something about it."""
        lines = self.log().count("reloaded")
        self.config.write_text(site)
        self.process.send_signal(signal.SIGHUP)
        self.until(lambda: self.log().count("reloaded") > lines)

    def stop(self) -> int:
        """The exit code after SIGTERM."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE_S)

    def get(self, path: str, headers: Mapping[str, str] | None = None, method: str = "GET") -> tuple[int, bytes]:
        with self.open(path, headers, method) as response:
            return response.status, response.read()

    def send(self, method: str, path: str, token: str, value: object = None) -> tuple[int, dict[str, Any]]:
        """Status and answer of a request that changes something."""
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        with self.open(path, headers, method, json.dumps(value).encode()) as response:
            raw = response.read()
            told = json.loads(raw) if response.getheader("Content-Type") == "application/json" else {"said": raw}
            return response.status, told

    @contextmanager
    def open(
        self, path: str, headers: Mapping[str, str] | None = None, method: str = "GET", body: bytes | None = None
    ) -> Iterator[http.client.HTTPResponse]:
        if self._trust is None:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)
        else:
            context = ssl.create_default_context(cafile=self._trust)
            connection = http.client.HTTPSConnection("127.0.0.1", self.port, timeout=PATIENCE_S, context=context)
        try:
            connection.request(method, path, body, headers=dict(headers or {}))
            yield connection.getresponse()
        finally:
            connection.close()

    def streams(self) -> dict[str, dict[str, Any]]:
        """What /streams says, by name."""
        return {row["name"]: row for row in json.loads(self.get("/streams")[1])}

    def shows(self, name: str, frames: int) -> Callable[[], bool]:
        """For `until`: `frames` more than now were shown."""
        goal = self.streams()[name]["frames"]["shown"] + frames
        return lambda: bool(self.streams()[name]["frames"]["shown"] >= goal)

    def metrics(self) -> dict[tuple[str, ...], float]:
        """Every sample of /metrics: its name, then the values of its labels in their names' order."""
        text = self.get("/metrics")[1].decode()
        return {
            (sample.name, *(sample.labels[key] for key in sorted(sample.labels))): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }


def run_to_its_end(*words: object, env: Mapping[str, str] | None = None) -> tuple[int, str]:
    """Exit code and standard error of a `streamseg serve` that ends by itself."""
    done = run_program("serve", *words, env=dict(env or {}))
    return done.returncode, done.stderr
