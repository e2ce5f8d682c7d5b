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
    from streamseg.errors import InputError
    from streamseg.infer import network_file

    if arguments.plan and arguments.server != "triton":
        raise InputError("--plan is for Triton: OpenVINO runs no TensorRT engine")
    if arguments.jpeg and arguments.server != "triton":
        raise InputError("--jpeg is for Triton: no other server decodes by the same file")
    file = network_file(arguments.model)
    done = write_repository(file, arguments.folder, arguments.server, arguments.plan, jpeg=arguments.jpeg)
    together = f"up to {done.most} pictures in one run" if done.most > 1 else "its batch is fixed: a picture a run"
    print(f"{done.folder}: {together}")
    if arguments.server == "triton":
        print(f"serve it: tritonserver --model-repository {arguments.folder}")
        address = f"kserve:grpc://HOST:8001/{done.folder.name}{'-jpeg' if arguments.jpeg else ''}"
    else:
        print(f"serve it: ovms --model_path {done.folder} --model_name {done.folder.name} --port 9000")
        address = f"kserve:grpc://HOST:9000/{done.folder.name}"
    print(f"use it:   streamseg run SOURCE --model {arguments.model} --backend {address}")
    return 0
