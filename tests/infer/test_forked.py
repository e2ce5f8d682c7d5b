"""Models and streams in a process that was forked from the one that opened them."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from tests.parts.clips import count_frames
from tests.parts.patience import finished
from tests.parts.program import environment

SCENE = "test://?size=64x48&frames=8"
FORKS = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")


def program(text: str, *words: str) -> subprocess.CompletedProcess[str]:
    """What became of a program."""
    return finished([sys.executable, "-W", "ignore", "-c", textwrap.dedent(text), *words], env=environment())


@FORKS
def test_a_fork_calls_the_model_of_its_parent_opens_streams_and_ends() -> None:
    done = program(
        """
        import os, sys, cv2, numpy as np, streamseg
        image = np.zeros((1080, 1920, 3), np.uint8)
        model = streamseg.load("person")
        model(image)
        cv2.setNumThreads(4)
        cv2.GaussianBlur(image, (0, 0), 3)
        child = os.fork()
        if not child:
            model(image)
            print(streamseg.open(sys.argv[1], model="person").run().shown)
            model.close()
            sys.exit(7)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
        """,
        SCENE,
    )
    assert done.stdout.split() == ["8", "7"], done.stderr


@FORKS
def test_a_fork_does_not_wait_for_what_threads_of_its_parent_were_at() -> None:
    done = program(
        """
        import os, sys, threading, numpy as np, streamseg

        class Patient:
            classes = streamseg.Classes(("all",), np.zeros((1, 3), np.uint8))
            inside, go = threading.Event(), threading.Event()

            def __call__(self, frames):
                if threading.current_thread() is not threading.main_thread():
                    self.inside.set()
                    self.go.wait()
                return [streamseg.Segmentation(np.zeros((4, 4), np.uint8), self.classes, 0, 0.0) for _ in frames]

            def close(self): ...

        image = np.zeros((4, 4, 3), np.uint8)
        model = streamseg.load(Patient())
        threads = [threading.Thread(target=model, args=[image]) for _ in range(2)]  # one runs it, the other waits
        for thread in threads:
            thread.start()
        Patient.inside.wait()
        child = os.fork()
        if not child:
            print(model(image), flush=True)
            model.close()
            os._exit(7)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
        Patient.go.set()
        for thread in threads:
            thread.join()
        """
    )
    assert done.stdout.splitlines() == ["Result(4x4, 1 classes)", "7"], done.stderr


@FORKS
def test_a_fork_asks_a_server_over_a_connection_of_its_own() -> None:
    done = program(
        """
        import http.server, os, threading
        from streamseg.infer.backends.kserve.http import HttpTransport
        from streamseg.infer.backends.kserve.place import read_places

        asked = []

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                asked.append(self.client_address)
                body = b'{"inputs": [], "outputs": []}'
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *said): ...

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        (place,) = read_places(f"kserve:http://127.0.0.1:{server.server_port}/toy")
        transport = HttpTransport(place)
        transport.describe(60)
        child = os.fork()
        if not child:
            transport.describe(60)
            os._exit(0)
        os.waitpid(child, 0)
        transport.describe(60)
        first, forked, last = asked
        print(first == last, first == forked)
        """
    )
    assert done.stdout.split() == ["True", "False"], done.stderr


@FORKS
def test_a_stream_goes_on_in_the_process_that_opened_it_and_nowhere_else(tmp_path: Path) -> None:
    film = tmp_path / "film.mp4"
    done = program(
        """
        import os, sys, streamseg
        frames = iter(streamseg.open("test://?size=64x48&frames=80", sys.argv[1], model="person"))
        next(frames)
        child = os.fork()
        if not child:
            try:
                list(frames)
            except streamseg.InputError as error:
                print(error.message, flush=True)
            os._exit(0)
        os.waitpid(child, 0)
        print(len(list(frames)))
        """,
        str(film),
    )
    assert done.stdout.splitlines() == ["the stream runs in another process", "79"], done.stderr
    assert count_frames(film) == 80
