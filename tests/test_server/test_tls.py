"""Certificates that cannot be used are said in one line."""

from __future__ import annotations

import shutil
import ssl
import subprocess
from contextlib import nullcontext, suppress
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
        (
            "own.pem",
            "other.key",
            r"^LIQSTREAM_TLS_KEY=.*other.key: not the key of the first certificate in .*own.pem",
        ),
        ("own.pem", "locked.key", r"^LIQSTREAM_TLS_KEY=.*locked.key: the key is encrypted"),
    ],
)
def test_the_file_at_fault_is_named(folder: Path, cert: str, key: str, says: str) -> None:
    """A bad key is not blamed on the certificate."""
    with pytest.raises(TlsError, match=says):
        ServerTls(Settings(_env_file=None, tls_cert=str(folder / cert), tls_key=str(folder / key)))


def _certificate_shown_by(server: ssl.SSLContext) -> bytes | None:
    """To a client, in DER."""
    trusting = ssl.create_default_context()
    trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
    to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = trusting.wrap_bio(to_client, to_server)
    sides = (client, server.wrap_bio(to_server, to_client, server_side=True))
    for side in sides * 3:
        with suppress(ssl.SSLWantReadError):
            side.do_handshake()
    return client.getpeercert(binary_form=True)


@pytest.mark.parametrize(
    ("cert", "key"),
    [("other.pem", "own.key"), ("own.pem", "other.key"), ("own.pem", "garbage"), ("own.pem", "locked.key"),
     ("garbage", "own.key"), ("other.pem", "other.key")],
)  # fmt: skip
def test_a_renewal_that_fails_changes_nothing(folder: Path, tmp_path: Path, cert: str, key: str) -> None:
    """Half of it may be on the disk: whoever connects then is shown the certificate of before."""
    named = tmp_path / "cert.pem", tmp_path / "key.pem"
    for path, name in zip(named, ("own.pem", "own.key"), strict=True):
        shutil.copy(folder / name, path)
    tls = ServerTls(Settings(_env_file=None, tls_cert=str(named[0]), tls_key=str(named[1])))
    before = _certificate_shown_by(tls.context)
    for path, name in zip(named, (cert, key), strict=True):
        shutil.copy(folder / name, path)
    is_whole = cert.removesuffix(".pem") == key.removesuffix(".key")
    with nullcontext() if is_whole else pytest.raises(TlsError):
        tls.reload()
    assert before is not None
    assert (_certificate_shown_by(tls.context) == before) != is_whole
