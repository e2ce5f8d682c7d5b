"""Certificates that no one else has signed."""

from __future__ import annotations

import subprocess
from pathlib import Path


def own_certificate(path: Path) -> Path:
    """A file with a certificate for 127.0.0.1 and its key."""
    subject = ["-subj", "/CN=own", "-addext", "subjectAltName=IP:127.0.0.1"]
    request = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *subject]
    key = path.with_suffix(".key")
    subprocess.run([*request, "-keyout", key, "-out", path], check=True, capture_output=True)
    path.write_bytes(path.read_bytes() + key.read_bytes())
    return path
