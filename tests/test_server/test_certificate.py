"""Names and ends of certificates that openssl made."""

from __future__ import annotations

import ssl
import subprocess
import time
from pathlib import Path

import pytest

from liqstream.server.certificate import certificate_expiry_s, certificate_names


def certificate(folder: Path, *options: str) -> str:
    """A self-signed certificate."""
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
         "-days", "1", "-subj", "/CN=common.example", "-keyout", str(folder / "key.pem"),
         "-out", str(folder / "cert.pem"), *options],
        check=True, capture_output=True,
    )  # fmt: skip
    return (folder / "cert.pem").read_text()


@pytest.mark.parametrize("critical", ["", "critical,"])
@pytest.mark.parametrize("count", [1, 2, 40])
def test_every_dns_name_is_read(tmp_path: Path, critical: str, count: int) -> None:
    """Among addresses, however long the list, critical or not."""
    names = ["*.example.com", *(f"host-{number}.example.net" for number in range(1, count))]
    listed = ",".join(["IP:192.0.2.1", *(f"DNS:{name}" for name in names)])
    pem = certificate(tmp_path, "-addext", f"subjectAltName={critical}{listed}")
    assert certificate_names(pem) == tuple(names)
    assert certificate_names(f"{pem}{pem}") == tuple(names)


def test_without_names_there_are_none(tmp_path: Path) -> None:
    """Nor in what is no certificate, or a damaged one."""
    pem = certificate(tmp_path)
    assert certificate_names(pem) == ()
    for text in ("", "no certificate", pem.replace("END", "EDN"), pem[:60] + "-----END CERTIFICATE-----"):
        assert certificate_names(text) == ()


@pytest.mark.parametrize("days", ["1", "3650", "36500"])
def test_its_end_is_read(tmp_path: Path, days: str) -> None:
    """Written in either of two forms: with two digits of the year up to 2049, with four after it."""
    pem = certificate(tmp_path, "-days", days)
    shown = subprocess.run(
        ["openssl", "x509", "-noout", "-enddate", "-in", tmp_path / "cert.pem"],
        check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    expiry_s = certificate_expiry_s(pem)
    assert expiry_s == ssl.cert_time_to_seconds(shown.strip().partition("=")[2])
    assert expiry_s > time.time()


def test_an_end_that_cannot_be_read_is_none(tmp_path: Path) -> None:
    """Whatever part of the certificate is missing."""
    pem = certificate(tmp_path)
    der = ssl.PEM_cert_to_DER_cert(pem)
    for size in (0, 1, 5, 20, 60, 100):
        assert certificate_expiry_s(ssl.DER_cert_to_PEM_cert(der[:size])) is None
    assert certificate_expiry_s("no certificate") is None
