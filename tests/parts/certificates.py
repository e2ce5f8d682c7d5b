"""Certificates that no one else has signed."""

from __future__ import annotations

import subprocess
from pathlib import Path


def own_certificate(path: Path, whose: str = "IP:127.0.0.1") -> Path:
    """A file with a certificate for `whose` address or name, as OpenSSL writes it, and its key."""
    subject = ["-subj", "/CN=own", "-addext", f"subjectAltName={whose}"]
    request = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *subject]
    key = path.with_suffix(".key")
    subprocess.run([*request, "-keyout", key, "-out", path], check=True, capture_output=True)
    path.write_bytes(path.read_bytes() + key.read_bytes())
    return path


def certificate(folder: Path, name: str, *, days: int = 30) -> tuple[Path, Path]:
    """A certificate for localhost and 127.0.0.1, and its key; with -1 `days` it expired yesterday."""
    folder.mkdir(exist_ok=True)
    file, key, request = folder / "tls.crt", folder / "tls.key", folder / "tls.csr"
    extensions = folder / "extensions"
    extensions.write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\n")
    make = ["openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    subprocess.run([*make, "-subj", f"/CN={name}", "-keyout", key, "-out", request], check=True, capture_output=True)
    sign = ["openssl", "x509", "-req", "-in", str(request), "-signkey", str(key), "-days", str(days)]
    subprocess.run([*sign, "-extfile", extensions, "-out", file], check=True, capture_output=True)
    return file, key
