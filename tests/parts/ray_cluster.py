"""A Ray cluster in a process of its own: Ray's library ends any process that still asks a cluster which is gone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

from tests.parts.patience import PATIENCE_S

_OBJECTS_BYTES = 80_000_000  # the least that Ray takes: films never travel through it
# Else its workers wait for the tests beside.
_QUIETLY = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_worker_niceness": "0"}


class RayCluster:
    """A head with one core, and the nodes that are added, until the end of the block."""

    def __enter__(self) -> RayCluster:
        self._process = subprocess.Popen(
            [sys.executable, __file__],
            env=os.environ | _QUIETLY,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.address: str = self._answer()
        return self

    def __exit__(self, *exception: object) -> None:
        try:
            self._process.communicate(timeout=PATIENCE_S)
        finally:
            self._process.kill()

    def add_node(self, **resources: int) -> int:
        """Another node, with `num_cpus` and the like; the number of the process that is its raylet."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(resources) + "\n")
        self._process.stdin.flush()
        return int(self._answer())

    def _answer(self) -> Any:
        assert self._process.stdout is not None
        for line in self._process.stdout:  # Ray prints there as well
            if line.startswith("cluster: "):
                return json.loads(line.removeprefix("cluster: "))
        raise AssertionError("the cluster's process ended")


def _serve() -> None:
    from ray.cluster_utils import Cluster

    head = {"num_cpus": 1, "object_store_memory": _OBJECTS_BYTES, "include_dashboard": False}
    cluster: Any = Cluster(initialize_head=True, head_node_args=head)
    print("cluster:", json.dumps(cluster.address), flush=True)
    for line in sys.stdin:
        node = cluster.add_node(object_store_memory=_OBJECTS_BYTES, **json.loads(line))
        print("cluster:", node.all_processes["raylet"][0].process.pid, flush=True)
    cluster.shutdown()


if __name__ == "__main__":
    _serve()
