"""`streamseg export-triton`: a folder that an inference server loads a model from."""

from __future__ import annotations

import argparse
from pathlib import Path

from streamseg.commands.flags import MODEL


def add_flags(command: argparse.ArgumentParser) -> None:
    """The model, and where it goes."""
    command.add_argument("model", help=MODEL)
    command.add_argument("folder", type=Path, help="the model repository; the model becomes a folder in it")
    command.add_argument(
        "--for",
        dest="server",
        choices=("triton", "ovms"),
        default="triton",
        help="NVIDIA Triton, or OpenVINO Model Server (default: %(default)s)",
    )
    command.add_argument(
        "--plan", type=Path, metavar="FILE", help="a TensorRT engine of the same model, which Triton runs instead"
    )
    command.add_argument(
        "--jpeg",
        action="store_true",
        help="also NAME-jpeg, which takes pictures as JPEG: about a seventh of the bytes",
    )


def run(arguments: argparse.Namespace) -> int:
    """Writes it and says how it is served and used."""
    from streamseg.convert.repository import write_repository
    from streamseg.errors import InputError, printable
    from streamseg.files import as_argument
    from streamseg.infer import network_file

    if arguments.plan and arguments.server != "triton":
        raise InputError("--plan is for Triton: OpenVINO runs no TensorRT engine")
    if arguments.jpeg and arguments.server != "triton":
        raise InputError("--jpeg is for Triton: no other server decodes by the same file")
    file = network_file(arguments.model)
    done = write_repository(file, arguments.folder, arguments.server, arguments.plan, jpeg=arguments.jpeg)
    together = f"up to {done.most} pictures in one run" if done.most > 1 else "its batch is fixed: a picture a run"
    name = done.folder.name
    if arguments.server == "triton":
        serve = f"tritonserver --model-repository {as_argument(arguments.folder)}"
        address = f"kserve:grpc://HOST:8001/{name}{'-jpeg' if arguments.jpeg else ''}"
    else:
        serve = f"ovms --model_path {as_argument(done.folder)} --model_name {as_argument(name)} --port 9000"
        address = f"kserve:grpc://HOST:9000/{name}"
    use = f"streamseg run SOURCE --model {as_argument(arguments.model)} --backend {as_argument(address)}"
    for line in (f"{done.folder}: {together}", f"serve it: {serve}", f"use it:   {use}"):
        print(printable(line))
    return 0
