"""`streamseg serve`: many streams as a service, seen over HTTP."""

from __future__ import annotations

import argparse
import signal
from pathlib import Path

from streamseg.errors import InputError
from streamseg.redaction import redact
from streamseg.signals import SIGNALS


def add_flags(command: argparse.ArgumentParser) -> None:
    """The file of streams, and who may see them."""
    command.add_argument("site", nargs="?", metavar="SITE.yaml", help="names the streams")
    command.add_argument("--config", metavar="SITE.yaml", help="the same")
    command.add_argument("--check", action="store_true", help="say whether the file is right, and serve nothing")
    command.add_argument(
        "--open", action="store_true", help="with --check: read a frame of every source, and try every output"
    )
    command.add_argument(
        "--secrets", type=Path, metavar="FILE", help="lines NAME=value for ${NAME} in SITE.yaml; read at each reload"
    )
    command.add_argument(
        "--listen", metavar="ADDRESS:PORT", default="127.0.0.1:8090", help="where it answers (default: %(default)s)"
    )
    command.add_argument(
        "--token-file", type=Path, metavar="FILE", help="its text is the password; or $STREAMSEG_TOKEN"
    )
    command.add_argument(
        "--operator-token-file",
        type=Path,
        metavar="FILE",
        help="who has a token in it may change streams; or $STREAMSEG_OPERATOR_TOKEN",
    )
    command.add_argument("--no-auth", action="store_true", help="let other machines look without a token")
    command.add_argument(
        "--allow-host", action="append", default=[], metavar="NAME", help="a further name of this machine; repeatable"
    )
    command.add_argument(
        "--tls-cert", type=Path, metavar="FILE", help="encrypt with this certificate (PEM); read again at a reload"
    )
    command.add_argument("--tls-key", type=Path, metavar="FILE", help="its key (PEM), which others cannot read")
    command.add_argument(
        "--proxy",
        action="append",
        default=[],
        metavar="ADDRESS",
        help="believe X-Forwarded-For and X-Forwarded-Proto of this proxy or network; repeatable",
    )
    command.add_argument(
        "--log", choices=("text", "json"), default="text", help="form of the log lines (default: %(default)s)"
    )


def run(arguments: argparse.Namespace) -> int:
    """Serves until it is asked to end, or checks and gives the exit code of what is wrong."""
    if (arguments.site is None) == (arguments.config is None):
        raise InputError("serve needs one file that names the streams", "streamseg serve SITE.yaml")
    site: str = arguments.site or arguments.config
    if "://" in site:
        raise InputError(f"{redact(site)}: a configuration is a file of this machine", "fetch it with git or rsync")
    if arguments.open and not arguments.check:
        raise InputError("--open goes with --check")
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
        config=Path(site),
        listen=arguments.listen,
        secrets=arguments.secrets,
        token_file=arguments.token_file,
        operator_token_file=arguments.operator_token_file,
        no_auth=arguments.no_auth,
        allow_hosts=tuple(arguments.allow_host),
        tls_cert=arguments.tls_cert,
        tls_key=arguments.tls_key,
        proxies=tuple(arguments.proxy),
    )
    as_json = arguments.log == "json"
    if not arguments.check:
        service.run(options, as_json=as_json, debug=arguments.debug)
        return 0
    try:
        return service.check(options, opened=arguments.open, as_json=as_json, debug=arguments.debug)
    except KeyboardInterrupt:  # an end of what is endless, but not of a check
        SIGNALS.heard()
        return 128 + (SIGNALS.number or signal.SIGINT)
