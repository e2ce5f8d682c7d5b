"""Events as requests to a web server, signed as in the Standard Webhooks specification (standardwebhooks.com)."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import re
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import unquote

import msgspec

from streamseg import __version__
from streamseg.contracts import Shown
from streamseg.errors import InputError, OutputError, printable
from streamseg.net.connection import trouble
from streamseg.net.proxy import proxy_for
from streamseg.net.tls import checked_context
from streamseg.net.urls import Address, filled
from streamseg.sinks.delivery.message import Message, plain
from streamseg.sinks.delivery.output import checked_address, delivery_kind
from streamseg.sinks.delivery.queue import utc
from streamseg.sinks.delivery.sender import RefusedError

if TYPE_CHECKING:
    from http.client import HTTPConnection

_SCHEME = "webhook:"
_OWN = re.compile(r"(?P<sign>[?&])(?P<key>queue|sign|ca)=(?P<value>[^&]*)")
_TIMEOUT_S = 10.0
_LONGEST_RETRY_AFTER_S = 3600.0
_MENDED_BY_HAND_S = 30.0  # least wait where a person has to change something there
_MOST_REDIRECTS = 5
# What may pass later: not logged in, not allowed, no such page (yet), too slow, too early, too many.
_LATER = (401, 403, 404, 407, 408, 425, 429)
_REDIRECTS = (301, 302, 307, 308)


class Hook(NamedTuple):
    """An output `webhook:URL`, taken apart."""

    address: Address
    key: bytes | None
    """That messages are signed with."""
    authority: str | None
    """A file of certificates to trust."""
    queue: str | None


def read_hook(uri: str) -> Hook:
    """`uri` in its parts: `queue`, `sign` and `ca` in its query are ours, and everything else is the server's.

    Raises:
        InputError: it is no web address, or the environment lacks a name in it, or names a proxy that is none.
    """
    own: dict[str, str] = {}

    def take(found: re.Match[str]) -> str:
        own[found["key"]] = unquote(found["value"])
        return found["sign"] if found["sign"] == "?" else ""

    rest = _OWN.sub(take, uri[len(_SCHEME) :]).replace("?&", "?").removesuffix("?")
    if not rest.lower().startswith(("http://", "https://")):
        raise InputError(f"{uri}: needs a web address", "webhook:https://HOST/PATH")
    address = checked_address(rest, own.get("ca"))
    proxy_for(address)
    key = _key(filled(own["sign"], address.name), address.name) if "sign" in own else None
    return Hook(address, key, own.get("ca"), own.get("queue"))


class _Answer(NamedTuple):
    status: int
    reason: str
    location: str
    retry_after: str
    by: str
    """The proxy that may have given it, which for a server without TLS nobody can tell; else empty."""


class Webhook:
    """Posts each message as JSON to a server, which has it once it answers 2xx."""

    needs_image = False

    def __init__(self, hook: Hook, *, now: Callable[[], datetime] = utc) -> None:
        self._hook, self._now = hook, now
        self._context = checked_context(hook.authority, hook.address.name) if hook.address.encrypted else None

    def look(self, shown: Shown) -> None:
        """Nothing is told of frames."""

    def tick(self) -> None:
        """Nothing is held open."""

    def close(self) -> None:
        """Nothing is open."""

    def send(self, message: Message) -> None:
        """Posts it, and again where a redirect on the same server leads.

        Raises:
            OutputError: the server is away, or says that it may take it later.
            RefusedError: it says that it will never take it.
        """
        body = msgspec.json.encode(plain(message))
        headers = self._headers(message, body)
        address: Address | None = self._hook.address
        for _ in range(_MOST_REDIRECTS):
            assert address is not None
            answer = self._post(address, headers, body)
            if answer.status not in _REDIRECTS:
                break
            address = address.moved(answer.location)
            if address is None:
                raise self._later(answer, "redirects to another server, which is not followed")
        self._judge(answer)

    def _judge(self, answer: _Answer) -> None:
        status = answer.status
        if 200 <= status < 300:
            return
        says = f"{answer.by}answers {status} {printable(answer.reason[:60])}".rstrip()
        if status in _LATER or not 400 <= status < 500:
            raise self._later(answer, says)
        raise RefusedError(says)

    def _later(self, answer: _Answer, what: str) -> OutputError:
        by_hand = answer.status < 500 and answer.status not in (408, 425, 429)
        asked = self._retry_after_s(answer.retry_after)
        wait_s = asked if asked is not None else _MENDED_BY_HAND_S if by_hand else 0.0
        return OutputError(f"{self._hook.address.name}: {what}", retry_s=wait_s)

    def _retry_after_s(self, text: str) -> float | None:
        """Seconds or a date (RFC 9110, 10.2.3); None of neither."""
        wait_s = None
        if re.fullmatch(r"\d{1,9}", text.strip()):
            wait_s = float(text)
        else:
            with contextlib.suppress(ValueError, TypeError, OverflowError):
                then = parsedate_to_datetime(text)
                wait_s = (then.replace(tzinfo=then.tzinfo or timezone.utc) - self._now()).total_seconds()
        return None if wait_s is None else min(max(0.0, wait_s), _LONGEST_RETRY_AFTER_S)

    def reach(self) -> None:
        """Connects, over TLS where its address says so, and asks nothing; where a proxy is between, to that.

        Raises:
            OutputError: the server is away, or its certificate cannot be checked.
        """
        with self._connected(self._hook.address, proxy_for(self._hook.address)):
            pass

    def _post(self, address: Address, headers: dict[str, str], body: bytes) -> _Answer:
        proxy = proxy_for(address)
        with self._connected(address, proxy) as connection:
            path = address.path if address.path.startswith("/") else f"/{address.path}"
            if proxy is not None and not address.encrypted:  # else it only hands on what it cannot read
                path, headers = f"{address.scheme}://{address.authority}{path}", {**headers, **_login_at(proxy)}
            connection.request("POST", path, body, headers)
            with connection.getresponse() as answer:  # of which only the head is read: what follows says nothing
                location, retry_after = (answer.getheader(name, "") for name in ("Location", "Retry-After"))
                by = _by(None if address.encrypted else proxy)
                return _Answer(answer.status, answer.reason, location, retry_after, by)

    @contextlib.contextmanager
    def _connected(self, address: Address, proxy: Address | None) -> Iterator[HTTPConnection]:
        import http.client

        from streamseg.net.answers import TimelyResponse

        host, port = (proxy or address).place
        connection = (
            http.client.HTTPSConnection(host, port, timeout=_TIMEOUT_S, context=self._context)
            if address.encrypted
            else http.client.HTTPConnection(host, port, timeout=_TIMEOUT_S)
        )
        if proxy is not None and address.encrypted:
            connection.set_tunnel(*address.place, headers=_login_at(proxy))
        connection.response_class = lambda *given, **more: TimelyResponse(  # type: ignore[assignment]
            time.monotonic() + _TIMEOUT_S, *given, **more
        )
        by = _by(proxy)
        try:
            connection.connect()
            yield connection
        except OSError as error:
            what, hint, _ = trouble(error, proxy or address)
            raise OutputError(f"{address.name}: {by}{printable(what)}", hint) from None
        except http.client.HTTPException:
            raise OutputError(f"{address.name}: {by}what answers there is no web server") from None
        finally:
            connection.close()

    def _headers(self, message: Message, body: bytes) -> dict[str, str]:
        at = str(int(self._now().timestamp()))
        headers = {
            "Content-Type": "application/json",
            "User-Agent": f"streamseg/{__version__}",
            "webhook-id": message.key,
            "webhook-timestamp": at,
        }
        if self._hook.key is not None:
            signed = hmac.new(self._hook.key, f"{message.key}.{at}.".encode() + body, hashlib.sha256).digest()
            headers["webhook-signature"] = f"v1,{base64.b64encode(signed).decode()}"
        if (basic := self._hook.address.basic) is not None:
            headers["Authorization"] = basic
        return headers


def _by(proxy: Address | None) -> str:
    return "" if proxy is None else f"by the proxy {proxy.name}: "


def _login_at(proxy: Address) -> dict[str, str]:
    return {} if proxy.basic is None else {"Proxy-Authorization": proxy.basic}


def _key(secret: str, name: str) -> bytes:
    """The bytes behind `whsec_…`, which is base64; any other text as it is."""
    if secret in ("", "whsec_"):
        raise InputError(f"{name}: sign= needs a secret", "sign=${NAME} takes it from the environment")
    if not secret.startswith("whsec_"):
        return secret.encode(errors="surrogateescape")
    try:
        return base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except ValueError:
        raise InputError(f"{name}: sign=whsec_… is not base64") from None


WEBHOOK = delivery_kind(
    forms="webhook:https://…",
    means=lambda uri: uri.lower().startswith(_SCHEME),
    read=read_hook,
    receiver=lambda hook, open_events, controls: Webhook(hook),
    reach=lambda hook: Webhook(hook).reach(),
)
