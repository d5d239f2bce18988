"""Certificates that cannot be used are said in one line."""

from __future__ import annotations

from pathlib import Path

import pytest

from liqstream.settings import Settings
from liqstream.tls import ServerTls, TlsError


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
