"""What a request to a server of networks costs its client over HTTP: `python tools/bench_remote.py`

A picture of 512x384 goes up and labels of that size come down, on this machine, from a server that only reads and
answers. What is told is the processor's time of the client alone, in Python and in the system (which copies what is
sent twice, once for the other side), as medians of some rounds.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import resource
import socket
import statistics

import numpy as np

from streamseg.infer.backends.kserve.http import HttpTransport
from streamseg.infer.backends.kserve.place import read_places

ROUNDS, REQUESTS = 9, 200
HEIGHT, WIDTH = 384, 512


def main() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        server = multiprocessing.get_context("fork").Process(target=answer, args=(listening,), daemon=True)
        server.start()
        transport = HttpTransport(read_places(f"kserve:http://127.0.0.1:{port}/copy")[0])
        pictures = {"image": np.random.default_rng(0).integers(0, 256, (1, HEIGHT, WIDTH, 3), np.uint8)}
        rounds = []
        for _ in range(ROUNDS + 1):
            before = resource.getrusage(resource.RUSAGE_SELF)
            for _ in range(REQUESTS):
                transport.infer(pictures, ["labels"], 10.0)
            after = resource.getrusage(resource.RUSAGE_SELF)
            rounds.append((after.ru_utime - before.ru_utime, after.ru_stime - before.ru_stime))
        transport.close()
        server.terminate()
    python, system = (statistics.median(each) / REQUESTS * 1e3 for each in zip(*rounds[1:], strict=True))
    told = f"{python + system:.2f} ms a request, {python:.2f} in Python, {system:.2f} in the system"
    print(f"processor of the client: {told}")


def answer(listening: socket.socket) -> None:
    """Reads each request of one connection to its end, and answers with labels of nothing."""
    described = {"name": "labels", "datatype": "UINT8", "shape": [1, HEIGHT, WIDTH]}
    size = HEIGHT * WIDTH
    head = json.dumps({"outputs": [{**described, "parameters": {"binary_data_size": size}}]}).encode()
    first = (
        f"HTTP/1.1 200 OK\r\nInference-Header-Content-Length: {len(head)}\r\nContent-Length: {len(head) + size}\r\n\r\n"
    )
    said = first.encode() + head + bytes(size)
    room = bytearray(1 << 20)
    with listening.accept()[0] as connection, connection.makefile("rb") as lines:
        while lines.readline():
            left = 0
            while line := lines.readline().strip():
                name, _, value = line.partition(b":")
                left = int(value) if name.lower() == b"content-length" else left
            while left > 0:
                left -= lines.readinto(memoryview(room)[: min(left, len(room))])
            connection.sendall(said)


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    main()
