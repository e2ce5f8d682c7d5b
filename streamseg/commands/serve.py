"""`streamseg serve`: many streams as a service, seen over HTTP."""

from __future__ import annotations

import argparse
import signal
from pathlib import Path

from streamseg.errors import InputError


def add_flags(command: argparse.ArgumentParser) -> None:
    """The file of streams, and who may see them."""
    command.add_argument("--config", type=Path, metavar="SITE.yaml", required=True, help="names the streams")
    command.add_argument(
        "--listen", metavar="ADDRESS:PORT", default="127.0.0.1:8090", help="where it answers (default: %(default)s)"
    )
    command.add_argument(
        "--token-file", type=Path, metavar="FILE", help="its text is the password; or $STREAMSEG_TOKEN"
    )
    command.add_argument("--no-auth", action="store_true", help="let other machines look without a token")
    command.add_argument(
        "--allow-host", action="append", default=[], metavar="NAME", help="a further name of this machine; repeatable"
    )
    command.add_argument(
        "--log", choices=("text", "json"), default="text", help="form of the log lines (default: %(default)s)"
    )


def run(arguments: argparse.Namespace) -> int:
    """Serves until it is asked to end."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # it says that the file is to be read, which has not begun yet
    try:
        from streamseg.serve import service
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package not in ("aiohttp", "prometheus_client"):
            raise
        from streamseg.installing import extra

        raise InputError(f"serve needs {package}", extra("serve")) from None
    options = service.ServeOptions(
        config=arguments.config,
        listen=arguments.listen,
        token_file=arguments.token_file,
        no_auth=arguments.no_auth,
        allow_hosts=tuple(arguments.allow_host),
    )
    service.run(options, as_json=arguments.log == "json", debug=arguments.debug)
    return 0
