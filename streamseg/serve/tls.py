"""The certificate of a service, in files that are read again when it is renewed."""

from __future__ import annotations

import shlex
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any

from streamseg.errors import InputError

if TYPE_CHECKING:
    import ssl  # otherwise imported where it is needed: most services need no TLS


class Certificate:
    """The certificate in `file`, with those that signed it behind it, and its `key`, both in PEM.

    Raises:
        InputError: either cannot be read, others can read the key, or it is not that of the certificate.
    """

    def __init__(self, file: Path, key: Path) -> None:
        self._file, self._key = file, key
        self.context, self._text = self._read()
        """For connections; each begins with the certificate that was read last."""
        self._newest = self.context
        self.context.sni_callback = self._choose  # which is called whether or not a client names a server

    def problem(self) -> str:
        """Why every client will refuse it today, such as that it has expired; empty where none has to."""
        return self._looked_at(self._newest, self._text)[1]

    def load(self) -> str:
        """Reads the files again, for connections that begin from now on; says until when the certificate holds.

        Raises:
            InputError: they are wrong, or the certificate has expired; then the one before stays.
        """
        context, text = self._read()
        until, problem = self._looked_at(context, text)
        if problem:
            raise InputError(problem)
        self._newest, self._text = context, text
        return f"certificate valid until {until}"

    def _choose(self, connection: ssl.SSLObject, name: str | None, context: ssl.SSLContext) -> None:
        connection.context = self._newest

    def _read(self) -> tuple[ssl.SSLContext, str]:
        import ssl

        files = (self._file, self._key)
        text, key_text = (_text(path) for path in files)
        if b"-----BEGIN CERTIFICATE-----" not in text:
            raise InputError(f"{self._file}: holds no certificate in PEM")
        if b"PRIVATE KEY-----" not in key_text:
            raise InputError(f"{self._key}: holds no key in PEM")
        if self._key.stat().st_mode & stat.S_IROTH:
            hint = f"chmod o-r {shlex.quote(str(self._key))}"
            raise InputError(f"{self._key}: every user of this machine can read the key", hint)
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_alpn_protocols(["http/1.1"])
        try:
            context.load_cert_chain(*files, password=lambda: "")  # nobody is there to type one
        except ssl.SSLError as error:
            if error.reason == "KEY_VALUES_MISMATCH":
                raise InputError(f"{self._key}: is not the key of the certificate in {self._file}") from None
            if b"ENCRYPTED" in key_text:
                raise InputError(f"{self._key}: has a password", "openssl pkey -in KEY -out PLAIN") from None
            raise InputError(f"{self._file} and {self._key}: cannot be used: {_reason(error)}") from None
        return context, text.decode("ascii", "ignore")  # people write beside it what they like

    def _looked_at(self, context: ssl.SSLContext, text: str) -> tuple[str, str]:
        """Until when the certificate `text` of `context` is valid, and what is wrong with it: what a client finds.

        One that trusts it is made, and connected to it in memory.
        """
        import ssl

        trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        trusting.check_hostname = False
        trusting.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # the certificate itself is trusted, within its dates
        try:
            trusting.load_verify_locations(cadata=text)
            there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
            client = trusting.wrap_bio(back, there)
            server = context.wrap_bio(there, back, server_side=True)
            for end in (client, server, client, server):
                try:
                    end.do_handshake()
                except ssl.SSLWantReadError:
                    continue
        except ssl.SSLCertVerificationError as error:
            return "", f"{self._file}: {error.verify_message}"
        except ssl.SSLError as error:
            return "", f"{self._file}: {_reason(error)}"
        told: dict[str, Any] = client.getpeercert() or {}
        return str(told.get("notAfter", "")), ""


def _text(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from None


def _reason(error: ssl.SSLError) -> str:
    return (error.reason or str(error)).replace("_", " ").lower()
