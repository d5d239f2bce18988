"""Certificates of a test's own."""

from __future__ import annotations

import subprocess
from pathlib import Path


def write_certificate(folder: Path, name: str) -> None:
    """Write cert.pem and key.pem of a certificate for `name` that nobody has signed but itself."""
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", f"/CN={name}",
         "-keyout", folder / "key.pem", "-out", folder / "cert.pem"],
        check=True, capture_output=True,
    )  # fmt: skip
