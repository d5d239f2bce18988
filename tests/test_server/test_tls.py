"""Certificates that cannot be used are said in one line."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from liqstream.server.tls import ServerTls, TlsError
from liqstream.settings.table import Settings


def test_without_a_certificate_there_is_no_tls() -> None:
    """The default; a proxy may speak it."""
    assert ServerTls.of(Settings(_env_file=None)) is None


def test_what_cannot_be_used_is_named(tmp_path: Path) -> None:
    """A file that is not there, one that is no certificate, a key alone."""
    garbage = tmp_path / "garbage.pem"
    garbage.write_text("no certificate")
    for cert, key, says in (
        ("nowhere.pem", "", "nowhere.pem"),
        (str(garbage), "", "garbage"),
        ("", "k", "key"),
    ):
        with pytest.raises(TlsError, match=says):
            ServerTls.of(Settings(_env_file=None, tls_cert=cert, tls_key=key))


def _openssl(*arguments: str | Path) -> None:
    subprocess.run(("openssl", *arguments), check=True, capture_output=True)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate with its key, another key, the key with a password, and a file that is neither."""
    made = tmp_path_factory.mktemp("tls")
    ec = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1")
    for name in ("own", "other"):
        _openssl("req", "-x509", *ec, "-nodes", "-subj", "/CN=a.example", "-out", made / f"{name}.pem",
                 "-keyout", made / f"{name}.key")  # fmt: skip
    _openssl("pkey", "-in", made / "own.key", "-aes256", "-passout", "pass:x", "-out", made / "locked.key")
    (made / "garbage").write_text("neither")
    return made


@pytest.mark.parametrize(
    ("cert", "key", "says"),
    [
        ("nowhere", "own.key", r"^LIQSTREAM_TLS_CERT=.*nowhere: cannot read the certificate: No such file"),
        ("own.pem", "nowhere", r"^LIQSTREAM_TLS_KEY=.*nowhere: cannot read the key: No such file"),
        ("garbage", "own.key", r"^LIQSTREAM_TLS_CERT=.*garbage: not a certificate"),
        ("own.pem", "garbage", r"^LIQSTREAM_TLS_KEY=.*garbage: not a key"),
        ("own.pem", "other.key", r"^LIQSTREAM_TLS_KEY=.*other.key: not the key of .*own.pem"),
        ("own.pem", "locked.key", r"^LIQSTREAM_TLS_KEY=.*locked.key: the key is encrypted"),
    ],
)
def test_the_file_at_fault_is_named(folder: Path, cert: str, key: str, says: str) -> None:
    """A bad key is not blamed on the certificate; what was in use stays so."""
    settings = Settings(_env_file=None, tls_cert=str(folder / "own.pem"), tls_key=str(folder / "own.key"))
    tls = ServerTls(settings)
    with pytest.raises(TlsError, match=says):
        ServerTls(Settings(_env_file=None, tls_cert=str(folder / cert), tls_key=str(folder / key)))
    assert tls.expiry_s is not None
