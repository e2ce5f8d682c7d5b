"""TLS towards receivers of messages, which must show a certificate that can be checked: a password goes there."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from streamseg.errors import InputError

if TYPE_CHECKING:
    import ssl  # otherwise imported where it is needed: most runs need no TLS


def checked_context(authority: str | None, name: str) -> ssl.SSLContext:
    """Trusts what the system trusts, and the certificates in the file `authority`.

    Raises:
        InputError: that file is missing, or holds none.
    """
    import ssl

    context = ssl.create_default_context()
    if authority is None:
        return context
    try:
        context.load_verify_locations(Path(authority))
    except FileNotFoundError:
        raise InputError(f"{name}: {authority}: no such file") from None
    except OSError as error:  # SSLError is one
        raise InputError(f"{name}: {authority}: holds no certificate in PEM: {error.strerror or error}") from None
    return context
